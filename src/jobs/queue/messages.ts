/**
 * What jobs of the queue say: names of places, ranges of rows, parameters of the task. Never a value of a row, never a
 * secret. Whoever can write to the Redis can write anything, so what comes out of it is checked before it is used.
 */
import { KeywrightError } from '../../errors.ts'
import { parseCounts, type ValueCounts } from '../values/counts.ts'

/** What a re-encryption does; the same for all its jobs. */
export interface FlowTask {
  readonly keyType: string
  readonly tenant?: string
  /** Rows a page. */
  readonly batch: number
  /** For the audit log. */
  readonly reason?: string
}

/** The steps of a re-encryption, in their order. */
export const STEPS = ['plan', 'chunks', 'verify', 'census'] as const
export type FlowStep = (typeof STEPS)[number]

/** The job that stands for a whole re-encryption; its parts are jobs under it. */
export interface FlowData {
  readonly kind: 'flow'
  readonly task: FlowTask
  readonly step: FlowStep
  /** Places by name. */
  readonly places: readonly string[]
  /** About so many rows to a range. */
  readonly rangeRows: number
  /** How often a range is tried. */
  readonly attempts: number
}

/** One range of one place. */
export interface RangeData {
  readonly kind: 'range'
  readonly flow: string
  readonly task: FlowTask
  readonly range: PlannedRange
}

/** A range as it was planned. */
export interface PlannedRange {
  readonly place: string
  /** 0, 1, 2 … over all places of the flow. */
  readonly number: number
  /** Keys of rows in the form of the source: the range begins behind the one and ends with the other. */
  readonly after?: string
  readonly until?: string
  /** The digest of the task as it was planned: another policy or another place of this name does other things. */
  readonly digest: string
}

/** What a range's worker says of it. */
export interface RangeProgress {
  readonly place: string
  readonly number: number
  readonly rows: number
  readonly done: number
}

/** What a range came to. */
export interface RangeOutcome extends RangeProgress {
  /** The attempt that came to its end; those before it left checkpoints too. */
  readonly attempt: number
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/
const FLOW = /^[a-z0-9][a-z0-9_-]{0,79}$/
const DIGEST = /^[0-9a-f]{64}$/
/** Positions of rows with long keys, and then some. */
const MAX_POSITION = 64 * 1024
const MAX_TEXT = 1_000
/** Each wait is twice as long as the one before, from a second on. */
const MOST_ATTEMPTS = 12

type Check = (value: unknown) => boolean
type Shape = Readonly<Record<string, Check>>

const isName: Check = (value) => typeof value === 'string' && NAME.test(value)
const isText =
  (max: number): Check =>
  (value) =>
    typeof value === 'string' && value.length <= max
const isCount =
  (from: number, to: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= from && (value as number) <= to
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)
const is =
  (wanted: string): Check =>
  (value) =>
    value === wanted

/** Exactly these members. */
const has =
  (shape: Shape): Check =>
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    const members = value as Readonly<Record<string, unknown>>
    const known = Object.keys(members).every((name) => Object.hasOwn(shape, name))
    return known && Object.entries(shape).every(([name, check]) => check(members[name]))
  }

const isTask = has({
  keyType: isText(100),
  tenant: optional(isText(200)),
  batch: isCount(1, 10_000),
  reason: optional(isText(MAX_TEXT)),
})
const isRange = has({
  place: isName,
  number: isCount(0, 1e6),
  after: optional(isText(MAX_POSITION)),
  until: optional(isText(MAX_POSITION)),
  digest: (value) => typeof value === 'string' && DIGEST.test(value),
})
const isFlow = has({
  kind: is('flow'),
  task: isTask,
  step: (value) => STEPS.includes(value as FlowStep),
  places: (value) => Array.isArray(value) && value.length <= 10_000 && value.every(isName),
  rangeRows: isCount(1, 1e9),
  attempts: isCount(1, MOST_ATTEMPTS),
})
const isRangeJob = has({
  kind: is('range'),
  flow: (value) => typeof value === 'string' && FLOW.test(value),
  task: isTask,
  range: isRange,
})

/** The data of a job. Throws ERR_JOB_REFUSED for what we have not written. */
export function parseJobData(data: unknown): FlowData | RangeData {
  if (isFlow(data)) return data as FlowData
  if (isRangeJob(data)) return data as RangeData
  throw notOurs('a job of the work queue')
}

/** The ranges of a plan. Throws ERR_JOB_REFUSED. */
export function parsePlan(text: string): readonly PlannedRange[] {
  let plan: unknown
  try {
    plan = JSON.parse(text)
  } catch {
    throw notOurs('the plan in the work queue')
  }
  if (Array.isArray(plan) && plan.every(isRange)) return plan as PlannedRange[]
  throw notOurs('the plan in the work queue')
}

/** What a worker said of a range; undefined for anything else. */
export function parseRangeProgress(value: unknown): RangeProgress | undefined {
  const check = has({
    place: isName,
    number: isCount(0, 1e6),
    rows: isCount(0, 1e15),
    done: isCount(0, 1e15),
    attempt: optional(isCount(1, 1e9)),
  })
  return check(value) ? (value as RangeProgress) : undefined
}

/** The id of a flow, as a person wrote it. Throws ERR_ARGUMENT_INVALID. */
export function flowId(text: string): string {
  if (FLOW.test(text)) return text
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'not the id of a re-encryption', {
    hint: '`keywright queue status` lists them',
  })
}

/** How far one attempt at a range is: what it counted itself, and with those it went on from. */
export interface RangeState {
  /** Where the page begins that may not be settled; absent for the first one. */
  readonly after?: string
  /** Where it ends; absent after the last one. */
  readonly next?: string
  /** Rows of the range up to `next`, by this attempt and those that it went on from. */
  readonly seen: ValueCounts
  /** Rows that this attempt counted itself. */
  readonly own: ValueCounts
}

/** What a checkpoint of a range says; undefined for anything that is none of this task. */
export function parseRangeState(
  text: string,
  digest: string,
  columns: readonly string[],
): RangeState | undefined {
  let state: Partial<Record<string, unknown>> | null
  try {
    state = JSON.parse(text) as Partial<Record<string, unknown>> | null
  } catch {
    return undefined
  }
  if (typeof state !== 'object' || state === null || state['digest'] !== digest) return undefined
  const { after, next } = state
  const seen = parseCounts(state['seen'], columns)
  const own = parseCounts(state['own'], columns)
  const isAt = optional(isText(MAX_POSITION))
  if (seen === undefined || own === undefined || !isAt(after) || !isAt(next)) return undefined
  return {
    seen,
    own,
    ...(after === undefined ? {} : { after: after as string }),
    ...(next === undefined ? {} : { next: next as string }),
  }
}

const notOurs = (what: string): KeywrightError =>
  new KeywrightError('ERR_JOB_REFUSED', `${what} is not one that Keywright has written`, {
    hint: 'see who else writes to this Redis, and whether all workers have the same version of Keywright',
  })
