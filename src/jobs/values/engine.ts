/**
 * Work on all rows of one place, in this process: page after page with a checkpoint each, the next pages read and
 * transformed while one is written, at the pace that is allowed. Killed at any point it goes on where it was.
 */
import { KeywrightError } from '../../errors.ts'
import type { Source, SourceCheckpoint, SourcePage } from '../../source.ts'
import type { RunningJob } from '../job.ts'
import type { RowsPlace } from '../places.ts'
import { PagesAhead, type Step } from './ahead.ts'
import {
  type CheckpointOwner,
  Checkpoints,
  checkpointName,
  checkpointOf,
  type Position,
  resume,
} from './checkpoint.ts'
import { commitChunk, type PlannedChunk, prepareChunk, runChunk } from './chunk.ts'
import { Tally, type ValueCounts } from './counts.ts'
import { Pace, type PaceOptions } from './pace.ts'
import { withPlaceLease } from './place-lease.ts'
import type { ValueTask } from './task.ts'

/** Rows a page, unless told otherwise. */
const DEFAULT_BATCH = 1_000
const MAX_BATCH = 10_000
/** A checkpoint without rows to write is kept this often. */
const CHECKPOINT_MS = 1_000

/** How far work on one place is. */
export interface ValueProgress {
  readonly place: string
  /** 'reencrypt' */
  readonly step: string
  /** Rows that are settled, those of earlier runs included. */
  readonly done: number
  /** Rows of the place as the source counts or estimates them; absent where it cannot. */
  readonly total?: number
  /** Rows a second in this run. */
  readonly rate: number
  /** Time left, in ms; absent without a total. */
  readonly etaMs?: number
  readonly counts: ValueCounts
}

/** Options of work on values. */
export interface ValueOptions extends PaceOptions {
  /** Rows a page, from 1 to 10,000. @default 1_000 */
  readonly batch?: number
  /** Forget how far an earlier run got and begin anew. @default false */
  readonly restart?: boolean
  readonly onProgress?: (progress: ValueProgress) => void
  /** Take over from another job on the same place that is known to be gone. @default false */
  readonly takeOver?: boolean
}

/** A range of a place that has a checkpoint of its own, for one of several workers. */
export interface PlacePart {
  /** Part of the checkpoint's name: '3' */
  readonly name: string
  readonly after?: string | undefined
  readonly until?: string | undefined
}

/** What `runOverSource` takes. */
export interface RunOptions extends ValueOptions {
  /** Only this range. */
  readonly part?: PlacePart
}

/** What became of one place. */
export interface PlaceResult {
  readonly place: string
  /** Where it is, without credentials. */
  readonly location: string
  /** An earlier run had begun it; its rows are counted too. */
  readonly resumed: boolean
  readonly counts: ValueCounts
}

/** What the engine needs of a job. */
export type EngineJob = Pick<RunningJob, 'services' | 'signal'>

/**
 * Does `task` with every row of `place`, which it opens and closes. Stopped by the job's signal it throws ERR_ABORTED
 * between two pages and goes on there when it is run again.
 *
 * Throws ERR_JOB_RUNNING while another job is at work on the same place, ERR_CHECKPOINT_FOREIGN, and what source and
 * task throw.
 */
export async function runOverSource(
  job: EngineJob,
  place: Pick<RowsPlace, 'name' | 'open'>,
  task: ValueTask,
  options: RunOptions = {},
): Promise<PlaceResult> {
  const work = async (assertHeld: () => void): Promise<PlaceResult> => {
    const source = await place.open()
    try {
      return await new PlaceRun(job, place.name, source, task, options, assertHeld).run()
    } finally {
      await source.close?.()
    }
  }
  // Workers on parts of a place are under the lease of whoever sent them.
  if (options.part !== undefined) return work(() => undefined)
  return withPlaceLease(job, place.name, task.kind, options, work)
}

class PlaceRun {
  readonly #job: EngineJob
  readonly #place: string
  readonly #source: Source
  readonly #task: ValueTask
  readonly #options: RunOptions
  readonly #assertHeld: () => void
  readonly #checkpoints: Checkpoints
  readonly #owner: CheckpointOwner
  readonly #pace: Pace
  readonly #limit: number
  #tally: Tally
  #keptAt = Number.NEGATIVE_INFINITY

  constructor(
    job: EngineJob,
    place: string,
    source: Source,
    task: ValueTask,
    options: RunOptions,
    assertHeld: () => void,
  ) {
    const { clock, store } = job.services
    this.#job = job
    this.#place = place
    this.#source = source
    this.#task = task
    this.#options = options
    this.#assertHeld = assertHeld
    this.#checkpoints = Checkpoints.of(source, store.documents)
    const name = checkpointName(task.kind, place, options.part?.name)
    this.#owner = { name, kind: task.kind, digest: task.digest, columns: task.counts }
    this.#pace = new Pace(clock, options)
    this.#limit = batchOf(options)
    this.#tally = new Tally(task.counts)
  }

