/**
 * Restoring a backup beside its target, which it replaces by one rename when everything was checked. Until then the target
 * stays what it is.
 */
import { type FileHandle, link, lstat, mkdir, open, rename, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { KeywrightError } from '../../errors.ts'
import { syncDirectory } from '../../files/atomic.ts'
import { assertGoing, fileFailure, orFail, systemCode, wrongArgument } from './failures.ts'
import type { FoundBackup } from './folder.ts'
import type { BackupKind } from './manifest.ts'
import { type ReadBackup, type ReadOptions, readBackup, type TakeContent } from './read.ts'
import { exists, newScratch, type Scratch } from './scratch.ts'
import { onlyLooking, readTree } from './tree-reader.ts'
import { TreeWriter } from './tree-writer.ts'

export interface RestoreTarget {
  /** A new folder or file. */
  readonly to: string
  /** Replace what is there. @default false */
  readonly force?: boolean | undefined
}

/** Called when all was read and checked, before it takes effect. */
export type Announce = (checked: ReadBackup) => Promise<void>

/** Reads and checks everything, keeps nothing. */
export function verifyFound(found: FoundBackup, options: ReadOptions): Promise<ReadBackup> {
  return readBackup(found, options, async (content, { kind }, hashed) => {
    if (kind === 'folder') await readTree(content, onlyLooking, hashed)
  })
}

/**
 * Gives the content (of a folder: a tar archive) to `sink`, after all of it was read and checked once: nothing of a
 * damaged backup is given away.
 */
export async function restoreInto(
  found: FoundBackup,
  options: ReadOptions,
  sink: (chunk: Uint8Array) => Promise<void>,
  announce: Announce,
): Promise<ReadBackup> {
  const checked = await verifyFound(found, options)
  await announce(checked)
  return readBackup(found, options, async (content, { id, kind }, hashed) => {
    if (id !== checked.id) throw changedMeanwhile()
    const passing = passingOn(content, sink)
    if (kind === 'folder') await readTree(passing, onlyLooking, hashed)
    else for await (const _ of passing);
  })
}

async function* passingOn(
  content: AsyncIterable<Uint8Array>,
  sink: (chunk: Uint8Array) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    await sink(chunk)
    yield chunk
  }
}

const changedMeanwhile = (): KeywrightError =>
  new KeywrightError('ERR_FILE_CHANGED', 'the backup was replaced while it was read', {
    hint: 'run it again',
  })

/** Restores into a folder or file. Throws ERR_FILE_EXISTS, ERR_BACKUP_DAMAGED, ERR_DISK_FULL and what reading throws. */
export async function restoreTo(
  found: FoundBackup,
  options: ReadOptions,
  { force = false, to }: RestoreTarget,
  announce: Announce,
): Promise<ReadBackup> {
  const target = resolve(to)
  const folder = dirname(target)
  if (target === folder)
    throw wrongArgument('the target is the root of the file system', 'name a folder in it')
  const scratch = await newScratch(folder, `${basename(target)}.restore`, { rescue: rescuer(target) })
  try {
    await assertFree(target, force)
    const content = join(scratch.path, 'content')
    const restored = await readBackup(found, options, contentTo(content, options.signal))
    await finishContent(content, restored)
    assertGoing(options.signal)
    await assertNotInUse(target, restored.kind)
    await announce(restored)
    await (force ? replace(scratch, content, target) : place(content, target))
    await orFail('name what was restored', syncDirectory(folder))
    return restored
  } finally {
    await scratch.remove()
  }
}

function contentTo(path: string, signal: AbortSignal | undefined): TakeContent {
  return async (content, { kind }, hashed) => {
    if (kind !== 'folder') return writeFile(path, content, signal)
    await orFail('write into the folder', mkdir(path, { mode: 0o700 }))
    const writer = new TreeWriter(path, signal)
    await readTree(content, writer, hashed)
    await writer.finish()
  }
}

async function writeFile(
  path: string,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = await orFail('write the file', open(path, 'wx', 0o600))
  try {
    for await (const chunk of content) {
      assertGoing(signal)
      await orFail('write the file', file.writeFile(chunk))
    }
  } finally {
    await file.close()
  }
}

/** A database gets the mode it had; a dump is for its owner alone. */
async function finishContent(path: string, { kind, mode }: ReadBackup): Promise<void> {
  if (kind === 'folder') return
  let file: FileHandle | undefined
  try {
    file = await open(path, 'r+')
    await file.chmod(mode ?? 0o600)
    await file.sync()
  } catch (error) {
    throw fileFailure('write the file', error)
  } finally {
    await file?.close()
  }
}

async function assertFree(target: string, force: boolean): Promise<void> {
  const stats = await lstat(target).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileFailure('look at the target', error)
  })
  if (stats === undefined) return
  if (!force) throw taken(target)
  if (stats.isSymbolicLink()) throw wrongArgument(`${target} is a link`, 'name what it leads to')
}

const taken = (target: string): KeywrightError =>
  new KeywrightError('ERR_FILE_EXISTS', `${target} exists`, {
    hint: 'restore into a new place and compare; --force replaces what is there, all of it',
  })

/** SQLite would play the log of the database that was there into the restored one. */
async function assertNotInUse(target: string, kind: BackupKind): Promise<void> {
  if (kind !== 'sqlite') return
  for (const log of [`${target}-wal`, `${target}-journal`]) {
    const size = await stat(log).then(
      (stats) => stats.size,
      () => 0,
    )
    if (size === 0) continue
    throw new KeywrightError(
      'ERR_FILE_EXISTS',
      `${log} is there: the database that was at ${target} is in use`,
      {
        hint: 'stop what uses it (a crash leaves the file too: open and close the database once, or move both away)',
      },
    )
  }
}

/** Under its name, unless something has come there meanwhile. */
async function place(content: string, target: string): Promise<void> {
  if (await exists(target)) throw taken(target)
  try {
    // Unlike a rename, a link never replaces a file; what it is a link of goes with its folder.
    if ((await lstat(content)).isFile() && (await linked(content, target))) return
    await rename(content, target)
  } catch (error) {
    throw ['ENOTEMPTY', 'EEXIST', 'EISDIR', 'ENOTDIR'].includes(systemCode(error))
      ? taken(target)
      : fileFailure('name what was restored', error)
  }
}

/** False where the file system has no links. */
async function linked(content: string, target: string): Promise<boolean> {
  try {
    await link(content, target)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw error
    return false
  }
}

const PREVIOUS = 'previous'

/** Puts aside what is there, then what was restored in its place; what was aside goes last. */
async function replace({ path }: Scratch, content: string, target: string): Promise<void> {
  const [old, next] = [await lstat(target).catch(() => undefined), await lstat(content)]
  if (old === undefined || (old.isFile() && next.isFile()))
    return orFail('name what was restored', rename(content, target))
  const previous = join(path, PREVIOUS)
  await orFail('move away what is there', rename(target, previous))
  try {
    await rename(content, target)
  } catch (error) {
    await rename(previous, target)
    throw fileFailure('name what was restored', error)
  }
  await syncDirectory(dirname(target))
}

/** A crash between the two renames: what was there before is put back. */
function rescuer(target: string): (scratch: string) => Promise<void> {
  return async (scratch) => {
    const previous = join(scratch, PREVIOUS)
    if ((await exists(previous)) && !(await exists(target)))
      await orFail('put back what was there', rename(previous, target))
  }
}
