/** Pages of a listing: the order, the cursor, and the checks of a query. */
import { type KeyRecord, type KeyRecordPage, KeywrightError, type ListQuery } from '../../src/store.ts'
import { isKeyring, isVersion } from './record.ts'

const DEFAULT_LIMIT = 500
/** Bounds what one page holds in memory; a page may always be shorter than asked for. */
const LARGEST_LIMIT = 5000

/** A place in the listing: right after this record. */
export interface Position {
  readonly keyring: string
  readonly version: number
}

export interface PageRequest {
  readonly keyring: string | undefined
  /** Only records after this place. Before the first one: the empty keyring, which no record has. */
  readonly after: Position
  readonly limit: number
}

/** Order of a listing: keyring by UTF-8 bytes (not by UTF-16 code units), then version. */
export function compareRecords(a: Position, b: Position): number {
  return Buffer.compare(Buffer.from(a.keyring), Buffer.from(b.keyring)) || a.version - b.version
}

/** Throws ERR_ARGUMENT_INVALID for a keyring, limit or cursor that cannot be. */
export function parseQuery(query: ListQuery = {}): PageRequest {
  const { keyring, after, limit = DEFAULT_LIMIT } = query
  if (keyring !== undefined && !isKeyring(keyring)) throw badQuery('keyring', 'pass the name of a keyring')
  if (!Number.isSafeInteger(limit) || limit < 1) throw badQuery('limit', 'pass an integer of at least 1')
  const start = after === undefined ? { keyring: keyring ?? '', version: 0 } : parseCursor(after)
  if (keyring !== undefined && start.keyring !== keyring) {
    throw badQuery('after', 'a cursor only continues the query that it came from')
  }
  return { keyring, after: start, limit: Math.min(limit, LARGEST_LIMIT) }
}

/**
 * Makes the page out of at most `limit + 1` records: one more than fits shows that there is a next page.
 * Throws ERR_STORE_CORRUPT when they are out of order, as with a damaged index: following such cursors may never end.
 */
export function toPage(records: readonly KeyRecord[], request: PageRequest, location: string): KeyRecordPage {
  let before = request.after
  for (const record of records) {
    const isForeign = request.keyring !== undefined && record.keyring !== request.keyring
    if (isForeign || compareRecords(before, record) >= 0) throw outOfOrder(record, location)
    before = record
  }
  const last = records[request.limit - 1]
  if (records.length <= request.limit || last === undefined) return { records }
  return { records: records.slice(0, request.limit), next: formatCursor(last) }
}

function outOfOrder(record: KeyRecord, location: string): KeywrightError {
  return new KeywrightError('ERR_STORE_CORRUPT', `key ${record.id} in ${location} is listed out of order`, {
    hint: 'the index is damaged: restore the store from a backup',
    details: { keyId: record.id, location },
  })
}

function formatCursor(position: Position): string {
  return Buffer.from(JSON.stringify([position.keyring, position.version])).toString('base64url')
}

function parseCursor(cursor: string): Position {
  const position = typeof cursor === 'string' ? decodeCursor(cursor) : undefined
  // One spelling only: what does not come back the same was not made here.
  if (position !== undefined && formatCursor(position) === cursor) return position
  throw badQuery('after', 'pass "next" of the page before, unchanged')
}

function decodeCursor(cursor: string): Position | undefined {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (!Array.isArray(parts)) return undefined
    const [keyring, version] = parts as unknown[]
    return isKeyring(keyring) && isVersion(version) ? { keyring, version } : undefined
  } catch {
    return undefined
  }
}

function badQuery(member: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `bad "${member}" in a list query`, {
    hint,
    details: { member },
  })
}
