/**
 * A worker: takes re-encryptions and their ranges out of the queue and does them. Any number of them on any number of
 * machines; each opens its own Keywright on the same key store, with the same places.
 */
import { KeywrightError } from '../../errors.ts'
import { Pace } from '../values/pace.ts'
import type { ValueParts } from '../values/reencrypt.ts'
import { wasCancelled, watchCancel } from './cancelled.ts'
import { connect, inspectServer } from './connection.ts'
import { isHopeless, storable } from './failures.ts'
import { type FlowContext, runFlow, WaitsForRanges } from './flow.ts'
import { type BullJob, type BullLibrary, type BullWorker, loadBull, type RedisClient } from './library.ts'
import { parseJobData, type RangeOutcome, type RangeProgress } from './messages.ts'
import { type QueueNames, queueNames } from './names.ts'
import { OpenPlaces } from './places.ts'
import { forgetRange, type RangeWork, runRange } from './range.ts'
import type { FlowReport } from './report.ts'
import {
  type CheckedOptions,
  checkedOptions,
  type WorkerEvent,
  type WorkerOptions,
} from './worker-options.ts'

/** Progress goes to Redis this often. */
const PROGRESS_MS = 500
/** A worker that ends does not wait longer than this for a Redis that is gone. */
const CLOSE_GONE_MS = 2_000
const CLOSE_LOOK_MS = 250
/** A range may be taken over so often: each time is harmless. */
const TAKE_OVERS = 1_000

/** A running worker. */
export interface QueueWorker extends AsyncDisposable {
  readonly name: string
  /** Ends in order: pages that are under way are finished, what is left of their ranges goes back. Twice is harmless. */
  close(): Promise<void>
}

/**
 * Starts a worker; it runs until it is closed. Throws ERR_ARGUMENT_INVALID, ERR_DEPENDENCY_MISSING,
 * ERR_SOURCE_UNAVAILABLE, ERR_SOURCE_DENIED, and ERR_CONFIG_INVALID for a Redis that may drop jobs.
 */
export async function startWorker(parts: ValueParts, options: WorkerOptions): Promise<QueueWorker> {
  const checked = checkedOptions(options)
  const names = await queueNames(parts.services.store, options.prefix)
  const bull = await loadBull()
  const client = await connect(options, true)
  try {
    const { warnings } = await inspectServer(client, options)
    const worker = new Worker({ parts, options: checked, names, bull, client })
    await worker.ready()
    options.onEvent?.({ event: 'ready', name: checked.name, warnings })
    return worker
  } catch (error) {
    client.disconnect()
    throw error
  }
}

type Take = (job: BullJob, token: string, signal: AbortSignal) => Promise<unknown>

interface WorkerParts {
  readonly parts: ValueParts
  readonly options: CheckedOptions
  readonly names: QueueNames
  readonly bull: BullLibrary
  readonly client: RedisClient
}

class Worker implements QueueWorker {
  readonly name: string
  readonly #with: WorkerParts
  readonly #places: OpenPlaces
  readonly #pace: Pace
  readonly #queue: FlowContext['ranges']
  readonly #workers: readonly BullWorker[]
  readonly #stopping = new AbortController()
  #closing: Promise<void> | undefined
  #isGone = false

