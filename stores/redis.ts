/** Key records in Redis, shared by any number of machines. Needs the package `ioredis`. */

import { redisWarnings } from '../clients/redis/inspect.ts'
import type { RedisLibrary } from '../clients/redis/link.ts'
import type { RedisTargetOptions } from '../clients/redis/target.ts'
import {
  type InsertResult,
  type KeyRecord,
  type KeyRecordPage,
  type KeyStore,
  type KeyUsage,
  KeywrightError,
  type ListQuery,
  type UsageGrant,
} from '../src/store.ts'
import { redisAuditSink } from './redis/audit-sink.ts'
import { redisDocuments } from './redis/documents.ts'
import { storeError } from './redis/errors.ts'
import { parseOptions } from './redis/options.ts'
import {
  FIELDS,
  idOf,
  indexEntry,
  indexRange,
  insertedFields,
  toRecord,
  updatedFields,
} from './redis/records.ts'
import { openStoreIn, schemaVersion } from './redis/schema.ts'
import { ADD_USAGE, INSERT, UPDATE } from './redis/scripts.ts'
import { Session } from './redis/session.ts'
import { watchChannel } from './redis/watch.ts'
import { newInstallation } from './shared/installation.ts'
import { parseQuery, toPage } from './shared/paging.ts'
import { assertUsage, checkedRecord, isKeyId } from './shared/record.ts'

export type { RedisTargetOptions } from '../clients/redis/target.ts'

export interface RedisStoreOptions extends RedisTargetOptions {
  /** Begins the name of every Redis key of the store, in braces. @default 'keywright' */
  readonly namespace?: string
  /** Make the store when there is none. An existing one is just opened. @default false */
  readonly create?: boolean
  /** Refuse every write. @default false */
  readonly readOnly?: boolean
  /** Installation id for a store that is made now, which is to be a copy of another one. @default a random one */
  readonly installation?: string
  /** Use a server that may drop keys when its memory is short. @default false */
  readonly allowEviction?: boolean
  /** Refuse a server without an append-only file, or where nobody may check. @default false */
  readonly requirePersistence?: boolean
  /** Your own copy of ioredis. */
  readonly lib?: RedisLibrary | (() => RedisLibrary | Promise<RedisLibrary>)
}

/**
 * Opens the store in a namespace of a Redis. It connects again by itself: a call fails while the server is away, and
 * the next one after that works.
 *
 * Throws ERR_STORE_MISSING, _FOREIGN (other data has these names), _NEWER, _CORRUPT, _DENIED, _UNAVAILABLE, _BUSY,
 * _FULL, _READ_ONLY (a replica), _FAILED, ERR_CONFIG_INVALID (also for a server that may drop keys),
 * ERR_DEPENDENCY_MISSING and ERR_ARGUMENT_INVALID. Later calls throw the same.
 */
export default async function redisStore(options: RedisStoreOptions): Promise<KeyStore> {
  const { create = false, installation, lib, readOnly = false, ...rest } = options
  const settings = parseOptions(rest)
  if (create && readOnly) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'create and readOnly exclude each other', {
      hint: 'pass one of them',
    })
  }
  const made = newInstallation(installation)
  const session = new Session({ library: () => loadLibrary(lib), readOnly, settings })
  try {
    await openStoreIn(session, create ? made : undefined)
    if (!readOnly) await session.assertFit()
    return storeOn(session)
  } catch (error) {
    session.close()
    throw error
  }
}

export { redisStore }

/** Opens `redis://user:password@host:6379/0?namespace=…`, or `rediss://…`; every option may stand in the query. */
export async function openUrl(
  url: string,
  options: Pick<RedisStoreOptions, 'create' | 'readOnly' | 'installation'> = {},
): Promise<KeyStore> {
  return redisStore({ ...options, url })
}

