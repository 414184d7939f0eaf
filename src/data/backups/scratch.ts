/**
 * Folders for what is not finished, beside the place where it goes. A lock says that whoever fills one is alive: it
 * ends with its holder, so the next run knows which are left over from a crash, and removes them.
 */
import { randomBytes } from 'node:crypto'
import { chmod, lstat, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { withFileLock } from '../../files/atomic.ts'
import { fileFailure, orFail, systemCode } from './failures.ts'

const MARK = '.part-'
const LOCK = '.lock'

export interface Scratch {
  /** A new folder that only this user may enter. */
  readonly path: string
  /** Removes it, if it is still there, and what belongs to it. */
  remove(): Promise<void>
}

export interface ScratchOptions {
  /** What is left over is handed over before it is removed: something in it may have to be put back. */
  readonly rescue?: (path: string) => Promise<void>
}

/** Makes `.<name>.part-<random>` in `folder`, after removing those of the same name whose makers are dead. */
export async function newScratch(
  folder: string,
  name: string,
  options: ScratchOptions = {},
): Promise<Scratch> {
  await sweep(folder, name, options)
  const path = join(folder, `.${name}${MARK}${randomBytes(6).toString('hex')}`)
  const lock = await orFail(`write into ${folder}`, hold(path, 10_000))
  try {
    await orFail(`write into ${folder}`, mkdir(path, { mode: 0o700 }))
  } catch (error) {
    await lock.remove()
    throw error
  }
  return {
    path,
    async remove() {
      await removeTree(path)
      await lock.remove()
    },
  }
}

/** Removes what makers that are dead left in `folder`. What cannot be removed stays: it is in nobody's way. */
async function sweep(folder: string, name: string, { rescue }: ScratchOptions = {}): Promise<void> {
  const prefix = `.${name}${MARK}`
  const names = await readdir(folder).catch(() => [])
  const scratches = new Set(
    names.filter((one) => one.startsWith(prefix)).map((one) => one.replace(/\.lock(-journal)?$/, '')),
  )
  for (const one of scratches) await removeDead(join(folder, one), rescue)
}

async function removeDead(path: string, rescue: ScratchOptions['rescue']): Promise<void> {
  const lock = await hold(path, 0).catch(() => undefined)
  if (lock === undefined) return // its maker is alive, or it belongs to somebody else
  let isGone = false
  try {
    await rescue?.(path)
    await removeTree(path)
    isGone = true
  } finally {
    await (isGone ? lock.remove() : lock.release())
  }
}

interface Held {
  release(): Promise<void>
  /** Removes the file of the lock before it lets go. */
  remove(): Promise<void>
}

/**
 * Holds the lock of `path`. Its file is removed by whoever held it last, so what was locked is compared with what is
 * there now: a lock on a file that is gone keeps nobody out.
 */
async function hold(path: string, timeoutMs: number): Promise<Held> {
  const file = `${path}${LOCK}`
  for (;;) {
    const before = await inode(file)
    const held = await take(path, timeoutMs)
    const isSame = before !== undefined && before === (await inode(file))
    if (isSame) return { release: held, remove: () => rm(file, { force: true }).then(held) }
    await held()
  }
}

/** Holds {@link withFileLock} until the function it resolves to is called. */
async function take(path: string, timeoutMs: number): Promise<() => Promise<void>> {
  const taken = Promise.withResolvers<void>()
  const done = Promise.withResolvers<void>()
  const ended = withFileLock(
    path,
    async () => {
      taken.resolve()
      await done.promise
    },
    { timeoutMs },
  )
  await Promise.race([taken.promise, ended])
  return async () => {
    done.resolve()
    await ended
  }
}

async function inode(path: string): Promise<bigint | undefined> {
  try {
    return (await lstat(path, { bigint: true })).ino
  } catch {
    return undefined
  }
}

/** Whether there is anything at `path`, be it a link that leads nowhere. */
export async function exists(path: string): Promise<boolean> {
  return (await inode(path)) !== undefined
}

/** Removes a folder with all that is in it, folders that nobody may write into included. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOTEMPTY'].includes(systemCode(error)))
      throw fileFailure(`remove ${path}`, error)
    await open(path)
    await orFail(`remove ${path}`, rm(path, { recursive: true, force: true }))
  }

  async function open(folder: string): Promise<void> {
    await chmod(folder, 0o700).catch(() => undefined)
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
    for (const entry of entries) if (entry.isDirectory()) await open(join(folder, entry.name))
  }
}
