/** Opens all that a migration would open, without writing anything: what there is, in which formats, and how long. */
import { OVERHEAD_BYTES } from '../../crypto/ciphertext.ts'
import type { SourceRow } from '../../source.ts'
import type { RowResult } from '../values/task.ts'
import type { MigratedColumn } from './columns.ts'
import type { MigratingColumn } from './migrate-task.ts'
import type { OldValue, OldValues } from './old-value.ts'
import { type Made, RowBuilder } from './row-builder.ts'

/** What one column has. */
export interface ColumnSurvey {
  /** Values that would be encrypted, by format. */
  readonly formats: Readonly<Record<string, number>>
  /** What the longest of them needs: characters of a text, bytes of a binary column. 0 when there is none. */
  readonly needs: number
}

/** The salt of X-AES-256-GCM comes on top. */
const SALT_BYTES = 12
const PREFIX = 'kw1.'.length

/** How long the stored ciphertext of so many plaintext bytes is. */
function storedLength({ bound, kind }: Pick<MigratedColumn, 'bound' | 'kind'>, bytes: number): number {
  const wire = bytes + OVERHEAD_BYTES + (bound.policy.algorithm === 'X-AES-256-GCM' ? SALT_BYTES : 0)
  return kind === 'bytes' ? wire : PREFIX + Math.ceil((wire * 4) / 3)
}

export class Survey {
  readonly reads: readonly string[]
  readonly counts: readonly string[]
  readonly #columns: readonly MigratingColumn[]
  readonly #old: OldValues
  readonly #rows: RowBuilder
  readonly #found: { formats: Record<string, number>; longest: number }[]

  constructor(columns: readonly MigratingColumn[], reads: readonly string[], old: OldValues) {
    this.reads = reads
    this.counts = columns.map(({ bound }) => bound.name)
    this.#columns = columns
    this.#old = old
    this.#rows = new RowBuilder(reads, [])
    this.#found = columns.map(() => ({ formats: {}, longest: -1 }))
  }

  async transform(rows: readonly SourceRow[]): Promise<RowResult[]> {
    const results: RowResult[] = []
    for (const row of rows) {
      const made: Made[] = []
      for (const [at, column] of this.#columns.entries()) {
        const found = await this.#old.look(column, column.readers, row, row.values[column.bound.at] ?? null)
        this.#note(at, found)
        made.push('plaintext' in found ? { outcome: 'done' } : found)
        if ('plaintext' in found && typeof found.plaintext !== 'string') found.plaintext.fill(0)
      }
      results.push(this.#rows.build(row, made))
    }
    return results
  }

  /** In the order of the columns. */
  get columns(): ColumnSurvey[] {
    return this.#columns.map((column, at) => {
      const { formats = {}, longest = -1 } = this.#found[at] ?? {}
      return { formats: { ...formats }, needs: longest < 0 ? 0 : storedLength(column, longest) }
    })
  }

  #note(at: number, value: OldValue): void {
    const found = this.#found[at]
    if (value.outcome !== 'done' || found === undefined) return
    found.formats[value.format] = (found.formats[value.format] ?? 0) + 1
    found.longest = Math.max(found.longest, Buffer.byteLength(value.plaintext))
  }
}
