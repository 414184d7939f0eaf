/**
 * How far a long command is: a line on the terminal, five times a second at most; with --json an object a second on
 * standard error; nothing in a pipe.
 */
import type { Output } from './output.ts'
import { progressText } from './progress-bar.ts'

const PERIOD_MS = 200
const EVENT_MS = 1_000

/** Whether it is time to tell anything, at most so often. */
export class Cadence {
  readonly #output: Output
  #toldAt = performance.now()

  constructor(output: Output) {
    this.#output = output
  }

  /** True at most once a period; what is told then is left to the caller. */
  isDue(): boolean {
    const { json, quiet, showsStatus } = this.#output
    const periodMs = json && !quiet ? EVENT_MS : PERIOD_MS
    const now = performance.now()
    if (now - this.#toldAt < periodMs || !(showsStatus || (json && !quiet))) return false
    this.#toldAt = now
    return true
  }
}

export class Progress {
  readonly #output: Output
  readonly #noun: string
  readonly #total: number | undefined
  readonly #cadence: Cadence
  readonly #startedAt = performance.now()

  /** `noun`: what is counted, in the plural; `total`: how many there are, where that is known. */
  constructor(output: Output, noun: string, total?: number) {
    this.#output = output
    this.#noun = noun
    this.#total = total
    this.#cadence = new Cadence(output)
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000
  }

  async tick(done: number): Promise<void> {
    if (!this.#cadence.isDue()) return
    const about = { done, total: this.#total, noun: this.#noun, rate: this.#rate(done) }
    await this.#output.status(progressText(about))
    await this.#output.event({ progress: about })
  }

  /** '2.5 s (12,000 rows/s)' */
  summary(done: number): string {
    const speed = `${Math.round(this.#rate(done)).toLocaleString('en-US')} ${this.#noun}/s`
    return `${this.seconds.toFixed(1)} s${this.seconds < 1 ? '' : ` (${speed})`}`
  }

  #rate(done: number): number {
    return done / Math.max(this.seconds, 0.001)
  }

  async end(): Promise<void> {
    await this.#output.status('')
  }
}
