/**
 * From text as databases and other programs write it to the plaintext of a typed field (codecs.ts). What a type would
 * not give back as it was, digits that a number loses or a date without its zone, is refused and not rounded.
 */
import { isUtf8 } from 'node:buffer'
import { KeywrightError } from '../../errors.ts'
import { CODECS, type FieldType } from '../codecs.ts'

/** The plaintext to seal for `bytes`, read as `type`. Throws ERR_VALUE_TYPE for a text that is no such value. */
export function typedPlaintext(type: FieldType, bytes: Uint8Array): string | Uint8Array {
  if (type === 'bytes') return bytes
  if (!isUtf8(bytes)) throw noSuchValue(type)
  if (type === 'string') return bytes
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  const plaintext = READ[type](text)
  if (plaintext === undefined) throw noSuchValue(type)
  return plaintext
}

function noSuchValue(type: FieldType): KeywrightError {
  return new KeywrightError('ERR_VALUE_TYPE', `the old value is no ${type}`, {
    hint: 'declare the column with another "as", or correct the value first',
  })
}

const READ: Readonly<
  Record<Exclude<FieldType, 'string' | 'bytes'>, (text: string) => string | Uint8Array | undefined>
> = {
  number: readNumber,
  bigint: (text) =>
    /^[+-]?[0-9]+$/.test(text.trim()) ? String(CODECS.bigint.encode(BigInt(text))) : undefined,
  boolean: (text) => BOOLEANS.get(text.trim().toLowerCase()),
  date: readDate,
  json: (text) => (isJson(text) ? text : undefined), // as it is, so that no digit of it is lost
}

/** As PostgreSQL, Python and SQLite write them. */
const BOOLEANS: ReadonlyMap<string, string> = new Map([
  ...['true', 't', '1'].map((text) => [text, 'true'] as const),
  ...['false', 'f', '0'].map((text) => [text, 'false'] as const),
])

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

interface Decimal {
  readonly sign: string
  /** Without zeros at either end; empty for zero. */
  readonly digits: string
  /** Of ten, for the number before which the point stands. */
  readonly exponent: number
}

function readNumber(text: string): string | undefined {
  const given = decimal(text.trim())
  if (given === undefined) return undefined
  const value = Number(text)
  if (!Number.isFinite(value)) return undefined
  const printed = CODECS.number.encode(value) as string
  const kept = decimal(printed)
  const same = kept?.sign === given.sign && kept.digits === given.digits && kept.exponent === given.exponent
  return same ? printed : undefined
}

function decimal(text: string): Decimal | undefined {
  const found = /^([+-]?)(?=\.?[0-9])([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]{1,4}))?$/.exec(text)
  if (found === null) return undefined
  const [, sign = '', whole = '', fraction = '', power = '0'] = found
  const written = whole + fraction
  const significant = written.replace(/^0+/, '')
  const digits = significant.replace(/0+$/, '')
  const exponent = whole.length + Number(power) - (written.length - significant.length)
  return { sign: sign === '-' ? '-' : '', digits, exponent: digits === '' ? 0 : exponent }
}

/** ISO 8601 with a zone, or a day, which begins at midnight UTC as in JavaScript. */
const DATE =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s?(Z|[+-]\d{2}(?::?\d{2})?))?$/

function readDate(text: string): string | undefined {
  const found = DATE.exec(text.trim())
  if (found === null) return undefined
  const [, day = '', minutes = '00:00', seconds = '00', fraction = '', zone = 'Z'] = found
  if (/[1-9]/.test(fraction.slice(3))) return undefined // a Date has milliseconds
  const clock = `${day}T${minutes}:${seconds}.${fraction.slice(0, 3).padEnd(3, '0')}`
  const local = new Date(`${clock}Z`)
  if (Number.isNaN(local.getTime()) || local.toISOString() !== `${clock}Z`) return undefined // 30 February
  const date = new Date(`${clock}${fullZone(zone)}`)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

/** '+00' and '+0530', as PostgreSQL and Python write them, with their colon. */
const fullZone = (zone: string): string =>
  zone === 'Z' ? zone : `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '').padEnd(2, '0')}`
