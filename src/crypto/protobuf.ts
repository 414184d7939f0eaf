/**
 * The part of the protobuf wire format that small messages need: varints and length-delimited fields are
 * written; every wire type but groups is read (protobuf.dev/programming-guides/encoding).
 *
 * Reading is as tolerant as the format asks (unknown fields skipped, the last value of a field wins) and
 * strict on everything else. The caller says which error a malformed message is.
 */

/** A value to write: an unsigned integer, a string, bytes, or the fields of an embedded message. */
type FieldValue = number | string | Uint8Array | readonly FieldEntry[]

/** Field number and value. */
export type FieldEntry = readonly [number: number, value: FieldValue]

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5

/** More than any keyset or envelope has; keeps what hostile input can make us allocate small. */
const MAX_MESSAGE_BYTES = 1024 * 1024
const MAX_FIELDS = 20_000
const MAX_FIELD_NUMBER = 2 ** 29 - 1
const MAX_UINT32 = 2 ** 32 - 1

/**
 * The message made of `fields`, in the given order. As proto3 writers do, zero, '' and empty bytes are left
 * out; an embedded message is written even when it is empty. One allocation, so that no copy of a key stays
 * behind.
 */
export function writeFields(fields: readonly FieldEntry[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(sizeOfFields(fields))
  putFields(out, 0, fields)
  return out
}

function isDefault(value: FieldValue): boolean {
  return value === 0 || ((typeof value === 'string' || value instanceof Uint8Array) && value.length === 0)
}

function sizeOfFields(fields: readonly FieldEntry[]): number {
  let size = 0
  for (const [number, value] of fields) {
    if (isDefault(value)) continue
    size += sizeOfVarint(number * 8)
    if (typeof value === 'number') size += sizeOfVarint(value)
    else size += sizeOfVarint(contentSize(value)) + contentSize(value)
  }
  return size
}

function contentSize(value: Exclude<FieldValue, number>): number {
  if (typeof value === 'string') return Buffer.byteLength(value, 'utf8')
  return value instanceof Uint8Array ? value.length : sizeOfFields(value)
}

function putFields(out: Uint8Array, start: number, fields: readonly FieldEntry[]): number {
  let at = start
  for (const [number, value] of fields) {
    if (isDefault(value)) continue
    if (typeof value === 'number') {
      at = putVarint(out, putVarint(out, at, number * 8 + VARINT), value)
      continue
    }
    at = putVarint(out, at, number * 8 + LENGTH_DELIMITED)
    at = putVarint(out, at, contentSize(value))
    at = putContent(out, at, value)
  }
  return at
}

function putContent(out: Uint8Array, at: number, value: Exclude<FieldValue, number>): number {
  if (typeof value === 'string') return at + new TextEncoder().encodeInto(value, out.subarray(at)).written
  if (!(value instanceof Uint8Array)) return putFields(out, at, value)
  out.set(value, at)
  return at + value.length
}

function sizeOfVarint(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('not an unsigned integer')
  let size = 1
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++
  return size
}

function putVarint(out: Uint8Array, start: number, value: number): number {
  let at = start
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) out[at++] = (rest % 128) | 128
  out[at++] = rest
  return at
}

/** The fields of one message by number. Byte values are views of the message, not copies. */
export interface Fields {
  /** The last value; absent is 0, as in proto3. Malformed when it is over 32 bits. */
  uint32(number: number): number
  /** The last value, or `undefined`. */
  bytes(number: number): Uint8Array | undefined
  /** The last value, absent is ''. Malformed when it is not UTF-8. */
  string(number: number): string
  /** Every value of a repeated field, in order. */
  all(number: number): readonly Uint8Array[]
  /** An embedded message, or `undefined`. One that came in several pieces is merged, as the format asks. */
  message(number: number): Fields | undefined
}

/**
 * Reads one message. A field whose wire type is not the one asked for counts as unknown.
 *
 * Throws `malformed()` for anything cut short, too long (1 MiB, 20 000 fields), groups, field number 0 and
 * varints over 64 bits.
 */
export function readFields(bytes: Uint8Array, malformed: () => Error): Fields {
  if (bytes.length > MAX_MESSAGE_BYTES) throw malformed()
  const reader = new Reader(bytes, malformed)
  const varints = new Map<number, number>()
  const chunks = new Map<number, Uint8Array[]>()
  for (let count = 0; !reader.atEnd(); count++) {
    if (count === MAX_FIELDS) throw malformed()
    const tag = reader.varint()
    const number = Math.floor(tag / 8)
    if (number === 0 || number > MAX_FIELD_NUMBER) throw malformed()
    const wireType = tag % 8
    if (wireType === VARINT) varints.set(number, reader.varint())
    else if (wireType === LENGTH_DELIMITED) append(chunks, number, reader.take(reader.varint()))
    else if (wireType === FIXED64) reader.take(8)
    else if (wireType === FIXED32) reader.take(4)
    else throw malformed()
  }
  return fieldsOf(varints, chunks, malformed)
}

function fieldsOf(
  varints: ReadonlyMap<number, number>,
  chunks: ReadonlyMap<number, readonly Uint8Array[]>,
  malformed: () => Error,
): Fields {
  const all = (number: number) => chunks.get(number) ?? []
  return {
    uint32(number) {
      const value = varints.get(number) ?? 0
      if (value > MAX_UINT32) throw malformed()
      return value
    },
    bytes: (number) => all(number).at(-1),
    string(number) {
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(all(number).at(-1))
      } catch {
        throw malformed()
      }
    },
    all,
    message(number) {
      const [first, ...more] = all(number)
      if (first === undefined) return undefined
      return readFields(more.length === 0 ? first : Buffer.concat([first, ...more]), malformed)
    },
  }
}

function append(chunks: Map<number, Uint8Array[]>, number: number, chunk: Uint8Array): void {
  const known = chunks.get(number)
  if (known === undefined) chunks.set(number, [chunk])
  else known.push(chunk)
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #malformed: () => Error
  #at = 0

  constructor(bytes: Uint8Array, malformed: () => Error) {
    this.#bytes = bytes
    this.#malformed = malformed
  }

  atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  /** Exact up to 2^53; a larger one stays larger than 2^53, and no field of ours may be that large. */
  varint(): number {
    let value = 0
    let factor = 1
    for (let length = 1; length <= 10; length++) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined || (length === 10 && byte > 1)) throw this.#malformed()
      value += (byte & 127) * factor
      if (byte < 128) return value
      factor *= 128
    }
    throw this.#malformed()
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw this.#malformed()
    const taken = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return taken
  }
}
