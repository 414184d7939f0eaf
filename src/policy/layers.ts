/** What is known about a policy before it is resolved: what a document states and what overrides it. */
import type { KeyTypeMembers, Member } from './members.ts'
import type { PerformanceMode, ProviderConfig, Selector } from './policy.ts'

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
  /** For all key types. */
  readonly defaults: Layer
  readonly keyTypes: ReadonlyMap<string, Layer>
  /** Those of the document. */
  readonly selectors: readonly Selector[]
  /** Whether the default selectors count as well. */
  readonly defaultSelectors: boolean
  readonly auditRetentionMs?: number
  /** For all key types that encrypt, above everything else. */
  readonly overrides: Layer
}

export const NO_LAYER: Layer = { values: {}, paths: {} }

/** Nothing is stated. */
export const NO_LAYERS: PolicyLayers = {
  providers: new Map(),
  defaults: NO_LAYER,
  keyTypes: new Map(),
  selectors: [],
  defaultSelectors: true,
  overrides: NO_LAYER,
}
