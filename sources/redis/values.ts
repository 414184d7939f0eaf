/** Values of Redis, which are bytes, on their way to and from a source. */
import { isUtf8 } from 'node:buffer'
import type { SourceValue } from '../../src/source.ts'

/** Redis knows bytes only: what is text is given as text, anything else as bytes. Either comes back the same. */
export function toValue(value: Buffer | null | undefined): SourceValue {
  if (value === null || value === undefined) return null
  return isUtf8(value) ? String(value) : value
}

const PRESENT = Buffer.from('+')

/** A value after a mark, so that none is told from an empty one. */
export function argument(value: SourceValue): string | Buffer {
  if (value === null) return '-'
  return typeof value === 'string' ? `+${value}` : Buffer.concat([PRESENT, value])
}
