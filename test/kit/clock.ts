/** A clock that stands still until it is moved, and runs the timers it passes in the order of their dates. */
import type { Clock } from '../../src/clock.ts'

export const START = Date.UTC(2026, 0, 1)

interface Timer {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** What one process sees of the clock: the same time, or a skewed one, and timers that end with the process. */
export interface ProcessClock extends Clock {
  /** Drops the process's timers, as a crash does. */
  kill(): void
}

export class FakeClock implements Clock {
  #now: number
  #order = 0
  readonly #timers = new Set<Timer>()

  constructor(start: number = START) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.ceil(Math.max(0, ms)), order: this.#order++, run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size
  }

  /** Moves on by `ms`; timers run on the way, each at its date, but nobody waits for what they began. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) this.#fire(timer)
    this.#now = end
  }

  /** Moves on by `ms` and lets promises settle after each timer, as they do when time really passes. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#fire(timer)
      await settle()
    }
    this.#now = end
    await settle()
  }

  /** As after a sleep of the machine: `ms` have passed at once, and every timer that is due runs once. */
  async jump(ms: number): Promise<void> {
    this.#now += ms
    const due = [...this.#timers].filter((timer) => timer.at <= this.#now)
    for (const timer of due.sort((a, b) => a.at - b.at || a.order - b.order)) this.#fire(timer)
    await settle()
  }

  /** The clock of one process. */
  forProcess(skewMs = 0): ProcessClock {
    const cancels = new Set<() => void>()
    return {
      now: () => this.#now + skewMs,
      after: (ms, run) => {
        const cancel = this.after(ms, () => {
          cancels.delete(cancel)
          run()
        })
        cancels.add(cancel)
        return () => {
          cancels.delete(cancel)
          cancel()
        }
      },
      kill: () => {
        for (const cancel of cancels) cancel()
        cancels.clear()
      },
    }
  }

  #next(until: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.at > until) continue
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order))
        next = timer
    }
    return next
  }

  #fire(timer: Timer): void {
    this.#timers.delete(timer)
    this.#now = Math.max(this.#now, timer.at)
    timer.run()
  }
}

/** Lets everything that waits for nothing outside run: stores and providers in memory are done afterwards. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}
