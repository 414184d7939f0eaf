/** Calls of a client that knows no AbortSignal. */
import type { CallOptions } from '../../src/provider.ts'
import { assertNotAborted } from '../local/call.ts'

/**
 * What `start` resolves to, unless the signal is aborted first. What comes after that goes to `late`, for wiping.
 *
 * @throws KeywrightError ERR_ABORTED, or ERR_PROVIDER_TIMEOUT where AbortSignal.timeout did it.
 */
export async function untilAborted<T>(
  options: CallOptions | undefined,
  start: () => Promise<T>,
  late?: (value: T) => void,
): Promise<T> {
  const signal = options?.signal
  assertNotAborted(signal)
  const work = start()
  if (signal === undefined) return work
  let stop: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      try {
        assertNotAborted(signal)
      } catch (error) {
        reject(error)
        work.then(late, () => undefined)
      }
    }
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop)
  }
}
