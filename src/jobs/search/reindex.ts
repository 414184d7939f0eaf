/** The re-index job: tokens under the active index keys in every declared place, or in some. */
import type { Keyrings } from '../../keys/keyrings.ts'
import type { KeyServices } from '../../keys/services.ts'
import { type JobReport, runJob } from '../job.ts'
import { type DataPlace, placesNamed, type RowsPlace } from '../places.ts'
import { countOf, sumCounts, type ValueCounts } from '../values/counts.ts'
import { type PlaceResult, runOverSource, type ValueOptions } from '../values/engine.ts'
import { noIndexes } from './no-indexes.ts'
import { ReindexTask } from './reindex-task.ts'

export interface ReindexOptions extends ValueOptions {
  /** Only these places. @default all with index columns */
  readonly places?: readonly string[]
  /** Only the tokens of these encrypted columns. @default all */
  readonly columns?: readonly string[]
  readonly signal?: AbortSignal
  /** For the audit log. */
  readonly reason?: string
}

export interface ReindexReport extends JobReport {
  /** 'incomplete' when values did not open or were no ciphertexts: they have no current token. */
  readonly outcome: 'finished' | 'incomplete'
  readonly places: readonly PlaceResult[]
  /** Of all places together. */
  readonly counts: ValueCounts
}

/**
 * Makes and stores the tokens. Run again it goes on, and writes nothing where the token is current.
 * Throws ERR_SOURCE_UNKNOWN when no index is declared, ERR_JOB_RUNNING, ERR_CHECKPOINT_FOREIGN, ERR_ABORTED, and what
 * sources, provider and store throw.
 */
export async function reindex(
  services: KeyServices,
  rings: Keyrings,
  all: readonly DataPlace[],
  options: ReindexOptions = {},
): Promise<ReindexReport> {
  const places = placesNamed(all, options.places).flatMap((place) => {
    const columns = place.kind === 'rows' ? indexed(place, options.columns) : []
    return place.kind === 'rows' && columns.length > 0 ? [{ place, columns }] : []
  })
  if (places.length === 0) throw noIndexes()
  const details = { job: 'reindex', places: places.map(({ place }) => place.name).join(',') }
  const about = { title: 'reindex', details, changes: false }
  const { reason, signal } = options
  const jobOptions = {
    ...(reason === undefined ? {} : { reason }),
    ...(signal === undefined ? {} : { signal }),
  }
  return runJob(services, about, jobOptions, async (job) => {
    const done: PlaceResult[] = []
    for (const { place, columns } of places) {
      const task = new ReindexTask({ services, rings, place, columns })
      done.push(await runOverSource(job, place, task, options))
    }
    const left = done.some(({ counts }) =>
      (['failed', 'plain', 'foreign'] as const).some((outcome) => countOf(counts, outcome) > 0),
    )
    const changed = done.some(({ counts }) => counts.changed > 0)
    const counts = sumCounts(done.map((one) => one.counts))
    return {
      places: done,
      counts,
      outcome: left || changed ? ('incomplete' as const) : ('finished' as const),
    }
  })
}

function indexed({ columns }: RowsPlace, wanted: readonly string[] | undefined): string[] {
  return Object.entries(columns)
    .filter(([name, { indexes = [] }]) => indexes.length > 0 && (wanted?.includes(name) ?? true))
    .map(([name]) => name)
}
