/**
 * Keys of rows as one text. A key of one column is that column's text itself; one of several is a JSON array of
 * their texts. Between processes and versions it stays the same: checkpoints hold it.
 */
import { invalid } from './errors.ts'

/** The key of a row, out of the first `count` of its texts. */
export function formatKey(texts: readonly (string | null)[], count: number): string {
  return count === 1 ? (texts[0] ?? '') : JSON.stringify(texts.slice(0, count))
}

/** The texts of a key of `count` columns. Throws ERR_ARGUMENT_INVALID for what this source never gave. */
export function parseKey(key: string, count: number): readonly string[] {
  const texts = count === 1 ? [key] : parseArray(key)
  if (texts?.length === count && texts.every((text) => typeof text === 'string')) return texts
  throw badKey()
}

/** The error about a key or position that this source never gave. */
export function badKey() {
  return invalid(
    'a key or position is none of this source',
    'pass keys and positions as read() and split() gave them; has the key of the table changed?',
  )
}

function parseArray(text: string): readonly string[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? (value as string[]) : undefined
  } catch {
    return undefined
  }
}
