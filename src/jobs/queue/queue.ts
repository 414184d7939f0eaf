/** The work queue as applications and the command line see it: start a re-encryption, follow it, stop it. */
import { randomBytes } from 'node:crypto'
import { KeywrightError } from '../../errors.ts'
import { keyTypePolicy } from '../../policy/keyring-name.ts'
import type { ValueParts } from '../values/reencrypt.ts'
import { connect, inspectServer, type QueueConnection, type QueueServer, unavailable } from './connection.ts'
import { KEPT_S } from './flow.ts'
import { Follower, type WaitOptions } from './follow.ts'
import { type BullLibrary, type BullQueue, loadBull, type RedisClient } from './library.ts'
import { type FlowData, type FlowTask, flowId, parseJobData } from './messages.ts'
import { type QueueNames, queueNames } from './names.ts'
import { selectPlaces } from './places.ts'
import type { FlowReport } from './report.ts'
import { type FlowStatus, type QueueStatus, statusOf } from './status.ts'

/** How to reach the queue. */
export interface QueueOptions extends QueueConnection {
  /** What its keys in Redis begin with; the id of the key store is added. @default 'keywright' */
  readonly prefix?: string
}

/** A re-encryption for workers to do. */
export interface QueueRequest {
  readonly keyType: string
  readonly tenant?: string
  /** Places by name. @default all that have columns of this key type */
  readonly places?: readonly string[]
  /** Rows a page, from 1 to 10,000. @default 500 */
  readonly batch?: number
  /** About so many rows to a range, which one worker does. @default 10_000 */
  readonly rangeRows?: number
  /** How often a range is tried, from 1 to 12, after waits of 1, 2, 4 … seconds. @default 8 */
  readonly attempts?: number
  /** For the audit log. */
  readonly reason?: string
}

const BATCH = 500
const RANGE_ROWS = 10_000
const ATTEMPTS = 8
const KEPT_FLOWS = 50
/** Each wait is twice as long: the last one is about nine minutes. */
const ROOT_ATTEMPTS = 10
const BACKOFF_MS = 1_000

/** Connects. Throws ERR_ARGUMENT_INVALID, ERR_DEPENDENCY_MISSING, ERR_SOURCE_UNAVAILABLE, ERR_SOURCE_DENIED, ERR_CONFIG_INVALID. */
export async function openQueue(parts: ValueParts, options: QueueOptions): Promise<WorkQueue> {
  const names = await queueNames(parts.services.store, options.prefix)
  const bull = await loadBull()
  const client = await connect(options, false)
  try {
    return new WorkQueue(parts, options, names, bull, client, await inspectServer(client, options))
  } catch (error) {
    client.disconnect()
    throw error
  }
}

export class WorkQueue implements AsyncDisposable {
  /** The Redis, and what a person should know of it. */
  readonly server: QueueServer
  readonly #parts: ValueParts
  readonly #options: QueueOptions
  readonly #names: QueueNames
  readonly #bull: BullLibrary
  readonly #client: RedisClient
  readonly #flows: BullQueue
  readonly #ranges: BullQueue

