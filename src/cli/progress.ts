/** A line on the terminal that tells how far a long command is, five times a second at most. */
import type { Output } from './output.ts'

const PERIOD_MS = 200

export class Progress {
  readonly #output: Output
  readonly #noun: string
  readonly #startedAt = performance.now()
  #shownAt = performance.now()

  /** `noun`: what is counted, in the plural. */
  constructor(output: Output, noun: string) {
    this.#output = output
    this.#noun = noun
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000
  }

  async tick(done: number): Promise<void> {
    const now = performance.now()
    if (!this.#output.showsStatus || now - this.#shownAt < PERIOD_MS) return
    this.#shownAt = now
    await this.#output.status(`${done.toLocaleString('en-US')} ${this.#noun}, ${this.#rate(done)}`)
  }

  /** '2.5 s (12,000 rows/s)' */
  summary(done: number): string {
    const rate = this.seconds < 1 ? '' : ` (${this.#rate(done)})`
    return `${this.seconds.toFixed(1)} s${rate}`
  }

  #rate(done: number): string {
    return `${Math.round(done / Math.max(this.seconds, 0.001)).toLocaleString('en-US')} ${this.#noun}/s`
  }

  async end(): Promise<void> {
    await this.#output.status('')
  }
}
