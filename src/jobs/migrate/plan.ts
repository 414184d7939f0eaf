/** What a migration would do. Reads every row, opens every old value, writes nothing. */
import type { ErrorCode } from '../../errors.ts'
import { formatInstant } from '../../policy/duration.ts'
import type { DataPlace } from '../places.ts'
import type { ColumnCounts, ValueCounts } from '../values/counts.ts'
import type { Work } from './columns.ts'
import type { MigratingColumn } from './migrate-task.ts'
import { Preparation, type Prepared } from './prepare.ts'
import { type ChosenPlace, chosenPlaces, type PlanMigrationOptions } from './request.ts'
import { columnProblem } from './suitable.ts'
import type { ColumnSurvey } from './survey.ts'

/** Why a column cannot be migrated as things are. */
export interface MigrationProblem {
  readonly code: ErrorCode
  readonly message: string
  readonly hint?: string
}

export interface ColumnMigrationPlan {
  readonly column: string
  readonly keyType: string
  /** As the source calls it: 'character varying(50)'. */
  readonly type?: string
  /** 'done': would be encrypted. */
  readonly counts: ColumnCounts
  /** Those that would be encrypted, by format. */
  readonly formats: Readonly<Record<string, number>>
  /** What the longest of them needs: characters of a text, bytes of a binary column. */
  readonly needs: number
  /** What fits; absent: as much as one likes. */
  readonly maxLength?: number
  /** When the window ends, ISO 8601; absent without a window. */
  readonly until?: string
  readonly problem?: MigrationProblem
}

export interface PlaceMigrationPlan {
  readonly place: string
  readonly location: string
  readonly counts: ValueCounts
  readonly columns: readonly ColumnMigrationPlan[]
  readonly warnings: readonly string[]
}

export interface MigrationPlan {
  readonly places: readonly PlaceMigrationPlan[]
  /** Columns that cannot be migrated as things are. */
  readonly problems: number
}

/**
 * Throws ERR_SOURCE_UNKNOWN, ERR_ARGUMENT_INVALID, ERR_FOREIGN_KEY_MISSING, ERR_CONFIG_INVALID for a format without a
 * reader, ERR_FIELD_UNMATCHED, ERR_ABORTED, and what sources throw.
 */
export async function planMigration(
  work: Work,
  places: readonly DataPlace[],
  options: PlanMigrationOptions,
): Promise<MigrationPlan> {
  const preparation = new Preparation(work, options)
  const plans: PlaceMigrationPlan[] = []
  for (const chosen of chosenPlaces(places, options)) plans.push(await planPlace(preparation, chosen))
  const problems = plans.flatMap(({ columns }) => columns.filter(({ problem }) => problem !== undefined))
  return { places: plans, problems: problems.length }
}

async function planPlace(preparation: Preparation, chosen: ChosenPlace): Promise<PlaceMigrationPlan> {
  const source = await chosen.place.open()
  try {
    const prepared = await preparation.place(chosen, source)
    const { counts, columns } = await preparation.survey(prepared, source)
    const { location, warnings } = prepared.description
    return {
      place: chosen.place.name,
      location,
      counts,
      warnings,
      columns: prepared.columns.map((column, at) =>
        planColumn(preparation, prepared, column, counts, columns[at] ?? { formats: {}, needs: 0 }),
      ),
    }
  } finally {
    await source.close?.()
  }
}

function planColumn(
  preparation: Preparation,
  { chosen, description }: Prepared,
  column: MigratingColumn,
  counts: ValueCounts,
  { formats, needs }: ColumnSurvey,
): ColumnMigrationPlan {
  const { keyType, name, policy } = column.bound
  const type = description.columns?.find((one) => one.name === name)?.type
  const problem = preparation.closed(column) ?? columnProblem(chosen.place, description, column, needs)
  return {
    column: name,
    keyType,
    ...(type === undefined ? {} : { type }),
    counts: counts.columns[name] as ColumnCounts,
    formats,
    needs,
    ...(Number.isFinite(column.maxLength) ? { maxLength: column.maxLength } : {}),
    ...(policy.migration === undefined ? {} : { until: formatInstant(policy.migration.untilMs) }),
    ...(problem === undefined ? {} : { problem: problem.toJSON() }),
  }
}
