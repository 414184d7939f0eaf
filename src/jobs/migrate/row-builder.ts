/** Puts together what a task makes of one row: new values in the order of its writes, outcomes in that of its counts. */
import type { SourceRow, SourceValue } from '../../source.ts'
import type { RowResult, ValueOutcome } from '../values/task.ts'

/** What became of one column of a row. */
export interface Made {
  readonly outcome: ValueOutcome
  /** Why it failed, by code. */
  readonly failure?: string
  /** By column name; absent when nothing changes. */
  readonly values?: ReadonlyMap<string, SourceValue>
}

export class RowBuilder {
  readonly #writes: readonly string[]
  /** Where the columns of `writes` stand in a row that was read. */
  readonly #readAt: readonly number[]

  constructor(reads: readonly string[], writes: readonly string[]) {
    this.#writes = writes
    this.#readAt = writes.map((name) => reads.indexOf(name))
  }

  /** `made`: one for each counted column, in order. */
  build(row: SourceRow, made: readonly Made[]): RowResult {
    const outcomes = made.map(({ outcome }) => outcome)
    const failed = made.some(({ failure }) => failure !== undefined)
    const failures = failed ? { failures: made.map(({ failure }) => failure) } : {}
    if (made.every(({ values }) => values === undefined)) return { outcomes, ...failures }
    const to = this.#writes.map((name, at) => {
      const changed = made.find(({ values }) => values?.has(name))
      return changed === undefined ? this.#read(row, at) : (changed.values?.get(name) ?? null)
    })
    return { outcomes, to, ...failures }
  }

  #read(row: SourceRow, at: number): SourceValue {
    return row.values[this.#readAt[at] as number] ?? null
  }
}
