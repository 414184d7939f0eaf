/** What a column of search tokens tells to whoever reads the table, without any key. Changes nothing. */
import { type DataPlace, placesNamed, type RowsPlace } from '../places.ts'
import { Distribution, type KeyDistribution } from './distribution.ts'
import { noIndexes } from './no-indexes.ts'

export interface IndexReportOptions {
  /** Only this place. @default every place with index columns */
  readonly place?: string
  /** Rows at once. @default 5000 */
  readonly batch?: number
  readonly signal?: AbortSignal
  /** Rows read so far. */
  readonly onProgress?: (rows: number) => void
}

/** What one index column tells. */
export interface IndexReport {
  readonly place: string
  /** The encrypted column. */
  readonly of: string
  /** The column with the tokens. */
  readonly column: string
  readonly rows: number
  /** Rows without a token. */
  readonly empty: number
  /** Values that are no search token. */
  readonly others: number
  /** The index keys whose tokens stand there, the one with most tokens first. */
  readonly keys: readonly KeyDistribution[]
  /** What that means, a sentence each. */
  readonly findings: readonly string[]
}

const BATCH = 5_000

/** Reads every index column that is declared. Throws ERR_SOURCE_UNKNOWN when there is none, and what sources throw. */
export async function reportIndexes(
  places: readonly DataPlace[],
  options: IndexReportOptions = {},
): Promise<IndexReport[]> {
  const reports: IndexReport[] = []
  for (const place of placesNamed(places, options.place === undefined ? undefined : [options.place])) {
    if (place.kind === 'rows') reports.push(...(await reportPlace(place, options)))
  }
  if (reports.length === 0) throw noIndexes()
  return reports
}

interface Column {
  readonly of: string
  readonly column: string
}

async function reportPlace(place: RowsPlace, options: IndexReportOptions): Promise<IndexReport[]> {
  const columns: Column[] = Object.entries(place.columns).flatMap(([of, { indexes = [] }]) =>
    indexes.map(({ column }) => ({ of, column })),
  )
  if (columns.length === 0) return []
  const { rows, found } = await count(place, columns, options)
  return columns.map(({ of, column }, at) => {
    const { empty, others, keys } = found[at] as Distribution
    const counted = { place: place.name, of, column, rows, empty, others, keys }
    return { ...counted, findings: findingsOf(counted) }
  })
}

async function count(
  place: RowsPlace,
  columns: readonly Column[],
  { batch = BATCH, onProgress, signal }: IndexReportOptions,
): Promise<{ rows: number; found: readonly Distribution[] }> {
  const found = columns.map(() => new Distribution())
  const source = await place.open()
  let rows = 0
  try {
    for (let after: string | undefined, more = true; more; more = after !== undefined) {
      const names = columns.map(({ column }) => column)
      const page = await source.read({ columns: names, after, limit: batch, signal })
      for (const { values } of page.rows) {
        for (const [at, one] of found.entries()) one.add(values[at] ?? null)
      }
      rows += page.rows.length
      onProgress?.(rows)
      after = page.next
    }
  } finally {
    await source.close?.()
  }
  return { rows, found }
}

/** From so large a share on, the most frequent value is recognised by its frequency alone. */
const LARGE_SHARE = 0.1
/** So few different values are a handful of groups. */
const FEW_VALUES = 100

function findingsOf({ empty, keys, others, rows }: Omit<IndexReport, 'findings'>): string[] {
  const findings: string[] = []
  const [main] = keys
  if (keys.length > 1) findings.push(`tokens under ${keys.length} index keys: look-ups need all of them`)
  if (others > 0) findings.push(`${others} values are no search tokens`)
  if (main === undefined) return [...findings, 'there is no token']
  const { distinct, largest, once, outputBytes, rarest, tokens } = main
  if (largest / tokens >= LARGE_SHARE && distinct > 1) {
    findings.push(
      `the most frequent value stands in ${percent(largest, tokens)} of the rows: who knows how frequent values are recognises it`,
    )
  }
  if (distinct <= FEW_VALUES && distinct < tokens) {
    findings.push(
      `${distinct === 1 ? 'one token for all rows' : `only ${distinct} different tokens`}: each row's group is in the open; fewer bits, a slow hash or no index tell less`,
    )
  }
  if (once > 0 && outputBytes < 32) {
    findings.push(`${once} tokens stand in one row only: fewer bits would hide them among others`)
  }
  if (rarest > 1 && outputBytes < 32) findings.push(`every token is shared by ${rarest} rows at least`)
  if (empty > 0) findings.push(`${percent(empty, rows)} of the rows have no token`)
  if (findings.length === 0) findings.push('equal values are recognised as equal, nothing more')
  return findings
}

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`
