/** One deadline over all tries of a call. Written by hand, because it is on the way of every call of a provider. */
import { TIMED_OUT } from './provider-failure.ts'

/** A call within its deadline. */
export interface TimedCall {
  /** Aborts at the deadline. */
  readonly signal: AbortSignal
  /** The result of one try; at the deadline it rejects, whether or not the provider heeds the signal. */
  bounded<T>(work: Promise<T>): Promise<T>
}

/** Rejects with TIMED_OUT at the deadline, also while the call waits for others before it. */
export function withDeadline<T>(ms: number, run: (call: TimedCall) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const controller = new AbortController()
    let endTry: ((reason: unknown) => void) | undefined
    const timer = setTimeout(() => {
      reject(TIMED_OUT)
      endTry?.(TIMED_OUT)
      controller.abort()
    }, ms)
    const bounded = <U>(work: Promise<U>): Promise<U> =>
      new Promise((done, failed) => {
        endTry = failed
        work.then(done, failed)
      })
    run({ signal: controller.signal, bounded }).then(
      (result) => {
        clearTimeout(timer)
        resolve(result)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
