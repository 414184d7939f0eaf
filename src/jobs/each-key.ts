/** One pass of a job over its keys. */
import { type ErrorCode, KeywrightError } from '../errors.ts'
import { inOrder } from '../keys/in-order.ts'
import type { KeyRecord } from '../store.ts'
import type { RunningJob } from './job.ts'
import { KeyFailure, type KeyLog } from './key-log.ts'
import { pause } from './pause.ts'

/** After so many keys in a row that fail for what may pass, a provider is down: going on would change nothing. */
const MAX_IN_A_ROW = 20

const THROTTLED: ReadonlySet<ErrorCode> = new Set(['ERR_PROVIDER_THROTTLED', 'ERR_PROVIDER_BUSY'])
const MOST_WAITS = 5
const SHORTEST_WAIT_MS = 1000

export interface Pass {
  /** For the progress. */
  readonly step: string
  readonly total: number
  /** Go on whatever fails: the keys ask several providers, of which one is down. @default false */
  readonly toTheEnd?: boolean
  /** True when it changed something, undefined when the key is none of this pass's. */
  readonly work: (record: KeyRecord) => Promise<boolean | undefined>
}

/**
 * Does `work` on every record, several at once. A key that fails by itself is noted and passed over. Resolves to how
 * many were changed. Throws what is not about one key, and when a provider turns out to be down.
 */
export async function eachKey(
  job: RunningJob,
  records: AsyncIterable<KeyRecord>,
  log: KeyLog,
  { step, total, toTheEnd = false, work }: Pass,
): Promise<number> {
  const tick = job.progress(step, total)
  const attempt = async (record: KeyRecord): Promise<Attempted> => {
    if (log.hasFailed(record)) return { record, done: undefined } // the next run tries it again
    try {
      return { record, done: await patiently(job, () => work(record)) }
    } catch (error) {
      if (error instanceof KeyFailure) return { record, done: false, failure: error.failure }
      throw error
    }
  }
  let changed = 0
  let inARow = 0
  for await (const { record, done, failure } of inOrder(records, job.concurrency, attempt)) {
    if (failure !== undefined) log.fail(record, failure.code)
    if (done === undefined) continue
    tick()
    if (done) changed++
    inARow = failure?.retryable === true ? inARow + 1 : 0
    if (failure !== undefined && !toTheEnd && inARow >= MAX_IN_A_ROW) throw outage(failure)
  }
  return changed
}

/** A service that has had enough for the moment is given time: a second, then twice as long each time. */
async function patiently<T>(job: RunningJob, work: () => Promise<T>): Promise<T> {
  for (let waited = 0; ; waited++) {
    job.assertGoesOn()
    try {
      return await work()
    } catch (error) {
      const failure = error instanceof KeyFailure ? error.failure : error
      const isThrottled = failure instanceof KeywrightError && THROTTLED.has(failure.code)
      if (!isThrottled || waited === MOST_WAITS) throw error
      await pause(job.services.clock, SHORTEST_WAIT_MS * 2 ** waited, job.signal)
    }
  }
}

interface Attempted {
  readonly record: KeyRecord
  readonly done: boolean | undefined
  readonly failure?: KeywrightError
}

function outage(failure: KeywrightError): KeywrightError {
  const what = `${MAX_IN_A_ROW} keys in a row could not be opened: ${failure.message}`
  return new KeywrightError(failure.code, what, {
    hint: 'every key opens as before once the provider is back; then run the job again',
    details: failure.details,
    cause: failure,
  })
}
