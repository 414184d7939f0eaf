/** Following a re-encryption: its state is polled, which misses nothing; what happens in between is told by events. */
import type { Clock } from '../../clock.ts'
import { KeywrightError } from '../../errors.ts'
import { pause } from '../pause.ts'
import type { BullEvents } from './library.ts'
import { parseRangeProgress, type RangeProgress } from './messages.ts'
import type { FlowReport } from './report.ts'
import type { FlowStatus } from './status.ts'

/** What happens to a range. */
export type RangeState = 'begun' | 'done' | 'failed' | 'taken-over'

/** What `wait` tells. */
export type FlowEvent =
  /** `rows` and `values` are those of the ranges that were heard of since. */
  | {
      readonly event: 'progress'
      readonly status: FlowStatus
      readonly rows: number
      readonly values: number
    }
  | { readonly event: 'range'; readonly state: RangeState; readonly range: number }
  /** Redis is gone; it is tried again and again. */
  | { readonly event: 'unreachable' }

export interface WaitOptions {
  readonly onEvent?: (event: FlowEvent) => void
  /** Stops waiting with ERR_ABORTED; the workers go on. */
  readonly signal?: AbortSignal
}

const POLL_MS = 250
const EVENTS = [
  ['active', 'begun'],
  ['completed', 'done'],
  ['failed', 'failed'],
  ['stalled', 'taken-over'],
] as const

export class Follower {
  readonly #id: string
  readonly #options: WaitOptions
  readonly #progress = new Map<number, RangeProgress>()
  #status: FlowStatus

  constructor(status: FlowStatus, options: WaitOptions) {
    this.#id = status.id
    this.#status = status
    this.#options = options
  }

  /** Hears what workers do with the ranges. */
  listen(events: BullEvents): void {
    events.on('error', () => undefined) // polling tells it
    events.on('progress', ({ data, jobId }) => this.#told(jobId, parseRangeProgress(data)))
    for (const [name, state] of EVENTS) events.on(name, ({ jobId }) => this.#became(jobId, state))
  }

  /** Asks until the re-encryption is over. Throws ERR_JOB_INCOMPLETE, ERR_ABORTED, and what asking throws. */
  async poll(clock: Clock, ask: () => Promise<FlowStatus>): Promise<FlowReport> {
    const { onEvent, signal } = this.#options
    for (let isGone = false; ; await pause(clock, POLL_MS, signal)) {
      if (signal?.aborted === true) throw stoppedWaiting(this.#id)
      try {
        const status = await ask()
        isGone = false
        this.#look(status)
        if (status.report !== undefined) return status.report
        if (status.state === 'failed') throw failed(status)
      } catch (error) {
        if (!(error instanceof KeywrightError) || error.code !== 'ERR_SOURCE_UNAVAILABLE') throw error
        if (!isGone) onEvent?.({ event: 'unreachable' })
        isGone = true
      }
    }
  }

  #numberIn(jobId: string): number | undefined {
    const [flow, number] = jobId.split('.')
    return flow === this.#id ? Number(number) : undefined
  }

  #told(jobId: string, progress: RangeProgress | undefined): void {
    const range = this.#numberIn(jobId)
    if (range === undefined || progress === undefined) return
    this.#progress.set(range, progress)
    this.#tell()
  }

  #became(jobId: string, state: RangeState): void {
    const range = this.#numberIn(jobId)
    if (range !== undefined) this.#options.onEvent?.({ event: 'range', state, range })
  }

  #look(status: FlowStatus): void {
    const isNew = status.done !== this.#status.done || status.step !== this.#status.step
    this.#status = status
    if (isNew) this.#tell()
  }

  #tell(): void {
    const sum = (of: (progress: RangeProgress) => number): number =>
      [...this.#progress.values()].reduce((total, one) => total + of(one), 0)
    const [rows, values] = [sum((one) => one.rows), sum((one) => one.done)]
    this.#options.onEvent?.({ event: 'progress', status: this.#status, rows, values })
  }
}

const stoppedWaiting = (id: string): KeywrightError =>
  new KeywrightError('ERR_ABORTED', 'nobody waits for the re-encryption any more; the workers go on', {
    hint: `keywright queue wait ${id} follows it again, keywright queue cancel ${id} stops it`,
    details: { id },
  })

const failed = ({ code = 'ERR_INTERNAL', id }: FlowStatus): KeywrightError =>
  new KeywrightError('ERR_JOB_INCOMPLETE', `the re-encryption failed in every attempt (${code})`, {
    hint: 'see what the workers say; mend it and start again: what is done stays done',
    details: { id, code },
  })
