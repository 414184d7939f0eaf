/**
 * Replacing a file so that a crash leaves the old or the new one, never half, and keeping writers apart.
 */
import { randomBytes } from 'node:crypto'
import { type FileHandle, link, open, rename, stat, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { KeywrightError } from '../errors.ts'

/**
 * Writes beside the target, syncs, renames over it and syncs the directory. With `exclusive` an existing target
 * is an EEXIST error instead. With `locked` (the caller keeps other writers out) the temporary file has a fixed name, so
 * that a killed writer's is written over by the next one. A file that is replaced keeps its owner where the process may set it, so that a
 * maintenance run as root does not lock the service's user out.
 */
export async function replaceFile(
  path: string,
  data: Uint8Array | string,
  options: { mode: number; exclusive?: boolean; locked?: boolean },
): Promise<void> {
  const mark = options.locked === true ? 'next' : randomBytes(6).toString('hex')
  const temporary = join(dirname(path), `.${basename(path)}.${mark}.tmp`)
  try {
    const file = await open(temporary, options.locked === true ? 'w' : 'wx', options.mode)
    try {
      await file.chmod(options.mode) // the umask may have narrowed what we asked for
      await keepOwner(path, file)
      await file.writeFile(data)
      await file.sync()
    } finally {
      await file.close()
    }
    if (options.exclusive === true) {
      await link(temporary, path) // unlike rename, refuses an existing target
      await unlink(temporary)
    } else {
      await rename(temporary, path)
    }
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
  await syncDirectory(dirname(path))
}

async function keepOwner(path: string, file: FileHandle): Promise<void> {
  const replaced = await stat(path).catch(() => undefined)
  if (replaced === undefined) return
  await file.chown(replaced.uid, replaced.gid).catch(() => undefined) // only root may give files away
}

/** Makes a rename or a new name durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/**
 * Runs `critical` while no other process and no other caller in this one holds the lock of `path`.
 *
 * The lock is SQLite's own on an empty database beside the file: the operating system releases it when its
 * holder dies, so there is nothing stale to break, which lock files need guesses for.
 */
export async function withFileLock<T>(
  path: string,
  critical: () => Promise<T>,
  options: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<T> {
  const { DatabaseSync } = await import('node:sqlite')
  const deadline = Date.now() + (options.timeoutMs ?? 10_000)
  await createPrivately(`${path}.lock`)
  let database: InstanceType<typeof DatabaseSync> | undefined
  for (let pause = 1; database === undefined; pause = Math.min(pause * 2, 50)) {
    options.signal?.throwIfAborted()
    database = tryLock(() => new DatabaseSync(`${path}.lock`, { timeout: 0 }))
    if (database !== undefined) break
    if (Date.now() > deadline) {
      throw new KeywrightError('ERR_FILE_LOCKED', `another process holds the lock of ${path}`, {
        hint: 'try again; if no other process works on it, remove nothing: the lock ends with its holder',
      })
    }
    await sleep(pause + Math.random() * pause)
  }
  try {
    return await critical()
  } finally {
    database.close() // rolls back, which releases the lock
  }
}

/** Only when it is missing: closing any descriptor of a locked file would drop this process's lock on it. */
async function createPrivately(path: string): Promise<void> {
  try {
    await (await open(path, 'wx', 0o600)).close()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function tryLock<D extends { exec(sql: string): void; close(): void }>(openDatabase: () => D): D | undefined {
  const database = openDatabase()
  try {
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    if (/locked|busy/i.test((error as Error).message)) return undefined
    throw error
  }
}
