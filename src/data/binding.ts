/** What a field's ciphertexts are bound to: keyring, table, column, row and what the caller adds. */
import { assertContextObject, type Context, canonicalBytes, canonicalTemplate } from '../crypto/canonical.ts'
import { KeywrightError } from '../errors.ts'

export interface FieldPlace {
  readonly table?: string | undefined
  readonly column?: string | undefined
  /** Further names and values; may not contain keyring, table, column or row. */
  readonly context?: Context | undefined
}

const RESERVED = ['keyring', 'table', 'column', 'row', 'as']

/** The context of a place under a keyring. Throws ERR_CONTEXT_INVALID for a reserved name. */
export function placeContext(keyring: string, place: FieldPlace): Context {
  if (place.context !== undefined) assertContextObject(place.context) // a spread Map would be an empty context
  const taken = RESERVED.find((name) => place.context !== undefined && Object.hasOwn(place.context, name))
  if (taken !== undefined) {
    throw new KeywrightError('ERR_CONTEXT_INVALID', `context name "${taken}" is reserved`, {
      hint: `${RESERVED.join(', ')} are set by Keywright: pass table, column and row as options`,
    })
  }
  return {
    ...place.context,
    keyring,
    ...(place.table === undefined ? {} : { table: place.table }),
    ...(place.column === undefined ? {} : { column: place.column }),
  }
}

/** Gives the AAD for a row, or for none, with everything fixed computed once. */
export function bindPlace(context: Context): (row: string | undefined) => Buffer {
  const withoutRow = canonicalBytes(context)
  const withRow = canonicalTemplate(context, 'row')
  return (row) => (row === undefined ? withoutRow : withRow(row))
}
