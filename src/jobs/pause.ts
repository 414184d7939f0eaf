/** Waiting on a clock that is passed in. */
import type { Clock } from '../clock.ts'

/** A timer of the clock never keeps the process alive; whoever waits for it wants it alive. */
const KEEP_ALIVE_MS = 60_000

/** Resolves after `ms`, or as soon as `signal` is aborted. */
export async function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return
  const alive = setInterval(() => undefined, KEEP_ALIVE_MS)
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = (): void => resolve()
  const cancel = clock.after(ms, wake)
  signal?.addEventListener('abort', wake, { once: true })
  try {
    await promise
  } finally {
    clearInterval(alive)
    cancel()
    signal?.removeEventListener('abort', wake)
  }
}
