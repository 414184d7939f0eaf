/** Looks at every value of a place, and opens those in Keywright's format where they stand. Writes nothing. */
import { looksCurrent } from '../../data/foreign/forms.ts'
import type { SourceRow } from '../../source.ts'
import type { RowResult } from '../values/task.ts'
import type { MigratedColumn, MigratedColumns } from './columns.ts'
import { outcomeOf } from './old-value.ts'
import { isOfType, type Opening } from './opening.ts'
import { type Made, RowBuilder } from './row-builder.ts'

export class VerifyTask {
  readonly reads: readonly string[]
  readonly counts: readonly string[]
  /** Values that were opened, by column. */
  readonly opened: Record<string, number>
  readonly #columns: readonly MigratedColumn[]
  readonly #opening: Opening
  readonly #sample: number
  readonly #rows: RowBuilder

  constructor({ columns, reads }: MigratedColumns, opening: Opening, sample: number) {
    this.reads = reads
    this.counts = columns.map(({ bound }) => bound.name)
    this.opened = Object.fromEntries(this.counts.map((name) => [name, 0]))
    this.#columns = columns
    this.#opening = opening
    this.#sample = sample
    this.#rows = new RowBuilder(reads, [])
  }

  async transform(rows: readonly SourceRow[]): Promise<RowResult[]> {
    const results: RowResult[] = []
    for (const row of rows) {
      const made: Made[] = []
      for (const column of this.#columns) made.push(await this.#value(column, row))
      results.push(this.#rows.build(row, made))
    }
    return results
  }

  async #value(column: MigratedColumn, row: SourceRow): Promise<Made> {
    const value = row.values[column.bound.at] ?? null
    if (value === null) return { outcome: 'empty' }
    if (!looksCurrent(value)) return { outcome: outcomeOf(value) }
    if (this.#sample < 1 && Math.random() >= this.#sample) return { outcome: 'current' }
    const found = await this.#opening.open(column, row, value)
    if ('failure' in found) return { outcome: 'failed', failure: found.failure }
    const { name } = column.bound
    this.opened[name] = (this.opened[name] ?? 0) + 1
    const right = isOfType(column, found.plaintext)
    found.plaintext.fill(0)
    return right ? { outcome: 'current' } : { outcome: 'failed', failure: 'ERR_VALUE_TYPE' }
  }
}
