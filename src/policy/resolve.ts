/**
 * From layers to the policy the program uses. Lowest first: general defaults, defaults of the key type, the mode's
 * preset, the document's `defaults`, the document's key type, overrides.
 */
import { checkPolicy } from './check.ts'
import { DEFAULT_SELECTORS } from './default-selectors.ts'
import {
  DEFAULT_AUDIT_RETENTION_MS,
  DEFAULT_KEY_TYPES,
  DEFAULT_MODE,
  generalMembers,
  PRESETS,
} from './defaults.ts'
import { type Layer, NO_LAYER, NO_LAYERS, type PolicyLayers } from './layers.ts'
import {
  type KeyTypeMembers,
  type Member,
  type Origin,
  type Origins,
  rememberOrigins,
  toKeyTypePolicy,
} from './members.ts'
import { applyOverrides, type PolicyOverrides } from './overrides.ts'
import type { KeyTypePolicy, Policy } from './policy.ts'
import { policyInvalid } from './problems.ts'
import { declaredSelectors } from './sources.ts'

export interface ResolveOptions {
  readonly overrides?: PolicyOverrides | undefined
  /** Names of provider instances that exist beside those the document configures. */
  readonly knownProviders?: readonly string[] | undefined
  /** What the layers were read from, for messages. */
  readonly source?: string | undefined
}

/** The policy that `layers` come to. Throws ERR_POLICY_INVALID with everything that is wrong with it. */
export function resolvePolicy(layers: PolicyLayers, options: ResolveOptions = {}): Policy {
  const stated = applyOverrides(layers, options.overrides ?? {})
  const policy = buildPolicy(stated)
  const problems = checkPolicy(policy, stated, options.knownProviders)
  if (problems.length > 0) throw policyInvalid(problems, options.source)
  return policy
}

/** The policy without a document. Throws ERR_POLICY_INVALID for overrides that contradict the defaults. */
export function defaultPolicy(overrides?: PolicyOverrides): Policy {
  return resolvePolicy(NO_LAYERS, { overrides, source: 'the default policy' })
}

/** Puts the layers on top of each other, whether the outcome makes sense or not. */
export function buildPolicy(layers: PolicyLayers): Policy {
  const names = new Set([...DEFAULT_KEY_TYPES.keys(), ...layers.keyTypes.keys()])
  const keyTypes = dictionary([...names].map((name) => [name, buildKeyType(name, layers)]))
  const declared = declaredSelectors(layers.sources)
  return deepFreeze({
    keyTypes,
    selectors: [
      ...layers.selectors,
      ...declared.filter(({ keyType }) => keyTypes[keyType]?.algorithm !== 'HMAC-SHA-256'), // refused elsewhere
      ...(layers.defaultSelectors === false ? [] : DEFAULT_SELECTORS),
    ],
    providers: dictionary([...layers.providers]),
    sources: dictionary([...layers.sources].map(([name, { source }]) => [name, source])),
    performanceMode: layers.performanceMode ?? DEFAULT_MODE,
    audit: { retentionMs: layers.auditRetentionMs ?? DEFAULT_AUDIT_RETENTION_MS },
  })
}

/** Without a prototype, so that a key type called `constructor` is not there by itself. */
function dictionary<T>(entries: readonly (readonly [string, T])[]): Readonly<Record<string, T>> {
  return Object.assign(Object.create(null) as Record<string, T>, Object.fromEntries(entries))
}

/** What is said for all key types does not reach how index keys live: losing one means indexing everything anew. */
const KEPT_BY_INDEX_KEYS: ReadonlySet<string> = new Set<Member>([
  'algorithm',
  'rotation.auto',
  'rotation.age',
  'rotation.messages',
  'rotation.bytes',
  'maxAge',
  'afterMaxAge',
  'maxMessages',
])

function buildKeyType(name: string, layers: PolicyLayers): KeyTypePolicy {
  const builtIn = DEFAULT_KEY_TYPES.get(name) ?? {}
  const own = layers.keyTypes.get(name) ?? NO_LAYER
  const { defaults } = layers
  const algorithm = own.values.algorithm ?? builtIn.algorithm ?? defaults.values.algorithm ?? 'AES-256-GCM'
  const general = generalMembers(algorithm)
  const preset = PRESETS[layers.performanceMode ?? DEFAULT_MODE]
  const merged = new Merged({ ...general, ...preset })
  merged.add('default', { values: builtIn, paths: {} })
  merged.add('preset', { values: preset, paths: {} })
  if (layers.provider !== undefined) {
    const { name: provider, origin } = layers.provider
    merged.add(origin, { values: { provider }, paths: { provider: 'provider' } })
  }
  const applies = (member: Member): boolean => algorithm !== 'HMAC-SHA-256' || !KEPT_BY_INDEX_KEYS.has(member)
  merged.add('document', defaults, applies)
  merged.add('document', own)
  merged.add('override', layers.overrides, applies)
  return merged.finish()
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** Members as they are overlaid, with the origin of each. */
class Merged {
  readonly #members: Writable<KeyTypeMembers>
  readonly #origins: Writable<Origins>

  constructor(base: KeyTypeMembers) {
    this.#members = { ...base }
    const names = Object.keys(base) as Member[]
    this.#origins = Object.fromEntries(names.map((name) => [name, { from: 'default' }])) as Writable<Origins>
  }

  add(from: Origin['from'], layer: Layer, applies: (member: Member) => boolean = () => true): void {
    for (const member of Object.keys(layer.values) as Member[]) {
      if (!applies(member)) continue
      Object.assign(this.#members, { [member]: layer.values[member] })
      const path = layer.paths[member]
      this.#origins[member] = path === undefined ? { from } : { from, path }
    }
  }

  finish(): KeyTypePolicy {
    const { 'cache.ttl': ttl, 'cache.refresh': refresh } = this.#members
    // Whoever states a short ttl wants to hear soon of a revocation, so a preset's refresh follows it.
    if (this.#origins['cache.refresh'].from === 'preset')
      this.#members['cache.refresh'] = Math.min(refresh, ttl)
    const policy = toKeyTypePolicy(this.#members)
    rememberOrigins(policy, this.#origins)
    return policy
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  // An object with a class (a client that was passed as an option) is not ours to freeze.
  if (prototype !== Object.prototype && prototype !== Array.prototype && prototype !== null) return value
  Object.freeze(value)
  for (const member of Object.values(value)) deepFreeze(member)
  return value
}

/** `policy` without the options of providers: they may hold credentials, and are not needed once those are made. */
export function withoutOptions(policy: Policy): Policy {
  const providers = Object.entries(policy.providers).map(([name, { type }]) => [name, { type, options: {} }])
  return Object.freeze({ ...policy, providers: Object.freeze(Object.fromEntries(providers)) })
}
