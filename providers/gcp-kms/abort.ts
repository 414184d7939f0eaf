/** Ends the wait for a call when its signal says so. */
import { KeywrightError } from '../../src/provider.ts'

/**
 * @throws KeywrightError ERR_ABORTED when the signal is aborted, ERR_PROVIDER_TIMEOUT when AbortSignal.timeout did
 * it. The reason itself may be anything, so it is not passed on.
 */
export function assertNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal)
}

function abortError({ reason }: AbortSignal): KeywrightError {
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    return new KeywrightError('ERR_PROVIDER_TIMEOUT', 'gcp-kms: Cloud KMS did not answer in time', {
      hint: 'is the service reachable from here? try again, or allow it more time',
    })
  }
  return new KeywrightError('ERR_ABORTED', 'gcp-kms: the call was aborted')
}

/** The result of `work`, or the signal's error as soon as it is aborted; then the call is cancelled too. */
export function abortable<T>(
  work: Promise<T> & { cancel?(): void },
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      work.cancel?.()
      reject(abortError(signal))
    }
    void work.then(resolve, reject).then(() => signal.removeEventListener('abort', stop))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
