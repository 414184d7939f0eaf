/** The id of a row as it stands in the context. */
import { KeywrightError } from '../../errors.ts'

/** 'text': every string is an id as it stands. 'exact': only strings that no database writes in another way. */
export type RowIdForm = 'exact' | 'text'

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i

/**
 * The id under which a value is read: 42, 42n and '42' are one row. Throws ERR_CONTEXT_INVALID, saying `where`, for
 * anything else.
 */
export function rowId(id: unknown, where: string, hint: string): string {
  if (typeof id === 'string' && id !== '') return id
  if (typeof id === 'bigint' || (typeof id === 'number' && Number.isSafeInteger(id))) return String(id)
  throw new KeywrightError('ERR_CONTEXT_INVALID', `${where}: the row has no usable id`, { hint })
}

/**
 * The id under which a value is written. A database takes '007' for the integer 7 and an upper-case UUID for a
 * lower-case one; what is bound to the first form would not open when it is read under the second.
 */
export function writtenRowId(id: unknown, where: string, hint: string, form: RowIdForm = 'exact'): string {
  const row = rowId(id, where, hint)
  if (form === 'text' || isExact(row)) return row
  throw new KeywrightError(
    'ERR_CONTEXT_INVALID',
    `${where}: the database may write this row id in another form`,
    {
      hint: "pass numbers as numbers and UUIDs in lower case; where ids are text of any form, set rowForm: 'text'",
    },
  )
}

function isExact(row: string): boolean {
  if (row.trim() !== row) return false
  if (UUID.test(row)) return row === row.toLowerCase()
  return Number.isNaN(Number(row)) || /^(0|-?[1-9]\d*)$/.test(row)
}
