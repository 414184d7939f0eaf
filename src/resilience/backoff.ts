/** How long to wait before the next try: longer each time, with jitter, and as long as the service asks for. */
import type { IBackoff, IBackoffFactory, IRetryBackoffContext } from 'cockatiel'
import { KeywrightError } from '../errors.ts'

type Context = IRetryBackoffContext<unknown>

/** Whoever is told to come back later than this hears of it at once: the deadline of the call would pass anyway. */
const LONGEST_WAIT_MS = 2000

/** What the service asks for in `details.retryAfterMs` (a Retry-After header), in ms; 0 when it says nothing. */
function askedWaitMs(error: unknown): number {
  const asked = error instanceof KeywrightError ? error.details['retryAfterMs'] : undefined
  return typeof asked === 'number' && asked > 0 ? asked : 0
}

/** Whether another try makes sense within a call. */
export const isSoon = (error: unknown): boolean => askedWaitMs(error) <= LONGEST_WAIT_MS

/** `jitter`, on top of what the service asks for. */
export function patient(jitter: IBackoffFactory<Context>): IBackoffFactory<Context> {
  return {
    next(context): IBackoff<Context> {
      const inner = jitter.next(context)
      const asked = 'error' in context.result ? askedWaitMs(context.result.error) : 0
      return { duration: asked + inner.duration, next: patient(inner).next }
    },
  }
}
