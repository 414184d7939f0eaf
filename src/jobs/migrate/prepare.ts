/** What plan and run have in common: the columns of a place with their formats, and whether each can be migrated. */
import { ForeignReaders } from '../../data/foreign/readers.ts'
import type { KeywrightError } from '../../errors.ts'
import type { Source, SourceDescription } from '../../source.ts'
import { KeyOwners } from '../values/key-owners.ts'
import { type MigratedColumns, migratedColumns, type Work } from './columns.ts'
import { assertFormat, formatsOf, notOpen, ReadersOf } from './formats.ts'
import type { MigratingColumn } from './migrate-task.ts'
import { OldValues } from './old-value.ts'
import type { ChosenPlace, FormatOption, MigrationSelection, PlanMigrationOptions } from './request.ts'
import { scan } from './scan.ts'
import { columnProblem, isLimited } from './suitable.ts'
import { type ColumnSurvey, Survey } from './survey.ts'

/** A place that is looked at. */
export interface Prepared {
  readonly chosen: ChosenPlace
  readonly description: SourceDescription
  readonly reads: MigratedColumns['reads']
  /** All chosen columns; those that may not be migrated now have no formats. */
  readonly columns: readonly MigratingColumn[]
  readonly old: OldValues
}

export class Preparation {
  readonly #work: Work
  readonly #options: PlanMigrationOptions
  readonly #from: string
  readonly #readers: ReadersOf

  /** Throws ERR_ARGUMENT_INVALID. */
  constructor(work: Work, options: MigrationSelection & FormatOption & PlanMigrationOptions) {
    this.#work = work
    this.#options = options
    this.#from = options.from ?? 'auto'
    assertFormat(this.#from)
    this.#readers = new ReadersOf(new ForeignReaders(options))
  }

  /** Throws ERR_FOREIGN_KEY_MISSING, ERR_CONFIG_INVALID, and what source and binding throw. */
  async place(chosen: ChosenPlace, source: Source): Promise<Prepared> {
    const { services } = this.#work
    const description = await source.describe({ signal: this.#options.signal })
    const { columns, reads } = migratedColumns(this.#work, chosen, description)
    const now = services.clock.now()
    return {
      chosen,
      description,
      reads,
      columns: columns.map((column) => {
        const formats = formatsOf(column.bound, this.#from, now)
        return { ...column, formats, readers: this.#readers.named(formats) }
      }),
      old: new OldValues(new KeyOwners(services.store)),
    }
  }

  /** Why a column may not be migrated now. */
  closed({ bound, formats }: MigratingColumn): KeywrightError | undefined {
    return formats.length > 0 ? undefined : notOpen(bound, this.#from, this.#work.services.clock.now())
  }

  /** Reads the place once. */
  async survey(prepared: Prepared, source: Source) {
    const { chosen, columns, description, old, reads } = prepared
    const survey = new Survey(columns, reads, old)
    const { batch, maxLatencyMs, onProgress, rate, signal } = this.#options
    const counts = await scan(this.#work, source, survey, {
      step: 'plan',
      place: chosen.place.name,
      total: description.rows,
      signal,
      ...(batch === undefined ? {} : { batch }),
      ...(rate === undefined ? {} : { rate }),
      ...(maxLatencyMs === undefined ? {} : { maxLatencyMs }),
      ...(onProgress === undefined ? {} : { onProgress }),
    })
    return { counts, columns: survey.columns }
  }

  /**
   * Throws ERR_COLUMN_UNSUITABLE unless every column can hold what is to be written. Reads the place once where a
   * width is limited.
   */
  async assertSuitable(prepared: Prepared, source: Source): Promise<void> {
    const { chosen, columns, description } = prepared
    const check = (surveys?: readonly ColumnSurvey[]): void => {
      for (const [at, column] of columns.entries()) {
        const problem = columnProblem(chosen.place, description, column, surveys?.[at]?.needs ?? 0)
        if (problem !== undefined) throw problem
      }
    }
    check()
    if (columns.some(isLimited)) check((await this.survey(prepared, source)).columns)
  }
}
