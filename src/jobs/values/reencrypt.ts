/** The re-encryption job: every value of the declared places, or of some, under the active key of its keyring. */

import type { Keyrings } from '../../keys/keyrings.ts'
import type { KeyServices } from '../../keys/services.ts'
import { type JobReport, type RunningJob, runJob } from '../job.ts'
import type { DataPlace } from '../places.ts'
import { countOf, sumCounts, type ValueCounts } from './counts.ts'
import { Crypter } from './crypter.ts'
import { batchOf, type PlaceResult, runOverSource, type ValueOptions } from './engine.ts'
import { Pace } from './pace.ts'
import { ReencryptTask } from './reencrypt-task.ts'
import { type Selected, selectColumns, type ValueSelection } from './selection.ts'

export interface ReencryptOptions extends ValueSelection, ValueOptions {
  /** Worker threads for the cryptography, from 1 to 64. @default none: it is done in this thread */
  readonly workers?: number
  /** Stops it between two pages, with ERR_ABORTED. Run again it goes on where it was. */
  readonly signal?: AbortSignal
  /** For the audit log. */
  readonly reason?: string
}

export interface ReencryptReport extends JobReport {
  readonly job: 'reencrypt'
  /**
   * 'finished': every ciphertext that was found is under the key that was active then. 'incomplete': values failed to
   * decrypt, or the application went on changing rows.
   */
  readonly outcome: 'finished' | 'incomplete'
  readonly places: readonly PlaceResult[]
  /** Of all places together. */
  readonly counts: ValueCounts
  /** What is to be looked at, a sentence each. */
  readonly warnings: readonly string[]
}

/** What long work on values is made of. */
export interface ValueParts {
  readonly services: KeyServices
  readonly rings: Keyrings
  readonly places: readonly DataPlace[]
}

/**
 * Re-encrypts. Each place is done page by page with a checkpoint; an application that writes meanwhile always wins.
 *
 * Throws ERR_SOURCE_UNKNOWN, ERR_KEY_TYPE_UNKNOWN, ERR_FIELD_UNMATCHED, ERR_ARGUMENT_INVALID, ERR_JOB_RUNNING,
 * ERR_CHECKPOINT_FOREIGN, ERR_ABORTED, and what sources, provider and store throw.
 */
export async function reencrypt(parts: ValueParts, options: ReencryptOptions = {}): Promise<ReencryptReport> {
  const { services } = parts
  const selected = selectColumns(services.policy, parts.places, options)
  batchOf(options)
  new Pace(services.clock, options) // wrong options are refused before anything begins
  const about = { title: 'reencrypt', details: detailsOf(selected, options), changes: false }
  const { reason, signal } = options
  const jobOptions = {
    ...(reason === undefined ? {} : { reason }),
    ...(signal === undefined ? {} : { signal }),
  }
  return runJob(services, about, jobOptions, (job) => runReencryption(job, parts, selected, options))
}

async function runReencryption(
  job: RunningJob,
  parts: ValueParts,
  selected: Selected,
  options: ReencryptOptions,
): Promise<Omit<ReencryptReport, keyof JobReport> & Pick<ReencryptReport, 'outcome'>> {
  const { rings, services } = parts
  // A key that another process made a moment ago is to be the active one here, or its values would count as old.
  for (const ring of rings.loaded) await ring.records.refreshAfterWrite()
  const crypter = await crypterFor(services, options.workers)
  const places: PlaceResult[] = []
  try {
    for (const { place, columns } of selected.rows) {
      const { keyrings } = options
      const task = new ReencryptTask({ services, rings, place, columns, keyrings, crypter })
      places.push(await runOverSource(job, place, task, options))
    }
    if (selected.folders.length > 0) {
      const { reencryptFolder } = await import('./reencrypt-folder.ts')
      for (const place of selected.folders) places.push(await reencryptFolder(job, parts, place, options))
    }
  } finally {
    await crypter.close()
  }
  const isDone = places.every(({ counts }) => countOf(counts, 'failed') + counts.changed === 0)
  const outcome = isDone ? ('finished' as const) : ('incomplete' as const)
  const counts = sumCounts(places.map((one) => one.counts))
  return { job: 'reencrypt', outcome, places, counts, warnings: places.flatMap(warningsOf) }
}

async function crypterFor({ store }: KeyServices, workers: number | undefined): Promise<Crypter> {
  if (workers === undefined) return new Crypter(store)
  const { startThreads } = await import('./threads.ts')
  return new Crypter(store, await startThreads(workers))
}

function warningsOf({ place, counts }: PlaceResult): string[] {
  const warnings: string[] = []
  for (const [name, column] of Object.entries(counts.columns)) {
    const tell = (count: number, what: string): void => {
      if (count > 0) warnings.push(`column "${name}" of "${place}": left as they are, ${what}: ${count}`)
    }
    const codes = Object.keys(column.failures).join(', ')
    tell(column.plain, 'being no ciphertext (see `keywright migrate`)')
    tell(column.foreign, 'being ciphertext of Fernet (see `keywright migrate`)')
    tell(column.failed, `as they did not decrypt (${codes})`)
  }
  const { changed } = counts
  if (changed > 0) warnings.push(`"${place}": rows that the application changed again and again: ${changed}`)
  return warnings
}

/** For the audit log, whose strings are short. */
function detailsOf(
  { folders, rows }: Selected,
  { keyTypes, keyrings }: ReencryptOptions,
): Record<string, string | number> {
  const list = (names: readonly string[]): string => names.join(',').slice(0, MAX_DETAIL)
  return {
    job: 'reencrypt',
    places: list([...rows.map(({ place }) => place.name), ...folders.map(({ name }) => name)]),
    ...(keyTypes === undefined ? {} : { keyTypes: list(keyTypes) }),
    ...(keyrings === undefined ? {} : { keyrings: list(keyrings) }),
  }
}

const MAX_DETAIL = 500
