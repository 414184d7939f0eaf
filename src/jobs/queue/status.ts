/** How re-encryptions over the queue stand. */
import type { QueueServer } from './connection.ts'
import { codeIn } from './failures.ts'
import type { BullJob, RedisClient } from './library.ts'
import { type FlowStep, parseJobData } from './messages.ts'
import type { QueueNames } from './names.ts'
import { type FlowReport, parseReport } from './report.ts'

/** How far a re-encryption is. */
export interface FlowStatus {
  readonly id: string
  readonly keyType: string
  readonly tenant?: string
  readonly places: readonly string[]
  readonly state: 'waiting' | 'running' | 'cancelling' | 'finished' | 'failed'
  readonly step: FlowStep
  /** Of `ranges`, how many are over. */
  readonly done: number
  readonly ranges: number
  /** Of these, how many failed in every attempt. */
  readonly failed: number
  /** ISO 8601, UTC. */
  readonly startedAt: string
  /** What it came to. */
  readonly report?: FlowReport
  /** Why it failed. */
  readonly code?: string
}

/** All re-encryptions that Redis knows, the newest first. */
export interface QueueStatus extends QueueServer {
  /** What all its keys begin with. */
  readonly prefix: string
  readonly paused: boolean
  /** Workers that are connected. */
  readonly workers: number
  readonly flows: readonly FlowStatus[]
}

/** The status of a flow's job; undefined for a job that is none. */
export async function statusOf(
  client: RedisClient,
  names: QueueNames,
  job: BullJob,
): Promise<FlowStatus | undefined> {
  const data = parseJobData(job.data)
  if (data.kind !== 'flow') return undefined
  const id = job.id ?? ''
  const bull = await job.getState()
  const { processed = 0, unprocessed = 0, ignored = 0 } = await job.getDependenciesCount()
  const isCancelled = (await client.get(names.cancelled(id))) !== null
  const report = bull === 'completed' ? parseReport(job.returnvalue) : undefined
  return {
    id,
    keyType: data.task.keyType,
    ...(data.task.tenant === undefined ? {} : { tenant: data.task.tenant }),
    places: data.places,
    state: stateOf(bull, isCancelled),
    step: data.step,
    done: processed + ignored,
    ranges: processed + ignored + unprocessed,
    failed: ignored,
    startedAt: new Date(job.timestamp).toISOString(),
    ...(report === undefined ? {} : { report }),
    ...(bull === 'failed' ? { code: codeIn(job.failedReason) } : {}),
  }
}

function stateOf(bull: string, isCancelled: boolean): FlowStatus['state'] {
  if (bull === 'completed') return 'finished'
  if (bull === 'failed') return 'failed'
  if (isCancelled) return 'cancelling'
  return bull === 'active' || bull === 'waiting-children' ? 'running' : 'waiting'
}
