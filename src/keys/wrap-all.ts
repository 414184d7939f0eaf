/** One data key under every provider that its policy names, or as many of them as the policy is content with. */
import { KeywrightError } from '../errors.ts'
import { type KeyTypePolicy, wrappingProviders } from '../policy/policy.ts'
import type { WrappedKey } from '../provider.ts'
import type { KeyRecord } from '../store.ts'
import type { ProviderCalls } from './provider-calls.ts'
import { wrapContextOf } from './record.ts'
import { wrapVerified } from './verified-wrap.ts'

/**
 * The wraps that succeeded, in order of preference. Throws what the one provider threw, or ERR_WRAPS_TOO_FEW when
 * fewer than `minWraps` of several succeeded. `record` has none yet; `dataKey`, its key, stays the caller's.
 *
 * Whoever makes a key opens it before its first use, but by one wrap: of several, each is opened here.
 */
export async function wrapUnderAll(
  calls: ProviderCalls,
  policy: Pick<KeyTypePolicy, 'provider' | 'furtherProviders' | 'minWraps'>,
  record: KeyRecord,
  dataKey: Uint8Array,
): Promise<WrappedKey[]> {
  const names = wrappingProviders(policy)
  const [only = ''] = names
  if (names.length === 1) return [await calls.wrap(only, dataKey, wrapContextOf(record))]
  const results = await Promise.allSettled(names.map((name) => wrapVerified(calls, record, name, dataKey)))
  const wraps = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failures = results.flatMap((result, at) =>
    result.status === 'rejected' ? [{ name: names[at] ?? '', error: result.reason as unknown }] : [],
  )
  const [first] = failures
  if (first === undefined || wraps.length >= Math.min(policy.minWraps, names.length)) return wraps
  throw tooFew(names, wraps.length, failures)
}

function tooFew(
  names: readonly string[],
  wrapped: number,
  failures: readonly { readonly name: string; readonly error: unknown }[],
): KeywrightError {
  const reasons = failures.map(({ name, error }) => {
    return `${name}: ${error instanceof KeywrightError ? error.code : 'ERR_INTERNAL'}`
  })
  const what = `a new key was wrapped by ${wrapped} of ${names.length} providers, fewer than the policy wants`
  return new KeywrightError('ERR_WRAPS_TOO_FEW', `${what} (${reasons.join('; ')})`, {
    hint: 'bring the providers back, or state a lower "minWraps" in the policy and run repair later',
    details: { providers: names, wrapped },
  })
}
