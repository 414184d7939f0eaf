/** What a provider threw, as an error of ours: once, here, for all of them. */
import { type ErrorCode, KeywrightError } from '../errors.ts'
import type { KeyProvider } from '../provider.ts'

/** What the deadline rejects with. */
export const TIMED_OUT = Symbol('timed out')

const HINTS: Partial<Record<ErrorCode, string>> = {
  ERR_ABORTED: 'the caller gave up; nothing was changed',
  ERR_PROVIDER_UNAVAILABLE: 'is the service reachable from here? then try again',
  ERR_PROVIDER_TIMEOUT:
    'is its address right, and reachable from here (firewall, proxy)? an application allows more time by providerTimeoutMs',
  ERR_PROVIDER_THROTTLED: 'try again later; a longer cache ttl in the policy makes fewer calls',
  ERR_PROVIDER_UNAUTHENTICATED: 'check the credentials of this process',
  ERR_PROVIDER_DENIED:
    'this identity lacks a permission on the master key: `keywright doctor --fix-hints` tells which',
  ERR_PROVIDER_SEALED: 'unseal the server; until then no data key can be wrapped or unwrapped',
  ERR_PROVIDER_STANDBY: 'this node does not serve: point the address at the active one, or at all of them',
  ERR_PROVIDER_CORRUPTED: 'the answer was damaged or is about something else; look at proxies on the way',
  ERR_MASTER_KEY_NOT_FOUND:
    'does the configuration name the master key, region and project that wrapped this key?',
  ERR_MASTER_KEY_DISABLED: 'enable the master key in the service: without it no data key can be unwrapped',
  ERR_MASTER_KEY_DELETED:
    'cancel the deletion in the service while it can be: all data keys under it go with it',
  ERR_MASTER_KEY_UNSUITABLE:
    'name a master key that wraps data keys: the guide of the provider says which kind',
  ERR_UNWRAP_FAILED: 'the wrapped key was changed, or it belongs to another key',
}

/** A client's error may hold request headers with tokens, so nothing of it is kept but its name. */
export function wrapProviderError(provider: KeyProvider, error: unknown): KeywrightError {
  if (error instanceof KeywrightError) return error
  if (error === TIMED_OUT) {
    return new KeywrightError('ERR_PROVIDER_TIMEOUT', `${provider.name} did not answer in time`, {
      hint: HINTS.ERR_PROVIDER_TIMEOUT ?? '',
      details: { provider: provider.name },
    })
  }
  const code = provider.errorCode(error)
  const name = error instanceof Error ? error.name : typeof error
  return new KeywrightError(code, `${provider.name} refused the call (${name})`, {
    hint: HINTS[code] ?? 'the log of the service tells more',
    details: { provider: provider.name },
  })
}
