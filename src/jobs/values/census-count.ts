/** Counting the values of one place by the key they are under, from their first characters alone. */
import type { Source, SourcePage, SourceRow, SourceValue } from '../../source.ts'
import type { DataPlace, RowsPlace } from '../places.ts'
import { FOREIGN, keyIdIn, MALFORMED, tokenKeyIdIn } from './prefix.ts'

/** Different keys of one column that are told apart, beside those of the key store. */
const MAX_STRANGERS = 10_000
/** Rows of each kind that are named. */
const MAX_ROWS = 5

/** What stands in one column. */
export interface ColumnCensus {
  readonly column: string
  /** Search tokens, or values. */
  readonly kind: 'values' | 'tokens'
  readonly empty: number
  /** No ciphertext at all. */
  readonly plain: number
  /** Ciphertext of Fernet. */
  readonly foreign: number
  /** Begins as a ciphertext and cannot be one. */
  readonly malformed: number
  /** By key id, as text. */
  readonly keys: Readonly<Record<string, number>>
  /** Under keys that no record knows; those of too many keys to be told apart included. */
  readonly orphans: number
  /** Row keys of the first ones that are no ciphertext or of no key, as the source writes them. */
  readonly rows: readonly string[]
}

/** One place. */
export interface PlaceCensus {
  readonly place: string
  readonly kind: DataPlace['kind']
  readonly location?: string
  /** Rows or files that were read. */
  readonly rows: number
  readonly columns: readonly ColumnCensus[]
  /** Why it was not read to its end, as a code. */
  readonly failure?: string
}

export class ColumnCounter {
  readonly column: string
  readonly kind: ColumnCensus['kind']
  readonly #known: ReadonlySet<number>
  readonly #keys = new Map<number, number>()
  readonly #rows: string[] = []
  #strangers = 0
  #orphans = 0
  #empty = 0
  #plain = 0
  #foreign = 0
  #malformed = 0

  /** `known`: the ids of the key store. */
  constructor(column: string, kind: ColumnCensus['kind'], known: ReadonlySet<number>) {
    this.column = column
    this.kind = kind
    this.#known = known
  }

  /** `row`: the key of its row, or its path. */
  count(value: SourceValue, row: string): void {
    if (value === null) this.#empty++
    else this.add(this.kind === 'values' ? keyIdIn(value) : tokenKeyIdIn(value), row)
  }

  /** Counts a value by what `keyIdIn` says. */
  add(id: number, row: string): void {
    const known = this.#keys.get(id)
    const isKnown = known !== undefined || this.#known.has(id)
    if (known !== undefined) this.#keys.set(id, known + 1)
    else if (isKnown) this.#keys.set(id, 1)
    else if (id > 0 && this.#strangers < MAX_STRANGERS) {
      this.#strangers++
      this.#keys.set(id, 1)
    }
    if (this.#known.has(id)) return
    if (id === MALFORMED) this.#malformed++
    else if (id === FOREIGN) this.#foreign++
    else if (id < 0) this.#plain++
    else this.#orphans++
    if (this.#rows.length < MAX_ROWS) this.#rows.push(row)
  }

  get census(): ColumnCensus {
    return {
      column: this.column,
      kind: this.kind,
      empty: this.#empty,
      plain: this.#plain,
      foreign: this.#foreign,
      malformed: this.#malformed,
      keys: Object.fromEntries(this.#keys),
      orphans: this.#orphans,
      rows: this.#rows,
    }
  }
}

/** The columns of a place that are counted, in the order in which they are read. */
export function countersOf(
  { columns }: Pick<RowsPlace, 'columns'>,
  known: ReadonlySet<number>,
): ColumnCounter[] {
  return Object.entries(columns).flatMap(([column, { indexes = [] }]) => [
    new ColumnCounter(column, 'values', known),
    ...indexes.map((index) => new ColumnCounter(index.column, 'tokens', known)),
  ])
}

/** Pages of a source, the next one asked for while one is looked at. */
export async function* pagesOf(
  source: Source,
  columns: readonly string[],
  limit: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly SourceRow[]> {
  const read = (after: string | undefined): Promise<SourcePage> =>
    source.read({ columns, after, limit, signal })
  let next: Promise<SourcePage> | undefined = read(undefined)
  while (next !== undefined) {
    const page: SourcePage = await next
    next = page.next === undefined ? undefined : read(page.next)
    next?.catch(() => undefined) // met when its turn comes
    yield page.rows
  }
}
