/** What key management works with, passed in once. */
import type { AuditTrail } from '../audit/log.ts'
import type { Clock } from '../clock.ts'
import { findKeyType, keyTypePolicy, parseKeyring } from '../policy/keyring-name.ts'
import type { KeyTypePolicy, Policy } from '../policy/policy.ts'
import type { KeyRecord, KeyStore } from '../store.ts'
import type { ProviderCalls } from './provider-calls.ts'

export interface KeyServices {
  readonly store: KeyStore
  readonly calls: ProviderCalls
  readonly audit: AuditTrail
  readonly policy: Policy
  readonly clock: Clock
}

/** The policy for a keyring name. Throws ERR_KEY_TYPE_UNKNOWN. */
export function policyOf(services: KeyServices, keyring: string): KeyTypePolicy {
  return keyTypePolicy(services.policy, parseKeyring(keyring).keyType)
}

/** The same; undefined for a key type that the policy does not have any more. */
export function policyIfKnown(services: KeyServices, keyring: string): KeyTypePolicy | undefined {
  return findKeyType(services.policy, parseKeyring(keyring).keyType)
}

/** All records, or those of one keyring, page by page. */
export async function* eachRecord(store: KeyStore, keyring?: string): AsyncGenerator<KeyRecord> {
  let after: string | undefined
  do {
    const page = await store.list({
      ...(keyring === undefined ? {} : { keyring }),
      ...(after === undefined ? {} : { after }),
    })
    yield* page.records
    after = page.next
  } while (after !== undefined)
}

/** The records of one keyring. */
export async function recordsOf(store: KeyStore, keyring: string): Promise<KeyRecord[]> {
  return Array.fromAsync(eachRecord(store, keyring))
}
