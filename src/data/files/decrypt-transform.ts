/** Decryption as a Transform stream: an encrypted stream in, plaintext out, a segment of 64 KiB at a time. */
import { Transform, type TransformCallback } from 'node:stream'
import { SegmentOpener } from '../../crypto/streaming-push.ts'
import { segmentKeyOf, type Unlock } from './file-keys.ts'
import { Inflation } from './inflation.ts'
import type { ContentOptions } from './options.ts'
import { StreamHead, type WholeHead } from './stream-head.ts'
import { bytesOf, destroyOnAbort } from './stream-kit.ts'

export interface DecryptTransformOptions extends ContentOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Header, start and segments in; plaintext out, each segment once it is authenticated. That nothing is missing is known
 * at the end: whoever acts on the content before the stream has ended without an error acts on a part of it.
 */
export class DecryptTransform extends Transform {
  readonly #unlock: Unlock
  readonly #options: DecryptTransformOptions
  readonly #head = new StreamHead()
  #opener: SegmentOpener | undefined
  #inflation: Inflation | undefined
  #resume: (() => void) | undefined

  constructor(unlock: Unlock, options: DecryptTransformOptions = {}) {
    super({ writableObjectMode: false })
    this.#unlock = unlock
    this.#options = options
    destroyOnAbort(this, options.signal)
  }

  override _transform(chunk: unknown, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#take(chunk).then(() => done(), done)
  }

  override _flush(done: TransformCallback): void {
    this.#finish().then(() => done(), done)
  }

  override _read(size: number): void {
    this.#wake()
    super._read(size)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inflation?.destroy()
    this.#wake() // whoever waits finds the stream destroyed
    done(error)
  }

  async #take(chunk: unknown): Promise<void> {
    const bytes = bytesOf(chunk)
    if (this.#opener !== undefined) return this.#open(this.#opener, bytes)
    const head = this.#head.push(bytes)
    if (head !== undefined) await this.#open(await this.#begin(head), head.rest)
  }

  async #begin({ header, headerBytes, start }: WholeHead): Promise<SegmentOpener> {
    const unlocked = await this.#unlock(header)
    if (header.compression === 'zstd')
      this.#inflation = new Inflation(this.#options, (part) => this.#give(part))
    this.#opener = new SegmentOpener(segmentKeyOf(unlocked, headerBytes, start, this.#options.context))
    return this.#opener
  }

  async #open(opener: SegmentOpener, bytes: Uint8Array): Promise<void> {
    for (const plaintext of opener.push(bytes)) await this.#release(plaintext)
  }

  async #release(plaintext: Buffer): Promise<void> {
    if (this.#inflation === undefined) this.push(plaintext)
    else await this.#inflation.take(plaintext)
  }

  async #finish(): Promise<void> {
    if (this.#opener === undefined) throw this.#head.whyIncomplete()
    await this.#release(this.#opener.end())
    await this.#inflation?.end()
  }

  /** Gives a chunk to the reader and waits until there is room for more: a small input may become very large. */
  async #give(part: Buffer): Promise<void> {
    if (this.destroyed || this.push(part)) return
    await new Promise<void>((resolve) => {
      this.#resume = resolve
    })
  }

  #wake(): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }
}
