/** Whether a migration is complete: looks at every value, opens those that are ours (or a sample), changes nothing. */
import { KeywrightError } from '../../errors.ts'
import type { Source } from '../../source.ts'
import { type JobReport, type RunningJob, runJob } from '../job.ts'
import type { DataPlace } from '../places.ts'
import type { ColumnCounts } from '../values/counts.ts'
import { KeyOwners } from '../values/key-owners.ts'
import { migratedColumns, type Work } from './columns.ts'
import { Opening } from './opening.ts'
import { type ChosenPlace, chosenPlaces, jobOptionsOf, type VerifyMigrationOptions } from './request.ts'
import { namesOf } from './run.ts'
import { scan } from './scan.ts'
import { VerifyTask } from './verify-task.ts'

export interface VerifiedColumn {
  readonly column: string
  /** Rows that were read. */
  readonly total: number
  /** Values that were opened where they stand, and are of their type. */
  readonly opened: number
  /**
   * 'current': a Keywright ciphertext, opened or not in the sample; 'failed': one that does not open here, by code;
   * 'plain', 'foreign', 'skipped' (an empty text): not encrypted by Keywright; 'empty': null.
   */
  readonly counts: ColumnCounts
}

export interface VerifiedPlace {
  readonly place: string
  readonly location: string
  readonly columns: readonly VerifiedColumn[]
}

export interface VerificationReport extends JobReport {
  readonly job: 'verify'
  /** 'verified': all that is not null is a ciphertext, and every one that was opened opened. */
  readonly outcome: 'verified' | 'incomplete'
  /** The share of values that was opened. */
  readonly sample: number
  readonly places: readonly VerifiedPlace[]
}

/**
 * Needs no window: nothing but Keywright's own format is opened. Throws ERR_SOURCE_UNKNOWN, ERR_ARGUMENT_INVALID,
 * ERR_FIELD_UNMATCHED, ERR_ABORTED, and what sources and providers throw.
 */
export async function verifyMigration(
  work: Work,
  places: readonly DataPlace[],
  options: VerifyMigrationOptions,
): Promise<VerificationReport> {
  const sample = sampleOf(options)
  const chosen = chosenPlaces(places, options)
  const about = {
    title: `verify ${namesOf(chosen)}`,
    details: { job: 'verify', places: namesOf(chosen), sample },
    changes: false,
  }
  return runJob(work.services, about, jobOptionsOf(options), async (job) => {
    const verified: VerifiedPlace[] = []
    for (const one of chosen) verified.push(await verifyPlace(work, job, one, options))
    const right = verified.every(({ columns }) => columns.every(({ counts }) => isRight(counts)))
    const outcome = right ? ('verified' as const) : ('incomplete' as const)
    return { job: 'verify' as const, outcome, sample, places: verified }
  })
}

const isRight = ({ failed, foreign, plain, skipped }: ColumnCounts): boolean =>
  failed + foreign + plain + skipped === 0

function sampleOf({ sample = 1 }: VerifyMigrationOptions): number {
  if (sample > 0 && sample <= 1) return sample
  throw new KeywrightError('ERR_ARGUMENT_INVALID', '"sample" is not above 0 and at most 1', {
    hint: 'it is the share of values to open: 0.05 for 5%; leave it out to open all',
  })
}

async function verifyPlace(
  work: Work,
  job: RunningJob,
  chosen: ChosenPlace,
  options: VerifyMigrationOptions,
): Promise<VerifiedPlace> {
  const source = await chosen.place.open()
  try {
    return await verifySource(work, job, chosen, source, options)
  } finally {
    await source.close?.()
  }
}

async function verifySource(
  work: Work,
  { signal }: RunningJob,
  chosen: ChosenPlace,
  source: Source,
  options: VerifyMigrationOptions,
): Promise<VerifiedPlace> {
  const description = await source.describe({ signal })
  const columns = migratedColumns(work, chosen, description)
  const opening = new Opening(work.rings, new KeyOwners(work.services.store))
  const task = new VerifyTask(columns, opening, sampleOf(options))
  const place = chosen.place.name
  const { columns: counts, rows } = await scan(work, source, task, {
    ...options,
    step: 'verify',
    place,
    total: description.rows,
    signal,
  })
  return {
    place,
    location: description.location,
    columns: task.counts.map((column) => ({
      column,
      total: rows,
      opened: task.opened[column] ?? 0,
      counts: counts[column] as ColumnCounts,
    })),
  }
}
