/**
 * Between a record and its row in a table of SQL. What comes from a row is checked: a table can be damaged, or edited
 * by hand.
 */
import type { KeyRecord } from '../../src/store.ts'
import { soundRecord } from './record.ts'
import { formatWraps, parseWraps } from './wraps.ts'

/** The columns, in the order of {@link toRow}. */
export const COLUMNS = [
  'id',
  'keyring',
  'version',
  'algorithm',
  'created_at',
  'activates_at',
  'status',
  'status_at',
  'status_reason',
  'wraps',
  'commitment',
  'mac',
  'messages',
  'bytes',
  'revision',
] as const

export type Row = Readonly<Record<string, unknown>>

/** How a database gives integers and bytes; what is neither is passed on as it is, and refused by the check. */
export interface Readings {
  number(value: unknown): unknown
  bytes(value: unknown): unknown
}

/** The record of a row. Throws ERR_STORE_CORRUPT that names the key and the member. */
export function toRecord(row: Row, location: string, { number, bytes }: Readings): KeyRecord {
  return soundRecord(
    {
      id: number(row['id']),
      keyring: row['keyring'],
      version: number(row['version']),
      algorithm: row['algorithm'],
      createdAt: number(row['created_at']),
      activatesAt: number(row['activates_at']),
      status: row['status'],
      statusAt: number(row['status_at']),
      statusReason: row['status_reason'],
      wraps: parseWraps(row['wraps']),
      commitment: bytes(row['commitment']),
      mac: bytes(row['mac']),
      usage: { messages: number(row['messages']), bytes: number(row['bytes']) },
      revision: number(row['revision']),
    },
    location,
  )
}

/** The values of a new row, in the order of {@link COLUMNS}. */
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
