/** How fast work goes on: at most so many rows a second, and slower while the source answers late. */
import type { Clock } from '../../clock.ts'
import { KeywrightError } from '../../errors.ts'
import { pause } from '../pause.ts'

export interface PaceOptions {
  /** Rows a second at most. @default as fast as it goes */
  readonly rate?: number
  /** While the source takes longer than this for a page, in ms, it is given time to recover. @default no limit */
  readonly maxLatencyMs?: number
}

const LONGEST_BACK_OFF_MS = 10_000

/** Throws ERR_ARGUMENT_INVALID for a rate or a latency that is no positive number. */
export class Pace {
  readonly #clock: Clock
  readonly #rate: number
  readonly #maxLatencyMs: number
  readonly #startedAt: number
  #rows = 0
  #backOffMs = 0

  constructor(clock: Clock, { rate, maxLatencyMs }: PaceOptions) {
    this.#clock = clock
    this.#rate = positive(rate, 'rate')
    this.#maxLatencyMs = positive(maxLatencyMs, 'maxLatencyMs')
    this.#startedAt = clock.now()
  }

  /** Whether it looks at the time of single calls: then nothing else may run beside them. */
  get measures(): boolean {
    return Number.isFinite(this.#maxLatencyMs)
  }

  /** The source took so long for one call. Slow ones double the wait, quick ones halve it. */
  answered(ms: number): void {
    if (ms > this.#maxLatencyMs)
      this.#backOffMs = Math.min(LONGEST_BACK_OFF_MS, Math.max(ms, this.#backOffMs * 2))
    else this.#backOffMs = this.#backOffMs < 1 ? 0 : this.#backOffMs / 2
  }

  /** Waits as long as it has to after so many rows. */
  async after(rows: number, signal: AbortSignal | undefined): Promise<void> {
    this.#rows += rows
    const dueAt = this.#startedAt + (this.#rows / this.#rate) * 1000
    const waitMs = Math.max(this.#backOffMs, dueAt - this.#clock.now())
    if (waitMs > 0) await pause(this.#clock, waitMs, signal)
  }
}

function positive(value: number | undefined, name: string): number {
  if (value === undefined) return Number.POSITIVE_INFINITY
  if (typeof value === 'number' && value > 0) return value
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `"${name}" is not a positive number`, {
    hint: name === 'rate' ? 'it is rows a second' : 'it is milliseconds for a page of rows',
  })
}
