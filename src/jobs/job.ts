/** What jobs on wraps have in common: the lease, begin and end in the audit log, progress, and stopping. */
import type { AuditDetails } from '../audit/event.ts'
import { KeywrightError } from '../errors.ts'
import { DEFAULT_CONCURRENCY } from '../keys/in-order.ts'
import type { KeyServices } from '../keys/services.ts'
import { digestOf } from './digest.ts'
import { JobLease } from './lease.ts'

/** How far a job is. */
export interface JobProgress {
  /** What is being done: 'add', 'prefer', 'check', 'remove' … */
  readonly step: string
  /** Keys of this step that are done. */
  readonly done: number
  /** Keys of this step, as counted when it began. */
  readonly total: number
  /** Keys a second since the step began. */
  readonly rate: number
}

/** Options that every job takes. */
export interface JobOptions {
  /** Keys at once, from 1 to 64. @default 4 */
  readonly concurrency?: number
  readonly onProgress?: (progress: JobProgress) => void
  /** Stops the job between two keys, with ERR_ABORTED. It goes on where it was when it is run again. */
  readonly signal?: AbortSignal
  /** Take over from another job on the same store that is known to be gone. @default false */
  readonly takeOver?: boolean
  /** For the audit log. */
  readonly reason?: string
}

/** What every report has. */
export interface JobReport {
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly finishedAt: string
  /** What became of it; each job has its own words. */
  readonly outcome: string
  /** Hex SHA-256 of the report without this member; `job.finish` in the audit log names it. See digest.ts. */
  readonly digest: string
}

const MOST_AT_ONCE = 64

/** A job that is under way. */
export class RunningJob {
  readonly services: KeyServices
  readonly concurrency: number
  readonly reason: string | undefined
  readonly startedAt: string
  readonly #options: JobOptions
  readonly #lease: JobLease | undefined

  constructor(services: KeyServices, options: JobOptions, lease: JobLease | undefined) {
    this.services = services
    this.concurrency = concurrencyOf(options)
    this.reason = options.reason
    this.startedAt = isoNow(services)
    this.#options = options
    this.#lease = lease
  }

  get signal(): AbortSignal | undefined {
    return this.#options.signal
  }

  /** Throws ERR_ABORTED and ERR_JOB_RUNNING. */
  assertGoesOn(): void {
    this.#lease?.assertHeld()
    if (this.#options.signal?.aborted !== true) return
    throw new KeywrightError('ERR_ABORTED', 'the job was stopped', {
      hint: 'every key opens as before; run it again and it goes on from here',
    })
  }

  /** A function to call after each key of a step. */
  progress(step: string, total: number): () => void {
    const startedAt = performance.now()
    let done = 0
    return () => {
      done++
      const seconds = Math.max(performance.now() - startedAt, 1) / 1000
      this.#options.onProgress?.({ step, done, total: Math.max(total, done), rate: done / seconds })
    }
  }
}

/** Throws ERR_ARGUMENT_INVALID. */
export function concurrencyOf({
  concurrency = DEFAULT_CONCURRENCY,
}: Pick<JobOptions, 'concurrency'>): number {
  if (Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= MOST_AT_ONCE) return concurrency
  throw new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    `"concurrency" is not a number from 1 to ${MOST_AT_ONCE}`,
    {
      hint: 'it is how many keys are worked on at once; leave it out for 4',
    },
  )
}

const isoNow = ({ clock }: Pick<KeyServices, 'clock'>): string => new Date(clock.now()).toISOString()

/** A job by name, with what the audit log tells of it. */
export interface JobAbout {
  /** 'move file to vault'; for people and for the lease. */
  readonly title: string
  readonly details: AuditDetails
  /** Changes wraps, so it needs the lease. */
  readonly changes: boolean
}

/**
 * Runs a job: takes the lease, announces it, and closes its report with a digest that the audit log names as well. A
 * job that fails is logged as failed. Throws ERR_JOB_RUNNING while another one is at work.
 */
export async function runJob<R extends object>(
  services: KeyServices,
  about: JobAbout,
  options: JobOptions,
  work: (job: RunningJob) => Promise<R & { readonly outcome: string }>,
): Promise<R & JobReport> {
  const lease = about.changes ? await leaseOf(services, about, options) : undefined
  try {
    return await runLogged(new RunningJob(services, options, lease), about, work)
  } finally {
    await lease?.release()
  }
}

async function leaseOf(
  { clock, store: { documents } }: KeyServices,
  { title }: JobAbout,
  { takeOver = false }: JobOptions,
): Promise<JobLease | undefined> {
  if (documents === undefined) return undefined
  return JobLease.take({ documents, clock, job: title, takeOver })
}

async function runLogged<R extends object>(
  job: RunningJob,
  { details }: JobAbout,
  work: (job: RunningJob) => Promise<R & { readonly outcome: string }>,
): Promise<R & JobReport> {
  const { audit } = job.services
  const because = job.reason === undefined ? {} : { reason: job.reason }
  await audit.append({ event: 'job.start', details, ...because })
  let finished: R & JobReport
  try {
    const found = await work(job)
    const report = { ...found, startedAt: job.startedAt, finishedAt: isoNow(job.services) }
    finished = { ...report, digest: digestOf(report) }
  } catch (error) {
    const outcome = `failed: ${error instanceof KeywrightError ? error.code : 'ERR_INTERNAL'}`
    // What is to be thrown matters more than that it could not be logged.
    await audit.append({ event: 'job.finish', details: { ...details, outcome } }).catch(() => undefined)
    throw error
  }
  const { digest, outcome } = finished
  await audit.append({ event: 'job.finish', details: { ...details, outcome, digest } })
  return finished
}
