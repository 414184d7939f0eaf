/** The decision in sentences, made from what decides and from nothing else. */
import { DEFAULT_PROVIDER } from './defaults.ts'
import { formatDuration, formatInstant } from './duration.ts'
import { type Decision, evaluate, expiresAt, type KeyFacts, type PolicyRequest } from './evaluate.ts'
import { findKeyType } from './keyring-name.ts'
import { formatCount, formatMember, type Member, originOf, toMembers } from './members.ts'
import type { KeyTypePolicy, Policy } from './policy.ts'
import { formatSize } from './size.ts'

export interface Explanation {
  /** Sentences for people, in the order in which one would ask. */
  readonly lines: readonly string[]
  readonly decision: Decision
}

/** What `evaluate` answers, and why. Never throws. */
export function explain(policy: Policy, request: PolicyRequest, now: number): Explanation {
  const decision = evaluate(policy, request, now)
  const lines = [verdict(decision, now), whyKeyType(decision)]
  const keyType = decision.keyType === undefined ? undefined : findKeyType(policy, decision.keyType)
  if (keyType !== undefined) {
    if (decision.keyring !== undefined) lines.push(`Keyring: ${decision.keyring}, ${keyType.algorithm}.`)
    lines.push(whyProvider(policy, keyType))
    lines.push(...rotationLines(keyType, request.key, decision, now))
    lines.push(...lifeLines(keyType, request.key))
    lines.push(...cacheLines(policy, keyType))
    lines.push(migrationLine(keyType, now))
    if (keyType.auditAccess) lines.push('Every encryption and decryption is written to the audit log.')
  }
  return { lines: lines.filter((line) => line !== ''), decision }
}

function verdict({ operation, allowed, code, reason, hint, until }: Decision, now: number): string {
  if (!allowed)
    return sentence(`${operation} is refused (${code}): ${reason}${hint === undefined ? '' : `; ${hint}`}`)
  const limit = Number.isFinite(until)
    ? `; by age until ${formatInstant(until)}, in ${formatDuration(until - now)}`
    : ''
  return sentence(`${operation} is allowed: ${reason}${limit}`)
}

function whyKeyType({ keyType, selector }: Decision): string {
  if (keyType === undefined) return ''
  return `Key type: ${keyType}; ${selector === undefined ? 'the request names it' : selector.reason}.`
}

function whyProvider({ providers }: Policy, keyType: KeyTypePolicy): string {
  const { provider } = keyType
  const type = Object.hasOwn(providers, provider) ? ` (${providers[provider]?.type})` : ''
  const why = because(keyType, 'provider')
  const fallback = provider === DEFAULT_PROVIDER ? 'nothing names another' : 'the policy names it'
  return `Provider: ${provider}${type} wraps its keys; ${why === '' ? fallback : why}.`
}

/** Where a value comes from, where that is known and is no default. */
function because(keyType: KeyTypePolicy, member: Member): string {
  const origin = originOf(keyType, member)
  if (origin === undefined || origin.from === 'default') return ''
  if (origin.from === 'preset') return 'the performance mode sets it'
  const by = origin.from === 'document' ? 'the policy document' : 'a setting above the document'
  return origin.path === undefined ? `${by} says so` : `${by} says so (${origin.path})`
}

function stated(keyType: KeyTypePolicy, member: Member): string {
  const why = because(keyType, member)
  return `${formatMember(member, toMembers(keyType)[member])}${why === '' ? ' by default' : `; ${why}`}`
}

function rotationLines(
  keyType: KeyTypePolicy,
  key: KeyFacts | undefined,
  { rotation: status }: Decision,
  now: number,
): string[] {
  const { rotation } = keyType
  const limits = [
    ...(Number.isFinite(rotation.messages) ? [`${formatCount(rotation.messages)} messages`] : []),
    ...(Number.isFinite(rotation.bytes) ? [formatSize(rotation.bytes)] : []),
  ]
  const also = limits.length === 0 ? '' : `, or after ${limits.join(' or ')}`
  const by = rotation.auto ? 'Keys rotate by themselves' : 'Keys rotate only when somebody asks'
  const lines = [`${by}. Rotation age: ${stated(keyType, 'rotation.age')}${also}.`]
  if (key === undefined || status === undefined || key.state !== 'active') return lines
  if (status.due) {
    lines.push(`Rotation is ${status.overdue ? 'overdue' : 'due'} by ${status.reasons.join(' and ')}.`)
  } else if (Number.isFinite(status.at)) {
    lines.push(`This key is due at ${formatInstant(status.at)}, in ${formatDuration(status.at - now)}.`)
  }
  return lines
}

function lifeLines(keyType: KeyTypePolicy, key: KeyFacts | undefined): string[] {
  const then = keyType.afterMaxAge === 'refuse' ? 'does nothing any more' : 'only decrypts'
  const lines = [`Max age: ${stated(keyType, 'maxAge')}; past it a key ${then}.`]
  if (key !== undefined && Number.isFinite(keyType.maxAgeMs)) {
    lines.push(`This key reaches it at ${formatInstant(expiresAt(keyType, key))}.`)
  }
  lines.push(
    Number.isFinite(keyType.graceMs)
      ? `A replaced key may be destroyed after ${formatDuration(keyType.graceMs)} at the earliest.`
      : 'A replaced key may never be destroyed.',
  )
  return lines
}

function cacheLines(policy: Policy, keyType: KeyTypePolicy): string[] {
  const { cache, serveStaleMs } = keyType
  return [
    `Mode ${policy.performanceMode}: an unwrapped key stays in memory for ${formatDuration(cache.ttlMs)} or ` +
      `${formatCount(cache.uses)} operations; rotation and revocation reach a process within ` +
      `${formatDuration(cache.refreshMs)}.`,
    serveStaleMs > 0
      ? `When provider or store are down, cached keys serve for ${formatDuration(serveStaleMs)} longer.`
      : 'When provider or store are down, it fails at once (fail closed).',
  ]
}

function migrationLine({ migration }: KeyTypePolicy, now: number): string {
  if (migration === undefined) return ''
  const until = formatInstant(migration.untilMs)
  const formats = migration.reads.join(' and ')
  return now < migration.untilMs
    ? `Migration: values in ${formats} are read as well until ${until}, for ${formatDuration(migration.untilMs - now)} more.`
    : `Migration: the window closed at ${until}; values in ${formats} are refused.`
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
