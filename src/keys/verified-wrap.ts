/** New wraps of a key. None is handed out before its provider has given the key back and it was compared. */
import { wipe } from '../crypto/bytes.ts'
import { KeywrightError } from '../errors.ts'
import type { WrappedKey } from '../provider.ts'
import type { KeyRecord } from '../store.ts'
import type { ProviderCalls } from './provider-calls.ts'
import { assertKeyOfRecord, wrapContextOf } from './record.ts'

/** Wraps the data key of `record`, which stays the caller's. Throws ERR_PROVIDER_FAILED for a wrap that opens to another key. */
export async function wrapVerified(
  calls: ProviderCalls,
  record: KeyRecord,
  provider: string,
  dataKey: Uint8Array,
): Promise<WrappedKey> {
  return verified(calls, record, await calls.wrap(provider, dataKey, wrapContextOf(record)))
}

/**
 * Lets the service itself renew a wrap under its current master key version, and compares as above. Undefined where
 * the service cannot do that.
 */
export async function rewrapVerified(
  calls: ProviderCalls,
  record: KeyRecord,
  wrapped: WrappedKey,
): Promise<WrappedKey | undefined> {
  const renewed = await calls.rewrap(wrapped, wrapContextOf(record))
  return renewed === undefined ? undefined : verified(calls, record, renewed)
}

async function verified(calls: ProviderCalls, record: KeyRecord, wrapped: WrappedKey): Promise<WrappedKey> {
  const readBack = await calls.unwrap(wrapped, wrapContextOf(record))
  try {
    assertKeyOfRecord(record, readBack)
  } catch (cause) {
    throw new KeywrightError(
      'ERR_PROVIDER_FAILED',
      `${wrapped.provider} does not give back the key it has just wrapped (key ${record.id})`,
      { hint: 'nothing was changed; look at the provider before going on', cause },
    )
  } finally {
    wipe(readBack)
  }
  return wrapped
}
