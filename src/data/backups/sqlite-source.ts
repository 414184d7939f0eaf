/**
 * A consistent copy of a SQLite database that others may be writing: the online backup API of SQLite within one read
 * transaction, so that every page is of one moment, writers go on (in WAL mode), and the copy never begins anew. Where
 * Node has no backup (before 22.16) it is VACUUM INTO, which is as consistent, but blocks this process meanwhile.
 */
import { open, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { KeywrightError } from '../../errors.ts'
import { assertGoing, fileFailure, orFail, wrongArgument } from './failures.ts'
import { newScratch } from './scratch.ts'

const PAGES_PER_STEP = 2000
const READ_BYTES = 262_144
/** How long it waits for writers who hold the database alone, one after the other, in ms. */
const BUSY_MS = 60_000
/** Pauses up to this length between tries: SQLite's own are so long that busy writers would never let it in. */
const PAUSE_MS = 10

export interface Snapshot {
  readonly path: string
  /** Permission bits of the database. */
  readonly mode: number
  remove(): Promise<void>
}

export interface SnapshotOptions {
  /** Folder for the copy, which is in clear. @default the folder of the database */
  readonly scratch?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Copies the database and checks the copy (quick_check). Throws ERR_FILE_MISSING, ERR_FILE_UNREADABLE,
 * ERR_FILE_DAMAGED for what is no database or a broken one, ERR_FILE_LOCKED, ERR_DISK_FULL, ERR_ABORTED.
 */
export async function snapshotOf(path: string, options: SnapshotOptions): Promise<Snapshot> {
  const stats = await orFail(`read ${path}`, stat(path))
  if (!stats.isFile()) throw wrongArgument(`${path} is no file`, 'name the file of a SQLite database')
  const folder = resolve(options.scratch ?? dirname(path))
  const scratch = await newScratch(folder, `${basename(path)}.snapshot`)
  try {
    const copy = join(scratch.path, 'copy.db')
    await (await open(copy, 'wx', 0o600)).close()
    await copyDatabase(path, copy, options.signal)
    assertGoing(options.signal)
    return { path: copy, mode: stats.mode & 0o777, remove: scratch.remove }
  } catch (error) {
    await scratch.remove()
    throw databaseFailure(path, error)
  }
}

async function copyDatabase(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  const sqlite = await import('node:sqlite')
  const source = new sqlite.DatabaseSync(from, { readOnly: true })
  try {
    await beginReading(source, signal)
    if (typeof sqlite.backup === 'function') {
      const progress = (): void => assertGoing(signal)
      await sqlite.backup(source, to, { rate: PAGES_PER_STEP, progress })
    } else {
      source.exec('COMMIT') // VACUUM has a transaction of its own
      source.exec(`VACUUM INTO '${to.replaceAll("'", "''")}'`)
    }
  } finally {
    source.close()
  }
  const copy = new sqlite.DatabaseSync(to)
  try {
    assertSound(copy)
  } finally {
    copy.close()
  }
}

/** From then on the connection sees the database as it is now. */
async function beginReading(source: DatabaseSync, signal: AbortSignal | undefined): Promise<void> {
  for (const end = performance.now() + BUSY_MS; ; await sleep(Math.random() * PAUSE_MS)) {
    assertGoing(signal)
    try {
      source.exec('BEGIN; SELECT count(*) FROM sqlite_schema') // it begins with what it reads first
      return
    } catch (error) {
      rollBack(source)
      if (kindOf(error) !== BUSY || performance.now() > end) throw error
    }
  }
}

function rollBack(source: DatabaseSync): void {
  try {
    source.exec('ROLLBACK')
  } catch {
    // it was not begun: older versions of Node cannot tell that before
  }
}

/** Throws ERR_FILE_DAMAGED when SQLite finds the copy broken. */
function assertSound(copy: DatabaseSync): void {
  const row = copy.prepare('PRAGMA quick_check(1)').get()
  if (row?.['quick_check'] === 'ok') return
  throw new KeywrightError('ERR_FILE_DAMAGED', 'the database is broken: SQLite finds faults in it', {
    hint: 'see `PRAGMA integrity_check`; to keep it as it is, back up its folder while nobody uses it',
  })
}

/** The codes of SQLite (https://www.sqlite.org/rescode.html) by their lowest byte. */
const BUSY = 5
const FULL = 13
const CANNOT_OPEN = 14
const BROKEN: readonly (number | undefined)[] = [11, 26]

function kindOf(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: number }
  return errcode === undefined ? undefined : errcode & 0xff
}

function databaseFailure(path: string, error: unknown): KeywrightError {
  if (error instanceof KeywrightError) return error
  const kind = kindOf(error)
  if (kind === undefined) return fileFailure(`copy ${path}`, error)
  if (kind === BUSY) {
    return new KeywrightError('ERR_FILE_LOCKED', `${path} is held by another program alone`, {
      hint: 'try again when it is done',
    })
  }
  if (kind === FULL) {
    return new KeywrightError('ERR_DISK_FULL', `there is no room for a copy of ${path}`, {
      hint: 'name a folder with room: --scratch <folder>; the copy is in clear, as the database is',
    })
  }
  if (BROKEN.includes(kind)) {
    return new KeywrightError('ERR_FILE_DAMAGED', `${path} is no SQLite database, or a broken one`, {
      hint: 'name the file of a database',
    })
  }
  const hint =
    kind === CANNOT_OPEN
      ? 'run it as a user who may read and write it: readers of a database in WAL mode write beside it'
      : 'check the disk, and the database with `PRAGMA integrity_check`'
  return new KeywrightError('ERR_FILE_UNREADABLE', `cannot copy ${path} (SQLite ${kind})`, { hint })
}

/** The bytes of a file. */
export async function* bytesOf(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const file = await orFail('read the copy', open(path))
  try {
    for (;;) {
      assertGoing(signal)
      const buffer = Buffer.allocUnsafe(READ_BYTES)
      const { bytesRead } = await orFail('read the copy', file.read(buffer, 0, READ_BYTES, null))
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}
