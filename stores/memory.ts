/** A store in memory, for tests and examples: the same contract, nothing kept. */
import {
  type DocumentStore,
  type KeyRecord,
  type KeyStore,
  type KeyUsage,
  KeywrightError,
  type StoredDocument,
  type UsageGrant,
} from '../src/store.ts'
import {
  assertDocumentName,
  assertRevision,
  checkedDocument,
  copyDocument,
  namesWith,
} from './shared/documents.ts'
import { newInstallation } from './shared/installation.ts'
import { compareRecords, parseQuery, toPage } from './shared/paging.ts'
import {
  assertUsage,
  checkedRecord,
  copyRecord,
  grantUsage,
  storeClosed,
  updatedRecord,
} from './shared/record.ts'

const LOCATION = 'memory:'

export interface MemoryStoreOptions {
  /** Installation id, for a store that is to be a copy of another one. @default a random one */
  readonly installation?: string
}

/**
 * A new empty store. Everything is gone when it is closed or the process ends.
 * Throws ERR_ARGUMENT_INVALID for an installation id that cannot be.
 */
export default function memoryStore(options: MemoryStoreOptions = {}): KeyStore {
  const installation = newInstallation(options.installation)
  const records = new Map<number, KeyRecord>()
  const documents = new Map<string, StoredDocument>()
  let closed = false

  function opened(): Map<number, KeyRecord> {
    if (closed) throw storeClosed(LOCATION)
    return records
  }

  function addUsage(id: number, add: KeyUsage, limit: number): UsageGrant | undefined {
    const all = opened()
    assertUsage(add, limit)
    const stored = all.get(id)
    if (stored === undefined) return undefined
    const { granted, usage } = grantUsage(stored.usage, add, limit)
    all.set(id, { ...stored, usage })
    return { granted, usage: { ...usage } }
  }

  return {
    async describe() {
      opened()
      return {
        installation,
        location: LOCATION,
        schemaVersion: 1,
        warnings: ['the keys are in memory only: when the process ends, all that they encrypted is lost'],
      }
    },
    async get(id) {
      const record = opened().get(id)
      return record === undefined ? undefined : copyRecord(record)
    },
    async list(query) {
      const all = opened().values()
      const request = parseQuery(query)
      const { keyring, after, limit } = request
      const found = [...all]
        .filter((record) => keyring === undefined || record.keyring === keyring)
        .filter((record) => compareRecords(record, after) > 0)
        .sort(compareRecords)
      return toPage(found.slice(0, limit + 1).map(copyRecord), request, LOCATION)
    },
    async insert(record) {
      const all = opened()
      const copy = checkedRecord(record)
      if ([...all.values()].some((other) => compareRecords(other, copy) === 0)) return 'version-taken'
      if (all.has(copy.id)) return 'id-taken'
      all.set(copy.id, copy)
      return 'inserted'
    },
    async update(record) {
      const all = opened()
      const copy = checkedRecord(record)
      const stored = all.get(copy.id)
      if (stored === undefined || stored.revision !== copy.revision - 1) return false
      all.set(copy.id, updatedRecord(stored, copy))
      return true
    },
    async addUsage(id, add, limit) {
      return addUsage(id, add, limit)
    },
    addUsageSync: addUsage,
    documents: documentsOf(() => {
      opened()
      return documents
    }),
    async close() {
      closed = true
      records.clear()
      documents.clear()
    },
  }
}

function documentsOf(opened: () => Map<string, StoredDocument>): DocumentStore {
  return {
    async read(name) {
      assertDocumentName(name)
      const found = opened().get(name)
      return found === undefined ? undefined : copyDocument(found)
    },
    async write(document) {
      const all = opened()
      const copy = checkedDocument(document)
      if ((all.get(copy.name)?.revision ?? 0) !== copy.revision - 1) return false
      all.set(copy.name, copy)
      return true
    },
    async remove(name, revision) {
      const all = opened()
      assertDocumentName(name)
      assertRevision(revision)
      return all.get(name)?.revision === revision && all.delete(name)
    },
    async list(prefix) {
      const all = opened()
      const { from, before } = namesWith(prefix)
      return [...all.values()]
        .filter(({ name }) => name >= from && name < before)
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(copyDocument)
    },
  }
}

/** Opens `memory:` for the table of stores. */
export async function openUrl(url: string, options: MemoryStoreOptions = {}): Promise<KeyStore> {
  if (/^memory:$/i.test(url)) {
    return memoryStore(options.installation === undefined ? {} : { installation: options.installation })
  }
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'a store in memory has no name', { hint: 'write memory:' })
}
