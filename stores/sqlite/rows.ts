/** Rows as node:sqlite gives them: integers as bigint, so that a damaged one is no RangeError. */
import type { KeyRecord } from '../../src/store.ts'
import { type Row, toRecord as toRecordBy } from '../shared/rows.ts'

/** The record of a row. Throws ERR_STORE_CORRUPT that names the key and the member. */
export function toRecord(row: Row, location: string): KeyRecord {
  return toRecordBy(row, location, { number: toNumber, bytes: (value) => value })
}

/** Beyond 2^53 it is no longer exact, which the check of the record refuses. */
export const toNumber = (value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value)
