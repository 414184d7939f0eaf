/**
 * The job that stands for a whole re-encryption. It is taken up again after each of its steps (plan, chunks, verify,
 * census) and may be begun twice at any of them: the plan that is stored first counts, ranges have fixed names, and
 * totals are read from the checkpoints beside the rows.
 */
import { KeywrightError } from '../../errors.ts'
import { census } from '../values/census.ts'
import { Checkpoints } from '../values/checkpoint.ts'
import { sumCounts, type ValueCounts } from '../values/counts.ts'
import type { ValueParts } from '../values/reencrypt.ts'
import { codeIn } from './failures.ts'
import { countLeft } from './left.ts'
import type { BullJob, BullQueue, RedisClient } from './library.ts'
import {
  type FlowData,
  type FlowStep,
  type PlannedRange,
  parsePlan,
  parseRangeProgress,
  type RangeData,
} from './messages.ts'
import { type QueueNames, rangeId } from './names.ts'
import type { OpenPlaces } from './places.ts'
import { planRanges } from './plan.ts'
import { rangeTotal } from './range.ts'
import { type FailedRange, type FlowPlace, type FlowReport, parseReport, reportOf } from './report.ts'

/** Plans and marks go by themselves when nobody needs them any more. */
export const KEPT_S = 30 * 24 * 3600
/** Ranges sent to Redis in one command. */
const AT_ONCE = 200
const BACKOFF_MS = 1_000
const MOST_FAILURES = 100

export interface FlowContext {
  readonly parts: ValueParts
  readonly places: OpenPlaces
  readonly client: RedisClient
  readonly names: QueueNames
  readonly ranges: BullQueue
  /** The worker is to end. */
  readonly signal: AbortSignal
}

/** Thrown by a step when the job has to wait for its ranges. */
export class WaitsForRanges extends Error {}

/** Goes through the steps that are left. Throws {@link WaitsForRanges} when the ranges have to be done first. */
export async function runFlow(
  context: FlowContext,
  job: BullJob,
  token: string,
  data: FlowData,
): Promise<FlowReport> {
  const id = job.id ?? ''
  const done = await storedReport(context, id)
  if (done !== undefined) return done
  let { step } = data
  const go = async (next: FlowStep): Promise<void> => {
    step = next
    await job.updateData({ ...data, step })
  }
  const plan = await storedPlan(context, id, data)
  if (step === 'plan') await go('chunks')
  if (step === 'chunks') {
    await sendRanges(context, job, data, plan)
    await go('verify')
  }
  if (await job.moveToWaitingChildren(token)) throw new WaitsForRanges()
  return finish(context, job, data, plan, go)
}

/** The report, when the worker that made it could not hand it in any more. */
async function storedReport({ client, names }: FlowContext, id: string): Promise<FlowReport | undefined> {
  const text = await client.get(names.report(id))
  return text === null ? undefined : parseReport(JSON.parse(text))
}

/** The plan of the flow: whoever stores one first decides. */
async function storedPlan(
  { client, names, places }: FlowContext,
  id: string,
  data: FlowData,
): Promise<readonly PlannedRange[]> {
  const key = names.plan(id)
  const known = await client.get(key)
  if (known !== null) return parsePlan(known)
  if (data.step !== 'plan') {
    throw new KeywrightError('ERR_JOB_REFUSED', 'the plan of this re-encryption is not in Redis any more', {
      hint: 'start it again: what is done stays done',
    })
  }
  const plan = await planRanges(places, data)
  await client.set(key, JSON.stringify(plan), 'EX', KEPT_S, 'NX')
  return parsePlan((await client.get(key)) ?? '')
}

async function sendRanges(
  { names, ranges }: FlowContext,
  job: BullJob,
  { attempts, task }: FlowData,
  plan: readonly PlannedRange[],
): Promise<void> {
  const flow = job.id ?? ''
  for (let at = 0; at < plan.length; at += AT_ONCE) {
    await ranges.addBulk(
      plan.slice(at, at + AT_ONCE).map((range) => ({
        name: 'range',
        data: { kind: 'range', flow, task, range } satisfies RangeData,
        opts: {
          jobId: rangeId(flow, range.number),
          parent: { id: flow, queue: names.qualified('flows') },
          attempts,
          backoff: { type: 'exponential', delay: BACKOFF_MS, jitter: 0.5 },
          // The others go on, and the report tells which ones failed.
          ignoreDependencyOnFailure: true,
          removeOnComplete: { age: KEPT_S },
          removeOnFail: { age: KEPT_S },
          stackTraceLimit: 0,
        },
      })),
    )
  }
}

