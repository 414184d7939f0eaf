/** Which providers a policy wants a key to be wrapped under. */
import { findKeyType, readKeyring } from '../policy/keyring-name.ts'
import { type KeyTypePolicy, type Policy, wrappingProviders } from '../policy/policy.ts'

/** In order of preference. */
export function wantedProviders(policy: KeyTypePolicy): readonly string[] {
  return wrappingProviders(policy)
}

/** The same for the keys of a keyring; undefined for a key type that the policy does not have any more. */
export function wantedFor(policy: Policy, keyring: string): readonly string[] | undefined {
  const parts = readKeyring(keyring)
  const keyType = parts === undefined ? undefined : findKeyType(policy, parts.keyType)
  return keyType === undefined ? undefined : wantedProviders(keyType)
}
