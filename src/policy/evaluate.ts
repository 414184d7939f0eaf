/**
 * Decisions, pure: the same policy, request and time give the same answer. Never throws: what is wrong is a refusal
 * with its code. Numbers that are none (NaN) refuse.
 */
import type { ErrorCode } from '../errors.ts'
import type { KeyState, KeyUsage } from '../store.ts'
import { formatInstant } from './duration.ts'
import {
  findKeyType,
  keyringName,
  type Refusal,
  refusalError,
  refuseKeyType,
  refuseTenant,
} from './keyring-name.ts'
import { formatCount } from './members.ts'
import type { KeyTypePolicy, Policy } from './policy.ts'
import { type Selection, selectKeyType, unmatchedFieldHint } from './selectors.ts'

export type Operation = 'encrypt' | 'decrypt'

/** What a decision needs to know of a key. */
export interface KeyFacts {
  readonly state: KeyState
  /** Milliseconds since the epoch. */
  readonly activatesAt: number
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly usage: KeyUsage
}

export interface KeyDecision {
  readonly allowed: boolean
  /** Why not, as a code; absent when allowed. */
  readonly code?: ErrorCode
  /** Why, for people. */
  readonly reason: string
  /**
   * The answer holds before this instant (ms since the epoch) if only time passes; Infinity: for ever. A change of
   * state or usage may end it earlier.
   */
  readonly until: number
}

const NEVER = Number.POSITIVE_INFINITY

const yes = (reason: string, until: number): KeyDecision => ({ allowed: true, reason, until })
const no = (code: ErrorCode, reason: string, until = NEVER): KeyDecision => ({
  allowed: false,
  code,
  reason,
  until,
})

/** States in which a key does nothing, whatever the operation. */
const SHUT: Partial<Record<KeyState, KeyDecision>> = {
  suspended: no('ERR_KEY_SUSPENDED', 'the key is suspended'),
  destroyed: no('ERR_KEY_DESTROYED', 'the key was destroyed'),
}

/** Whether a key may encrypt (HMAC keys: make tokens) or decrypt now. */
export function evaluateKey(
  policy: KeyTypePolicy,
  operation: Operation,
  key: KeyFacts,
  now: number,
): KeyDecision {
  const shut = SHUT[key.state]
  if (shut !== undefined) return shut
  return operation === 'encrypt' ? evaluateEncrypt(policy, key, now) : evaluateDecrypt(policy, key, now)
}

function evaluateEncrypt(policy: KeyTypePolicy, key: KeyFacts, now: number): KeyDecision {
  if (key.state === 'compromised') return no('ERR_KEY_COMPROMISED', 'the key was revoked as compromised')
  if (key.state === 'pending') {
    const until = key.activatesAt > now ? key.activatesAt : NEVER
    return no('ERR_KEY_INACTIVE', `the key becomes active at ${formatInstant(key.activatesAt)}`, until)
  }
  if (key.state !== 'active') return no('ERR_KEY_INACTIVE', 'a newer key took over; this one only decrypts')
  const expires = expiresAt(policy, key)
  if (!(now < expires))
    return no('ERR_KEY_EXPIRED', `the key reached its max age at ${formatInstant(expires)}`)
  if (!(key.usage.messages < policy.maxMessages)) {
    return no('ERR_KEY_EXHAUSTED', `the key reached its limit of ${formatCount(policy.maxMessages)} messages`)
  }
  return yes('the key is active', expires)
}

/** A pending key decrypts: a process whose clock is ahead may have used it already. */
function evaluateDecrypt(policy: KeyTypePolicy, key: KeyFacts, now: number): KeyDecision {
  if (key.state === 'compromised' && policy.compromised === 'refuse') {
    return no('ERR_KEY_COMPROMISED', 'the key was revoked as compromised, and the policy refuses such keys')
  }
  const until = policy.afterMaxAge === 'refuse' ? expiresAt(policy, key) : NEVER
  if (policy.afterMaxAge === 'refuse' && !(now < until)) {
    return no(
      'ERR_KEY_EXPIRED',
      `the key reached its max age at ${formatInstant(until)}, and the policy refuses such keys`,
    )
  }
  if (key.state === 'compromised') return yes('the policy lets keys decrypt that were compromised', until)
  return yes(`a key that is ${key.state} decrypts`, until)
}

/** When a key stops encrypting for its age, ms since the epoch; Infinity: never. */
export function expiresAt(policy: KeyTypePolicy, key: Pick<KeyFacts, 'activatesAt'>): number {
  return key.activatesAt + policy.maxAgeMs
}

/** From when on a key that was replaced at `deactivatedAt` may be destroyed, ms since the epoch; Infinity: never. */
export function destroyableAt(policy: KeyTypePolicy, deactivatedAt: number): number {
  return deactivatedAt + policy.graceMs
}

