/** Hearing that a re-encryption was cancelled. */
import { KeywrightError } from '../../errors.ts'
import type { RedisClient } from './library.ts'
import type { QueueNames } from './names.ts'

/** It is asked for so often. */
const CANCEL_MS = 1_000

/**
 * Looks now and then whether the re-encryption was cancelled, until what it gives is called. Throws ERR_JOB_REFUSED when
 * it was already.
 */
export async function watchCancel(
  { client, names }: { readonly client: Pick<RedisClient, 'get'>; readonly names: QueueNames },
  flow: string,
  controller: AbortController,
): Promise<() => void> {
  const isCancelled = async (): Promise<boolean> => (await client.get(names.cancelled(flow))) !== null
  if (await isCancelled()) throw wasCancelled()
  let isAsking = false // while Redis is gone for a while the answer is waited for, and work goes on
  const ask = async (): Promise<void> => {
    if (isAsking) return
    isAsking = true
    if (await isCancelled().catch(() => false)) controller.abort()
    isAsking = false
  }
  const timer = setInterval(() => void ask(), CANCEL_MS)
  return () => clearInterval(timer)
}

export const wasCancelled = (): KeywrightError =>
  new KeywrightError('ERR_JOB_REFUSED', 'the re-encryption was cancelled', {
    hint: 'start it again to go on: what is done stays done',
  })
