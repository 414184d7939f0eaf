/** What a re-encryption over the queue came to, as its job keeps it in Redis and as it is reported. */
import { countOf, sumCounts, type ValueCounts } from '../values/counts.ts'
import type { FlowTask } from './messages.ts'

/** One place of a re-encryption. */
export interface FlowPlace {
  readonly place: string
  readonly ranges: number
  /** Ranges that failed in every attempt. */
  readonly failed: number
  /** All ranges together. */
  readonly counts: ValueCounts
}

/** Why a range failed. */
export interface FailedRange {
  readonly place: string
  readonly number: number
  /** The code of the last attempt's error; ERR_INTERNAL for anything that is no error of ours. */
  readonly code: string
}

/**
 * 'finished': every range is done and no value failed. 'incomplete': ranges or values failed, or values are left under
 * older keys. 'cancelled': somebody stopped it.
 */
export type FlowOutcome = 'finished' | 'incomplete' | 'cancelled'

export interface FlowReport {
  readonly job: 'queue-reencrypt'
  readonly id: string
  readonly keyType: string
  readonly tenant?: string
  readonly outcome: FlowOutcome
  readonly places: readonly FlowPlace[]
  readonly counts: ValueCounts
  readonly failedRanges: readonly FailedRange[]
  /** Values under keys that do not encrypt any more, counted afterwards; absent when it was cancelled. */
  readonly left?: number
  /** What the census of all places came to: 'complete', 'incomplete', or the code of its failure. */
  readonly census?: string
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly finishedAt: string
}

export interface FlowFindings {
  readonly id: string
  readonly task: FlowTask
  readonly places: readonly FlowPlace[]
  readonly failedRanges: readonly FailedRange[]
  readonly cancelled: boolean
  readonly left: number | undefined
  readonly census: string | undefined
  /** ms since the epoch. */
  readonly startedAt: number
  readonly finishedAt: number
}

export function reportOf(found: FlowFindings): FlowReport {
  const { cancelled, failedRanges, id, left, places, task } = found
  const counts = sumCounts(places.map((place) => place.counts))
  const isWhole = failedRanges.length === 0 && countOf(counts, 'failed') === 0 && counts.changed === 0
  const outcome = cancelled ? 'cancelled' : isWhole && (left ?? 0) === 0 ? 'finished' : 'incomplete'
  return {
    job: 'queue-reencrypt',
    id,
    keyType: task.keyType,
    ...(task.tenant === undefined ? {} : { tenant: task.tenant }),
    outcome,
    places,
    counts,
    failedRanges,
    ...(left === undefined ? {} : { left }),
    ...(found.census === undefined ? {} : { census: found.census }),
    startedAt: new Date(found.startedAt).toISOString(),
    finishedAt: new Date(found.finishedAt).toISOString(),
  }
}

/** The report that a finished job left in Redis; undefined for anything else. */
export function parseReport(value: unknown): FlowReport | undefined {
  const report = value as Partial<FlowReport> | null | undefined
  if (typeof report !== 'object' || report === null || report.job !== 'queue-reencrypt') return undefined
  const isWhole =
    typeof report.id === 'string' &&
    ['finished', 'incomplete', 'cancelled'].includes(report.outcome ?? '') &&
    Array.isArray(report.places) &&
    Array.isArray(report.failedRanges)
  return isWhole ? (report as FlowReport) : undefined
}