/** What all ranges came to, from the checkpoints beside the rows, and what is left. */
async function finish(
  context: FlowContext,
  job: BullJob,
  data: FlowData,
  plan: readonly PlannedRange[],
  go: (step: FlowStep) => Promise<void>,
): Promise<FlowReport> {
  const id = job.id ?? ''
  const cancelled = (await context.client.get(context.names.cancelled(id))) !== null
  const failed = await failedRanges(job, plan)
  const attempts = await attemptsOf(context, job, id, plan)
  const totals = await totalsOf(context, id, data, plan, attempts)
  const left = cancelled ? undefined : await countLeft(context.parts, context.places, data)
  await go('census')
  const counted = cancelled ? undefined : await takeCensus(context, data)
  const report = reportOf({
    id,
    task: data.task,
    places: data.places.map((place) => placeOf(place, plan, failed, totals)),
    failedRanges: failed.slice(0, MOST_FAILURES),
    cancelled,
    left,
    census: counted,
    startedAt: job.timestamp,
    finishedAt: context.parts.services.clock.now(),
  })
  await context.client.set(context.names.report(id), JSON.stringify(report), 'EX', KEPT_S, 'NX')
  await clear(context, id, totals)
  return report
}

/** Of all declared places, so that old keys may be destroyed. It can be taken again, so a failure ends nothing. */
async function takeCensus({ parts, signal }: FlowContext, { task }: FlowData): Promise<string> {
  const because = task.reason === undefined ? {} : { reason: task.reason }
  try {
    return (await census(parts, { signal, ...because })).outcome
  } catch (error) {
    if (signal.aborted || !(error instanceof KeywrightError)) throw error
    return error.code
  }
}

async function failedRanges(job: BullJob, plan: readonly PlannedRange[]): Promise<FailedRange[]> {
  const failures = await job.getIgnoredChildrenFailures()
  const byName = new Map(Object.entries(failures).map(([key, message]) => [key.split(':').at(-1), message]))
  return plan.flatMap(({ number, place }) => {
    const message = byName.get(rangeId(job.id ?? '', number))
    return message === undefined ? [] : [{ place, number, code: codeIn(message) }]
  })
}

/** How many attempts each range took: as the one that came to its end said, else as BullMQ counted. */
async function attemptsOf(
  { ranges }: FlowContext,
  job: BullJob,
  flow: string,
  plan: readonly PlannedRange[],
): Promise<ReadonlyMap<number, number>> {
  const attempts = new Map<number, number>()
  for (const value of Object.values(await job.getChildrenValues())) {
    const { attempt, number } = (parseRangeProgress(value) ?? {}) as { attempt?: number; number?: number }
    if (number !== undefined && attempt !== undefined) attempts.set(number, attempt)
  }
  for (const { number } of plan) {
    if (attempts.has(number)) continue
    const range = await ranges.getJob(rangeId(flow, number))
    attempts.set(number, range?.attemptsStarted ?? 0)
  }
  return attempts
}

interface PlaceTotal {
  readonly counts: ValueCounts
  readonly checkpoints: readonly string[]
  remove(name: string): Promise<void>
}

async function totalsOf(
  { parts, places }: FlowContext,
  flow: string,
  { places: names, task }: FlowData,
  plan: readonly PlannedRange[],
  attempts: ReadonlyMap<number, number>,
): Promise<ReadonlyMap<string, PlaceTotal>> {
  const totals = new Map<string, PlaceTotal>()
  for (const name of names) {
    const values = places.task(name, task)
    const checkpoints = Checkpoints.of(await places.source(name, task), parts.services.store.documents)
    const found: ValueCounts[] = []
    const kept: string[] = []
    for (const { number } of plan.filter(({ place }) => place === name)) {
      const total = await rangeTotal(checkpoints, values, flow, number, attempts.get(number) ?? 0)
      found.push(total.counts)
      kept.push(...total.checkpoints)
    }
    await values.close?.()
    totals.set(name, {
      counts: sumCounts(found),
      checkpoints: kept,
      remove: (checkpoint) => checkpoints.remove(checkpoint),
    })
  }
  return totals
}

function placeOf(
  place: string,
  plan: readonly PlannedRange[],
  failed: readonly FailedRange[],
  totals: ReadonlyMap<string, PlaceTotal>,
): FlowPlace {
  const own = (one: { readonly place: string }): boolean => one.place === place
  return {
    place,
    ranges: plan.filter(own).length,
    failed: failed.filter(own).length,
    counts: totals.get(place)?.counts ?? sumCounts([]),
  }
}

/** Nothing of a re-encryption stays beside the rows; in Redis its report does. */
async function clear(
  { client, names }: FlowContext,
  id: string,
  totals: ReadonlyMap<string, PlaceTotal>,
): Promise<void> {
  for (const { checkpoints, remove } of totals.values()) for (const name of checkpoints) await remove(name)
  await client.del(names.plan(id), names.cancelled(id))
}
