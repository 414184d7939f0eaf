/** Reads every row of a source, page by page, and changes nothing: for plans and verifications. */
import { KeywrightError } from '../../errors.ts'
import type { Source, SourceRow } from '../../source.ts'
import { Tally, type ValueCounts } from '../values/counts.ts'
import { batchOf, type ValueOptions } from '../values/engine.ts'
import { Pace } from '../values/pace.ts'
import type { RowResult } from '../values/task.ts'
import type { Work } from './columns.ts'

/** What is done with the rows. */
export interface Look {
  readonly reads: readonly string[]
  readonly counts: readonly string[]
  transform(rows: readonly SourceRow[]): Promise<readonly RowResult[]>
}

export interface ScanOptions extends Pick<ValueOptions, 'batch' | 'rate' | 'maxLatencyMs' | 'onProgress'> {
  /** For progress: 'plan', 'verify'. */
  readonly step: string
  readonly place: string
  /** Rows, as the source counts or estimates them. */
  readonly total: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Throws what source and `look` throw, and ERR_ABORTED. */
export async function scan(
  { services: { clock } }: Work,
  source: Source,
  look: Look,
  options: ScanOptions,
): Promise<ValueCounts> {
  const { signal } = options
  const limit = batchOf(options)
  const pace = new Pace(clock, options)
  const tally = new Tally(look.counts)
  const tell = teller(options, tally)
  let after: string | undefined
  do {
    assertGoesOn(options)
    const readAt = performance.now()
    const { next, rows } = await source.read({ columns: look.reads, after, limit, signal })
    pace.answered(performance.now() - readAt)
    for (const result of rows.length === 0 ? [] : await look.transform(rows)) tally.add(result)
    tell()
    await pace.after(rows.length, signal)
    after = next
  } while (after !== undefined)
  return tally.counts
}

function assertGoesOn({ place, signal }: ScanOptions): void {
  if (signal?.aborted !== true) return
  throw new KeywrightError('ERR_ABORTED', `reading "${place}" was stopped`, {
    hint: 'nothing was changed; run it again',
  })
}

function teller({ onProgress, place, step, total }: ScanOptions, tally: Tally): () => void {
  const startedAt = performance.now()
  return () => {
    const rate = (tally.rows / Math.max(performance.now() - startedAt, 1)) * 1000
    const done = tally.rows
    const known = total === undefined ? {} : { total: Math.max(total, done) }
    onProgress?.({ place, step, done, rate, counts: tally.counts, ...known })
  }
}
