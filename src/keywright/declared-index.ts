/** Search tokens as a place declares them, so that whoever looks up need not repeat how they are made. */
import { isDeepStrictEqual } from 'node:util'
import type { HashOptions } from '../data/search/blind-index.ts'
import { KeywrightError } from '../errors.ts'
import type { DataPlace, IndexBinding } from '../jobs/places.ts'

export interface IndexOptions extends HashOptions {
  /**
   * A column of tokens that is declared under `sources`, or in a place: what makes its tokens is taken from there. What
   * is given beside it must say the same.
   */
  readonly column?: string
}

const MEMBERS = ['normaliser', 'bits', 'slow'] as const

/** What makes the tokens of `field`. Throws ERR_SOURCE_UNKNOWN, and ERR_ARGUMENT_INVALID for what contradicts the declaration. */
export function indexOptions(
  places: readonly DataPlace[],
  field: string,
  { column, ...stated }: IndexOptions,
): { readonly field: string; readonly options: HashOptions } {
  if (column === undefined) return { field, options: stated }
  const [binding] = places.flatMap((place) => declaredIn(place, field, column))
  if (binding === undefined) {
    if (MEMBERS.some((name) => stated[name] !== undefined)) return { field, options: stated }
    throw new KeywrightError('ERR_SOURCE_UNKNOWN', 'no place declares this column of search tokens', {
      hint: 'name it in "indexes" of the encrypted column, under "sources" in the policy document',
    })
  }
  const other = MEMBERS.find(
    (name) => stated[name] !== undefined && !isDeepStrictEqual(stated[name], binding[name]),
  )
  if (other !== undefined) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `"${other}" is not what the column's declaration says`, {
      hint: `leave "${other}" out: it is taken from where the column is declared; other tokens are other columns`,
    })
  }
  const declared = MEMBERS.filter((name) => binding[name] !== undefined).map((name) => [name, binding[name]])
  return { field: binding.field ?? field, options: { ...stated, ...Object.fromEntries(declared) } }
}

function declaredIn(place: DataPlace, field: string, column: string): IndexBinding[] {
  if (place.kind !== 'rows') return []
  return Object.entries(place.columns).flatMap(([name, binding]) => {
    const table = binding.table === null ? undefined : (binding.table ?? place.table ?? place.name)
    const own = [table, binding.column === null ? undefined : (binding.column ?? name)]
    if (own.filter((part) => part !== undefined).join('.') !== field) return []
    return (binding.indexes ?? []).filter((index) => index.column === column)
  })
}