function storeOn(session: Session): KeyStore {
  const stops = new Set<() => void>()
  return {
    async describe() {
      const { installation, link, location } = session
      const version = await schemaVersion(session)
      const warnings = redisWarnings(link, await session.inspect())
      return { installation, location, schemaVersion: version, warnings }
    },
    async get(id) {
      session.assertOpen()
      return isKeyId(id) ? find(session, id) : undefined
    },
    list: (query) => list(session, query),
    insert: (record) => insert(session, record),
    async update(record) {
      session.assertOpen()
      const copy = checkedRecord(record)
      const { channel, key } = session.names
      const args = [channel, `${session.origin} `, copy.revision - 1, ...updatedFields(copy)]
      return (await session.write(UPDATE, [key(copy.id)], args)) === 'yes'
    },
    addUsage: (id, add, limit) => addUsage(session, id, add, limit),
    watch(changed) {
      session.assertOpen()
      const end = watchChannel(session.link, session.names.channel, session.origin, changed)
      stops.add(end)
      return () => {
        stops.delete(end)
        end()
      }
    },
    documents: redisDocuments(session),
    auditSink() {
      session.assertOpen()
      return redisAuditSink(session.separate())
    },
    async close() {
      for (const stop of stops) stop()
      stops.clear()
      session.close()
    },
  }
}

async function find(session: Session, id: number): Promise<KeyRecord | undefined> {
  const [reply] = await session.read(['HMGET', session.names.key(id), ...FIELDS])
  return toRecord(reply, session.location)
}

async function list(session: Session, query: ListQuery | undefined): Promise<KeyRecordPage> {
  session.assertOpen()
  const request = parseQuery(query)
  const { index, key } = session.names
  const { from, to } = indexRange(request)
  const [reply] = await session.read(['ZRANGEBYLEX', index, from, to, 'LIMIT', 0, request.limit + 1])
  const ids = (Array.isArray(reply) ? reply : []).map((member) => idOf(member) ?? lost(session))
  if (ids.length === 0) return { records: [] }
  const replies = await session.read(...ids.map((id) => ['HMGET', key(id), ...FIELDS] as const))
  const records = replies.map((found) => toRecord(found, session.location) ?? lost(session))
  return toPage(records, request, session.location)
}

function lost(session: Session): never {
  const says = 'has an index that names a record which is not there'
  throw storeError('ERR_STORE_CORRUPT', session.location, says, 'restore Redis from a backup')
}

async function insert(session: Session, record: KeyRecord): Promise<InsertResult> {
  session.assertOpen()
  const copy = checkedRecord(record)
  const { channel, index, key } = session.names
  const { from, member, to } = indexEntry(copy)
  const args = [channel, `${session.origin} ${copy.keyring}`, from, to, member, ...insertedFields(copy)]
  const result = await session.write(INSERT, [key(copy.id), index], args)
  if (result === 'inserted' || result === 'version-taken' || result === 'id-taken') return result
  throw storeError('ERR_STORE_FAILED', session.location, 'gave an answer that is none', 'look at its log')
}

async function addUsage(
  session: Session,
  id: number,
  add: KeyUsage,
  limit: number,
): Promise<UsageGrant | undefined> {
  session.assertOpen()
  assertUsage(add, limit)
  if (!isKeyId(id)) return undefined
  const most = Math.min(Math.floor(limit), Number.MAX_SAFE_INTEGER)
  const reply = await session.write(ADD_USAGE, [session.names.key(id)], [add.messages, add.bytes, most])
  if (reply === 'none') return undefined
  if (!Array.isArray(reply)) await find(session, id) // says which member is damaged
  const [granted, messages, bytes] = (Array.isArray(reply) ? reply : []).map(Number)
  if (granted === undefined || messages === undefined || bytes === undefined) return lost(session)
  return { granted, usage: { messages, bytes } }
}

async function loadLibrary(lib: RedisStoreOptions['lib']): Promise<RedisLibrary> {
  try {
    return await (lib === undefined ? import('ioredis') : typeof lib === 'function' ? lib() : lib)
  } catch {
    throw new KeywrightError('ERR_DEPENDENCY_MISSING', 'cannot import ioredis', {
      hint: 'npm install ioredis, or pass the module as the "lib" option',
    })
  }
}
