/** What became of the rows and values of one place, as checkpoints keep it and reports tell it. */
import type { RowResult, ValueOutcome } from './task.ts'

/** Values of one column by what became of them. */
export interface ColumnCounts extends Readonly<Record<ValueOutcome, number>> {
  /** Those that failed, by error code. */
  readonly failures: Readonly<Record<string, number>>
}

/** Rows of one place by what became of them. */
export interface ValueCounts {
  /** Rows that were read and settled. */
  readonly rows: number
  /** Of these, rows that were written. */
  readonly written: number
  /** Rows that were deleted between being read and being written. Their values are not counted. */
  readonly gone: number
  /** Rows that the application went on changing: left as it wrote them. Their values are not counted. */
  readonly changed: number
  /** By column, in the order of the task's `counts`. */
  readonly columns: Readonly<Record<string, ColumnCounts>>
}

const OUTCOMES: readonly ValueOutcome[] = [
  'done',
  'current',
  'empty',
  'plain',
  'foreign',
  'failed',
  'skipped',
]
const ROWS = ['rows', 'written', 'gone', 'changed'] as const

type Mutable = Record<ValueOutcome, number> & { failures: Record<string, number> }

/** Counts that grow. */
export class Tally {
  rows = 0
  written = 0
  gone = 0
  changed = 0
  readonly #names: readonly string[]
  readonly #columns: readonly Mutable[]

  /** `names`: the columns that are counted, in the order of the outcomes. */
  constructor(names: readonly string[], from?: ValueCounts) {
    this.#names = names
    this.#columns = names.map(zeros)
    if (from !== undefined) this.merge(from)
  }

  /** Counts one row; `times` -1 takes it back. */
  add(result: RowResult, times: 1 | -1 = 1): void {
    this.rows += times
    if (result.to !== undefined) this.written += times
    const { outcomes, failures } = result
    for (let at = 0; at < this.#columns.length; at++) {
      const column = this.#columns[at] as Mutable
      column[outcomes[at] as ValueOutcome] += times
      const code = failures?.[at]
      if (code !== undefined) bump(column.failures, code, times)
    }
  }

  /** Adds other counts of the same columns. */
  merge(other: ValueCounts): void {
    for (const name of ROWS) this[name] += other[name]
    for (const [at, name] of this.#names.entries()) {
      const from = other.columns[name]
      const column = this.#columns[at]
      if (from === undefined || column === undefined) continue
      for (const outcome of OUTCOMES) column[outcome] += from[outcome]
      for (const [code, count] of Object.entries(from.failures)) bump(column.failures, code, count)
    }
  }

  /** As they are now. */
  get counts(): ValueCounts {
    const columns = this.#names.map((name, at) => {
      const column = this.#columns[at] as Mutable
      return [name, { ...column, failures: { ...column.failures } }] as const
    })
    const { rows, written, gone, changed } = this
    return { rows, written, gone, changed, columns: Object.fromEntries(columns) }
  }
}

function zeros(): Mutable {
  return { done: 0, current: 0, empty: 0, plain: 0, foreign: 0, failed: 0, skipped: 0, failures: {} }
}

function bump(counts: Record<string, number>, code: string, by: number): void {
  const count = (counts[code] ?? 0) + by
  if (count === 0) delete counts[code]
  else counts[code] = count
}

/** No rows yet. */
export const noCounts = (names: readonly string[]): ValueCounts => new Tally(names).counts

/** Both together; columns of either. */
export function sumCounts(all: readonly ValueCounts[]): ValueCounts {
  const tally = new Tally([...new Set(all.flatMap((one) => Object.keys(one.columns)))])
  for (const one of all) tally.merge(one)
  return tally.counts
}

/** Values of all columns with this outcome. */
export const countOf = (counts: ValueCounts, outcome: ValueOutcome): number =>
  Object.values(counts.columns).reduce((sum, column) => sum + column[outcome], 0)

/** What a checkpoint kept; undefined for anything that is no such thing. */
export function parseCounts(value: unknown, names: readonly string[]): ValueCounts | undefined {
  const counts = value as ValueCounts | null | undefined
  if (typeof counts !== 'object' || counts === null) return undefined
  if (!ROWS.every((name) => isCount(counts[name]))) return undefined
  for (const name of names) {
    const column: ColumnCounts | undefined = counts.columns?.[name]
    if (column === undefined || !OUTCOMES.every((outcome) => isCount(column[outcome]))) return undefined
    if (!Object.values(column.failures ?? { none: -1 }).every(isCount)) return undefined
  }
  return new Tally(names, counts).counts
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
