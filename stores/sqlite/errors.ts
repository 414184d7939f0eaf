/** What SQLite and the file system report, as errors of ours. SQLite's own text may quote data: only its code stays. */
import { KeywrightError } from '../../src/store.ts'

type StoreErrorCode =
  `ERR_STORE_${'MISSING' | 'READ_ONLY' | 'BUSY' | 'FULL' | 'CORRUPT' | 'UNREADABLE' | 'FAILED'}`

const ADVICE: Readonly<Record<StoreErrorCode, readonly [says: string, hint: string]>> = {
  ERR_STORE_MISSING: [
    'is not there',
    'check the path; only "create: true" (keywright init) makes a new store',
  ],
  ERR_STORE_READ_ONLY: ['cannot be written', 'make the file and its folder writable for this user'],
  ERR_STORE_BUSY: ['is being written by another process', 'try again, or allow a longer busyTimeoutMs'],
  ERR_STORE_FULL: ['cannot grow: the disk is full', 'free some space; nothing was written in part'],
  ERR_STORE_CORRUPT: ['is damaged or no SQLite database', 'restore the file from a backup; do not delete it'],
  ERR_STORE_UNREADABLE: [
    'cannot be read',
    'pass a file that this user may read; if it has a -wal beside it, its folder must be writable too',
  ],
  ERR_STORE_FAILED: ['failed', 'look at the disk and the file system; a store belongs on a local one'],
}

/** SQLite's primary result codes (sqlite.org/rescode.html) with ours; the number is the place. */
const SQLITE_CODES: readonly (readonly [name: string, code: StoreErrorCode])[] = [
  ['SQLITE_OK', 'ERR_STORE_FAILED'],
  ['SQLITE_ERROR', 'ERR_STORE_FAILED'],
  ['SQLITE_INTERNAL', 'ERR_STORE_FAILED'],
  ['SQLITE_PERM', 'ERR_STORE_UNREADABLE'],
  ['SQLITE_ABORT', 'ERR_STORE_FAILED'],
  ['SQLITE_BUSY', 'ERR_STORE_BUSY'],
  ['SQLITE_LOCKED', 'ERR_STORE_BUSY'],
  ['SQLITE_NOMEM', 'ERR_STORE_FAILED'],
  ['SQLITE_READONLY', 'ERR_STORE_READ_ONLY'],
  ['SQLITE_INTERRUPT', 'ERR_STORE_FAILED'],
  ['SQLITE_IOERR', 'ERR_STORE_FAILED'],
  ['SQLITE_CORRUPT', 'ERR_STORE_CORRUPT'],
  ['SQLITE_NOTFOUND', 'ERR_STORE_FAILED'],
  ['SQLITE_FULL', 'ERR_STORE_FULL'],
  ['SQLITE_CANTOPEN', 'ERR_STORE_UNREADABLE'],
  ['SQLITE_PROTOCOL', 'ERR_STORE_BUSY'], // too many processes at the write-ahead log at once
  ['SQLITE_EMPTY', 'ERR_STORE_FAILED'],
  ['SQLITE_SCHEMA', 'ERR_STORE_FAILED'],
  ['SQLITE_TOOBIG', 'ERR_STORE_FAILED'],
  ['SQLITE_CONSTRAINT', 'ERR_STORE_FAILED'],
  ['SQLITE_MISMATCH', 'ERR_STORE_FAILED'],
  ['SQLITE_MISUSE', 'ERR_STORE_FAILED'],
  ['SQLITE_NOLFS', 'ERR_STORE_FULL'],
  ['SQLITE_AUTH', 'ERR_STORE_UNREADABLE'],
  ['SQLITE_FORMAT', 'ERR_STORE_CORRUPT'],
  ['SQLITE_RANGE', 'ERR_STORE_FAILED'],
  ['SQLITE_NOTADB', 'ERR_STORE_CORRUPT'],
]

const FILE_CODES: Readonly<Record<string, StoreErrorCode>> = {
  ENOENT: 'ERR_STORE_MISSING',
  EACCES: 'ERR_STORE_UNREADABLE',
  EPERM: 'ERR_STORE_UNREADABLE',
  EISDIR: 'ERR_STORE_UNREADABLE',
  ENOTDIR: 'ERR_STORE_UNREADABLE',
  EEXIST: 'ERR_STORE_UNREADABLE',
  ELOOP: 'ERR_STORE_UNREADABLE',
  ENAMETOOLONG: 'ERR_STORE_UNREADABLE',
  EROFS: 'ERR_STORE_READ_ONLY',
  ENOSPC: 'ERR_STORE_FULL',
  EDQUOT: 'ERR_STORE_FULL',
}

/** SQLITE_IOERR_SHMSIZE, the shared memory could not grow: what a full disk looks like to the write-ahead log. */
const NO_ROOM_FOR_SHARED_MEMORY = 4874

/** The primary result code of an error of node:sqlite, such as 5 for SQLITE_BUSY; `undefined` for other errors. */
export function sqliteCode(error: unknown): number | undefined {
  const code = extendedCode(error)
  return code === undefined ? undefined : code & 0xff // the higher bits tell reasons apart
}

function extendedCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode : undefined
}

/** Whether `error` says that somebody else holds the lock. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error)
  return code !== undefined && SQLITE_CODES[code]?.[1] === 'ERR_STORE_BUSY'
}

/** An error about the store at `path` with the usual words. `says` replaces what is wrong, `hint` what to do. */
export function storeError(
  code: StoreErrorCode,
  path: string,
  words: { says?: string; hint?: string; reason?: string } = {},
): KeywrightError {
  const [says, hint] = ADVICE[code]
  const reason = words.reason === undefined ? '' : ` (${words.reason})`
  return new KeywrightError(code, `the store ${path} ${words.says ?? says}${reason}`, {
    hint: words.hint ?? hint,
    details: { path },
  })
}

/** Sorts what was thrown while working on `path`. An error of neither SQLite nor the file system is returned as it is. */
export function toStoreError(error: unknown, path: string): unknown {
  const number = sqliteCode(error)
  if (number !== undefined) {
    const [name, code] = SQLITE_CODES[number] ?? [`SQLite result code ${number}`, 'ERR_STORE_FAILED']
    const isFull = extendedCode(error) === NO_ROOM_FOR_SHARED_MEMORY
    return storeError(isFull ? 'ERR_STORE_FULL' : code, path, { reason: name })
  }
  const name =
    error instanceof Error && 'syscall' in error && 'code' in error ? String(error.code) : undefined
  if (name === undefined) return error
  return storeError(FILE_CODES[name] ?? 'ERR_STORE_FAILED', path, { reason: name })
}
