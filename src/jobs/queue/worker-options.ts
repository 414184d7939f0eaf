/** How a worker works, and what it tells. */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { KeywrightError } from '../../errors.ts'
import type { PaceOptions } from '../values/pace.ts'
import type { QueueConnection } from './connection.ts'
import type { RangeProgress } from './messages.ts'
import type { FlowReport } from './report.ts'

/** Options of a worker. `rate` and `maxLatencyMs` are this worker's own. */
export interface WorkerOptions extends QueueConnection, PaceOptions {
  /** What its keys in Redis begin with; the id of the key store is added. @default 'keywright' */
  readonly prefix?: string
  /** As it is called in the queue. @default host and a random id */
  readonly name?: string
  /** Ranges at once, from 1 to 64. @default 2 */
  readonly concurrency?: number
  /** Ranges that all workers together begin in `perMs`, at most; all workers should be told the same. @default no limit */
  readonly ranges?: { readonly max: number; readonly perMs: number }
  /** A worker that does not answer for so long has its ranges taken over, in ms. @default 30_000 */
  readonly lockMs?: number
  /** How often workers look for such ranges, in ms. @default 15_000 */
  readonly stalledMs?: number
  readonly onEvent?: (event: WorkerEvent) => void
}

/** What a worker tells. */
export type WorkerEvent =
  | { readonly event: 'ready'; readonly name: string; readonly warnings: readonly string[] }
  | ({ readonly event: 'begun' | 'done'; readonly flow: string } & RangeProgress)
  | { readonly event: 'failed'; readonly job: string; readonly code: string; readonly message: string }
  /** This worker did not answer for so long that another one has taken its range over. */
  | { readonly event: 'lost'; readonly job: string }
  /** Another worker's range came back because that one did not answer any more. */
  | { readonly event: 'taken-over'; readonly job: string }
  | { readonly event: 'report'; readonly report: FlowReport }
  /** Redis is gone; it is tried again and again. */
  | { readonly event: 'unreachable' }

const LOCK_MS = 30_000
const STALLED_MS = 15_000
const MOST_AT_ONCE = 64

/** With all defaults. */
export type CheckedOptions = WorkerOptions &
  Required<Pick<WorkerOptions, 'name' | 'concurrency' | 'lockMs' | 'stalledMs'>>

/** Throws ERR_ARGUMENT_INVALID. */
export function checkedOptions(options: WorkerOptions): CheckedOptions {
  const { concurrency = 2, lockMs = LOCK_MS, ranges, stalledMs = STALLED_MS } = options
  const name = options.name ?? `${hostname()}-${randomUUID().slice(0, 8)}`
  const whole = {
    concurrency,
    lockMs,
    stalledMs,
    'ranges.max': ranges?.max ?? 1,
    'ranges.perMs': ranges?.perMs ?? 1,
  }
  for (const [option, value] of Object.entries(whole)) {
    if (Number.isInteger(value) && value >= 1 && (option !== 'concurrency' || value <= MOST_AT_ONCE)) continue
    const most = option === 'concurrency' ? ` to ${MOST_AT_ONCE}` : ''
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `"${option}" is not a whole number from 1${most}`, {
      hint: 'leave it out for the default',
    })
  }
  return { ...options, name, concurrency, lockMs, stalledMs }
}
