/** Between a record and its row. What comes from a row is checked: a file can be damaged, or edited by hand. */
import type { KeyRecord } from '../../src/store.ts'
import { soundRecord } from '../shared/record.ts'
import { formatWraps, parseWraps } from '../shared/wraps.ts'

type Row = Readonly<Record<string, unknown>>

/** The record of a row. Throws ERR_STORE_CORRUPT that names the key and the member. */
export function toRecord(row: Row, location: string): KeyRecord {
  return soundRecord(
    {
      id: toNumber(row['id']),
      keyring: row['keyring'],
      version: toNumber(row['version']),
      algorithm: row['algorithm'],
      createdAt: toNumber(row['created_at']),
      activatesAt: toNumber(row['activates_at']),
      status: row['status'],
      statusAt: toNumber(row['status_at']),
      statusReason: row['status_reason'],
      wraps: parseWraps(row['wraps']),
      commitment: row['commitment'],
      mac: row['mac'],
      usage: { messages: toNumber(row['messages']), bytes: toNumber(row['bytes']) },
      revision: toNumber(row['revision']),
    },
    location,
  )
}

/** The values of a new row, in the order of the table's columns. */
export function toRow(record: KeyRecord): (string | number | Uint8Array)[] {
  return [
    record.id,
    record.keyring,
    record.version,
    record.algorithm,
    record.createdAt,
    record.activatesAt,
    record.status,
    record.statusAt,
    record.statusReason,
    formatWraps(record.wraps),
    record.commitment,
    record.mac,
    record.usage.messages,
    record.usage.bytes,
    record.revision,
  ]
}

/** Beyond 2^53 it is no longer exact, which the check of the record refuses. */
const toNumber = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value)
