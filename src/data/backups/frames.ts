/**
 * The stream of a backup, before encryption and after decryption:
 *
 *     "KWB1" || frames, each: type (1 byte) || length (4, big-endian) || bytes
 *
 *     H  the identity of the backup, JSON; first, once
 *     D  content: a tar archive, a database or a dump, compressed if the head says so
 *     C  SHA-256 of files of the archive (32 bytes each), in the order of their entries
 *     T  length and SHA-256 of the content before compression, counts, what was left out, JSON; last, once
 */
import { damaged } from './failures.ts'

export const MAGIC = Buffer.from('KWB1')
const HEADER_BYTES = 5
const MAX_FRAME_BYTES = 2 ** 20
/** Small pieces are joined up to this size. */
const CHUNK_BYTES = 65_536
const TYPES = ['H', 'D', 'C', 'T'] as const

export type FrameType = (typeof TYPES)[number]

export interface Frame {
  readonly type: FrameType
  readonly bytes: Buffer
}

function* encodeFrame(type: FrameType, bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at === 0 || at < bytes.length; at += MAX_FRAME_BYTES) {
    const part = bytes.subarray(at, at + MAX_FRAME_BYTES)
    const header = Buffer.alloc(HEADER_BYTES)
    header.write(type, 'latin1')
    header.writeUInt32BE(part.length, 1)
    yield header
    yield part as Buffer
  }
}

export interface FrameSource {
  readonly head: object
  readonly content: AsyncIterable<Uint8Array>
  /** Checksums of files that were read since the last call. */
  readonly checksums: () => readonly Uint8Array[]
  /** Called when the content has ended. */
  readonly tail: () => object
}

/** The stream of a backup, in chunks of about 64 KiB. */
export async function* encodeFrames(source: FrameSource): AsyncGenerator<Buffer> {
  yield* joined(pieces(source))
}

async function* pieces({ head, content, checksums, tail }: FrameSource): AsyncGenerator<Buffer> {
  yield MAGIC
  yield* encodeFrame('H', json(head))
  for await (const chunk of joined(content)) {
    yield* digests(checksums())
    yield* encodeFrame('D', chunk)
  }
  yield* digests(checksums())
  yield* encodeFrame('T', json(tail()))
}

function* digests(checksums: readonly Uint8Array[]): Generator<Buffer> {
  if (checksums.length > 0) yield* encodeFrame('C', Buffer.concat(checksums))
}

const json = (value: object): Buffer => Buffer.from(JSON.stringify(value), 'utf8')

/** Chunks of at least 64 KiB, but for the last one. A tar archive of small files comes in many small pieces. */
async function* joined(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    if (chunk.length === 0) continue
    parts.push(chunk)
    length += chunk.length
    if (length < CHUNK_BYTES) continue
    yield concatenated(parts, length)
    parts = []
    length = 0
  }
  if (length > 0) yield concatenated(parts, length)
}

function concatenated(parts: readonly Uint8Array[], length: number): Buffer {
  const [first] = parts
  if (parts.length > 1 || first === undefined) return Buffer.concat(parts, length)
  return Buffer.from(first.buffer, first.byteOffset, first.byteLength)
}

/** The frames of a stream. Throws ERR_BACKUP_DAMAGED for anything that is not what the format says. */
export async function* decodeFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const reader = new ByteReader(chunks)
  try {
    if (!(await reader.take(MAGIC.length))?.equals(MAGIC)) throw damaged('it is no stream of a backup')
    for (;;) {
      const header = await reader.take(HEADER_BYTES)
      if (header === undefined) return
      const type = TYPES.find((one) => one.charCodeAt(0) === header[0])
      const length = header.readUInt32BE(1)
      if (type === undefined || length > MAX_FRAME_BYTES) throw damaged('a part of it has no known form')
      const bytes = await reader.take(length)
      if (bytes === undefined) throw damaged('it ends too early')
      yield { type, bytes }
    }
  } finally {
    await reader.close()
  }
}

/** Takes exact lengths from a stream of chunks. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #parts: Buffer[] = []
  #length = 0

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** Undefined at the end of the stream. Throws ERR_BACKUP_DAMAGED when it ends within what was asked for. */
  async take(length: number): Promise<Buffer | undefined> {
    while (this.#length < length) {
      const { done, value } = await this.#chunks.next()
      if (done === true) {
        if (this.#length === 0) return undefined
        throw damaged('it ends too early')
      }
      this.#parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
      this.#length += value.length
    }
    const all = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts)
    this.#parts = [all.subarray(length)]
    this.#length -= length
    return all.subarray(0, length)
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}
