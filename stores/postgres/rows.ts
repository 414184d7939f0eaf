/** Rows as the text form of the protocol gives them, and the statements on records. */
import type { KeyRecord } from '../../src/store.ts'
import { COLUMNS, toRecord as toRecordBy } from '../shared/rows.ts'
import type { TextRow } from './lib.ts'
import { quoted } from './schema.ts'

/** The record of a row. Throws ERR_STORE_CORRUPT that names the key and the member. */
export function toRecord(row: TextRow, location: string): KeyRecord {
  return toRecordBy(row, location, { number: toNumber, bytes: toBytes })
}

/** Beyond 2^53 it is no longer exact, which the check of the record refuses. */
export const toNumber = (value: unknown): unknown =>
  typeof value === 'string' && /^-?[0-9]+$/.test(value) ? Number(value) : value

/** The hex form of bytea, which every PostgreSQL since 9.0 gives. */
const toBytes = (value: unknown): unknown =>
  typeof value === 'string' && /^\\x(?:[0-9a-f]{2})*$/.test(value)
    ? Buffer.from(value.slice(2), 'hex')
    : value

const LARGEST = Number.MAX_SAFE_INTEGER

/** Every statement that a store runs on its records. Each is a transaction of its own. */
export function recordStatements(schema: string) {
  const table = `${quoted(schema)}.key_records`
  const columns = COLUMNS.join(', ')
  const places = COLUMNS.map((_, place) => `$${place + 1}`).join(', ')
  const page = 'ORDER BY keyring, version LIMIT'
  // Whoever listens is told the keyring when the change is committed.
  const told = (channel: string): string => `SELECT pg_catalog.pg_notify(${channel}, keyring) FROM changed`
  return {
    get: `SELECT ${columns} FROM ${table} WHERE id = $1`,
    listAll: `SELECT ${columns} FROM ${table} WHERE (keyring, version) > ($1, $2) ${page} $3`,
    listKeyring: `SELECT ${columns} FROM ${table} WHERE keyring = $1 AND version > $2 ${page} $3`,
    hasVersion: `SELECT 1 FROM ${table} WHERE keyring = $1 AND version = $2`,
    insert: `WITH changed AS (
        INSERT INTO ${table} (${columns}) VALUES (${places}) ON CONFLICT DO NOTHING RETURNING keyring
      ) ${told(`$${COLUMNS.length + 1}`)}`,
    update: `WITH changed AS (
        UPDATE ${table} SET activates_at = $3, status = $4, status_at = $5, status_reason = $6, wraps = $7,
          revision = revision + 1
        WHERE id = $1 AND revision = $2 RETURNING keyring
      ) ${told('$8')}`,
    // $2 messages, $3 bytes, $4 limit. The row is locked first, so the grant is worked out from what is really there.
    addUsage: `WITH before AS (SELECT id, messages FROM ${table} WHERE id = $1 FOR UPDATE),
      grants AS (
        SELECT id, messages, CASE WHEN $2::bigint < 0 THEN greatest($2::bigint, -messages)
          ELSE greatest(0, least($2::bigint, $4::bigint - messages)) END AS granted
        FROM before
      )
      UPDATE ${table} AS record SET messages = grants.messages + grants.granted,
        bytes = least(record.bytes + $3::bigint, ${LARGEST})
      FROM grants WHERE record.id = grants.id
      RETURNING grants.granted, record.messages, record.bytes`,
  } as const
}