  constructor(
    parts: ValueParts,
    options: QueueOptions,
    names: QueueNames,
    bull: BullLibrary,
    client: RedisClient,
    server: QueueServer,
  ) {
    this.server = server
    this.#parts = parts
    this.#options = options
    this.#names = names
    this.#bull = bull
    this.#client = client
    const connection = { connection: client, prefix: names.prefix }
    this.#flows = new bull.Queue('flows', connection)
    this.#ranges = new bull.Queue('ranges', connection)
    for (const queue of [this.#flows, this.#ranges]) queue.on('error', () => undefined) // whoever calls hears of it
  }

  /**
   * Hands a re-encryption to the workers; resolves to its id. Throws ERR_KEY_TYPE_UNKNOWN, ERR_SOURCE_UNKNOWN,
   * ERR_JOB_REFUSED where no place has such columns, ERR_JOB_RUNNING while this key type is being re-encrypted.
   */
  async reencrypt(request: QueueRequest): Promise<string> {
    const data = this.#flowOf(request)
    const id = `${request.keyType.replaceAll(/[^a-z0-9_-]/g, '-').slice(0, 40)}-${randomBytes(5).toString('hex')}`
    const added = await this.#asking(() =>
      this.#flows.add('flow', data, {
        jobId: id,
        deduplication: { id: scopeOf(data.task) },
        attempts: ROOT_ATTEMPTS,
        backoff: { type: 'exponential', delay: BACKOFF_MS, jitter: 0.5 },
        removeOnComplete: { age: KEPT_S, count: KEPT_FLOWS },
        removeOnFail: { age: KEPT_S, count: KEPT_FLOWS },
        stackTraceLimit: 0,
      }),
    )
    if (added.id === id) return id
    throw new KeywrightError(
      'ERR_JOB_RUNNING',
      `"${request.keyType}" is being re-encrypted by the workers already`,
      {
        hint: `follow it with: keywright queue wait ${added.id}; or stop it with: keywright queue cancel ${added.id}`,
        details: { id: added.id ?? '' },
      },
    )
  }

  /** How all re-encryptions stand. */
  status(): Promise<QueueStatus> {
    return this.#asking(async () => {
      const jobs = await this.#flows.getJobs(
        ['active', 'wait', 'paused', 'delayed', 'prioritized', 'waiting-children', 'completed', 'failed'],
        0,
        -1,
      )
      const found = await Promise.all(jobs.map((job) => statusOf(this.#client, this.#names, job)))
      const flows = found.filter((status) => status !== undefined)
      return {
        ...this.server,
        prefix: this.#names.prefix,
        paused: await this.#ranges.isPaused(),
        workers: await this.#ranges.getWorkersCount(),
        flows: flows.sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1)),
      }
    })
  }

  /** How one re-encryption stands. Throws ERR_JOB_REFUSED for one that Redis does not know. */
  async flow(id: string): Promise<FlowStatus> {
    const status = await this.#asking(async () => {
      const job = await this.#flows.getJob(flowId(id))
      return job && statusOf(this.#client, this.#names, job)
    })
    if (status === undefined) throw unknownFlow()
    return status
  }

  /** Workers finish what they have begun and take nothing more, on all machines. */
  async pause(): Promise<void> {
    await this.#asking(() => Promise.all([this.#flows.pause(), this.#ranges.pause()]))
  }

  async resume(): Promise<void> {
    await this.#asking(() => Promise.all([this.#flows.resume(), this.#ranges.resume()]))
  }

  /** Stops a re-encryption for good, between two pages. What is done stays done. */
  async cancel(id: string): Promise<void> {
    await this.flow(id)
    await this.#asking(() => this.#client.set(this.#names.cancelled(id), '1', 'EX', KEPT_S))
  }

  /**
   * Waits until a re-encryption is over. Throws ERR_JOB_INCOMPLETE when it failed, ERR_JOB_REFUSED when Redis does not
   * know it any more, ERR_ABORTED when it is told to stop waiting. A Redis that is gone is waited for.
   */
  async wait(id: string, options: WaitOptions = {}): Promise<FlowReport> {
    const follower = new Follower(await this.flow(id), options)
    const client = await connect(this.#options, true)
    const events = new this.#bull.QueueEvents('ranges', { connection: client, prefix: this.#names.prefix })
    follower.listen(events)
    try {
      return await follower.poll(this.#parts.services.clock, () => this.flow(id))
    } finally {
      await events.close().catch(() => undefined) // without Redis there is nothing to end
      client.disconnect()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Ends the connection; workers and jobs go on. Twice is harmless. */
  async close(): Promise<void> {
    await Promise.allSettled([this.#flows.close(), this.#ranges.close()])
    this.#client.disconnect()
  }

  #flowOf(request: QueueRequest): FlowData {
    const { attempts = ATTEMPTS, batch = BATCH, keyType, rangeRows = RANGE_ROWS, reason, tenant } = request
    keyTypePolicy(this.#parts.services.policy, keyType)
    const task: FlowTask = {
      keyType,
      batch,
      ...(tenant === undefined ? {} : { tenant }),
      ...(reason === undefined ? {} : { reason }),
    }
    const places = selectPlaces(this.#parts, task, request.places).map(({ place }) => place.name)
    if (places.length === 0) throw nothingToDo(keyType)
    const data = { kind: 'flow', task, step: 'plan', places, rangeRows, attempts } as const
    try {
      parseJobData(data)
    } catch {
      throw new KeywrightError('ERR_ARGUMENT_INVALID', 'a number of the re-encryption is out of its range', {
        hint: '"batch" is from 1 to 10000, "rangeRows" from 1, "attempts" from 1 to 12',
      })
    }
    return data
  }

  async #asking<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw error instanceof KeywrightError ? error : unavailable(error)
    }
  }
}

/** One re-encryption of a key type (or tenant) at a time. */
const scopeOf = ({ keyType, tenant }: FlowTask): string =>
  tenant === undefined ? keyType : `${keyType}/${tenant}`

const nothingToDo = (keyType: string): KeywrightError =>
  new KeywrightError('ERR_JOB_REFUSED', `no place has columns of key type "${keyType}"`, {
    hint: 'declare where its values are under "sources" in the policy document, or in "places" of createKeywright',
    details: { keyType },
  })

const unknownFlow = (): KeywrightError =>
  new KeywrightError('ERR_JOB_REFUSED', 'Redis knows no re-encryption of this id', {
    hint: '`keywright queue status` lists those it knows; after a loss of Redis start it again: what is done stays done',
  })
