/** Decompression as part of a stream. */
import type { ZstdDecompress } from 'node:zlib'
import { KeywrightError } from '../../errors.ts'
import type { ContentOptions } from './options.ts'
import { InflateGuard, inflater, notZstd } from './zstd.ts'

/** Decompression within its limits, never further ahead than the reader. */
export class Inflation {
  readonly #zstd: ZstdDecompress = inflater()
  readonly #guard: InflateGuard
  readonly #pumped: Promise<void>

  constructor(limits: ContentOptions, give: (part: Buffer) => Promise<void>) {
    this.#guard = new InflateGuard(limits)
    this.#pumped = this.#pump(give)
    this.#pumped.catch(() => undefined) // whoever writes or ends meets it
  }

  async #pump(give: (part: Buffer) => Promise<void>): Promise<void> {
    try {
      for await (const part of this.#zstd as AsyncIterable<Buffer>) {
        this.#guard.gave(part.length)
        await give(part)
      }
    } catch (error) {
      throw error instanceof KeywrightError ? error : notZstd()
    }
  }

  async take(compressed: Buffer): Promise<void> {
    if (compressed.length === 0) return
    this.#guard.took(compressed.length)
    const drained = new Promise<void>((resolve) => {
      if (this.#zstd.write(compressed)) resolve()
      else this.#zstd.once('drain', resolve)
    })
    await Promise.race([drained, this.#pumped])
  }

  /** Throws ERR_FILE_DAMAGED for content that is cut, and for what Node would leave unread behind its end. */
  async end(): Promise<void> {
    this.#zstd.end()
    await this.#pumped
    if (this.#zstd.bytesWritten !== this.#guard.compressedBytes) throw notZstd()
  }

  destroy(): void {
    this.#zstd.destroy()
  }
}
