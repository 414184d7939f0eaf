/** What somebody should know before a new policy takes effect. */
import { findKeyType, readKeyring } from './keyring-name.ts'
import { countKeys, groupByType, type PlanKey } from './plan-keys.ts'
import type { KeyTypePolicy, Policy } from './policy.ts'

export interface PlanWarning {
  /** 'error': data would be out of reach. */
  readonly level: 'error' | 'warning'
  /** Key type or provider that it is about. */
  readonly subject: string
  readonly message: string
  /** Number of keys concerned. */
  readonly keys: number
}

/** Errors first, then by subject and text. `keys` are those that are not destroyed. */
export function planWarnings(
  before: Policy,
  after: Policy,
  keys: readonly PlanKey[],
  now: number,
): PlanWarning[] {
  const warnings = [...groupByType(keys)].flatMap(([name, ofType]) =>
    aboutKeyType(name, findKeyType(before, name), findKeyType(after, name), ofType, now),
  )
  warnings.push(...aboutProviders(before, after, keys))
  const order = ({ level, subject, message }: PlanWarning): string => `${level} ${subject} ${message}`
  return warnings.filter((warning) => warning.keys > 0).sort((a, b) => (order(a) < order(b) ? -1 : 1))
}

function aboutKeyType(
  subject: string,
  before: KeyTypePolicy | undefined,
  after: KeyTypePolicy | undefined,
  keys: readonly PlanKey[],
  now: number,
): PlanWarning[] {
  if (before === undefined) return []
  if (after === undefined) {
    const message = 'the key type is removed and the store has keys of it: nothing could use them any more'
    return [{ level: 'error', subject, message, keys: keys.length }]
  }
  const counts = countKeys(before, after, keys, now)
  return [
    ...aboutAlgorithm(subject, before, after, keys.length),
    ...aboutTenants(subject, before, after, keys),
    {
      level: 'error',
      subject,
      message: 'keys stop decrypting: what they encrypted is out of reach until the policy allows it again',
      keys: counts.stopDecrypting,
    },
    {
      level: 'warning',
      subject,
      message: 'keys stop encrypting: rotate before the policy takes effect',
      keys: counts.stopEncrypting,
    },
  ]
}

function aboutAlgorithm(
  subject: string,
  before: KeyTypePolicy,
  after: KeyTypePolicy,
  keys: number,
): PlanWarning[] {
  if (before.algorithm === after.algorithm) return []
  if ((before.algorithm === 'HMAC-SHA-256') !== (after.algorithm === 'HMAC-SHA-256')) {
    const message = 'the keys there are make search tokens and the new ones encrypt, or the other way round'
    return [{ level: 'error', subject, message, keys }]
  }
  const message = 'existing keys keep their algorithm; the new one holds from the next rotation on'
  return [{ level: 'warning', subject, message, keys }]
}

function aboutTenants(
  subject: string,
  before: KeyTypePolicy,
  after: KeyTypePolicy,
  keys: readonly PlanKey[],
): PlanWarning[] {
  if (before.tenants === after.tenants || after.tenants === 'optional') return []
  const ofTenants = keys.filter(({ keyring }) => readKeyring(keyring)?.tenant !== undefined).length
  if (after.tenants === 'none') {
    const message = 'keys belong to tenants, which the key type will not have any more'
    return [{ level: 'error', subject, message, keys: ofTenants }]
  }
  const message = 'keys belong to no tenant, which the key type will require'
  return [{ level: 'error', subject, message, keys: keys.length - ofTenants }]
}

function aboutProviders(before: Policy, after: Policy, keys: readonly PlanKey[]): PlanWarning[] {
  return Object.entries(before.providers).flatMap(([subject, { type }]) => {
    const now = Object.hasOwn(after.providers, subject) ? after.providers[subject] : undefined
    if (now?.type === type) return []
    const what = now === undefined ? 'is removed' : 'gets another backend'
    const wrapped = keys.filter(({ wrappedBy }) => wrappedBy.includes(subject))
    const only = wrapped.filter(({ wrappedBy }) => wrappedBy.every((name) => name === subject)).length
    return [
      {
        level: 'error',
        subject,
        message: `the provider ${what}, and nobody else holds a wrap of these keys: move them first`,
        keys: only,
      },
      {
        level: 'warning',
        subject,
        message: `the provider ${what}; these keys can be opened by another`,
        keys: wrapped.length - only,
      },
    ]
  })
}
