/** Time as it is passed in, so that ages and refresh periods can be tested without waiting. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Calls `run` once after `ms` milliseconds; the result cancels it. Never keeps the process alive. */
  after(ms: number, run: () => void): () => void
}

/** setTimeout takes at most 2^31-1 ms; a longer wait fires early, and whoever set it looks at the clock again. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, ms), LONGEST_TIMER_MS))
    timer.unref()
    return () => clearTimeout(timer)
  },
}
