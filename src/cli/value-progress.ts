/** The line that tells how far work on the values of a source is; with --json an object a second on standard error. */
import type { ValueProgress } from '../jobs/values/engine.ts'
import type { Output } from './output.ts'
import { Cadence } from './progress.ts'
import { progressText } from './progress-bar.ts'

export class ValueProgressLine {
  readonly #output: Output
  readonly #cadence: Cadence

  constructor(output: Output) {
    this.#output = output
    this.#cadence = new Cadence(output)
  }

  /** 'users  ██████░░░░  1,200 of 4,000 rows, 35,000/s, 3 seconds left' */
  readonly show = (progress: Omit<ValueProgress, 'counts'>): void => {
    if (!this.#cadence.isDue()) return
    const { done, etaMs, place, rate, step, total } = progress
    void this.#output.status(progressText({ title: place, done, total, noun: 'rows', rate, etaMs }))
    void this.#output.event({ progress: { place, step, done, total, rate: Math.round(rate), etaMs } })
  }

  async end(): Promise<void> {
    await this.#output.status('')
  }
}
