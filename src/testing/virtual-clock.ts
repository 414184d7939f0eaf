/** A clock that stands still until it is moved: ages, refresh periods and deadlines can be tested without waiting. */
import type { Clock } from '../clock.ts'

/** Turns of the event loop that promises get to settle after a timer. */
const SETTLE_TURNS = 3

interface Timer {
  readonly at: number
  readonly run: () => void
}

export interface VirtualClock extends Clock {
  /** How many timers are set. */
  readonly timers: number
  /**
   * Moves the clock on by `ms`, at least 0. The timers that come due run in the order of their dates, each at its
   * date; after each one, and at the end, promises settle. What waits for something real (a socket, a file) does not.
   */
  advance(ms: number): Promise<void>
}

/** A new clock that says `start`, in milliseconds since the epoch. @default 2026-01-01 UTC */
export function virtualClock(start: number = Date.UTC(2026, 0, 1)): VirtualClock {
  const timers = new Set<Timer>() // in the order in which they were set
  let now = start

  function next(until: number): Timer | undefined {
    let first: Timer | undefined
    for (const timer of timers) {
      if (timer.at <= until && (first === undefined || timer.at < first.at)) first = timer
    }
    return first
  }

  return {
    now: () => now,
    after(ms, run) {
      const timer = { at: now + Math.ceil(Math.max(0, ms)), run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    get timers() {
      return timers.size
    },
    async advance(ms) {
      const end = now + Math.max(0, ms)
      await settle() // what was called just now sets its timers first
      for (let timer = next(end); timer !== undefined; timer = next(end)) {
        timers.delete(timer)
        now = Math.max(now, timer.at)
        timer.run()
        await settle()
      }
      now = end
      await settle()
    },
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await new Promise((resolve) => setImmediate(resolve))
}
