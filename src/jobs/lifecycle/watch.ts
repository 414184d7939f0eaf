/**
 * Tasks on a schedule. Any number of processes may watch the same key store: one leads, by a lease that it renews, and
 * runs what is due, one task after the other; another takes over when it ends or dies. Dates that nobody was there for
 * are made up for once, however many they were.
 */
import { KeywrightError } from '../../errors.ts'
import type { DocumentStore } from '../../store.ts'
import { JobLease } from '../lease.ts'
import { pause } from '../pause.ts'
import { runLifecycle } from './lifecycle.ts'
import { RunLog, type TaskRun } from './runs.ts'
import type { Schedule } from './schedule.ts'
import type { LifecycleParts, LifecycleStep } from './task.ts'
import { type PlannedTask, planTasks, type WatchEvent, type WatchLifecycleOptions } from './watch-options.ts'

const LEASE = {
  name: 'jobs/lease/lifecycle-watch',
  what: 'the schedule of this key store',
  job: 'lifecycle watch',
}
/** How often a process that does not lead asks whether it may. */
const STANDBY_MS = 2_000
/** The longest sleep of the one that leads: a lease that was lost is noticed by then. */
const LOOK_MS = 5_000
/** A run that failed for something that may pass is made again after so long, unless it is due before. */
const RETRY_MS = 5 * 60_000
/** Missed dates are counted up to here. */
const MOST_MISSED = 1_000

/**
 * Watches until the signal stops it. Throws ERR_ARGUMENT_INVALID for schedules that are not understood and
 * ERR_JOB_REFUSED for a key store in which processes cannot elect one.
 */
export async function watchLifecycle(
  parts: LifecycleParts,
  options: WatchLifecycleOptions = {},
): Promise<void> {
  const { documents } = parts.services.store
  if (documents === undefined) {
    throw new KeywrightError(
      'ERR_JOB_REFUSED',
      'this key store keeps no documents, so nobody can be elected',
      {
        hint: 'run "lifecycle run" from a timer of your own, on one machine',
      },
    )
  }
  await new Watch(parts, documents, options).run()
}

class Watch {
  readonly #parts: LifecycleParts
  readonly #documents: DocumentStore
  readonly #options: WatchLifecycleOptions
  readonly #planned: readonly PlannedTask[]
  #isStandby = false

  constructor(parts: LifecycleParts, documents: DocumentStore, options: WatchLifecycleOptions) {
    this.#parts = parts
    this.#documents = documents
    this.#options = options
    this.#planned = planTasks(options)
  }

  async run(): Promise<void> {
    while (!this.#isOver) {
      const lease = await this.#elect()
      if (lease === undefined) continue
      try {
        await this.#lead(lease)
      } catch (error) {
        await this.#trouble(error)
      } finally {
        await lease.release()
      }
    }
    this.#tell({ event: 'stopped' })
  }