  async run(): Promise<PlaceResult> {
    this.#assertGoesOn()
    const { part, restart = false } = this.#options
    const { location, rows } = await this.#source.describe({ signal: this.#job.signal })
    const { position, resumed } = await resume(this.#checkpoints, this.#owner, restart)
    this.#tally = new Tally(this.#task.counts, position.counts)
    const from = resumed ? await this.#redo(position) : part?.after
    if (!resumed || from !== undefined) await this.#pages(from, this.#teller(part ? undefined : rows))
    await this.#checkpoints.remove(this.#owner.name)
    return { place: this.#place, location, resumed, counts: this.#tally.counts }
  }

  /**
   * The page that may not have been settled when the process was killed: done, but not counted. Gives where to go on. A
   * source that knows no ranges gives a page from the same place again, which ends where it ended then unless many rows
   * have come or gone.
   */
  async #redo({ after, next }: Position): Promise<string | undefined> {
    const limit = this.#limit
    const { signal } = this.#job
    const until = this.#source.split === undefined ? undefined : (next ?? this.#options.part?.until)
    for (let from = after; ; ) {
      this.#assertGoesOn()
      const chunk = await runChunk(this.#source, this.#task, { after: from, until, limit, signal })
      from = chunk.next
      if (until === undefined) return from
      if (from === undefined || from === next) return next
    }
  }

  /**
   * Pages from `from` on. While one is written the next ones are read and transformed. With `maxLatencyMs` one after
   * the other, or what is measured would be how long calls wait for each other.
   */
  async #pages(from: string | undefined, tell: () => void): Promise<void> {
    const pages = new PagesAhead({
      read: (after) => this.#timed(() => this.#read(after, this.#options.part?.until)),
      prepare: (page) => prepareChunk(this.#task, page),
      ahead: this.#pace.measures ? 0 : (this.#task.pagesAtOnce ?? 1),
      from,
    })
    try {
      for (let step = await pages.next(); step !== undefined; step = await pages.next()) {
        this.#assertGoesOn()
        await this.#commit(step)
        tell()
        await this.#pace.after(step.page.rows.length, this.#job.signal)
        this.#assertGoesOn()
      }
    } finally {
      await pages.drain() // nothing may still be reading when the source is closed
    }
  }

  async #commit(step: Step): Promise<void> {
    const { signal } = this.#job
    const checkpoint = (planned: PlannedChunk) => this.#checkpoint(step.after, planned)
    const { counts } = await this.#timed(() =>
      commitChunk(this.#source, this.#task, step, { checkpoint, signal }),
    )
    this.#tally.merge(counts)
  }

  /** Kept with every page that writes; without, often enough that little is read twice. */
  async #checkpoint(
    after: string | undefined,
    { next, counts, writes }: PlannedChunk,
  ): Promise<SourceCheckpoint | undefined> {
    const now = performance.now()
    if (writes === 0 && now - this.#keptAt < CHECKPOINT_MS) return undefined
    this.#keptAt = now
    const planned = new Tally(this.#task.counts, this.#tally.counts)
    planned.merge(counts)
    const position = { ...(after === undefined ? {} : { after }), ...(next === undefined ? {} : { next }) }
    return this.#checkpoints.save(checkpointOf(this.#owner, { ...position, counts: planned.counts }))
  }

  #read(after: string | undefined, until: string | undefined): Promise<SourcePage> {
    const { signal } = this.#job
    return this.#source.read({ columns: this.#task.reads, after, until, limit: this.#limit, signal })
  }

  async #timed<T>(call: () => Promise<T>): Promise<T> {
    const startedAt = performance.now()
    const result = await call()
    this.#pace.answered(performance.now() - startedAt)
    return result
  }

  /** Tells the caller how far it is. */
  #teller(total: number | undefined): () => void {
    const { onProgress } = this.#options
    if (onProgress === undefined) return () => undefined
    const startedAt = performance.now()
    const earlier = settledRows(this.#tally)
    return () => {
      const done = settledRows(this.#tally)
      const rate = ((done - earlier) / Math.max(performance.now() - startedAt, 1)) * 1000
      const about = { place: this.#place, step: this.#task.kind, done, rate, counts: this.#tally.counts }
      const left = total === undefined ? undefined : Math.max(0, total - done)
      const eta = left === undefined || rate === 0 ? {} : { etaMs: Math.round((left / rate) * 1000) }
      onProgress(total === undefined ? about : { ...about, total: Math.max(total, done), ...eta })
    }
  }

  /** Throws ERR_ABORTED and ERR_JOB_RUNNING. */
  #assertGoesOn(): void {
    this.#assertHeld()
    if (this.#job.signal?.aborted !== true) return
    throw new KeywrightError('ERR_ABORTED', `the work on "${this.#place}" was stopped between two pages`, {
      hint: 'every value opens as before; run it again and it goes on from here',
    })
  }
}

const settledRows = ({ rows, gone, changed }: Tally): number => rows + gone + changed

/** Throws ERR_ARGUMENT_INVALID. */
export function batchOf({ batch = DEFAULT_BATCH }: Pick<ValueOptions, 'batch'>): number {
  if (Number.isInteger(batch) && batch >= 1 && batch <= MAX_BATCH) return batch
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `"batch" is not a number from 1 to ${MAX_BATCH}`, {
    hint: `it is how many rows are read and written at once; leave it out for ${DEFAULT_BATCH}`,
  })
}
