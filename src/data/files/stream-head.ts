/** Header and start of a stream whose bytes come as they come. */
import {
  type FileHeader,
  HEADER_PROBE_BYTES,
  headerLength,
  parseFileHeader,
} from '../../crypto/file-header.ts'
import { FILE_STREAM, startBytes } from '../../crypto/streaming.ts'
import { decryptionFailed } from '../../errors.ts'

const START_BYTES = startBytes(FILE_STREAM)

export interface WholeHead {
  readonly header: FileHeader
  readonly headerBytes: Buffer
  readonly start: Buffer
  /** What came behind it already. */
  readonly rest: Buffer
}

/** Collects header and start. What cannot be a header is refused as soon as it shows. */
export class StreamHead {
  readonly #parts: Buffer[] = []
  #length = 0
  #needed = HEADER_PROBE_BYTES

  /** Throws as `headerLength` and `parseFileHeader`. */
  push(bytes: Uint8Array): WholeHead | undefined {
    this.#parts.push(Buffer.from(bytes)) // a copy: the caller may reuse its chunk
    this.#length += bytes.length
    while (this.#length >= this.#needed) {
      const all = Buffer.concat(this.#parts)
      const length = headerLength(all)
      const end = length + START_BYTES
      if (all.length < length) {
        this.#needed = length
        continue
      }
      const headerBytes = all.subarray(0, length)
      const header = parseFileHeader(headerBytes) // refused before anything behind it is read
      if (all.length >= end)
        return { header, headerBytes, start: all.subarray(length, end), rest: all.subarray(end) }
      this.#needed = end
    }
    return undefined
  }

  /** The error when nothing more comes. */
  whyIncomplete(): unknown {
    try {
      const all = Buffer.concat(this.#parts)
      parseFileHeader(all.subarray(0, headerLength(all)))
      return decryptionFailed() // cut behind its header
    } catch (error) {
      return error
    }
  }
}
