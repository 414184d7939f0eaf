/** The places where an application keeps ciphertexts, so that a census and a re-encryption know all of them. */
import type { Context } from '../crypto/canonical.ts'
import type { FieldType } from '../data/codecs.ts'
import type { CustomNormaliser, NormaliserName } from '../data/search/normalisers.ts'
import type { SlowHash } from '../data/search/slow-hash.ts'
import { KeywrightError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { Source } from '../source.ts'

/** A column of search tokens beside an encrypted one: what `index()` is told when it makes them. */
export interface IndexBinding {
  /** The column that holds the token. */
  readonly column: string
  /** @default 'exact' */
  readonly normaliser?: NormaliserName | CustomNormaliser
  /** The field's name in the token's input. @default 'table.column' of the encrypted column */
  readonly field?: string
  /** @default 256 */
  readonly bits?: number
  /** @default false */
  readonly slow?: boolean | SlowHash
}

/** How the values of one column are bound: what `field()` or `records()` was told when it encrypted them. */
export interface ColumnBinding {
  /** @default what the policy's selectors say to 'table.column' */
  readonly keyType?: string
  /** The table in the context; null for none. @default the table of the source, else its name */
  readonly table?: string | null
  /** The column in the context; null for none. @default the column's name */
  readonly column?: string | null
  /** The column whose value is the row's id in the context. @default none: values are not bound to rows */
  readonly row?: string
  /** The column whose value is the tenant. @default none */
  readonly tenant?: string
  /** What else stands in the context. */
  readonly context?: Context
  /** The type of the values, for migrations from plain text. @default 'string' */
  readonly as?: FieldType
  readonly indexes?: readonly IndexBinding[]
}

/** Rows of a source. */
export interface RowsPlace {
  readonly kind: 'rows'
  readonly name: string
  /** The table in contexts, unless a column says otherwise. @default `name` */
  readonly table?: string
  /** The encrypted columns by name. */
  readonly columns: Readonly<Record<string, ColumnBinding>>
  /** Opens the source; whoever opened it closes it. */
  open(): Promise<Source>
}

/** A folder of encrypted files. */
export interface FolderPlace {
  readonly kind: 'folder'
  readonly name: string
  readonly path: string
  /** The context of its files. @default none */
  readonly context?: Context
}

export type DataPlace = RowsPlace | FolderPlace

/**
 * The places with these names, or all of them. Throws ERR_SOURCE_UNKNOWN for a name that is none, and when none is
 * declared at all.
 */
export function placesNamed(
  places: readonly DataPlace[],
  names?: readonly string[],
): readonly [DataPlace, ...DataPlace[]] {
  const byName = new Map(places.map((place) => [place.name, place]))
  const found = (names ?? [...byName.keys()]).map((name) => {
    const place = byName.get(name)
    if (place === undefined) throw unknownPlace(name, [...byName.keys()])
    return place
  })
  const [first, ...rest] = new Set(found)
  if (first !== undefined) return [first, ...rest]
  throw new KeywrightError('ERR_SOURCE_UNKNOWN', 'no place where ciphertexts live is declared', {
    hint: 'declare your tables, Redis keys and folders under "sources" in the policy document, or as "places" in code',
  })
}

function unknownPlace(name: string, known: readonly string[]): KeywrightError {
  const near = didYouMean(name, known) || (known.length === 0 ? '' : `there are: ${known.join(', ')}`)
  const declare = 'places are declared under "sources" in the policy document, or as "places" in code'
  return new KeywrightError('ERR_SOURCE_UNKNOWN', 'no place of that name is declared', {
    hint: near === '' ? declare : `${near}; ${declare}`,
  })
}
