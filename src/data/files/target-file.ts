/**
 * A file that is written: beside its target under a random name, synced, given the mode and time of its source, and
 * only then put in its place. Whatever happens before leaves the target as it was.
 */
import { randomBytes } from 'node:crypto'
import { type BigIntStats, constants } from 'node:fs'
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { KeywrightError } from '../../errors.ts'
import { syncDirectory } from '../../files/atomic.ts'
import { cannotWrite } from './fs-errors.ts'

/** What an interrupted run by `kill -9` may leave behind; never a target. */
export const TEMPORARY_NAME = /^\.keywright-[0-9a-f]{24}\.tmp$/
/** No file system without hard links lets us refuse an existing name in one step. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'])

export interface TargetOptions {
  /** Replace a regular file that is there. */
  readonly force: boolean
}

export class TargetFile {
  readonly path: string
  readonly #temporary: string
  readonly #handle: FileHandle
  readonly #force: boolean
  #isOpen = true
  #isThere = true

  private constructor(path: string, temporary: string, handle: FileHandle, force: boolean) {
    this.path = path
    this.#temporary = temporary
    this.#handle = handle
    this.#force = force
  }

  /** Throws ERR_FILE_EXISTS, ERR_ARGUMENT_INVALID, ERR_DISK_FULL and ERR_OUTPUT_FAILED. */
  static async create(path: string, { force }: TargetOptions): Promise<TargetFile> {
    await assertFree(path, force)
    const temporary = join(dirname(path), `.keywright-${randomBytes(12).toString('hex')}.tmp`)
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
    const handle = await open(temporary, flags, 0o600).catch((error: unknown) => {
      throw cannotWrite(path, error)
    })
    return new TargetFile(path, temporary, handle, force)
  }

  get fd(): number {
    return this.#handle.fd
  }

  /** Writes all of `bytes`. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done)
        done += bytesWritten
      }
    } catch (error) {
      throw cannotWrite(this.path, error)
    }
  }

  /**
   * Syncs and puts the file in its place, with owner, mode and time of `like`; without it, only its owner may read it.
   * `check` runs last before that.
   */
  async commit(like?: BigIntStats, check?: () => Promise<void>): Promise<void> {
    try {
      if (like !== undefined) await takeAfter(this.#handle, like)
      await this.#handle.sync()
      await check?.()
      this.#isOpen = false
      await this.#handle.close()
      if (this.#force) {
        await assertFree(this.path, true)
        await rename(this.#temporary, this.path)
      } else await renameExclusively(this.#temporary, this.path)
      this.#isThere = false
      await syncDirectory(dirname(this.path))
    } catch (error) {
      throw cannotWrite(this.path, error)
    }
  }

  /** Removes what was written. After `commit` there is nothing left to remove. */
  async discard(): Promise<void> {
    if (this.#isOpen) await this.#handle.close().catch(() => undefined)
    this.#isOpen = false
    if (this.#isThere) await unlink(this.#temporary).catch(() => undefined)
  }
}

/** Asserts that nothing is there, or with `force` nothing but a regular file. */
async function assertFree(path: string, force: boolean): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cannotWrite(path, error)
  })
  if (found === undefined || (force && found.isFile())) return
  throw force ? cannotReplace(path) : exists(path)
}

function exists(path: string): KeywrightError {
  return new KeywrightError('ERR_FILE_EXISTS', `${path} exists already`, {
    hint: 'name another file; the option "force" (--force) replaces it',
    details: { path },
  })
}

function cannotReplace(path: string): KeywrightError {
  return new KeywrightError('ERR_FILE_EXISTS', `${path} exists and is no regular file`, {
    hint: 'a folder, link or device is never replaced: name another file, or write to "-"',
    details: { path },
  })
}

/** Unlike rename, refuses an existing target, where the file system lets it. */
async function renameExclusively(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (code === 'EEXIST') throw exists(to)
    if (!NO_LINKS.has(code)) throw error
    await assertFree(to, false)
    await rename(from, to)
    return
  }
  await unlink(from)
}

/**
 * Owner, mode and modification time of `like`, as far as process and file system let them be set; until then only the
 * owner has any right. Where the group is another one, the mode gives the group nothing: it would be other people.
 */
async function takeAfter(handle: FileHandle, like: BigIntStats): Promise<void> {
  await handle.chown(Number(like.uid), Number(like.gid)).catch(() => undefined)
  const { gid } = await handle.stat()
  const mode = Number(like.mode) & 0o777
  await handle.chmod(gid === Number(like.gid) ? mode : mode & 0o707).catch(() => undefined)
  await handle.utimes(Number(like.atimeNs) / 1e9, Number(like.mtimeNs) / 1e9).catch(() => undefined)
}

/** Refuses to write a file over the one that is read. */
export async function assertNotSame(
  source: { path: string; stats: BigIntStats },
  target: string,
): Promise<void> {
  const found = await lstat(target, { bigint: true }).catch(() => undefined)
  if (found === undefined || found.ino !== source.stats.ino || found.dev !== source.stats.dev) return
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `${source.path} is both input and output`, {
    hint: 'name another output, and remove the input when you have looked at the result',
    details: { path: target },
  })
}
