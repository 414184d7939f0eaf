/**
 * One page of a source: read, transformed, written by compare-and-set. Rows that the application changed meanwhile are
 * read again and done again; what it wrote is never overwritten. This is the unit that a queue hands to workers.
 */
import { KeywrightError } from '../../errors.ts'
import type {
  RowWrite,
  Source,
  SourceCheckpoint,
  SourcePage,
  SourceRow,
  SourceValue,
  WriteOutcome,
} from '../../source.ts'
import { Tally, type ValueCounts } from './counts.ts'
import type { RowResult, ValueTask } from './task.ts'

/** So often a row that changed is done again; then it stays as the application wrote it. */
const ATTEMPTS = 5

/** Where a chunk ends and what is counted up to there when nobody interferes: what its checkpoint has to say. */
export interface PlannedChunk {
  /** Where the next chunk begins; absent after the last one. */
  readonly next?: string
  /** Of this chunk alone. Rows that turn out to be changed or gone are corrected by the chunk's result. */
  readonly counts: ValueCounts
  /** Rows that are to be written. */
  readonly writes: number
}

export interface ChunkOptions {
  /** `next` of the chunk before; absent for the first. */
  readonly after?: string | undefined
  /** The last position to read: the end of a worker's range. */
  readonly until?: string | undefined
  /** About so many rows. */
  readonly limit: number
  /**
   * Called once the chunk is transformed, before it is written. What it gives is written in the transaction of the
   * rows; where the source has none, it saves its checkpoint itself and gives nothing.
   */
  readonly checkpoint?: (
    planned: PlannedChunk,
  ) => SourceCheckpoint | undefined | Promise<SourceCheckpoint | undefined>
  readonly signal?: AbortSignal | undefined
}

/** What became of a chunk. */
export interface ChunkResult {
  readonly next?: string
  /** Of this chunk alone; every row is settled. */
  readonly counts: ValueCounts
}

/** A page with what the task makes of it, not written yet. */
export interface PreparedChunk {
  readonly page: SourcePage
  readonly results: readonly RowResult[]
}

/** Reads one page, has the task transform it, and writes it. Throws what source and task throw, and ERR_ABORTED. */
export async function runChunk(source: Source, task: ValueTask, options: ChunkOptions): Promise<ChunkResult> {
  const { after, until, limit, signal } = options
  const page = await source.read({ columns: task.reads, after, until, limit, signal })
  return commitChunk(source, task, await prepareChunk(task, page), options)
}

/** Has the task transform a page. */
export async function prepareChunk(task: ValueTask, page: SourcePage): Promise<PreparedChunk> {
  const results = page.rows.length === 0 ? [] : await task.transform(page.rows)
  if (results.length !== page.rows.length) throw unsound(task, 'it gave another number of rows than it got')
  return { page, results }
}

/** Writes what was prepared, and settles the rows that changed meanwhile. */
export async function commitChunk(
  source: Source,
  task: ValueTask,
  { page, results }: PreparedChunk,
  { checkpoint, signal }: Pick<ChunkOptions, 'checkpoint' | 'signal'>,
): Promise<ChunkResult> {
  const tally = new Tally(task.counts)
  for (const result of results) tally.add(result)
  const next = page.next === undefined ? {} : { next: page.next }
  const changes = writesOf(task, page.rows, results)
  const planned = { ...next, counts: tally.counts, writes: changes.length }
  const kept = await checkpoint?.(planned)
  if (changes.length === 0 && kept === undefined) return { ...next, counts: planned.counts }
  const written = await source.write({
    columns: task.writes,
    rows: changes,
    signal,
    ...(kept === undefined ? {} : { checkpoint: kept }),
  })
  const open = unsettled(changes, written)
  if (open.length === 0) return { ...next, counts: planned.counts }
  const byKey = new Map(page.rows.map((row, at) => [row.key, results[at] as RowResult]))
  for (const { key } of open) tally.add(byKey.get(key) as RowResult, -1)
  await settle(source, task, open, tally, signal)
  return { ...next, counts: tally.counts }
}

interface Unsettled {
  readonly key: string
  readonly outcome: Exclude<WriteOutcome, 'written'>
}

/** Rows that were changed are read, transformed and written again, a few times. */
async function settle(
  source: Source,
  task: ValueTask,
  from: readonly Unsettled[],
  tally: Tally,
  signal: AbortSignal | undefined,
): Promise<void> {
  let open = from
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const keys = open.filter(({ outcome }) => outcome === 'changed').map(({ key }) => key)
    tally.gone += open.length - keys.length
    if (keys.length === 0) return
    const { rows } = await source.read({ columns: task.reads, keys, signal })
    tally.gone += keys.length - rows.length
    open = await again(source, task, rows, tally, signal)
  }
  tally.gone += open.filter(({ outcome }) => outcome === 'gone').length
  tally.changed += open.filter(({ outcome }) => outcome === 'changed').length
}

async function again(
  source: Source,
  task: ValueTask,
  rows: readonly SourceRow[],
  tally: Tally,
  signal: AbortSignal | undefined,
): Promise<Unsettled[]> {
  const { results } = await prepareChunk(task, { rows })
  const changes = writesOf(task, rows, results)
  const written =
    changes.length === 0 ? [] : await source.write({ columns: task.writes, rows: changes, signal })
  const open = unsettled(changes, written)
  const keys = new Set(open.map(({ key }) => key))
  for (const [at, row] of rows.entries()) if (!keys.has(row.key)) tally.add(results[at] as RowResult)
  return open
}

function unsettled(changes: readonly RowWrite[], written: readonly WriteOutcome[]): Unsettled[] {
  if (written.length !== changes.length) {
    throw new KeywrightError('ERR_SOURCE_FAILED', 'the source did not tell what became of each row', {
      hint: 'its write() gives one outcome for each row, in their order',
    })
  }
  const open: Unsettled[] = []
  for (const [at, outcome] of written.entries()) {
    if (outcome !== 'written') open.push({ key: (changes[at] as RowWrite).key, outcome })
  }
  return open
}

/** The rows that change. Asserts of each new value that the task may store it. */
function writesOf(task: ValueTask, rows: readonly SourceRow[], results: readonly RowResult[]): RowWrite[] {
  const places = task.writes.map((name) => task.reads.indexOf(name))
  const writes: RowWrite[] = []
  for (let index = 0; index < results.length; index++) {
    const { to } = results[index] as RowResult
    if (to === undefined) continue
    const { key, values } = rows[index] as SourceRow
    const from: SourceValue[] = []
    for (let column = 0; column < places.length; column++) {
      const before = values[places[column] as number] as SourceValue
      const after = to[column] as SourceValue
      if (after !== before && !task.mayStore(after, column)) {
        throw unsound(task, `what it made for column "${task.writes[column]}" may not be stored there`)
      }
      from.push(before)
    }
    writes.push({ key, from, to })
  }
  return writes
}

/** A fault of ours: nothing is written. */
function unsound(task: ValueTask, what: string): KeywrightError {
  return new KeywrightError('ERR_INTERNAL', `the task "${task.kind}" is at fault: ${what}`, {
    hint: 'nothing of this page was written; please report it',
  })
}
