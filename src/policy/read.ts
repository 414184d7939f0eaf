/** From a document of the right form to layers. */
import { DAY_MS, readDuration } from './duration.ts'
import type { Sieved } from './form.ts'
import { type Layer, NO_LAYER, overlayLayers, type PolicyLayers } from './layers.ts'
import type { KeyTypeMembers, Member } from './members.ts'
import { readUntil } from './migration.ts'
import type { ProviderConfig, Selector } from './policy.ts'
import type { Problem } from './problems.ts'
import { AGE, GRACE, PERIOD, type PolicyDocument, STALE } from './schema.ts'
import { readSize } from './size.ts'
import { readSources } from './sources.ts'

type Document = Sieved<PolicyDocument>
/** A document, or one of its profiles. */
type Settings = Omit<Document, '$schema' | 'version' | 'profiles'>
type KeyTypeDocument = NonNullable<NonNullable<Document['keyTypes']>[string]>
type FlatDocument = NonNullable<NonNullable<Document['rotation_policies']>[number]>
type Stated = { [M in Member]?: KeyTypeMembers[M] | undefined }

/** The layers `document` states with one of its profiles on top, and what is wrong with how it states them. */
export function readLayers(
  document: Document,
  profile?: string,
): { layers: PolicyLayers; problems: Problem[] } {
  const base = readSettings(document, '')
  const overlay = profile === undefined ? undefined : document.profiles?.[profile]
  if (overlay === undefined) return base
  const own = readSettings(overlay, `profiles.${profile}.`)
  return { layers: overlayLayers(base.layers, own.layers), problems: [...base.problems, ...own.problems] }
}

/** `place` stands before every path. */
function readSettings(document: Settings, place: string): { layers: PolicyLayers; problems: Problem[] } {
  const { problems, keyTypes } = readKeyTypes(document, place)
  const retention = readDuration(document.audit?.retention, AGE)
  const layers: PolicyLayers = {
    ...(document.performanceMode === undefined ? {} : { performanceMode: document.performanceMode }),
    ...(document.provider === undefined ? {} : { provider: { name: document.provider, origin: 'document' } }),
    providers: readProviders(document),
    sources: readSources(document.sources, place),
    defaults: document.defaults === undefined ? NO_LAYER : readKeyType(document.defaults, `${place}defaults`),
    keyTypes,
    selectors: readSelectors(document),
    ...(document.defaultSelectors === undefined ? {} : { defaultSelectors: document.defaultSelectors }),
    ...(retention === undefined ? {} : { auditRetentionMs: retention }),
    overrides: NO_LAYER,
  }
  return { layers, problems }
}

function readKeyTypes(
  document: Settings,
  before: string,
): { problems: Problem[]; keyTypes: Map<string, Layer> } {
  const keyTypes = new Map<string, Layer>()
  const problems: Problem[] = []
  for (const [name, keyType] of Object.entries(document.keyTypes ?? {})) {
    if (keyType === undefined) continue
    keyTypes.set(name, readKeyType(keyType, `${before}keyTypes.${name}`))
  }
  document.rotation_policies?.forEach((flat, index) => {
    if (flat?.key_type === undefined) return
    const path = `${before}rotation_policies.${index}`
    const other = keyTypes.get(flat.key_type)?.place
    if (other === undefined) {
      keyTypes.set(flat.key_type, readFlat(flat, path))
    } else {
      problems.push({
        path: `${path}.key_type`,
        what: `the same key type as ${other}; state it in one place`,
      })
    }
  })
  return { problems, keyTypes }
}

function readKeyType(input: KeyTypeDocument, path: string): Layer {
  const { rotation, cache } = input
  const stated: Stated = {
    description: input.description,
    provider: 'provider' in input ? input.provider : undefined,
    furtherProviders: readNames(input.furtherProviders),
    minWraps: input.minWraps === 'all' ? Number.POSITIVE_INFINITY : input.minWraps,
    algorithm: input.algorithm,
    'rotation.auto': rotation?.auto,
    'rotation.age': readDuration(rotation?.age, AGE),
    'rotation.messages': readCount(rotation?.messages),
    'rotation.bytes': rotation?.bytes === 'never' ? Number.POSITIVE_INFINITY : readSize(rotation?.bytes),
    maxAge: readDuration(input.maxAge, AGE),
    afterMaxAge: input.afterMaxAge,
    maxMessages: readCount(input.maxMessages),
    grace: readDuration(input.grace, GRACE),
    compromised: input.compromised,
    'cache.ttl': readDuration(cache?.ttl, PERIOD),
    'cache.uses': cache?.uses,
    'cache.refresh': readDuration(cache?.refresh, PERIOD),
    serveStale: readDuration(input.serveStale, STALE),
    tenants: input.tenants,
    auditAccess: input.auditAccess,
    ...readMigration('migration' in input ? input.migration : undefined),
  }
  return layerOf(stated, path, (member) => member)
}

/** Both members or neither. */
function readMigration(input: KeyTypeDocument['migration']): Stated {
  const until = readUntil(input?.until)
  const reads = readNames(input?.reads)
  return until === undefined || reads === undefined
    ? {}
    : { 'migration.until': until, 'migration.reads': reads }
}

const FLAT_NAMES: Partial<Record<Member, string>> = {
  'rotation.age': 'rotation_interval_days',
  maxAge: 'max_key_age_days',
  grace: 'grace_period_days',
  'rotation.auto': 'auto_rotation',
}

function readFlat(input: FlatDocument, path: string): Layer {
  const stated: Stated = {
    'rotation.auto': input.auto_rotation,
    'rotation.age': readDays(input.rotation_interval_days),
    maxAge: readDays(input.max_key_age_days),
    grace: readDays(input.grace_period_days),
  }
  return layerOf(stated, path, (member) => FLAT_NAMES[member] ?? member)
}

function layerOf(stated: Stated, place: string, nameOf: (member: Member) => string): Layer {
  const present = Object.entries(stated).filter(([, value]) => value !== undefined)
  return {
    values: Object.fromEntries(present) as Partial<KeyTypeMembers>,
    paths: Object.fromEntries(present.map(([member]) => [member, `${place}.${nameOf(member as Member)}`])),
    place,
  }
}

function readCount(count: number | 'never' | undefined): number | undefined {
  return count === 'never' ? Number.POSITIVE_INFINITY : count
}

/** Undefined when one of the names had the wrong form. */
function readNames(names: readonly (string | undefined)[] | undefined): string[] | undefined {
  const good = names?.filter((name) => name !== undefined)
  return good?.length === names?.length ? good : undefined
}

function readDays(days: number | undefined): number | undefined {
  return days === undefined ? undefined : Math.round(days * DAY_MS)
}

function readProviders(document: Settings): Map<string, ProviderConfig> {
  const providers = new Map<string, ProviderConfig>()
  for (const [name, entry] of Object.entries(document.providers ?? {})) {
    if (typeof entry?.type !== 'string') continue
    const { type, ...options } = entry
    providers.set(name, { type, options })
  }
  return providers
}

function readSelectors(document: Settings): Selector[] {
  return Object.entries(document.keyTypes ?? {}).flatMap(([keyType, entry]) =>
    (entry?.selectors ?? []).flatMap((pattern) =>
      pattern === undefined ? [] : [{ pattern, keyType, source: 'document' as const }],
    ),
  )
}
