/**
 * The file of a store: finding out what is there, and making a new one.
 *
 * Nothing here opens an existing store for reading: closing any file descriptor of a file drops all POSIX locks that
 * this process holds on it, SQLite's included.
 */
import { randomBytes } from 'node:crypto'
import { type BigIntStats, realpathSync, statSync } from 'node:fs'
import { link, mkdir, open, realpath, stat, unlink } from 'node:fs/promises'
import { platform } from 'node:os'
import { dirname, join } from 'node:path'
import { KeywrightError } from '../../src/store.ts'
import { storeError, toStoreError } from './errors.ts'

/** The smallest page of SQLite: a shorter file is none of its own. */
const SMALLEST_DATABASE = 512n

function statOrNothing(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })
}

/** Whether a store may be at `path`. Throws for what is there and cannot be one: a folder, a pipe, an empty file. */
export function fileExists(path: string): boolean {
  const found = readingStat(path)
  if (found === undefined) return false
  if (!found.isFile()) throw storeError('ERR_STORE_UNREADABLE', path, { says: 'is not a regular file' })
  if (found.size === 0n) {
    throw storeError('ERR_STORE_CORRUPT', path, {
      says: 'is an empty file',
      hint: 'restore it from a backup; only if it never held keys, remove it and create the store anew',
    })
  }
  if (found.size < SMALLEST_DATABASE) throw storeError('ERR_STORE_CORRUPT', path, { says: 'is cut off' })
  return true
}

function readingStat(path: string): BigIntStats | undefined {
  try {
    return statOrNothing(path)
  } catch (error) {
    throw toStoreError(error, path)
  }
}

/** Which file is at `path` now. Another one there means that the open one was moved, deleted or replaced. */
export function fileIdentity(path: string): string {
  const found = statOrNothing(path)
  return found === undefined ? 'none' : `${found.dev}:${found.ino}`
}

/** Changes whenever the file does. */
export function fileFingerprint(path: string): string {
  const found = statOrNothing(path)
  if (found === undefined) return 'none'
  return `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}`
}

/** Whether a write-ahead log holds changes that are not yet in the file itself. */
export function hasLog(path: string): boolean {
  // SQLite follows symbolic links: the log lies beside the file, not beside the link.
  return (statOrNothing(`${realpathSync(path)}-wal`)?.size ?? 0n) > 0n
}

/** What is too open about the file and its folder, in words for people. */
export async function fileWarnings(path: string): Promise<string[]> {
  if (platform() === 'win32') return [] // has no such modes
  const folderPath = dirname(await realpath(path))
  const [file, folder] = await Promise.all([stat(path), stat(folderPath)])
  const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0')
  const warnings: string[] = []
  if ((file.mode & 0o077) !== 0) {
    warnings.push(`${path} has mode ${octal(file.mode)}: other users may open it; chmod 600 it`)
  }
  if ((folder.mode & 0o022) !== 0) {
    warnings.push(`${folderPath} has mode ${octal(folder.mode)}: other users may replace the store`)
  }
  return warnings
}

/**
 * Makes a store at `path`, or leaves the one that another process made first. It is built under another name and
 * linked when it is complete, so neither a crash nor a full disk leaves half a store.
 */
export async function createFile(path: string, build: (temporary: string) => void): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `.keywright-${randomBytes(6).toString('hex')}.tmp`)
  try {
    await makeFolder(folder)
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.chmod(0o600) // the umask may have narrowed it; the log beside it takes the same mode
    } finally {
      await file.close()
    }
    build(temporary)
    await linkUnlessThere(temporary, path)
    await syncFolder(folder)
  } catch (error) {
    throw creationError(error, path)
  } finally {
    for (const suffix of ['', '-wal', '-shm', '-journal']) {
      await unlink(temporary + suffix).catch(() => undefined)
    }
  }
}

/**
 * Throws ERR_STORE_CORRUPT when a log of an earlier store is left at `path`: SQLite would play it into the new one.
 * Looks at the logs first, since a store that another process makes now has its file before its log.
 */
export function assertNoOrphan(path: string): void {
  const left = ['-wal', '-journal'].find((suffix) => (statOrNothing(path + suffix)?.size ?? 0n) > 0n)
  if (left === undefined || fileIdentity(path) !== 'none') return
  throw storeError('ERR_STORE_CORRUPT', path, {
    says: `is gone, but its log is still there: ${path}${left}`,
    hint: 'put the store back beside its log; without the store, move the log away before creating a new one',
  })
}

async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
}

async function linkUnlessThere(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path) // unlike rename, leaves what is there
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

async function syncFolder(folder: string): Promise<void> {
  const directory = await open(folder, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function creationError(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  // Node's recursive mkdir answers ENOENT where the disk is read-only.
  if (code === 'EACCES' || code === 'EPERM' || code === 'ENOENT') {
    return storeError('ERR_STORE_READ_ONLY', path, {
      says: `cannot be created in its folder (${code})`,
      hint: 'choose a folder that this user may write, on a file system with hard links',
    })
  }
  return error instanceof KeywrightError ? error : toStoreError(error, path)
}