  constructor(parts: WorkerParts) {
    const { bull, client, names, options } = parts
    this.name = options.name
    this.#with = parts
    this.#places = new OpenPlaces(parts.parts)
    this.#pace = new Pace(parts.parts.services.clock, options)
    this.#queue = new bull.Queue('ranges', { connection: client, prefix: names.prefix })
    this.#queue.on('error', () => this.#lookAtRedis())
    this.#workers = [
      this.#start('flows', 1, (job, token) => this.#flow(job, token)),
      this.#start('ranges', options.concurrency, (job, token, signal) => this.#range(job, token, signal)),
    ]
  }

  async ready(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.waitUntilReady()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#stopping.abort()
    const inOrder = Promise.all(this.#workers.map((worker) => worker.close()))
    if (await this.#endsInTime(inOrder)) await this.#queue.close()
    this.#with.client.disconnect()
    await this.#places.close()
  }

  /** False when Redis has been gone for a while: what it should hear it finds out by itself when a lock is over. */
  async #endsInTime(work: Promise<unknown>): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    let goneFor = 0
    const timer = setInterval(() => {
      goneFor = this.#with.client.status === 'ready' ? 0 : goneFor + CLOSE_LOOK_MS
      if (goneFor >= CLOSE_GONE_MS) resolve(false)
    }, CLOSE_LOOK_MS)
    work.then(() => resolve(true)).catch(() => resolve(false))
    const isDone = await promise
    clearInterval(timer)
    if (!isDone) void Promise.allSettled(this.#workers.map((worker) => worker.close(true)))
    return isDone
  }

  #start(queue: 'flows' | 'ranges', concurrency: number, take: Take): BullWorker {
    const { bull, client, names, options } = this.#with
    // BullMQ hands out a signal only to functions with three parameters.
    const guarded = (job: BullJob, token = '', signal = new AbortController().signal) =>
      this.#guarded(job, token, signal, () => take(job, token, signal))
    const worker = new bull.Worker(queue, (job, token, signal) => guarded(job, token, signal), {
      connection: client,
      prefix: names.prefix,
      name: this.name,
      concurrency,
      lockDuration: options.lockMs,
      stalledInterval: options.stalledMs,
      maxStalledCount: TAKE_OVERS,
      ...(queue === 'ranges' && options.ranges !== undefined
        ? { limiter: { max: options.ranges.max, duration: options.ranges.perMs } }
        : {}),
    })
    worker.on('error', () => this.#lookAtRedis())
    worker.on('stalled', (job) => this.#tell({ event: 'taken-over', job }))
    worker.on('lockRenewalFailed', (ids) => {
      for (const id of ids) worker.cancelJob(id, 'taken over')
    })
    return worker
  }

  /** What goes wrong is stored in Redis: only our own words. A job that was stopped goes back as it was. */
  async #guarded(
    job: BullJob,
    token: string,
    lost: AbortSignal,
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    const { bull } = this.#with
    try {
      return await work()
    } catch (error) {
      if (error instanceof WaitsForRanges) throw new bull.WaitingChildrenError()
      if (this.#stopping.signal.aborted && isAborted(error)) {
        await job.moveToWait(token)
        throw new bull.WaitingError()
      }
      if (lost.aborted && isAborted(error)) {
        this.#tell({ event: 'lost', job: job.id ?? '' })
        throw error // nobody listens to it any more
      }
      const stored = storable(error)
      const { code, message } = toKeywright(error)
      this.#tell({ event: 'failed', job: job.id ?? '', code, message })
      if (isHopeless(error)) throw new bull.UnrecoverableError(stored.message)
      throw stored
    }
  }

  async #flow(job: BullJob, token: string): Promise<FlowReport> {
    const data = parseJobData(job.data)
    if (data.kind !== 'flow') throw wrongQueue()
    const { client, names, parts } = this.#with
    const context = {
      parts,
      places: this.#places,
      client,
      names,
      ranges: this.#queue,
      signal: this.#stopping.signal,
    }
    const report = await runFlow(context, job, token, data)
    this.#tell({ event: 'report', report })
    return report
  }

  async #range(job: BullJob, _token: string, lost: AbortSignal): Promise<RangeOutcome> {
    const data = parseJobData(job.data)
    if (data.kind !== 'range') throw wrongQueue()
    const { parts } = this.#with
    const { flow, range, task } = data
    const cancelled = new AbortController()
    const unwatch = await watchCancel(this.#with, flow, cancelled)
    await this.#places.meet(flow, task)
    const values = this.#places.task(range.place, task)
    this.#tell({ event: 'begun', flow, place: range.place, number: range.number, rows: 0, done: 0 })
    let work: RangeWork | undefined
    try {
      work = {
        source: await this.#places.source(range.place, task),
        task: values,
        documents: parts.services.store.documents,
        flow,
        range,
        attempt: job.attemptsStarted,
        batch: task.batch,
        pace: this.#pace,
        signal: AbortSignal.any([this.#stopping.signal, lost, cancelled.signal]),
        onPage: throttled((progress) => void job.updateProgress(progress).catch(() => undefined)),
      }
      const outcome = await runRange(work)
      this.#tell({ event: 'done', flow, ...progressOf(outcome) })
      return outcome
    } catch (error) {
      if (cancelled.signal.aborted && isAborted(error)) throw wasCancelled()
      throw error
    } finally {
      unwatch()
      await values.close?.()
      if (work !== undefined) await this.#tidy(work).catch(() => undefined) // a checkpoint of what is over costs nobody anything
    }
  }

  /** Who was held up until all was over has written beside the rows after everything was cleared away. */
  async #tidy(work: RangeWork): Promise<void> {
    const { client, names } = this.#with
    if ((await client.get(names.report(work.flow))) !== null) await forgetRange(work)
  }

  /** Told once, until it has been back. */
  #lookAtRedis(): void {
    const isGone = this.#with.client.status !== 'ready' && !this.#stopping.signal.aborted
    if (isGone && !this.#isGone) this.#tell({ event: 'unreachable' })
    this.#isGone = isGone
  }

  #tell(event: WorkerEvent): void {
    this.#with.options.onEvent?.(event)
  }
}

const isAborted = (error: unknown): boolean => error instanceof KeywrightError && error.code === 'ERR_ABORTED'

function toKeywright(error: unknown): KeywrightError {
  if (error instanceof KeywrightError) return error
  return new KeywrightError(
    'ERR_INTERNAL',
    `unexpected ${error instanceof Error ? error.constructor.name : 'failure'}`,
  )
}

const progressOf = ({ done, number, place, rows }: RangeOutcome): RangeProgress => ({
  done,
  number,
  place,
  rows,
})

function throttled(tell: (progress: RangeProgress) => void): (progress: RangeProgress) => void {
  let toldAt = Number.NEGATIVE_INFINITY
  return (progress) => {
    const now = performance.now()
    if (now - toldAt < PROGRESS_MS) return
    toldAt = now
    tell(progress)
  }
}

const wrongQueue = (): KeywrightError =>
  new KeywrightError('ERR_JOB_REFUSED', 'a job is in the wrong queue', {
    hint: 'see who else writes to this Redis',
  })
