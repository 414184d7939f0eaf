/** What a policy of correct form may still have wrong: values that contradict each other, names that lead nowhere. */
import { didYouMean } from '../nearest.ts'
import { BLIND_INDEX, DEFAULT_PROVIDER, MESSAGE_LIMITS } from './defaults.ts'
import type { PolicyLayers } from './layers.ts'
import { formatCount, type Member, originOf } from './members.ts'
import type { KeyTypePolicy, Policy } from './policy.ts'
import type { Problem } from './problems.ts'
import { quoted } from './problems.ts'
import { overlappingSelectors } from './selectors.ts'

/**
 * Everything wrong with `policy`, resolved from `layers`. Provider names are checked when the document configures
 * providers or `knownProviders` is given; the name 'default' is always known.
 */
export function checkPolicy(
  policy: Policy,
  layers: PolicyLayers,
  knownProviders: readonly string[] | undefined,
): Problem[] {
  return [
    ...Object.entries(policy.keyTypes).flatMap(([name, keyType]) => checkKeyType(name, keyType)),
    ...checkProviders(policy, layers, knownProviders),
    ...checkSelectors(policy),
  ]
}

/** Where `member` is stated, or would be. */
function placeOf(name: string, keyType: KeyTypePolicy, member: Member): string {
  return originOf(keyType, member)?.path ?? `keyTypes.${name}.${member}`
}

function isStated(keyType: KeyTypePolicy, member: Member): boolean {
  const from = originOf(keyType, member)?.from
  return from === 'document' || from === 'override'
}

/** A problem of two members, told where the one that is stated stands. */
function conflict(name: string, keyType: KeyTypePolicy, [low, high]: readonly [Member, Member]): Problem {
  const first = isStated(keyType, low) || !isStated(keyType, high) ? low : high
  const second = first === low ? high : low
  const what = `${low} of ${name} is above its ${high}`
  return {
    path: placeOf(name, keyType, first),
    what: isStated(keyType, second) ? what : `${what}; ${second} is the default, state both`,
    about: [placeOf(name, keyType, second), `keyTypes.${name}.${low}`, `keyTypes.${name}.${high}`],
  }
}

function checkKeyType(name: string, keyType: KeyTypePolicy): Problem[] {
  const problems: Problem[] = []
  const { rotation, cache, algorithm } = keyType
  if (rotation.ageMs > keyType.maxAgeMs) problems.push(conflict(name, keyType, ['rotation.age', 'maxAge']))
  if (rotation.messages > keyType.maxMessages) {
    problems.push(conflict(name, keyType, ['rotation.messages', 'maxMessages']))
  }
  if (keyType.maxMessages > MESSAGE_LIMITS[algorithm]) {
    problems.push({
      path: placeOf(name, keyType, 'maxMessages'),
      what: `${name}: ${algorithm} allows at most ${formatCount(MESSAGE_LIMITS[algorithm])} messages per key`,
      about: [placeOf(name, keyType, 'algorithm')],
    })
  }
  if (
    cache.refreshMs > cache.ttlMs &&
    isStated(keyType, 'cache.refresh') // an unstated one follows the ttl
  ) {
    problems.push(conflict(name, keyType, ['cache.refresh', 'cache.ttl']))
  }
  if (name === BLIND_INDEX && algorithm !== 'HMAC-SHA-256') {
    problems.push({
      path: placeOf(name, keyType, 'algorithm'),
      what: `keys of ${BLIND_INDEX} make search tokens: its algorithm is HMAC-SHA-256`,
    })
  }
  return problems
}

function checkProviders(
  policy: Policy,
  layers: PolicyLayers,
  knownProviders: readonly string[] | undefined,
): Problem[] {
  if (knownProviders === undefined && layers.providers.size === 0) return []
  const known = new Set([...layers.providers.keys(), ...(knownProviders ?? []), DEFAULT_PROVIDER])
  const named = Object.entries(policy.keyTypes).map(([name, keyType]) => ({
    path: placeOf(name, keyType, 'provider'),
    provider: keyType.provider,
  }))
  if (layers.provider !== undefined) named.push({ path: 'provider', provider: layers.provider.name })
  return named
    .filter(({ provider }) => !known.has(provider))
    .map(({ path, provider }) => ({
      path,
      // The name itself is a value; only known names are told.
      what: `no such provider; ${didYouMean(provider, known) || `known: ${[...known].join(', ')}`}`,
      about: ['providers'],
    }))
}

function checkSelectors(policy: Policy): Problem[] {
  const overlaps = overlappingSelectors(policy.selectors).map(({ first, second }) => ({
    path: `keyTypes.${second.keyType}.selectors`,
    what:
      `${quoted(second.pattern)} and ${quoted(first.pattern)} of ${first.keyType} can match one field and ` +
      'are equally specific; make one of them more specific',
    about: [`keyTypes.${first.keyType}.selectors`],
  }))
  const seen = new Set<string>()
  const toIndexKeys = policy.selectors.flatMap(({ keyType }) => {
    const target = policy.keyTypes[keyType]
    if (target?.algorithm !== 'HMAC-SHA-256' || seen.has(keyType)) return []
    seen.add(keyType)
    return [
      {
        path: `keyTypes.${keyType}.selectors`,
        what: `keys of ${keyType} only make search tokens (HMAC-SHA-256): no field can be encrypted with them`,
        about: [placeOf(keyType, target, 'algorithm')],
      },
    ]
  })
  return [...overlaps, ...toIndexKeys]
}
