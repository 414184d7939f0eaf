/**
 * One range of a place, page by page, in one of several processes. Each attempt at a range has a checkpoint of its own,
 * written in the transaction of its rows. An attempt goes on from the newest checkpoint of those before it; one that was
 * only held up and wakes when another has taken over does no harm: its writes are compared with what it has read, and
 * what it still counts stands in its own checkpoint. So every row that was written is counted exactly once.
 */
import { KeywrightError } from '../../errors.ts'
import type { Source } from '../../source.ts'
import type { DocumentStore } from '../../store.ts'
import { Checkpoints } from '../values/checkpoint.ts'
import { commitChunk, type PlannedChunk, prepareChunk } from '../values/chunk.ts'
import { countOf, Tally, type ValueCounts } from '../values/counts.ts'
import type { Pace } from '../values/pace.ts'
import type { ValueTask } from '../values/task.ts'
import {
  type PlannedRange,
  parseRangeState,
  type RangeOutcome,
  type RangeProgress,
  type RangeState,
} from './messages.ts'

/** A page without rows to write keeps a checkpoint this often. */
const CHECKPOINT_MS = 1_000

/** One attempt at a range. */
export interface RangeWork {
  readonly source: Source
  readonly task: ValueTask
  /** For the checkpoints of sources that have none. */
  readonly documents: DocumentStore | undefined
  readonly flow: string
  readonly range: PlannedRange
  /** 1, 2, 3 … */
  readonly attempt: number
  /** Rows a page. */
  readonly batch: number
  readonly pace: Pace
  /** Looked at between two pages. */
  readonly signal: AbortSignal
  /** After each page. */
  readonly onPage: (progress: RangeProgress) => void
}

/** The name of the checkpoint of one attempt. */
const checkpointName = (flow: string, number: number, attempt: number): string =>
  `jobs/queue/${flow}/${number}/${attempt}`

/**
 * Does what is left of a range. Throws ERR_ABORTED between two pages when it is told to stop, ERR_CHECKPOINT_FOREIGN
 * when the task is not the one that was planned, and what source and task throw.
 */
export async function runRange(work: RangeWork): Promise<RangeOutcome> {
  if (work.task.digest !== work.range.digest) throw otherTask(work.range)
  return new RangeRun(work).run()
}

class RangeRun {
  readonly #work: RangeWork
  readonly #checkpoints: Checkpoints
  readonly #name: string
  readonly #seen: Tally
  readonly #own: Tally
  #keptAt = Number.NEGATIVE_INFINITY

  constructor(work: RangeWork) {
    const { attempt, documents, flow, range, source, task } = work
    this.#work = work
    this.#checkpoints = Checkpoints.of(source, documents)
    this.#name = checkpointName(flow, range.number, attempt)
    this.#seen = new Tally(task.counts)
    this.#own = new Tally(task.counts)
  }

  async run(): Promise<RangeOutcome> {
    const { attempt, range } = this.#work
    const before = await this.#before()
    if (before !== undefined) {
      this.#seen.merge(before.seen)
      await this.#redo(before)
    }
    let from = before === undefined ? range.after : before.next
    let isOpen = before === undefined || from !== undefined
    while (isOpen) {
      this.#assertGoesOn()
      from = await this.#page(from)
      isOpen = from !== undefined
    }
    return { ...this.#progress(), attempt }
  }

  /** How far the attempts before this one have come. */
  async #before(): Promise<RangeState | undefined> {
    const { attempt, flow, range, task } = this.#work
    // Its own one is there when the job was lost in Redis and made anew.
    await this.#checkpoints.read(this.#name)
    for (let other = attempt; other > 0; other--) {
      const text = await this.#checkpoints.read(checkpointName(flow, range.number, other))
      const state = text === undefined ? undefined : parseRangeState(text, task.digest, task.counts)
      if (state === undefined) continue
      if (other === attempt) this.#own.merge(state.own)
      return state
    }
    return undefined
  }

  /** The page that may not have been settled when the attempt before ended: done, but not counted. */
  async #redo({ after = this.#work.range.after, next }: RangeState): Promise<void> {
    const { source, task } = this.#work
    // A source without ranges gives the page from the same place again, which ends where it ended then.
    const until = source.split === undefined ? undefined : (next ?? this.#work.range.until)
    for (let from = after, more = true; more; ) {
      this.#assertGoesOn()
      const page = await this.#read(from, until)
      await commitChunk(source, task, await prepareChunk(task, page), {})
      from = page.next
      more = until !== undefined && from !== undefined && from !== until
    }
  }

