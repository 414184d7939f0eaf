/** What is known about a policy before it is resolved: what a document states and what overrides it. */
import type { KeyTypeMembers, Member } from './members.ts'
import type { PerformanceMode, ProviderConfig, Selector } from './policy.ts'
import type { StatedSource } from './sources.ts'

/** Some members of a key type and where they are stated. */
export interface Layer {
  readonly values: Partial<KeyTypeMembers>
  /** The document's member, or the override, that states each value. */
  readonly paths: Partial<Readonly<Record<Member, string>>>
  /** Where the layer stands in the document: 'keyTypes.pii', 'rotation_policies.0'. */
  readonly place?: string
}

export interface PolicyLayers {
  readonly performanceMode?: PerformanceMode
  /** The provider of key types that name none. */
  readonly provider?: { readonly name: string; readonly origin: 'document' | 'override' }
  readonly providers: ReadonlyMap<string, ProviderConfig>
  readonly sources: ReadonlyMap<string, StatedSource>
  /** For all key types. */
  readonly defaults: Layer
  readonly keyTypes: ReadonlyMap<string, Layer>
  /** Those of the document. */
  readonly selectors: readonly Selector[]
  /** Whether the default selectors count as well. @default true */
  readonly defaultSelectors?: boolean
  readonly auditRetentionMs?: number
  /** For all key types that encrypt, above everything else. */
  readonly overrides: Layer
}

export const NO_LAYER: Layer = { values: {}, paths: {} }

/** Nothing is stated. */
export const NO_LAYERS: PolicyLayers = {
  providers: new Map(),
  sources: new Map(),
  defaults: NO_LAYER,
  keyTypes: new Map(),
  selectors: [],
  overrides: NO_LAYER,
}

/** `low` with what `high` states on top. */
export function overlayLayers(low: PolicyLayers, high: PolicyLayers): PolicyLayers {
  const keyTypes = new Map(low.keyTypes)
  for (const [name, layer] of high.keyTypes) keyTypes.set(name, overlay(low.keyTypes.get(name), layer))
  const replaced = new Set(high.selectors.map(({ keyType }) => keyType))
  return {
    ...low,
    ...high,
    providers: new Map([...low.providers, ...high.providers]),
    sources: new Map([...low.sources, ...high.sources]),
    defaults: overlay(low.defaults, high.defaults),
    keyTypes,
    // A key type that states selectors states all of them.
    selectors: [...low.selectors.filter(({ keyType }) => !replaced.has(keyType)), ...high.selectors],
    overrides: overlay(low.overrides, high.overrides),
  }
}

function overlay(low: Layer | undefined, high: Layer): Layer {
  if (low === undefined) return high
  const place = low.place ?? high.place
  return {
    values: { ...low.values, ...high.values },
    paths: { ...low.paths, ...high.paths },
    ...(place === undefined ? {} : { place }),
  }
}
