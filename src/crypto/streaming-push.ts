/**
 * Streams whose length is not known: bytes are pushed in as they come, segments come out. One segment is always held
 * back, because the nonce of the last one says so. What is held is a copy: the caller may reuse its chunks at once.
 */
import {
  FILE_STREAM,
  openSegment,
  plaintextCapacity,
  type SegmentKey,
  type StreamParameters,
  sealSegment,
  startBytes,
  tooManySegments,
} from './streaming.ts'

const MAX_SEGMENTS = 2 ** 32 - 1

/** Cuts chunks into segments. */
class Cutter {
  readonly #held: Buffer
  #filled = 0
  #index = 0

  constructor(segmentBytes: number) {
    this.#held = Buffer.allocUnsafeSlow(segmentBytes)
  }

  /** Calls `use` with each segment that is complete and followed by another byte, in one piece or two. */
  push(
    chunk: Uint8Array,
    lengthOf: (index: number) => number,
    use: (pieces: readonly Uint8Array[], index: number) => void,
  ): void {
    let at = 0
    for (;;) {
      const length = lengthOf(this.#index)
      if (this.#filled + chunk.length - at <= length) break
      const held = this.#held.subarray(0, this.#filled)
      const rest = chunk.subarray(at, at + length - held.length)
      at += rest.length
      this.#filled = 0
      use(
        [held, rest].filter((piece) => piece.length > 0),
        this.#next(),
      )
    }
    this.#held.set(chunk.subarray(at), this.#filled)
    this.#filled += chunk.length - at
  }

  /** What is left: the last segment. */
  end(): [segment: Uint8Array, index: number] {
    return [this.#held.subarray(0, this.#filled), this.#next()]
  }

  #next(): number {
    if (this.#index >= MAX_SEGMENTS) throw tooManySegments()
    return this.#index++
  }
}

/** Plaintext in, segments out. The caller writes the start of the stream. */
export class SegmentSealer {
  readonly #key: SegmentKey
  readonly #parameters: StreamParameters
  readonly #cutter: Cutter

  constructor(key: SegmentKey, parameters: StreamParameters = FILE_STREAM) {
    this.#key = key
    this.#parameters = parameters
    this.#cutter = new Cutter(parameters.segmentBytes)
  }

  /** The segments that are complete, and known not to be the last, each as ciphertext and tag. */
  push(chunk: Uint8Array): Buffer[] {
    const sealed: Buffer[] = []
    const room = (index: number): number => plaintextCapacity(index, this.#parameters)
    this.#cutter.push(chunk, room, (pieces, index) => {
      sealed.push(...sealSegment(this.#key, index, false, ...pieces))
    })
    return sealed
  }

  /** The last segment. */
  end(): readonly Buffer[] {
    const [segment, index] = this.#cutter.end()
    return sealSegment(this.#key, index, true, segment)
  }
}

/** Segments in, plaintext out; none before its segment is authenticated. The caller has read the start of the stream. */
export class SegmentOpener {
  readonly #key: SegmentKey
  readonly #parameters: StreamParameters
  readonly #cutter: Cutter

  constructor(key: SegmentKey, parameters: StreamParameters = FILE_STREAM) {
    this.#key = key
    this.#parameters = parameters
    this.#cutter = new Cutter(parameters.segmentBytes)
  }

  /** The plaintext of the segments that are complete, and known not to be the last. Throws ERR_DECRYPTION_FAILED. */
  push(chunk: Uint8Array): Buffer[] {
    const { segmentBytes } = this.#parameters
    const lengthOf = (index: number): number =>
      index === 0 ? segmentBytes - startBytes(this.#parameters) : segmentBytes
    const opened: Buffer[] = []
    this.#cutter.push(chunk, lengthOf, (pieces, index) => {
      const [whole = Buffer.alloc(0)] = pieces
      const segment = pieces.length === 1 ? whole : Buffer.concat(pieces)
      opened.push(openSegment(this.#key, index, false, segment))
    })
    return opened
  }

  /** The plaintext of the last segment. Throws ERR_DECRYPTION_FAILED when the stream was cut. */
  end(): Buffer {
    const [segment, index] = this.#cutter.end()
    return openSegment(this.#key, index, true, segment)
  }
}
