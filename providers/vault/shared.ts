/** Work that several callers wait for, each with a signal of his own. */
import { assertNotAborted } from '../local/call.ts'

/** The result of `work`, unless the signal is aborted first: ERR_ABORTED, while `work` goes on for the others. */
export async function race<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  let stop = (): void => {}
  const aborted = new Promise<void>((resolve) => {
    stop = () => resolve()
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    const first = await Promise.race([work.then((value) => ({ value })), aborted])
    if (first !== undefined) return first.value
    assertNotAborted(signal)
    return await work
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
