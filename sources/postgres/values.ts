/** Values of rows on their way to and from the text form of the protocol. */
import type { SourceValue } from '../../src/source.ts'
import { invalid } from '../shared/errors.ts'
import type { Column } from './layout.ts'

const SPECIAL = /["\\]/
const SPECIALS = /["\\]/g

/**
 * An array as PostgreSQL reads one: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO. Written here since
 * it is most of what the client does per row.
 */
export function arrayLiteral(texts: readonly (string | null)[]): string {
  let literal = '{'
  for (let at = 0; at < texts.length; at++) {
    if (at > 0) literal += ','
    const text = texts[at] as string | null
    if (text === null) literal += 'NULL'
    else literal += `"${SPECIAL.test(text) ? text.replace(SPECIALS, '\\$&') : text}"`
  }
  return `${literal}}`
}

/** A value as text: bytes as hex. Throws ERR_ARGUMENT_INVALID for one of the wrong kind. */
export function toText(value: SourceValue, column: Column): string | null {
  if (value === null) return null
  if (column.isBytes && value instanceof Uint8Array) return hexOf(value)
  if (!column.isBytes && typeof value === 'string' && !value.includes('\0')) return value
  throw invalid(
    `a value for column ${JSON.stringify(column.name)} is not ${column.isBytes ? 'bytes' : 'text that PostgreSQL can hold'}`,
    column.isBytes ? 'pass a Uint8Array or null' : 'pass a string without NUL, or null',
  )
}

const hexOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')

/** A value as a source gives it. */
export function fromText(text: string | null, isBytes: boolean): SourceValue {
  return text === null || !isBytes ? text : Buffer.from(text, 'hex')
}