export interface RotationStatus {
  readonly due: boolean
  /** Due for more than a tenth of the rotation age, or past the max age: nobody rotates, and somebody should look. */
  readonly overdue: boolean
  /** When it is (or was) due by age, ms since the epoch; Infinity: never. */
  readonly at: number
  readonly reasons: readonly ('age' | 'messages' | 'bytes' | 'max-age')[]
}

/** Whether a new key should take over from `key`. Only an active key is ever due. */
export function rotationDue(policy: KeyTypePolicy, key: KeyFacts, now: number): RotationStatus {
  const { rotation } = policy
  const at = key.activatesAt + rotation.ageMs
  const reasons: RotationStatus['reasons'][number][] = []
  if (key.state === 'active') {
    if (now >= at) reasons.push('age')
    if (key.usage.messages >= rotation.messages) reasons.push('messages')
    if (key.usage.bytes >= rotation.bytes) reasons.push('bytes')
    if (now >= expiresAt(policy, key)) reasons.push('max-age')
  }
  const late = reasons.includes('age') && now > at + rotation.ageMs / 10
  return { due: reasons.length > 0, overdue: late || reasons.includes('max-age'), at, reasons }
}

export interface PolicyRequest {
  /** @default 'encrypt' */
  readonly operation?: Operation
  /** Wins over `field`. */
  readonly keyType?: string
  /** Path of a field, from which selectors tell the key type: 'users.email'. */
  readonly field?: string
  readonly tenant?: string
  /** The key that would be used, where it is known. */
  readonly key?: KeyFacts
}

/** What the policy says to a request. What could not be found out, because it is refused earlier, is absent. */
export interface Decision extends KeyDecision {
  readonly operation: Operation
  readonly keyType?: string
  readonly keyring?: string
  readonly provider?: string
  readonly algorithm?: KeyTypePolicy['algorithm']
  /** Of the key in the request. */
  readonly rotation?: RotationStatus
  /** What mapped the field to the key type. */
  readonly selector?: Selection
  /** What to do about a refusal. */
  readonly hint?: string
}

/** Decides a request: which key type, keyring and provider, and whether it is allowed. */
export function evaluate(policy: Policy, request: PolicyRequest, now: number): Decision {
  const { operation = 'encrypt', key } = request
  const located = locate(policy, request)
  if ('refusal' in located) {
    const { code, reason, hint } = located.refusal
    return { ...located.known, operation, ...no(code, reason), hint }
  }
  const { known, keyType } = located
  if (key === undefined) return { ...known, operation, ...yes('the policy allows it', NEVER) }
  const rotation = rotationDue(keyType, key, now)
  return { ...known, operation, rotation, ...evaluateKey(keyType, operation, key, now) }
}

type Known = Pick<Decision, 'keyType' | 'keyring' | 'provider' | 'algorithm' | 'selector'>

type Located =
  | { readonly known: Known; readonly refusal: Refusal }
  | { readonly known: Known; readonly keyring: string; readonly keyType: KeyTypePolicy }

function locate(policy: Policy, request: Omit<PolicyRequest, 'operation' | 'key'>): Located {
  const { field, tenant } = request
  const selector =
    request.keyType === undefined && field !== undefined ? selectKeyType(policy, field) : undefined
  const name = request.keyType ?? selector?.keyType
  if (name === undefined) return { known: {}, refusal: refuseField(policy, field) }
  const keyType = findKeyType(policy, name)
  if (keyType === undefined) return { known: {}, refusal: refuseKeyType(policy, name) }
  const { provider, algorithm } = keyType
  const known = { keyType: name, provider, algorithm, ...(selector === undefined ? {} : { selector }) }
  const refusal = refuseTenant(name, keyType.tenants, tenant)
  if (refusal !== undefined) return { known, refusal }
  const keyring = tenant === undefined ? name : keyringName(name, tenant)
  return { known: { ...known, keyring }, keyring, keyType }
}

function refuseField(policy: Policy, field: string | undefined): Refusal {
  if (field !== undefined) {
    return {
      code: 'ERR_FIELD_UNMATCHED',
      reason: 'no selector of the policy matches the field',
      hint: unmatchedFieldHint(policy, field),
    }
  }
  return {
    code: 'ERR_ARGUMENT_INVALID',
    reason: 'the request names neither a key type nor a field',
    hint: 'name one of them',
  }
}

/** Where a request leads. */
export interface KeyringTarget {
  readonly keyring: string
  readonly keyType: string
  readonly policy: KeyTypePolicy
}

/**
 * The keyring for a key type (or a field) and a tenant. Throws ERR_KEY_TYPE_UNKNOWN, ERR_FIELD_UNMATCHED,
 * ERR_TENANT_INVALID or ERR_ARGUMENT_INVALID.
 */
export function keyringFor(
  policy: Policy,
  request: Pick<PolicyRequest, 'keyType' | 'field' | 'tenant'>,
): KeyringTarget {
  const located = locate(policy, request)
  if ('refusal' in located) throw refusalError(located.refusal)
  return { keyring: located.keyring, keyType: located.known.keyType ?? '', policy: located.keyType }
}
