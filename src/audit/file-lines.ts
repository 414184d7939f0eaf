/** Lines of a file that may be large: from the start in constant memory, and the last one from the end. */
import type { FileHandle } from 'node:fs/promises'
import { MAX_LINE_BYTES } from './chain.ts'

const BLOCK_BYTES = 65_536
const LF = 0x0a

/** Fills a new buffer from `position`; shorter only where the file ends. */
async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** Writes all of `data` at `position`; a write may take less than it was given. */
export async function writeAt(file: FileHandle, data: Uint8Array, position: number): Promise<void> {
  let written = 0
  while (written < data.length) {
    const { bytesWritten } = await file.write(data, written, data.length - written, position + written)
    written += bytesWritten
  }
}

/** Offset of the last LF before `end`; -1 for none. */
async function lastLineFeed(file: FileHandle, end: number): Promise<number> {
  for (let to = end; to > 0; ) {
    const from = Math.max(0, to - BLOCK_BYTES)
    const found = (await readAt(file, from, to - from)).lastIndexOf(LF)
    if (found >= 0) return from + found
    to = from
  }
  return -1
}

export interface Tail {
  /** Where the complete lines end, in bytes. */
  readonly end: number
  /** The last complete line, without the LF, at most MAX_LINE_BYTES + 1 bytes of it. */
  readonly last: Buffer | undefined
  /** Bytes after `end`: an unfinished line. */
  readonly torn: number
}

/** Finds the last complete line of a file of `size` bytes, reading backwards from its end. */
export async function readTail(file: FileHandle, size: number): Promise<Tail> {
  const end = (await lastLineFeed(file, size)) + 1
  if (end === 0) return { end, last: undefined, torn: size }
  const start = (await lastLineFeed(file, end - 1)) + 1
  const last = await readAt(file, start, Math.min(end - 1 - start, MAX_LINE_BYTES + 1))
  return { end, last, torn: size - end }
}

/** Joins, and lets go of what is too long for a record: MAX_LINE_BYTES + 1 bytes are enough to see that. */
function join(head: Buffer, tail: Buffer): Buffer {
  if (head.length === 0) return tail.subarray(0, MAX_LINE_BYTES + 1)
  if (head.length > MAX_LINE_BYTES) return head
  return Buffer.concat([head, tail]).subarray(0, MAX_LINE_BYTES + 1)
}

/** The complete lines before `end`, without their LF. */
export async function* readLines(file: FileHandle, end: number): AsyncGenerator<Buffer> {
  let begun: Buffer = Buffer.alloc(0)
  for (let position = 0; position < end; ) {
    const block = await readAt(file, position, Math.min(BLOCK_BYTES, end - position))
    if (block.length === 0) return
    position += block.length
    let from = 0
    for (let to = block.indexOf(LF); to >= 0; to = block.indexOf(LF, from)) {
      yield join(begun, block.subarray(from, to))
      begun = Buffer.alloc(0)
      from = to + 1
    }
    begun = join(begun, block.subarray(from))
  }
}

/** The offset behind the first `count` lines; `undefined` when there are fewer before `end`. */
export async function offsetAfter(file: FileHandle, count: number, end: number): Promise<number | undefined> {
  let left = count
  for (let position = 0; left > 0 && position < end; ) {
    const block = await readAt(file, position, Math.min(BLOCK_BYTES, end - position))
    if (block.length === 0) return undefined
    for (let at = block.indexOf(LF); at >= 0; at = block.indexOf(LF, at + 1)) {
      left -= 1
      if (left === 0) return position + at + 1
    }
    position += block.length
  }
  return left === 0 ? 0 : undefined
}

/** Copies the bytes from `start` to `end` to another file at `position`. */
export async function copyRange(
  from: FileHandle,
  range: { start: number; end: number },
  to: FileHandle,
  position: number,
): Promise<void> {
  for (let at = range.start; at < range.end; ) {
    const block = await readAt(from, at, Math.min(BLOCK_BYTES, range.end - at))
    if (block.length === 0) throw new Error('the file became shorter while it was copied')
    await writeAt(to, block, position + at - range.start)
    at += block.length
  }
}
