/** Encryption as a Transform stream: plaintext in, an encrypted stream out. */
import { once } from 'node:events'
import { Transform, type TransformCallback } from 'node:stream'
import type { ZstdCompress } from 'node:zlib'
import { SegmentSealer } from '../../crypto/streaming-push.ts'
import { release } from './blocks.ts'
import type { SealedStart } from './file-keys.ts'
import { bytesOf, destroyOnAbort } from './stream-kit.ts'
import { deflater } from './zstd.ts'

/** An encrypting stream gives out so much at once. */
const GIVEN_BYTES = 256 * 1024

export interface EncryptTransformOptions {
  readonly signal?: AbortSignal | undefined
  /** Called with the number of bytes that were encrypted, before the stream ends. */
  readonly onEnd?: ((bytes: number) => Promise<void>) | undefined
}

/** Plaintext in; header, start and segments out. */
export class EncryptTransform extends Transform {
  readonly #sealer: SegmentSealer
  readonly #deflater: ZstdCompress | undefined
  readonly #onEnd: EncryptTransformOptions['onEnd']
  readonly #sealed: Buffer[] = []
  #sealedBytes = 0
  #bytes = 0

  constructor({ bytes, header, segmentKey }: SealedStart, options: EncryptTransformOptions = {}) {
    super({ writableObjectMode: false })
    this.#sealer = new SegmentSealer(segmentKey)
    this.#onEnd = options.onEnd
    if (header.compression === 'zstd') {
      this.#deflater = deflater()
      this.#deflater.on('data', (chunk: Buffer) => this.#seal(chunk))
      this.#deflater.on('error', (error) => this.destroy(error))
    }
    destroyOnAbort(this, options.signal)
    this.push(bytes)
  }

  override _transform(chunk: unknown, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      const bytes = bytesOf(chunk)
      this.#bytes += bytes.length
      if (this.#deflater !== undefined) return void this.#deflater.write(bytes, done)
      this.#seal(bytes)
      done()
    } catch (error) {
      done(error as Error)
    }
  }

  override _flush(done: TransformCallback): void {
    this.#finish().then(() => done(), done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#deflater?.destroy()
    done(error)
  }

  #seal(chunk: Uint8Array): void {
    for (const part of this.#sealer.push(chunk)) this.#collect(part)
  }

  /** Whoever writes the result does so in fewer, larger pieces. */
  #collect(part: Buffer): void {
    this.#sealed.push(part)
    this.#sealedBytes += part.length
    if (this.#sealedBytes >= GIVEN_BYTES) this.#give()
  }

  #give(): void {
    const sealed = this.#sealed.splice(0)
    this.push(Buffer.concat(sealed, this.#sealedBytes))
    for (const part of sealed) release(part)
    this.#sealedBytes = 0
  }

  async #finish(): Promise<void> {
    if (this.#deflater !== undefined) {
      const ended = once(this.#deflater, 'end')
      this.#deflater.end()
      await ended
    }
    for (const part of this.#sealer.end()) this.#collect(part)
    this.#give()
    await this.#onEnd?.(this.#bytes)
  }
}
