/** A file that is read: opened without waiting for anybody, and asked at the end whether it is still the same. */
import type { BigIntStats } from 'node:fs'
import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { KeywrightError } from '../../errors.ts'
import { cannotRead, changed } from './fs-errors.ts'

/** A pipe or a terminal must not hold us up before we see that it is none of ours. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)

export class SourceFile {
  readonly path: string
  readonly stats: BigIntStats
  readonly #handle: FileHandle

  private constructor(path: string, handle: FileHandle, stats: BigIntStats) {
    this.path = path
    this.#handle = handle
    this.stats = stats
  }

  /** Throws ERR_FILE_MISSING and ERR_FILE_UNREADABLE. A symbolic link is followed unless `follow` is false. */
  static async open(path: string, { follow = true } = {}): Promise<SourceFile> {
    const flags = follow ? READ_FLAGS : READ_FLAGS | (constants.O_NOFOLLOW ?? 0)
    const handle = await open(path, flags).catch((error: unknown) => {
      throw cannotRead(path, error)
    })
    try {
      const stats = await handle.stat({ bigint: true })
      if (!stats.isFile()) throw notRegular(path, stats.isDirectory())
      return new SourceFile(path, handle, stats)
    } catch (error) {
      await handle.close()
      throw cannotRead(path, error)
    }
  }

  get fd(): number {
    return this.#handle.fd
  }

  get size(): number {
    return Number(this.stats.size)
  }

  /** The bytes from `position`, fewer at the end of the file. */
  async read(position: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(length)
    let filled = 0
    try {
      while (filled < length) {
        const { bytesRead } = await this.#handle.read(buffer, filled, length - filled, position + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
    } catch (error) {
      throw cannotRead(this.path, error)
    }
    return buffer.subarray(0, filled)
  }

  /** Throws ERR_FILE_CHANGED unless size, time and identity are those of the beginning. */
  async assertUnchanged(): Promise<void> {
    const open = await this.#handle.stat({ bigint: true })
    const named = await stat(this.path, { bigint: true }).catch(() => undefined)
    const same = (other: BigIntStats | undefined): boolean =>
      other !== undefined &&
      other.size === this.stats.size &&
      other.mtimeNs === this.stats.mtimeNs &&
      other.ino === this.stats.ino &&
      other.dev === this.stats.dev
    if (!same(open) || !same(named)) throw changed(this.path)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

/** Times that not every file system keeps to the nanosecond. */
const TOLERANCE_NS = 2_000_000n

/** Whether two files were last changed at the same time, as one that was made of the other was. */
export function sameTime(a: { readonly stats: BigIntStats }, b: { readonly stats: BigIntStats }): boolean {
  const apart = a.stats.mtimeNs - b.stats.mtimeNs
  return apart < TOLERANCE_NS && apart > -TOLERANCE_NS
}

function notRegular(path: string, isFolder: boolean): KeywrightError {
  return new KeywrightError(
    'ERR_FILE_UNREADABLE',
    `${path} is ${isFolder ? 'a folder' : 'no regular file'}`,
    {
      hint: isFolder ? 'use encryptFolder or encrypt-dir' : 'pipe it through a stream, or through "-"',
      details: { path },
    },
  )
}
