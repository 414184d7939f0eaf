/** A migration: everything that the policy's window lists becomes a Keywright ciphertext, while applications go on. */
import { KeywrightError } from '../../errors.ts'
import { type JobReport, type RunningJob, runJob } from '../job.ts'
import type { DataPlace } from '../places.ts'
import { countOf, sumCounts, type ValueCounts } from '../values/counts.ts'
import { type PlaceResult, runOverSource } from '../values/engine.ts'
import type { ValueOutcome } from '../values/task.ts'
import type { Work } from './columns.ts'
import { MigrateTask } from './migrate-task.ts'
import { Preparation, type Prepared } from './prepare.ts'
import { type ChosenPlace, chosenPlaces, jobOptionsOf, type MigrateOptions } from './request.ts'

/**
 * 'finished': every value is a Keywright ciphertext or null. 'incomplete': some are not; the counts tell which and why,
 * and running it again goes on with them.
 */
export type MigrationOutcome = 'finished' | 'incomplete'

export interface MigrationReport extends JobReport {
  readonly job: 'migrate' | 'reverse'
  readonly outcome: MigrationOutcome
  /** 'done': written by this run, and by those before it that it went on with. */
  readonly places: readonly PlaceResult[]
  /** Of all places. */
  readonly counts: ValueCounts
  /** A sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Every place is looked at before the first one is written. Run again it goes on where it was, or finds nothing to do.
 *
 * Throws ERR_MIGRATION_CLOSED, ERR_COLUMN_UNSUITABLE (with the width that is needed), ERR_FOREIGN_KEY_MISSING,
 * ERR_JOB_RUNNING, ERR_CHECKPOINT_FOREIGN, ERR_ABORTED, and what `planMigration` throws.
 */
export async function migrate(
  work: Work,
  places: readonly DataPlace[],
  options: MigrateOptions,
): Promise<MigrationReport> {
  const preparation = new Preparation(work, options)
  const chosen = chosenPlaces(places, options)
  const { prepared, warnings } = await prepareAll(preparation, chosen, options)
  const about = {
    title: `migrate ${chosen.map(({ place }) => place.name).join(', ')}`,
    details: { job: 'migrate', from: options.from ?? 'auto', places: namesOf(chosen) },
    changes: false,
  }
  return runJob(work.services, about, jobOptionsOf(options), async (job) => {
    const results: PlaceResult[] = []
    for (const one of prepared) results.push(await migratePlace(work, job, one, options))
    return { job: 'migrate' as const, ...summary(results, NOT_OURS), warnings }
  })
}

/** After the window nobody reads these, an empty text included: it is no ciphertext. */
const NOT_OURS: readonly ValueOutcome[] = ['failed', 'foreign', 'plain', 'skipped']

/** Names for the audit log, which takes 1000 characters. */
export const namesOf = (chosen: readonly ChosenPlace[]): string =>
  chosen
    .map(({ place }) => place.name)
    .join(', ')
    .slice(0, 900)

async function prepareAll(
  preparation: Preparation,
  chosen: readonly ChosenPlace[],
  { columns: named }: MigrateOptions,
): Promise<{ prepared: Prepared[]; warnings: string[] }> {
  const prepared: Prepared[] = []
  const closed: KeywrightError[] = []
  for (const one of chosen) {
    const source = await one.place.open()
    try {
      const found = await preparation.place(one, source)
      const shut = found.columns.flatMap((column) => preparation.closed(column) ?? [])
      if (named !== undefined && shut[0] !== undefined) throw shut[0]
      closed.push(...shut)
      const open = found.columns.filter(({ formats }) => formats.length > 0)
      if (open.length === 0) continue
      const ready = { ...found, columns: open }
      await preparation.assertSuitable(ready, source)
      prepared.push(ready)
    } finally {
      await source.close?.()
    }
  }
  if (prepared.length === 0) throw closed[0] ?? nothingChosen()
  return { prepared, warnings: closed.map(({ message }) => `not migrated: ${message}`) }
}

function nothingChosen(): KeywrightError {
  return new KeywrightError('ERR_SOURCE_UNKNOWN', 'no encrypted column is declared in these places', {
    hint: 'declare the columns to migrate under "columns" of the source',
  })
}

function migratePlace(
  { rings }: Work,
  job: RunningJob,
  { chosen: { place }, columns, old, reads }: Prepared,
  options: MigrateOptions,
): Promise<PlaceResult> {
  const task = new MigrateTask({ place: place.name, rings, columns, reads, old })
  return runOverSource(job, place, task, options)
}

/** The counts of all places, and whether values stayed that should not have. */
export function summary(
  places: readonly PlaceResult[],
  stays: readonly ValueOutcome[],
): Pick<MigrationReport, 'counts' | 'outcome' | 'places'> {
  const counts = sumCounts(places.map((one) => one.counts))
  const left = stays.reduce((sum, outcome) => sum + countOf(counts, outcome), 0)
  return { places, counts, outcome: left + counts.changed === 0 ? 'finished' : 'incomplete' }
}
