/** The facts behind the decision whether keys may be destroyed, from the store. */
import { KeywrightError } from '../errors.ts'
import { keyTypeOfColumn } from '../policy/column-key-type.ts'
import { BLIND_INDEX } from '../policy/defaults.ts'
import { parseKeyring } from '../policy/keyring-name.ts'
import type { KeyTypePolicy, Policy } from '../policy/policy.ts'
import type { KeyRecord } from '../store.ts'
import { type CensusPlace, type CensusRecord, coverageOf, readCensus } from './census.ts'
import { type DestroyVerdict, destroyVerdict } from './destroy-gate.ts'
import { type KeyServices, policyOf, recordsOf } from './services.ts'
import { type KeyringView, viewKeyring } from './states.ts'

/** Reads the census once for any number of keys. */
export class DestroyGate {
  readonly #services: KeyServices
  readonly #declared: readonly string[]
  /** Key types of declared columns. Of a folder nobody knows which it holds. */
  readonly #keyTypes: ReadonlySet<string>
  #census: Promise<CensusRecord | undefined> | undefined

  /** `places`: all that are declared. */
  constructor(services: KeyServices, places: readonly CensusPlace[]) {
    this.#services = services
    this.#declared = coverageOf(places)
    this.#keyTypes = new Set(keyTypesIn(services.policy, places))
  }

  async verdict(record: KeyRecord): Promise<DestroyVerdict> {
    const { clock, store } = this.#services
    this.#census ??= readCensus(store.documents)
    const now = clock.now()
    const view = viewKeyring(await recordsOf(store, record.keyring), now)
    const policy = policyOf(this.#services, record.keyring)
    const census = await this.#census
    return destroyVerdict({
      keyId: record.id,
      now,
      state: view.stateOf(record),
      isCurrent: view.current?.id === record.id,
      deactivatedAt: view.deactivatedAt(record),
      quietAt: quietAt(view, policy, record),
      graceMs: policy.graceMs,
      declared: this.#declared,
      isPlaced: this.#isPlaced(record, view, census),
      census,
    })
  }

  /** Values of a key type that no place declares may be anywhere: in cookies, logs, backups. */
  #isPlaced({ keyring }: KeyRecord, view: KeyringView, census: CensusRecord | undefined): boolean {
    if (this.#keyTypes.has(parseKeyring(keyring).keyType)) return true
    return view.records.some(({ id }) => (census?.keys.get(id)?.count ?? 0) > 0)
  }

  /** Why the key may be destroyed. A `reason` overrides what may be overridden. Throws ERR_DESTROY_REFUSED. */
  async assert(record: KeyRecord, reason: string): Promise<string> {
    const { allowed, overridable, why, hint } = await this.verdict(record)
    if (overridable && reason !== '') return reason
    if (allowed) return why
    const more = overridable
      ? `; or override with a reason that says how you made sure: --override-reason`
      : ''
    const what = `key ${record.id} (${record.keyring}) is not destroyed: ${why}`
    throw new KeywrightError('ERR_DESTROY_REFUSED', what, {
      hint: `${hint}${more}`,
      details: { keyId: record.id, keyring: record.keyring, overridable },
    })
  }
}

function keyTypesIn(policy: Policy, places: readonly CensusPlace[]): string[] {
  return places.flatMap((place) =>
    Object.entries(place.columns ?? {}).flatMap(([name, column]) => {
      const keyType = keyTypeOfColumn(policy, place, name, column)
      const tokens = (column.indexes ?? []).length > 0 ? [BLIND_INDEX] : []
      return keyType === undefined ? tokens : [keyType, ...tokens]
    }),
  )
}

/** From then on no process encrypts under the key: the last one has heard that its turn is over. Infinity: not known. */
export function quietAt(view: KeyringView, policy: KeyTypePolicy, record: KeyRecord): number {
  const heardMs = policy.cache.refreshMs + policy.serveStaleMs
  if (record.status === 'compromised') return record.statusAt + heardMs
  const deactivatedAt = view.deactivatedAt(record)
  if (deactivatedAt !== undefined) return deactivatedAt + heardMs
  return record.status === 'enabled' ? Number.POSITIVE_INFINITY : record.statusAt + heardMs
}