  /** One page; resolves to where the next one begins. */
  async #page(from: string | undefined): Promise<string | undefined> {
    const { onPage, pace, range, signal, source, task } = this.#work
    const startedAt = performance.now()
    const page = await this.#read(from, range.until)
    const chunk = await prepareChunk(task, page)
    let planned: ValueCounts | undefined
    // Without the signal: a page that is begun is finished.
    const { counts, next } = await commitChunk(source, task, chunk, {
      checkpoint: async (plan) => {
        planned = plan.counts
        return this.#isDue(plan) ? this.#keep(from, plan.next, plan.counts) : undefined
      },
    })
    this.#seen.merge(counts)
    this.#own.merge(counts)
    if (planned !== undefined && !isSame(planned, counts)) await this.#correct(from, next)
    onPage(this.#progress())
    pace.answered(performance.now() - startedAt)
    await pace.after(page.rows.length, signal)
    return next
  }

  #read(after: string | undefined, until: string | undefined) {
    const { batch, signal, source, task } = this.#work
    return source.read({ columns: task.reads, after, until, limit: batch, signal })
  }

  #isDue({ next, writes }: PlannedChunk): boolean {
    return writes > 0 || next === undefined || performance.now() - this.#keptAt >= CHECKPOINT_MS
  }

  /** The checkpoint with `more` counted, kept or to be written with the rows. */
  #keep(after: string | undefined, next: string | undefined, more?: ValueCounts) {
    this.#keptAt = performance.now()
    const { digest } = this.#work.task
    const [seen, own] = [this.#seen, this.#own].map((tally) => this.#with(tally, more))
    return this.#checkpoints.save({
      name: this.#name,
      text: JSON.stringify({ digest, after, next, seen, own }),
    })
  }

  #with(tally: Tally, more: ValueCounts | undefined): ValueCounts {
    const sum = new Tally(this.#work.task.counts, tally.counts)
    if (more !== undefined) sum.merge(more)
    return sum.counts
  }

  /** Rows were changed by others meanwhile, so the page came to something else than its checkpoint says. */
  async #correct(after: string | undefined, next: string | undefined): Promise<void> {
    const { source, task } = this.#work
    const checkpoint = await this.#keep(after, next)
    if (checkpoint !== undefined) await source.write({ columns: task.writes, rows: [], checkpoint })
  }

  #progress(): RangeProgress {
    const { place, number } = this.#work.range
    const { counts } = this.#seen
    return { place, number, rows: counts.rows, done: countOf(counts, 'done') }
  }

  #assertGoesOn(): void {
    if (!this.#work.signal.aborted) return
    throw new KeywrightError('ERR_ABORTED', 'the worker was stopped', {
      hint: 'nothing is lost: another worker goes on from here',
    })
  }
}

const isSame = (one: ValueCounts, other: ValueCounts): boolean =>
  JSON.stringify(one) === JSON.stringify(other)

const otherTask = ({ place }: PlannedRange): KeywrightError =>
  new KeywrightError(
    'ERR_CHECKPOINT_FOREIGN',
    `the re-encryption of "${place}" was planned under another policy, or for another place of this name`,
    {
      hint: 'give all workers the same policy document, then start the re-encryption again',
      details: { place },
    },
  )

/** Removes what an attempt left beside the rows: it was held up, and the re-encryption is over. */
export async function forgetRange({ attempt, documents, flow, range, source }: RangeWork): Promise<void> {
  await Checkpoints.of(source, documents).remove(checkpointName(flow, range.number, attempt))
}

/** What a range came to over all attempts, and the names of their checkpoints. */
export interface RangeTotal {
  readonly counts: ValueCounts
  readonly checkpoints: readonly string[]
}

/**
 * Adds up a range whose last attempt is `attempts`. Rows that an attempt wrote after another had taken over were
 * current when that one came by: they are counted as done here, by the checkpoint of who wrote them.
 */
export async function rangeTotal(
  checkpoints: Checkpoints,
  task: ValueTask,
  flow: string,
  number: number,
  attempts: number,
): Promise<RangeTotal> {
  const names: string[] = []
  const own = new Tally(task.counts)
  let last: RangeState | undefined
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const name = checkpointName(flow, number, attempt)
    names.push(name) // one that was held up may write it yet
    const text = await checkpoints.read(name)
    const state = text === undefined ? undefined : parseRangeState(text, task.digest, task.counts)
    if (state === undefined) continue
    own.merge(state.own)
    last = state
  }
  return { checkpoints: names, counts: reconcile(last?.seen ?? new Tally(task.counts).counts, own.counts) }
}

/** The rows that were seen, with those counted as done that anybody has done. */
function reconcile(seen: ValueCounts, own: ValueCounts): ValueCounts {
  const columns = Object.entries(seen.columns).map(([name, column]) => {
    const done = own.columns[name]?.done ?? column.done
    const others = Math.min(done - column.done, column.current)
    return [name, { ...column, done: column.done + others, current: column.current - others }] as const
  })
  return { ...seen, written: own.written, columns: Object.fromEntries(columns) }
}
