/** What a new policy would change: member by member, and for how many keys. Pure and in a fixed order. */
import { isDeepStrictEqual } from 'node:util'
import { formatDuration } from './duration.ts'
import { findKeyType } from './keyring-name.ts'
import { formatMember, type Member, sameMember, toMembers } from './members.ts'
import { parsePattern, sampleField } from './patterns.ts'
import { countKeys, groupByType, type KeyCounts, type PlanKey } from './plan-keys.ts'
import { type PlanWarning, planWarnings } from './plan-warnings.ts'
import type { KeyTypePolicy, Policy } from './policy.ts'
import { selectKeyType } from './selectors.ts'

/** A member with another value, both for people. */
export interface PolicyChange {
  /** As in a document: 'rotation.age', 'performanceMode'. */
  readonly path: string
  readonly from: string
  readonly to: string
}

export interface KeyTypePlan extends KeyCounts {
  readonly keyType: string
  readonly kind: 'added' | 'removed' | 'changed'
  /** Empty for a key type that is added or removed. */
  readonly changes: readonly PolicyChange[]
}

/** Fields of the pattern's kind belong to another key type. New values use its keys; old ones keep theirs. */
export interface FieldChange {
  readonly pattern: string
  /** The key type; absent: none. */
  readonly from?: string
  readonly to?: string
}

export interface PolicyPlan {
  /** Nothing changes. */
  readonly isEmpty: boolean
  /** What is not about one key type. */
  readonly settings: readonly PolicyChange[]
  /** Sorted by name. */
  readonly keyTypes: readonly KeyTypePlan[]
  /** Sorted by pattern. */
  readonly fields: readonly FieldChange[]
  readonly warnings: readonly PlanWarning[]
}

/** Compares two policies, over the keys there are at `now` (milliseconds since the epoch). */
export function planPolicy(before: Policy, after: Policy, keys: readonly PlanKey[], now: number): PolicyPlan {
  const live = keys.filter(({ state }) => state !== 'destroyed')
  const byType = groupByType(live)
  const keyTypes = allNames(before.keyTypes, after.keyTypes).flatMap((name) => {
    const [was, is] = [findKeyType(before, name), findKeyType(after, name)]
    const changes = was === undefined || is === undefined ? [] : memberChanges(was, is)
    if (was !== undefined && is !== undefined && changes.length === 0) return []
    const kind = was === undefined ? 'added' : is === undefined ? 'removed' : 'changed'
    return [{ keyType: name, kind, changes, ...countKeys(was, is, byType.get(name) ?? [], now) } as const]
  })
  const settings = settingChanges(before, after)
  const fields = fieldChanges(before, after)
  const isEmpty = keyTypes.length + settings.length + fields.length === 0
  return { isEmpty, settings, keyTypes, fields, warnings: planWarnings(before, after, live, now) }
}

/** In one order on every machine: by UTF-16 code units. */
function allNames(one: object, other: object): string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].sort()
}

function memberChanges(before: KeyTypePolicy, after: KeyTypePolicy): PolicyChange[] {
  const [was, is] = [toMembers(before), toMembers(after)]
  return (Object.keys(was) as Member[])
    .filter((member) => !sameMember(was[member], is[member]))
    .map((path) => ({ path, from: formatMember(path, was[path]), to: formatMember(path, is[path]) }))
}

function settingChanges(before: Policy, after: Policy): PolicyChange[] {
  const changes: PolicyChange[] = []
  const add = (path: string, from: string, to: string): void => {
    if (from !== to) changes.push({ path, from, to })
  }
  add('audit.retention', formatDuration(before.audit.retentionMs), formatDuration(after.audit.retentionMs))
  add('performanceMode', before.performanceMode, after.performanceMode)
  for (const name of allNames(before.providers, after.providers)) {
    const [was, is] = [describeProvider(before, name), describeProvider(after, name)]
    const sameText = was === is && was !== NO_PROVIDER
    if (sameText && !isDeepStrictEqual(before.providers[name]?.options, after.providers[name]?.options)) {
      add(`providers.${name}`, was, `${is} with other options`) // the options themselves may hold secrets
    } else add(`providers.${name}`, was, is)
  }
  return changes
}

const NO_PROVIDER = 'not configured'

function describeProvider({ providers }: Policy, name: string): string {
  return Object.hasOwn(providers, name) ? (providers[name]?.type ?? NO_PROVIDER) : NO_PROVIDER
}

/** Asks both policies about one field of each pattern that either of them has. */
function fieldChanges(before: Policy, after: Policy): FieldChange[] {
  const patterns = new Set([...before.selectors, ...after.selectors].map(({ pattern }) => pattern))
  return [...patterns].sort().flatMap((pattern) => {
    const parsed = parsePattern(pattern)
    if (parsed === undefined) return []
    const field = sampleField(parsed)
    const from = selectKeyType(before, field)?.keyType
    const to = selectKeyType(after, field)?.keyType
    if (from === to) return []
    return [{ pattern, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }]
  })
}
