/** Key records for the tests of stores, and a model of a store to compare with. */
import type { InsertResult, KeyRecord, KeyStore, KeyUsage, UsageGrant } from '../../store.ts'

/** Enough of a record to tell two apart; every member differs from the others' defaults. */
export function recordOf(members: Partial<KeyRecord> = {}): KeyRecord {
  const id = members.id ?? 1
  return {
    id,
    keyring: 'pii',
    version: 1,
    algorithm: 'AES-256-GCM',
    createdAt: 1_700_000_000_000,
    activatesAt: 1_700_000_060_000,
    status: 'enabled',
    statusAt: 1_700_000_000_001,
    statusReason: '',
    wraps: [wrapOf('file', id)],
    commitment: new Uint8Array(32).fill(id % 251),
    mac: new Uint8Array(32).fill((id + 7) % 251),
    usage: { messages: 0, bytes: 0 },
    revision: 1,
    ...members,
  }
}

export function wrapOf(provider: string, seed: number): KeyRecord['wraps'][number] {
  return {
    provider,
    masterKeyId: `master-${seed}`,
    masterKeyVersion: '3',
    algorithm: 'AES-256-GCM',
    ciphertext: Uint8Array.from({ length: 92 }, (_, place) => (seed + place) % 256),
  }
}

/** All pages of a listing, as one array, and how many pages there were. */
export async function listAll(
  store: KeyStore,
  query: { keyring?: string; limit?: number } = {},
): Promise<{ records: KeyRecord[]; pages: number }> {
  const records: KeyRecord[] = []
  let after: string | undefined
  for (let pages = 1; ; pages++) {
    const page = await store.list({ ...query, ...(after === undefined ? {} : { after }) })
    records.push(...page.records)
    if (page.next === undefined) return { records, pages }
    after = page.next
  }
}

/** The order of the contract, written down a second time: bytes of the UTF-8 form, then version. */
export function inOrder(records: readonly KeyRecord[]): KeyRecord[] {
  const key = (record: KeyRecord): string => Buffer.from(record.keyring).toString('hex')
  return [...records].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.version - b.version))
}

/** What a store should do, said with a plain Map. */
export class StoreModel {
  readonly records = new Map<number, KeyRecord>()

  insert(record: KeyRecord): InsertResult {
    for (const other of this.records.values()) {
      if (other.keyring === record.keyring && other.version === record.version) return 'version-taken'
    }
    if (this.records.has(record.id)) return 'id-taken'
    this.records.set(record.id, record)
    return 'inserted'
  }

  update(record: KeyRecord): boolean {
    const { activatesAt, status, statusAt, statusReason, wraps, revision } = record
    const stored = this.records.get(record.id)
    if (stored?.revision !== revision - 1) return false
    this.records.set(record.id, { ...stored, activatesAt, status, statusAt, statusReason, wraps, revision })
    return true
  }

  addUsage(id: number, add: KeyUsage, limit: number): UsageGrant | undefined {
    const stored = this.records.get(id)
    if (stored === undefined) return undefined
    const { messages, bytes } = stored.usage
    let granted = 0
    if (add.messages < 0) granted = messages + add.messages < 0 ? 0 - messages : add.messages
    else if (messages < limit) granted = messages + add.messages > limit ? limit - messages : add.messages
    const usage = { messages: messages + granted, bytes: bytes + add.bytes }
    this.records.set(id, { ...stored, usage })
    return { granted, usage }
  }
}
