/**
 * A key type's policy as a flat table, keyed by the names that policy documents use ('rotation.age'). Layers are
 * merged and policies compared in this form; the program uses {@link KeyTypePolicy}.
 */
import { formatDuration, formatInstant } from './duration.ts'
import type { KeyTypePolicy } from './policy.ts'
import { formatSize } from './size.ts'

/** Ages and periods in ms. */
export interface KeyTypeMembers {
  readonly description: string
  readonly provider: string
  readonly furtherProviders: readonly string[]
  readonly minWraps: number
  readonly algorithm: KeyTypePolicy['algorithm']
  readonly 'rotation.auto': boolean
  readonly 'rotation.age': number
  readonly 'rotation.messages': number
  readonly 'rotation.bytes': number
  readonly maxAge: number
  readonly afterMaxAge: KeyTypePolicy['afterMaxAge']
  readonly maxMessages: number
  readonly grace: number
  readonly compromised: KeyTypePolicy['compromised']
  readonly 'cache.ttl': number
  readonly 'cache.uses': number
  readonly 'cache.refresh': number
  readonly serveStale: number
  readonly tenants: KeyTypePolicy['tenants']
  readonly auditAccess: boolean
  /** ms since the epoch; 0: there is no window. */
  readonly 'migration.until': number
  readonly 'migration.reads': readonly string[]
}

export type Member = keyof KeyTypeMembers

/** Where a member's value comes from. */
export interface Origin {
  readonly from: 'default' | 'preset' | 'document' | 'override'
  /** The member of the document, or the name of the override, that states it. */
  readonly path?: string
}

export type Origins = Readonly<Record<Member, Origin>>

/** The structured form of `members`. */
export function toKeyTypePolicy(members: KeyTypeMembers): KeyTypePolicy {
  return {
    description: members.description,
    provider: members.provider,
    furtherProviders: members.furtherProviders,
    minWraps: members.minWraps,
    algorithm: members.algorithm,
    rotation: {
      auto: members['rotation.auto'],
      ageMs: members['rotation.age'],
      messages: members['rotation.messages'],
      bytes: members['rotation.bytes'],
    },
    maxAgeMs: members.maxAge,
    afterMaxAge: members.afterMaxAge,
    maxMessages: members.maxMessages,
    graceMs: members.grace,
    compromised: members.compromised,
    cache: {
      ttlMs: members['cache.ttl'],
      uses: members['cache.uses'],
      refreshMs: members['cache.refresh'],
    },
    serveStaleMs: members.serveStale,
    tenants: members.tenants,
    auditAccess: members.auditAccess,
    ...(members['migration.reads'].length === 0
      ? {}
      : { migration: { untilMs: members['migration.until'], reads: members['migration.reads'] } }),
  }
}

/** The flat form of `policy`. The order of the members is the order in which differences are listed. */
export function toMembers(policy: KeyTypePolicy): KeyTypeMembers {
  return {
    description: policy.description,
    provider: policy.provider,
    furtherProviders: policy.furtherProviders,
    minWraps: policy.minWraps,
    algorithm: policy.algorithm,
    'rotation.auto': policy.rotation.auto,
    'rotation.age': policy.rotation.ageMs,
    'rotation.messages': policy.rotation.messages,
    'rotation.bytes': policy.rotation.bytes,
    maxAge: policy.maxAgeMs,
    afterMaxAge: policy.afterMaxAge,
    maxMessages: policy.maxMessages,
    grace: policy.graceMs,
    compromised: policy.compromised,
    'cache.ttl': policy.cache.ttlMs,
    'cache.uses': policy.cache.uses,
    'cache.refresh': policy.cache.refreshMs,
    serveStale: policy.serveStaleMs,
    tenants: policy.tenants,
    auditAccess: policy.auditAccess,
    'migration.until': policy.migration?.untilMs ?? 0,
    'migration.reads': policy.migration?.reads ?? [],
  }
}

const DURATIONS: ReadonlySet<string> = new Set<Member>([
  'rotation.age',
  'maxAge',
  'grace',
  'cache.ttl',
  'cache.refresh',
  'serveStale',
])

/** A member's value for people. */
export function formatMember(member: Member, value: KeyTypeMembers[Member]): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'object') return value.length === 0 ? 'none' : value.join(', ')
  if (typeof value === 'string') return value
  if (DURATIONS.has(member)) return formatDuration(value)
  if (member === 'migration.until') return value === 0 ? 'none' : formatInstant(value)
  if (member === 'minWraps' && value === Number.POSITIVE_INFINITY) return 'all'
  if (member === 'rotation.bytes') return formatSize(value)
  return formatCount(value)
}

/** Whether two values of a member say the same. */
export function sameMember(one: KeyTypeMembers[Member], other: KeyTypeMembers[Member]): boolean {
  return Array.isArray(one) && Array.isArray(other) ? one.join() === other.join() : Object.is(one, other)
}

/** A count for people: '4,294,967,296', 'never' for no limit. */
export function formatCount(count: number): string {
  return count === Number.POSITIVE_INFINITY ? 'never' : count.toLocaleString('en-US')
}

/** Where the values of resolved policies come from; kept beside them, so that a policy stays plain data. */
const origins = new WeakMap<KeyTypePolicy, Origins>()

/** Notes where the values of `policy` come from. */
export function rememberOrigins(policy: KeyTypePolicy, of: Origins): void {
  origins.set(policy, of)
}

/** Where `member` of a resolved policy comes from; `undefined` for a policy that was put together by hand. */
export function originOf(policy: KeyTypePolicy, member: Member): Origin | undefined {
  return origins.get(policy)?.[member]
}
