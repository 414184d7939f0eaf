/** What encrypting and decrypting a folder share: going through it, a few files at a time, and the report. */
import { chmod, lstat, mkdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { type ErrorCode, KeywrightError } from '../../errors.ts'
import { cannotRead, cannotWrite, stopped } from './fs-errors.ts'
import type { FileProgress, WorkOptions } from './options.ts'
import { type FolderEntry, walkFolder } from './walk-folder.ts'
import { assertWork } from './work.ts'

/** Files at once: enough to hide the wait for the disk to sync. With workers one, which has all of them. */
const FILES_AT_ONCE = 4
/** So many items that are not 'done' stand in the report; `onItem` gets all. */
const MAX_ITEMS = 1000
/** After these nothing else would go better. */
const FATAL: ReadonlySet<ErrorCode> = new Set(['ERR_ABORTED', 'ERR_DISK_FULL', 'ERR_CLOSED'])

export interface FolderItem {
  /** From the folder on, joined by '/'. */
  readonly path: string
  /**
   * 'done' (with `dryRun`: would be), 'current' (an earlier run did it), 'skipped' (nothing to be done with it),
   * 'failed'.
   */
  readonly outcome: 'done' | 'current' | 'skipped' | 'failed'
  /** The file that was or would be written. */
  readonly target?: string
  readonly bytes?: number
  /** Why it was skipped. 'encrypted' and 'plain': it is already what it was to become. */
  readonly reason?: 'encrypted' | 'plain' | 'symlink' | 'special' | 'temporary'
  readonly code?: ErrorCode
  readonly message?: string
}

export interface FolderReport {
  readonly dryRun: boolean
  readonly done: number
  readonly current: number
  readonly skipped: number
  readonly failed: number
  /** Of the files that were read. */
  readonly bytes: number
  /** What is not 'done': the first thousand, failures first. */
  readonly items: readonly FolderItem[]
}

export interface FolderOptions extends WorkOptions {
  /** Tell what would be done, and do nothing. @default false */
  readonly dryRun?: boolean | undefined
  /** Replace files in the target folder that are there already and differ. @default false */
  readonly force?: boolean | undefined
  /** Called with each entry of the folder that is no folder, as it is done. */
  readonly onItem?: ((item: FolderItem) => void) | undefined
}

/** Does something with one file. */
export type FileHandler = (entry: FolderEntry, report: (bytes: number) => void) => Promise<FolderItem>

/** What is done with the entries of a folder. */
export interface FolderHandlers {
  readonly file: FileHandler
  readonly folder: (entry: FolderEntry) => Promise<void>
}

/**
 * Goes through `from`. One bad file does not stop the others; the report says so. Throws ERR_ABORTED, ERR_DISK_FULL,
 * ERR_FILE_MISSING and ERR_FILE_UNREADABLE for `from` itself.
 */
export async function runFolder(
  from: string,
  options: FolderOptions,
  handlers: FolderHandlers,
): Promise<FolderReport> {
  assertWork(options)
  const tally = new Tally(options, options.onProgress === undefined ? 0 : await totalOf(from))
  const entries = walkFolder(from)
  let fatal: unknown
  const worker = async (): Promise<void> => {
    for (let next = await entries.next(); next.done !== true; next = await entries.next()) {
      if (fatal !== undefined) return
      if (options.signal?.aborted) throw stopped()
      await handle(next.value, tally, handlers)
    }
  }
  const crew = Array.from({ length: (options.workers ?? 0) > 0 ? 1 : FILES_AT_ONCE }, () =>
    worker().catch((error: unknown) => {
      fatal ??= error
    }),
  )
  await Promise.all(crew)
  await entries.return(undefined) // it may have a folder open
  if (fatal !== undefined) throw fatal
  return tally.report()
}

async function handle(entry: FolderEntry, tally: Tally, { file, folder }: FolderHandlers): Promise<void> {
  const { error, kind, relative: path } = entry
  if (kind === 'symlink' || kind === 'special' || kind === 'temporary')
    return tally.add({ path, outcome: 'skipped', reason: kind })
  try {
    if (error !== undefined) throw error
    if (kind === 'folder') await folder(entry)
    else tally.add(await file(entry, (bytes) => tally.progress(entry.path, bytes)))
  } catch (cause) {
    const { code, message } = known(cause, entry.path)
    if (FATAL.has(code)) throw cause
    tally.add({ path, outcome: 'failed', code, message })
  } finally {
    tally.ended(entry.path)
  }
}

/** Ours as it is, one of the file system in our words; anything else is a fault of ours and ends the work. */
function known(error: unknown, path: string): KeywrightError {
  if (error instanceof KeywrightError) return error
  if (error instanceof Error && 'syscall' in error) return cannotRead(path, error)
  throw error
}

/** Bytes of all files, for a progress that says how much is left. */
async function totalOf(folder: string): Promise<number> {
  let total = 0
  for await (const { kind, path } of walkFolder(folder))
    if (kind === 'file') total += (await lstat(path).catch(() => undefined))?.size ?? 0
  return total
}

class Tally {
  readonly #options: FolderOptions
  readonly #total: number
  readonly #counts = { done: 0, current: 0, skipped: 0, failed: 0 }
  readonly #failures: FolderItem[] = []
  readonly #others: FolderItem[] = []
  #bytes = 0
  /** Of the files that are being worked on. */
  readonly #underWay = new Map<string, number>()

  constructor(options: FolderOptions, total: number) {
    this.#options = options
    this.#total = total
  }

  add(item: FolderItem): void {
    this.#counts[item.outcome]++
    this.#bytes += item.bytes ?? 0
    const kept = item.outcome === 'failed' ? this.#failures : this.#others
    if (item.outcome !== 'done' && kept.length < MAX_ITEMS) kept.push(item)
    this.#options.onItem?.(item)
  }

  progress(path: string, bytes: number): void {
    this.#underWay.set(path, bytes)
    this.#tell(path)
  }

  ended(path: string): void {
    this.#underWay.delete(path)
    this.#tell(path)
  }

  #tell(path: string): void {
    const { onProgress } = this.#options
    if (onProgress === undefined) return
    const underWay = [...this.#underWay.values()].reduce((sum, bytes) => sum + bytes, 0)
    const progress: FileProgress = {
      path,
      bytes: this.#bytes + underWay,
      total: this.#total,
      files: this.#counts.done + this.#counts.current,
    }
    onProgress(progress)
  }

  report(): FolderReport {
    const items = [...this.#failures, ...this.#others].slice(0, MAX_ITEMS)
    return { dryRun: this.#options.dryRun === true, ...this.#counts, bytes: this.#bytes, items }
  }
}

/**
 * Asserts that `from` is a folder and that neither is in the other. Throws ERR_FILE_MISSING, ERR_FILE_UNREADABLE and
 * ERR_ARGUMENT_INVALID.
 */
export async function assertFolders(from: string, to: string): Promise<void> {
  const found = await stat(from).catch((error: unknown) => {
    throw cannotRead(from, error)
  })
  if (!found.isDirectory()) throw noFolder(from)
  const [a, b] = await Promise.all([from, to].map(realPath))
  const holds = (outer = '', inner = ''): boolean => `${inner}${sep}`.startsWith(`${outer}${sep}`)
  if (!holds(a, b) && !holds(b, a)) return
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'one of the two folders is in the other', {
    hint: 'name a target folder beside the source folder',
    details: { from, to },
  })
}

function noFolder(path: string): KeywrightError {
  return new KeywrightError('ERR_FILE_UNREADABLE', `${path} is no folder`, {
    hint: 'a single file is encrypted with encryptFile or encrypt-file',
    details: { path },
  })
}

/** Where a path really is, also when its end is not there yet. */
async function realPath(path: string): Promise<string> {
  const whole = resolve(path)
  try {
    return await realpath(whole)
  } catch {
    const parent = dirname(whole)
    return parent === whole ? whole : join(await realPath(parent), basename(whole))
  }
}

/** Makes the folders of `relative` within `root`, none of which may be a link that leads elsewhere. */
export class TargetFolders {
  readonly #root: string
  readonly #known = new Set<string>()
  /** Made by this run. */
  readonly #made = new Set<string>()

  constructor(root: string) {
    this.#root = root
  }

  /** Gives a folder that this run has made, or makes now, its mode. Throws as `make`. */
  async makeLike(relative: string, mode: number): Promise<void> {
    await this.make(relative)
    if (this.#made.has(relative)) await chmod(join(this.#root, relative), mode).catch(() => undefined)
  }

  /** New folders are their owner's only. Throws ERR_FILE_EXISTS and ERR_OUTPUT_FAILED. */
  async make(relative: string): Promise<void> {
    if (this.#known.has(relative)) return
    if (relative !== '') await this.make(relative.split('/').slice(0, -1).join('/'))
    const path = join(this.#root, relative)
    try {
      await mkdir(path, { recursive: relative === '', mode: 0o700 })
      if (relative !== '') this.#made.add(relative)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EEXIST') throw cannotWrite(path, error)
      if (relative !== '' && !(await lstat(path)).isDirectory()) throw notFolder(path)
    }
    this.#known.add(relative)
  }
}

function notFolder(path: string): KeywrightError {
  return new KeywrightError('ERR_FILE_EXISTS', `${path} exists and is no folder`, {
    hint: 'a link is not followed: name another target folder, or move it aside',
    details: { path },
  })
}
