/**
 * Runs of segments from one file to another, at fixed positions and without waiting: the same code on the main thread
 * and in workers. A run is small enough for the processor's cache and to let the event loop have its turn.
 */
import { readSync, writevSync } from 'node:fs'
import {
  FILE_STREAM,
  openSegment,
  type SegmentKey,
  StreamLayout,
  sealSegment,
} from '../../crypto/streaming.ts'
import { cannotRead, cannotWrite, changed } from './fs-errors.ts'

/** Segments of one run: 256 KiB. */
const RUN_SEGMENTS = 4

/** One end of a job. File descriptors belong to the process, so workers use them too. */
export interface BlockEnd {
  readonly fd: number
  readonly path: string
  /** Absent where the file is plaintext. */
  readonly stream?: {
    readonly key: SegmentKey
    /** Where the stream begins: behind the header. */
    readonly at: number
  }
}

/** Everything a thread needs. */
export interface BlockJob {
  readonly input: BlockEnd
  readonly output: BlockEnd
  readonly plaintextBytes: number
}

export class BlockRunner {
  readonly runs: number
  readonly #job: BlockJob
  readonly #layout: StreamLayout
  readonly #buffer: Buffer

  constructor(job: BlockJob) {
    this.#job = job
    this.#layout = new StreamLayout(job.plaintextBytes)
    this.runs = Math.ceil(this.#layout.segments / RUN_SEGMENTS)
    this.#buffer = Buffer.allocUnsafeSlow(
      Math.min(RUN_SEGMENTS, this.#layout.segments) * FILE_STREAM.segmentBytes,
    )
  }

  /** Does run `index` and gives its length in plaintext. Throws ERR_FILE_CHANGED, ERR_DECRYPTION_FAILED, ERR_DISK_FULL … */
  run(index: number): number {
    const first = index * RUN_SEGMENTS
    const end = Math.min(this.#layout.segments, first + RUN_SEGMENTS)
    const { input, output } = this.#job
    const from = this.#positionIn(input, first)
    const bytes = this.#read(from, this.#positionIn(input, end) - from)
    const parts: Buffer[] = []
    for (let segment = first; segment < end; segment++) {
      const at = this.#positionIn(input, segment) - from
      parts.push(...this.#convert(segment, bytes.subarray(at, this.#positionIn(input, segment + 1) - from)))
    }
    this.#write(parts, this.#positionIn(output, first))
    return this.#layout.plaintextAt(end) - this.#layout.plaintextAt(first)
  }

  #positionIn({ stream }: BlockEnd, segment: number): number {
    return stream === undefined
      ? this.#layout.plaintextAt(segment)
      : stream.at + this.#layout.streamAt(segment)
  }

  /** What is written in place of segment `index`. */
  #convert(index: number, bytes: Buffer): readonly Buffer[] {
    const { input, output } = this.#job
    const last = this.#layout.isLast(index)
    const plain = input.stream === undefined ? bytes : openSegment(input.stream.key, index, last, bytes)
    if (output.stream === undefined) return [plain]
    const sealed = sealSegment(output.stream.key, index, last, plain)
    if (plain !== bytes) release(plain)
    return sealed
  }

  #read(position: number, length: number): Buffer {
    const { fd, path } = this.#job.input
    let filled = 0
    while (filled < length) {
      const bytes = readPart(fd, path, this.#buffer, filled, length - filled, position + filled)
      if (bytes === 0) throw changed(path)
      filled += bytes
    }
    return this.#buffer.subarray(0, length)
  }

  #write(parts: readonly Buffer[], position: number): void {
    const { fd, path } = this.#job.output
    let at = position
    try {
      for (let rest = parts.filter(({ length }) => length > 0); rest.length > 0; ) {
        const bytes = writevSync(fd, rest, at)
        at += bytes
        rest = behind(rest, bytes)
      }
    } catch (error) {
      throw cannotWrite(path, error)
    }
    for (const part of parts) release(part)
  }
}

function readPart(
  fd: number,
  path: string,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number,
): number {
  try {
    return readSync(fd, buffer, offset, length, position)
  } catch (error) {
    throw cannotRead(path, error)
  }
}

/** What is left of `parts` when their first `bytes` are written. */
function behind(parts: readonly Buffer[], bytes: number): Buffer[] {
  let gone = bytes
  return parts.flatMap((part) => {
    const skip = Math.min(gone, part.length)
    gone -= skip
    return skip === part.length ? [] : [part.subarray(skip)]
  })
}

/** Gives memory back at once that the collector would leave until it feels like it. Only a buffer's sole view may ask. */
export function release({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
