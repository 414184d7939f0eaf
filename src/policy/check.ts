/** What a policy of correct form may still have wrong: values that contradict each other, names that lead nowhere. */
import { didYouMean } from '../nearest.ts'
import { BLIND_INDEX, DEFAULT_KEY_TYPES, DEFAULT_PROVIDER, MESSAGE_LIMITS } from './defaults.ts'
import type { PolicyLayers } from './layers.ts'
import { formatCount, type Member, originOf } from './members.ts'
import type { KeyTypePolicy, Policy } from './policy.ts'
import type { Problem } from './problems.ts'
import { quoted } from './problems.ts'
import { overlappingSelectors } from './selectors.ts'
import { checkSources } from './sources.ts'

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
    ...Object.entries(policy.keyTypes).flatMap(([name, keyType]) =>
      checkKeyType(subjectOf(name, keyType, layers)),
    ),
    ...checkProviders(policy, layers, knownProviders),
    ...checkSelectors(policy, layers),
    ...checkSources(policy, layers.sources),
  ]
}

interface Subject {
  readonly name: string
  readonly keyType: KeyTypePolicy
  /** How messages call it. In the flat form the name is a value, which is not repeated: its place is told. */
  readonly label: string
  /** Where the key type stands in the document, or would. */
  readonly place: string
}

function subjectOf(name: string, keyType: KeyTypePolicy, layers: PolicyLayers): Subject {
  const place = layers.keyTypes.get(name)?.place ?? `keyTypes.${name}`
  const isKnown = DEFAULT_KEY_TYPES.has(name) || place === `keyTypes.${name}`
  return { name, keyType, label: isKnown ? name : place, place }
}

/** Where the key type itself would state `member`; members of the flat form have names of their own. */
function ownPlace({ name, place }: Subject, member: Member): string {
  return place === `keyTypes.${name}` ? `${place}.${member}` : place
}

/** Where `member` is stated, or would be. */
function placeOf(subject: Subject, member: Member): string {
  return originOf(subject.keyType, member)?.path ?? ownPlace(subject, member)
}

function isStated({ keyType }: Subject, member: Member): boolean {
  const from = originOf(keyType, member)?.from
  return from === 'document' || from === 'override'
}

/** A problem of two members, told where the one that is stated stands. */
function conflict(subject: Subject, low: Member, high: Member): Problem {
  const first = isStated(subject, low) || !isStated(subject, high) ? low : high
  const second = first === low ? high : low
  const what = `${low} of ${subject.label} is above its ${high}`
  return {
    path: placeOf(subject, first),
    what: isStated(subject, second) ? what : `${what}; ${second} is the default, state both`,
    about: [placeOf(subject, second), ownPlace(subject, low), ownPlace(subject, high)],
  }
}

function checkKeyType(subject: Subject): Problem[] {
  const { name, label, keyType } = subject
  const { rotation, cache, algorithm } = keyType
  const problems: Problem[] = []
  if (rotation.ageMs > keyType.maxAgeMs) problems.push(conflict(subject, 'rotation.age', 'maxAge'))
  if (rotation.messages > keyType.maxMessages) {
    problems.push(conflict(subject, 'rotation.messages', 'maxMessages'))
  }
  if (keyType.maxMessages > MESSAGE_LIMITS[algorithm]) {
    problems.push({
      path: placeOf(subject, 'maxMessages'),
      what: `${label}: ${algorithm} allows at most ${formatCount(MESSAGE_LIMITS[algorithm])} messages per key`,
      about: [placeOf(subject, 'algorithm')],
    })
  }
  // Presets do not count here: whether a document is right must not hang on the mode.
  const bothStated = isStated(subject, 'cache.refresh') && isStated(subject, 'cache.ttl')
  if (cache.refreshMs > cache.ttlMs && bothStated) {
    problems.push(conflict(subject, 'cache.refresh', 'cache.ttl'))
  }
  if (name === BLIND_INDEX && algorithm !== 'HMAC-SHA-256') {
    problems.push({
      path: placeOf(subject, 'algorithm'),
      what: `keys of ${BLIND_INDEX} make search tokens: its algorithm is HMAC-SHA-256`,
    })
  }
  return [...problems, ...checkWraps(subject)]
}

function checkWraps(subject: Subject): Problem[] {
  const { label, keyType } = subject
  const { furtherProviders, minWraps } = keyType
  const problems: Problem[] = []
  if (new Set(furtherProviders).size < furtherProviders.length) {
    const path = placeOf(subject, 'furtherProviders')
    problems.push({ path, what: `furtherProviders of ${label} names a provider twice` })
  }
  if (Number.isFinite(minWraps) && minWraps > 1 + furtherProviders.length) {
    problems.push({
      path: placeOf(subject, 'minWraps'),
      what: `minWraps of ${label} is above the number of its providers; state furtherProviders, or less`,
      about: [placeOf(subject, 'furtherProviders')],
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
  const named = Object.entries(policy.keyTypes).flatMap(([name, keyType]) => {
    const subject = subjectOf(name, keyType, layers)
    const further = placeOf(subject, 'furtherProviders')
    return [
      { path: placeOf(subject, 'provider'), provider: keyType.provider },
      ...keyType.furtherProviders.map((provider, index) => ({ path: `${further}.${index}`, provider })),
    ]
  })
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

function checkSelectors(policy: Policy, layers: PolicyLayers): Problem[] {
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
        about: [placeOf(subjectOf(keyType, target, layers), 'algorithm')],
      },
    ]
  })
  return [...overlaps, ...toIndexKeys]
}
