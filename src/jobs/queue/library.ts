/** The parts of BullMQ and ioredis that the queue uses, so that our types do not ask for theirs. Loaded when needed. */
import { KeywrightError } from '../../errors.ts'

/** The part of a client of ioredis that is used here. */
export interface RedisClient {
  readonly status: string
  connect(): Promise<unknown>
  disconnect(): void
  duplicate(options?: object): RedisClient
  info(): Promise<string>
  set(key: string, value: string, ...options: ['EX', number, 'NX'] | ['EX', number]): Promise<unknown>
  get(key: string): Promise<string | null>
  del(...keys: string[]): Promise<number>
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** The part of ioredis that is used here. */
export interface RedisLibrary {
  readonly Redis: new (url: string, options: object) => RedisClient
}

/** One job as BullMQ keeps it. `data`, `progress` and results come out of Redis: nobody vouches for them. */
export interface BullJob {
  readonly id?: string
  readonly name: string
  readonly data: unknown
  readonly progress: unknown
  readonly returnvalue: unknown
  readonly failedReason?: string
  readonly timestamp: number
  readonly finishedOn?: number
  /** How often a worker began with it. */
  readonly attemptsStarted: number
  readonly queueQualifiedName: string
  updateData(data: object): Promise<void>
  updateProgress(progress: object): Promise<void>
  getState(): Promise<string>
  getChildrenValues(): Promise<Record<string, unknown>>
  getIgnoredChildrenFailures(): Promise<Record<string, string>>
  getDependenciesCount(): Promise<{
    processed?: number
    unprocessed?: number
    ignored?: number
    failed?: number
  }>
  moveToWait(token?: string): Promise<unknown>
  moveToDelayed(timestamp: number, token?: string): Promise<unknown>
  moveToWaitingChildren(token: string): Promise<boolean>
  removeUnprocessedChildren(): Promise<void>
}

export interface BullQueue {
  add(name: string, data: object, options: object): Promise<BullJob>
  addBulk(jobs: { name: string; data: object; opts: object }[]): Promise<BullJob[]>
  getJob(id: string): Promise<BullJob | undefined>
  getJobs(types: BullState[], start: number, end: number): Promise<BullJob[]>
  getJobCounts(...types: BullState[]): Promise<Record<string, number>>
  getWorkersCount(): Promise<number>
  isPaused(): Promise<boolean>
  pause(): Promise<void>
  resume(): Promise<void>
  remove(id: string): Promise<number>
  on(event: 'error', listener: (error: Error) => void): unknown
  close(): Promise<void>
}

export type BullState =
  | 'active'
  | 'completed'
  | 'delayed'
  | 'failed'
  | 'paused'
  | 'prioritized'
  | 'wait'
  | 'waiting-children'

export interface BullWorker {
  readonly opts: object
  on(event: 'lockRenewalFailed', listener: (ids: string[]) => void): unknown
  on(event: 'stalled', listener: (id: string) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(
    event: 'failed',
    listener: (job: { readonly id?: string; readonly name: string } | undefined) => void,
  ): unknown
  waitUntilReady(): Promise<unknown>
  cancelJob(id: string, reason?: string): boolean
  cancelAllJobs(reason?: string): void
  pause(doNotWaitActive?: boolean): Promise<void>
  close(force?: boolean): Promise<void>
}

export interface BullEvents {
  on(event: 'progress', listener: (told: { jobId: string; data: unknown }) => void): unknown
  on(
    event: 'active' | 'completed' | 'failed' | 'stalled',
    listener: (told: { jobId: string }) => void,
  ): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}

type Take = (job: BullJob, token: string | undefined, signal: AbortSignal | undefined) => Promise<unknown>

/** The part of BullMQ that is used here. */
export interface BullLibrary {
  readonly Queue: new (name: string, options: BullOptions) => BullQueue
  readonly Worker: new (name: string, take: Take, options: BullWorkerOptions) => BullWorker
  readonly QueueEvents: new (name: string, options: BullOptions) => BullEvents
  /** Thrown by a worker's function: the job is where it was moved to. */
  readonly WaitingError: new () => Error
  readonly WaitingChildrenError: new () => Error
  /** Thrown by a worker's function: the job fails without another attempt. */
  readonly UnrecoverableError: new (
    message: string,
  ) => Error
}

interface BullOptions {
  readonly connection: RedisClient
  readonly prefix: string
}

interface BullWorkerOptions extends BullOptions {
  readonly name: string
  readonly concurrency: number
  readonly lockDuration: number
  readonly stalledInterval: number
  readonly maxStalledCount: number
  readonly limiter?: { readonly max: number; readonly duration: number }
}

/** Loads BullMQ. Its constructors have overloads that say more than we need. Throws ERR_DEPENDENCY_MISSING. */
export function loadBull(): Promise<BullLibrary> {
  return load('bullmq', async () => (await import('bullmq')) as unknown as BullLibrary)
}

/** Loads ioredis. Throws ERR_DEPENDENCY_MISSING. */
export function loadRedis(): Promise<RedisLibrary> {
  return load('ioredis', async () => (await import('ioredis')) as unknown as RedisLibrary)
}

async function load<T>(name: string, bring: () => Promise<T>): Promise<T> {
  try {
    return await bring()
  } catch {
    throw new KeywrightError('ERR_DEPENDENCY_MISSING', `the work queue needs the package "${name}"`, {
      hint: 'npm install bullmq ioredis',
      details: { package: name },
    })
  }
}
