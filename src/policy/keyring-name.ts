/**
 * Names of keyrings: the key type ('pii'), or key type and tenant ('pii/tenant-42'). They reach tables, paths and
 * encryption contexts, so tenants are an allowlist, and `/` appears once at most.
 */
import { type ErrorCode, KeywrightError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import { isKeyTypeName } from './names.ts'
import type { KeyTypePolicy, Policy } from './policy.ts'

const TENANT = /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}$/

/** Why something is refused, before it becomes an error. */
export interface Refusal {
  readonly code: ErrorCode
  readonly reason: string
  readonly hint: string
}

/** The error that says `refusal`. */
export function refusalError({ code, reason, hint }: Refusal): KeywrightError {
  return new KeywrightError(code, reason, { hint })
}

/** Whether `tenant` may stand in a keyring's name. */
function isTenantName(tenant: string): boolean {
  return TENANT.test(tenant) && !tenant.includes('..')
}

/** The keyring of a key type, or of one tenant within it. Throws ERR_ARGUMENT_INVALID or ERR_TENANT_INVALID. */
export function keyringName(keyType: string, tenant?: string): string {
  if (!isKeyTypeName(keyType)) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'not the name of a key type', {
      hint: 'key type names are a-z, 0-9 and "_", and start with a letter',
    })
  }
  if (tenant === undefined) return keyType
  if (!isTenantName(tenant)) throw refusalError(TENANT_MALFORMED)
  return `${keyType}/${tenant}`
}

export interface KeyringParts {
  readonly keyType: string
  readonly tenant?: string
}

/** What the name of a keyring says, or `undefined` when it is none. */
export function readKeyring(name: string): KeyringParts | undefined {
  const slash = name.indexOf('/')
  const keyType = slash < 0 ? name : name.slice(0, slash)
  if (!isKeyTypeName(keyType)) return undefined
  if (slash < 0) return { keyType }
  const tenant = name.slice(slash + 1)
  return isTenantName(tenant) ? { keyType, tenant } : undefined
}

/** As {@link readKeyring}. Throws ERR_ARGUMENT_INVALID for a name that is none; it is not repeated. */
export function parseKeyring(name: string): KeyringParts {
  const parts = readKeyring(name)
  if (parts !== undefined) return parts
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'not the name of a keyring', {
    hint: 'a keyring is named by its key type, or key type and tenant: "pii", "pii/tenant-42"',
  })
}

const TENANT_MALFORMED: Refusal = {
  code: 'ERR_TENANT_INVALID',
  reason: 'the tenant is not a name that may stand in a keyring',
  hint: 'tenants are 1 to 128 letters, digits, "_", ".", "@" and "-", start with a letter or digit, without ".."',
}

/** Why the policy of a key type refuses `tenant` (`undefined`: none given), if it does. */
export function refuseTenant(
  keyType: string,
  rule: KeyTypePolicy['tenants'],
  tenant: string | undefined,
): Refusal | undefined {
  if (tenant === undefined) {
    if (rule !== 'required') return undefined
    return {
      code: 'ERR_TENANT_INVALID',
      reason: `keys of ${keyType} belong to tenants, and none is named`,
      hint: `name the tenant, or set keyTypes.${keyType}.tenants to "optional"`,
    }
  }
  if (rule === 'none') {
    return {
      code: 'ERR_TENANT_INVALID',
      reason: `${keyType} has no keys per tenant`,
      hint: `leave the tenant out, or set keyTypes.${keyType}.tenants to "optional"`,
    }
  }
  return isTenantName(tenant) ? undefined : TENANT_MALFORMED
}

/** Why there is no such key type. */
export function refuseKeyType(policy: Policy, keyType: string): Refusal {
  const known = Object.keys(policy.keyTypes)
  const near = didYouMean(keyType, known) || `known: ${known.join(', ')}`
  // A name of the wrong form may be anything, a value in the wrong argument too: it is not repeated.
  const which = isKeyTypeName(keyType) ? ` ${keyType}` : ' of that name'
  return {
    code: 'ERR_KEY_TYPE_UNKNOWN',
    reason: `the policy has no key type${which}`,
    hint: `${near}; own key types go into the policy document under keyTypes`,
  }
}

/** The policy of a key type. Throws ERR_KEY_TYPE_UNKNOWN, with the nearest name as hint. */
export function keyTypePolicy(policy: Policy, keyType: string): KeyTypePolicy {
  const found = findKeyType(policy, keyType)
  if (found === undefined) throw refusalError(refuseKeyType(policy, keyType))
  return found
}

/** The policy of a key type, or `undefined`. Own members only: `constructor` is no key type unless somebody made it. */
export function findKeyType(policy: Policy, keyType: string): KeyTypePolicy | undefined {
  return Object.hasOwn(policy.keyTypes, keyType) ? policy.keyTypes[keyType] : undefined
}
