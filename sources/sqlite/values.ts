/** Values of SQLite, which have a type each, as a source gives them; and keys, which must come back as they were. */
import type { SourceRow, SourceValue } from '../../src/source.ts'
import { badKey, formatKey, parseKey } from '../shared/keys.ts'

/** What node:sqlite gives and takes. Integers are numbers, or bigint where one is too large for a number. */
export type SqliteValue = null | bigint | number | string | Uint8Array

/** A row, in the order of the statement's columns. */
export type SqliteRow = readonly SqliteValue[]

/** The one integer that node:sqlite gives as a number although it is too large for one. */
const SMALLEST = -(2 ** 63)

/** A number as SQLite has it. */
const numberText = (value: number): string => (value === SMALLEST ? String(BigInt(value)) : String(value))

/** A value as a source gives it: numbers in the text form they have in JavaScript. */
function toSourceValue(value: SqliteValue): SourceValue {
  if (typeof value === 'number') return numberText(value)
  return typeof value === 'bigint' ? String(value) : value
}

const BLOB = /^x(?:[0-9a-f]{2})*$/
const INTEGER = /^-?[0-9]{1,19}$/
/** Digits that a number holds exactly. */
const SHORT = 15
const ZERO = 0x30

/** Integers are bare; other types have a letter before them, so that none is taken for another. */
function toKeyText(value: SqliteValue): string {
  if (typeof value === 'string') return `t${value}`
  if (typeof value === 'bigint') return String(value)
  // 1 and 1.0 are one key in SQLite.
  if (typeof value === 'number')
    return Number.isSafeInteger(value) || value === SMALLEST ? numberText(value) : `r${value}`
  return value === null ? 'n' : `x${Buffer.from(value).toString('hex')}`
}

function fromKeyText(text: string): SqliteValue {
  return shortInteger(text) ?? anyKey(text)
}

/** Most keys are these; digit by digit is faster than a pattern. */
function shortInteger(text: string): number | undefined {
  if (text.length === 0 || text.length > SHORT) return undefined
  let value = 0
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  return value
}

function anyKey(text: string): SqliteValue {
  if (text.startsWith('t')) return text.slice(1)
  if (INTEGER.test(text)) return text.length <= SHORT ? Number(text) : integerOf(text)
  const rest = text.slice(1)
  if (BLOB.test(text)) return Buffer.from(rest, 'hex')
  if (text.startsWith('r') && rest !== '' && !Number.isNaN(Number(rest))) return Number(rest)
  throw badKey()
}

function integerOf(text: string): bigint {
  const value = BigInt(text)
  if (BigInt.asIntN(64, value) === value) return value
  throw badKey()
}

/** The key of a row, out of its first `count` values. */
export function keyOf(values: readonly SqliteValue[], count: number): string {
  if (count === 1) return toKeyText(values[0] ?? null)
  return formatKey(values.slice(0, count).map(toKeyText), count)
}

/** The values of a key. Throws ERR_ARGUMENT_INVALID. */
export function keyValues(key: string, count: number): SqliteValue[] {
  return count === 1 ? [fromKeyText(key)] : parseKey(key, count).map(fromKeyText)
}

/** A row as a source gives it. */
export function toRow(row: SqliteRow, keys: number): SourceRow {
  const values: SourceValue[] = []
  for (let at = keys; at < row.length; at++) values.push(toSourceValue(row[at] ?? null))
  return { key: keyOf(row, keys), values }
}
