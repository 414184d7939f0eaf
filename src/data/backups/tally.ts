/** Counts and hashes what passes by. */
import { createHash } from 'node:crypto'

export class Tally {
  readonly #hash = createHash('sha256')
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** SHA-256 of everything so far, hexadecimal; nothing may pass afterwards. */
  digest(): string {
    return this.#hash.digest('hex')
  }

  async *over(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#hash.update(chunk)
      this.#bytes += chunk.length
      yield chunk
    }
  }
}
