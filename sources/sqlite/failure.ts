/** What SQLite reports, as errors of ours. Its own text may quote names and data: only its code stays. */
import { KeywrightError } from '../../src/source.ts'
import { type SourceErrorCode, sourceError } from '../shared/errors.ts'

interface Row {
  readonly code: SourceErrorCode
  readonly says: string
  readonly hint: string
}

/** SQLite's primary result codes: https://sqlite.org/rescode.html */
const CODES: Readonly<Record<number, Row & { readonly name: string }>> = {
  3: row('SQLITE_PERM', 'ERR_SOURCE_DENIED', 'cannot be read', 'pass a file that this user may open'),
  5: row(
    'SQLITE_BUSY',
    'ERR_SOURCE_UNAVAILABLE',
    'is being written by another process',
    'try again, or allow a longer busyTimeoutMs',
  ),
  6: row('SQLITE_LOCKED', 'ERR_SOURCE_UNAVAILABLE', 'is locked', 'try again'),
  8: row(
    'SQLITE_READONLY',
    'ERR_SOURCE_DENIED',
    'cannot be written',
    'make the file and its folder writable for this user',
  ),
  10: row('SQLITE_IOERR', 'ERR_SOURCE_FAILED', 'cannot be read or written', 'look at the disk'),
  11: row('SQLITE_CORRUPT', 'ERR_SOURCE_FAILED', 'is damaged', 'restore the file from a backup'),
  13: row('SQLITE_FULL', 'ERR_SOURCE_FAILED', 'cannot grow: the disk is full', 'free some space'),
  14: row(
    'SQLITE_CANTOPEN',
    'ERR_SOURCE_INVALID',
    'cannot be opened',
    'check "path": the file must be there, and its folder writable if it has a -wal',
  ),
  15: row('SQLITE_PROTOCOL', 'ERR_SOURCE_UNAVAILABLE', 'is locked', 'try again'),
  18: row(
    'SQLITE_TOOBIG',
    'ERR_COLUMN_UNSUITABLE',
    'cannot hold a value that long',
    'nothing of this chunk was written',
  ),
  19: row(
    'SQLITE_CONSTRAINT',
    'ERR_SOURCE_FAILED',
    'has a constraint that refuses a value',
    'constraints on form or uniqueness belong on a search token; nothing of this chunk was written',
  ),
  23: row('SQLITE_AUTH', 'ERR_SOURCE_DENIED', 'cannot be read', 'pass a file that this user may open'),
  26: row(
    'SQLITE_NOTADB',
    'ERR_SOURCE_INVALID',
    'is no SQLite database',
    'check "path"; an encrypted database (SQLCipher) cannot be read here',
  ),
}

function row(name: string, code: SourceErrorCode, says: string, hint: string): Row & { name: string } {
  return { name, code, says, hint }
}

/** The primary result code of an error of node:sqlite; `undefined` for other errors. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}

/** Whether `error` says that somebody else holds the lock. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === 5 || code === 6 || code === 15
}

/** Whether `error` says that the statement does not fit the tables any more. */
export function isStale(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === 1 || code === 17
}

/** Sorts what was thrown while working on `name`. */
export function toSourceError(error: unknown, name: string): unknown {
  if (error instanceof KeywrightError) return error
  const number = sqliteCode(error)
  if (number === undefined) return error
  const known = CODES[number]
  if (known !== undefined) {
    return sourceError(known.code, name, { says: `${known.says} (${known.name})`, hint: known.hint })
  }
  return sourceError('ERR_SOURCE_FAILED', name, {
    says: `refused a statement (SQLite result code ${number})`,
    hint: 'was the table changed meanwhile? try again',
  })
}