  get #isOver(): boolean {
    return this.#options.signal?.aborted === true
  }

  /** The lease; undefined when it was not this process's turn, after a while. */
  async #elect(): Promise<JobLease | undefined> {
    const { clock } = this.#parts.services
    try {
      return await JobLease.take({ documents: this.#documents, clock, takeOver: false, ...LEASE })
    } catch (error) {
      await this.#trouble(error)
      return undefined
    }
  }

  /** Somebody else leads, or the store is in trouble: both pass. Throws what is a fault of ours. */
  async #trouble(error: unknown): Promise<void> {
    if (!(error instanceof KeywrightError)) throw error
    const { code, message } = error
    if (code !== 'ERR_JOB_RUNNING') this.#tell({ event: 'trouble', code, message })
    else if (!this.#isStandby) this.#tell({ event: 'standby' })
    this.#isStandby = code === 'ERR_JOB_RUNNING'
    await pause(this.#parts.services.clock, STANDBY_MS, this.#options.signal)
  }

  /** Runs what is due until it is stopped. Throws ERR_JOB_RUNNING when another process leads by now. */
  async #lead(lease: JobLease): Promise<void> {
    const { clock } = this.#parts.services
    const names = this.#planned.map(({ name }) => name)
    const log = await RunLog.claim(this.#documents, names, clock.now())
    this.#isStandby = false
    this.#tell({ event: 'leading', next: this.#dates(log) })
    while (!this.#isOver) {
      lease.assertHeld()
      const [first] = this.#due(log)
      if (first === undefined) await this.#sleep(log)
      else await this.#make(lease, log, first)
    }
  }

  /** When each task is due next. */
  #dates(log: RunLog): Record<string, string> {
    const dates = this.#planned.flatMap(({ name, schedule }) => {
      const next = schedule.next(log.of(name).settledAt)
      return next === undefined ? [] : [[name, new Date(next).toISOString()] as const]
    })
    return Object.fromEntries(dates)
  }

  /** What is due, the oldest date first. */
  #due(log: RunLog): readonly PlannedTask[] {
    const now = this.#parts.services.clock.now()
    return this.#planned
      .map((planned) => ({ planned, at: dueAt(planned.schedule, log.of(planned.name)) }))
      .filter(({ at }) => at <= now)
      .sort((one, other) => one.at - other.at)
      .map(({ planned }) => planned)
  }

  async #sleep(log: RunLog): Promise<void> {
    const { clock } = this.#parts.services
    const next = Math.min(...this.#planned.map(({ name, schedule }) => dueAt(schedule, log.of(name))))
    await pause(clock, Math.min(LOOK_MS, Math.max(0, next - clock.now())), this.#options.signal)
  }

  /** One run. What is stopped half-way is not noted as made, so that the next one that leads makes it. */
  async #make(lease: JobLease, log: RunLog, { name, run, schedule }: PlannedTask): Promise<void> {
    const { clock } = this.#parts.services
    const before = log.of(name)
    const at = clock.now()
    await log.note(name, { ...before, startedAt: at }) // fails where another process leads by now
    const missed = missedDates(schedule, before.settledAt, at)
    this.#tell({ event: 'started', task: name, at: new Date(at).toISOString(), missed })
    const { outcome, steps, ...failure } = await this.#runOnce(lease, name, run)
    if (outcome === 'stopped') return
    await log.note(name, { settledAt: at, startedAt: at, finishedAt: clock.now(), outcome, ...failure })
    const next = schedule.next(clock.now())
    const then = next === undefined ? {} : { next: new Date(next).toISOString() }
    this.#tell({ event: 'finished', task: name, outcome, steps, ...then })
  }

  async #runOnce(
    lease: JobLease,
    name: string,
    run: PlannedTask['run'],
  ): Promise<
    Pick<TaskRun, 'code' | 'retryable'> & {
      readonly outcome: string
      readonly steps: readonly LifecycleStep[]
    }
  > {
    const { schedules: _, timeZone: __, onEvent: ___, signal, ...rest } = this.#options
    const lost = new AbortController()
    const unwatch = this.#watchLease(lease, lost)
    try {
      const { outcome, steps } = await runLifecycle(this.#parts, {
        ...rest,
        ...run,
        signal: AbortSignal.any([lost.signal, ...(signal === undefined ? [] : [signal])]),
        onEvent: (step) => this.#tell({ event: 'step', task: name, step }),
      })
      const failures = steps.flatMap((step) => step.failures)
      const retryable = failures.some((one) => one.retryable)
      const [first] = failures
      return { outcome, steps, ...(first === undefined ? {} : { code: first.code, retryable }) }
    } catch (error) {
      // A run by hand at the same time: it is made up for when that is over.
      if (!(error instanceof KeywrightError)) throw error
      const { code, message } = error
      this.#tell({ event: 'trouble', code, message })
      return { outcome: 'failed', steps: [], code, retryable: true }
    } finally {
      unwatch()
      if (lost.signal.aborted) lease.assertHeld()
    }
  }

  /** Stops what is under way when another process has taken over. */
  #watchLease(lease: JobLease, lost: AbortController): () => void {
    const { clock } = this.#parts.services
    let cancel = (): void => undefined
    const look = (): void => {
      try {
        lease.assertHeld()
        cancel = clock.after(LOOK_MS / 5, look)
      } catch {
        lost.abort()
      }
    }
    look()
    return () => cancel()
  }

  #tell(event: WatchEvent): void {
    this.#options.onEvent?.(event)
  }
}

/** When a task is to run: at its next date, or again when it failed for something that may have passed. */
function dueAt(schedule: Schedule, { finishedAt, retryable = false, settledAt }: TaskRun): number {
  const next = schedule.next(settledAt) ?? Number.POSITIVE_INFINITY
  return retryable && finishedAt !== undefined ? Math.min(next, finishedAt + RETRY_MS) : next
}

/** Dates that passed while nobody was there, beside the one that is made now. */
function missedDates(schedule: Schedule, from: number, until: number): number {
  let dates = 0
  for (let at = schedule.next(from); at !== undefined && at <= until && dates <= MOST_MISSED; dates++)
    at = schedule.next(at)
  return Math.max(0, dates - 1)
}
