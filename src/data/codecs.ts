/**
 * How values become plaintext bytes and back. What is encrypted is plain: UTF-8 for a string, the bytes for bytes,
 * JSON or its obvious text for the rest, so that other languages read it without knowing Keywright.
 */
import { isUtf8 } from 'node:buffer'
import { KeywrightError } from '../errors.ts'

/** Anything JSON can hold. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue }

/** The types a field can have, by the name its `as` option takes. */
export interface FieldTypes {
  string: string
  number: number
  bigint: bigint
  boolean: boolean
  date: Date
  json: JsonValue
  bytes: Uint8Array
}

export type FieldType = keyof FieldTypes

/** Both directions for one type. `encode` throws ERR_VALUE_TYPE for a value of another type. */
export interface Codec<T> {
  encode(value: T): string | Uint8Array
  decode(plaintext: Buffer): T
}

function wrongType(expected: string, value: unknown): KeywrightError {
  const got = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
  return new KeywrightError('ERR_VALUE_TYPE', `the value is not ${expected} (got ${got})`, {
    hint: 'keep null and undefined as they are; for other types declare the field with its "as"',
  })
}

function unreadable(expected: FieldType): KeywrightError {
  return new KeywrightError('ERR_VALUE_TYPE', `the decrypted value is no ${expected}`, {
    hint: 'it was encrypted as another type: read it with the "as" it was written with',
  })
}

/** Only where a replacement character came out can the bytes have been something else than UTF-8. */
function text(plaintext: Buffer, expected: FieldType): string {
  const decoded = plaintext.toString('utf8')
  if (decoded.includes('\ufffd') && !isUtf8(plaintext)) throw unreadable(expected)
  return decoded
}

/** A codec whose text form is parsed by `parse`; `undefined` from it means unreadable. */
function textCodec<T>(
  type: FieldType,
  accepts: (value: unknown) => boolean,
  expected: string,
  print: (value: T) => string,
  parse: (text: string) => T | undefined,
): Codec<T> {
  return {
    encode(value) {
      if (!accepts(value)) throw wrongType(expected, value)
      return print(value)
    },
    decode(plaintext) {
      const value = parse(text(plaintext, type))
      if (value === undefined) throw unreadable(type)
      return value
    },
  }
}

function printJson(value: JsonValue): string {
  let printed: string | undefined
  try {
    printed = JSON.stringify(value, refuseWhatJsonLoses)
  } catch (error) {
    if (error instanceof KeywrightError) throw error
    throw wrongType('JSON: it holds itself, is nested too deeply or cannot be read', value) // its text names members
  }
  if (printed === undefined) throw wrongType('JSON', value)
  return printed
}

/** JSON.stringify turns these into null or drops them without a word. */
function refuseWhatJsonLoses(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key]
  const lost =
    (typeof value === 'number' && !Number.isFinite(value)) ||
    value === undefined ||
    typeof value === 'function' ||
    typeof value === 'symbol' ||
    typeof value === 'bigint' ||
    !isPlain(original)
  if (lost) throw wrongType('JSON: it holds something that JSON cannot express', value)
  if (typeof value === 'string' && !value.isWellFormed()) throw wrongType('well-formed text', value)
  return value
}

/** Whether JSON gives `value` back: of a Date, a Map, a Promise or an instance of a class something else would come. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function parseJson(printed: string): JsonValue | undefined {
  try {
    return JSON.parse(printed) as JsonValue
  } catch {
    return undefined
  }
}

/** One spelling a number: what `print` would write. */
function parseNumber(printed: string): number | undefined {
  const value = Number(printed)
  return Number.isFinite(value) && printNumber(value) === printed ? value : undefined
}

const printNumber = (value: number): string => (Object.is(value, -0) ? '-0' : String(value))

/** Dates are ISO 8601 in UTC with milliseconds, as Date.prototype.toISOString writes them. */
function parseDate(printed: string): Date | undefined {
  const date = new Date(printed)
  return Number.isNaN(date.getTime()) || date.toISOString() !== printed ? undefined : date
}

export const CODECS: { readonly [K in FieldType]: Codec<FieldTypes[K]> } = {
  string: {
    encode(value) {
      if (typeof value !== 'string') throw wrongType('a string', value)
      if (!value.isWellFormed()) throw wrongType('well-formed text: it has a lone surrogate', value)
      return value
    },
    decode: (plaintext) => text(plaintext, 'string'),
  },
  bytes: {
    encode(value) {
      if (!(value instanceof Uint8Array)) throw wrongType('a Uint8Array', value)
      return value
    },
    decode: (plaintext) => plaintext,
  },
  number: textCodec(
    'number',
    (value) => typeof value === 'number' && Number.isFinite(value),
    'a finite number',
    printNumber,
    parseNumber,
  ),
  bigint: textCodec(
    'bigint',
    (value) => typeof value === 'bigint',
    'a bigint',
    String,
    (printed) => (/^(0|-?[1-9][0-9]*)$/.test(printed) ? BigInt(printed) : undefined),
  ),
  boolean: textCodec(
    'boolean',
    (value) => typeof value === 'boolean',
    'a boolean',
    String,
    (printed) => (printed === 'true' ? true : printed === 'false' ? false : undefined),
  ),
  date: textCodec(
    'date',
    (value) => value instanceof Date && !Number.isNaN(value.getTime()),
    'a valid Date',
    (value) => value.toISOString(),
    parseDate,
  ),
  json: textCodec('json', () => true, 'JSON', printJson, parseJson),
}

/** The codec by name. Throws ERR_ARGUMENT_INVALID for a name that is none. */
export function codecFor<K extends FieldType>(as: K): Codec<FieldTypes[K]> {
  if (Object.hasOwn(CODECS, as)) return CODECS[as]
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'unknown field type in "as"', {
    hint: `one of ${Object.keys(CODECS).join(', ')}`,
  })
}
