/** The management of keys as applications and the command line call it. Changes reach this process at once. */
import { keyringFor } from '../policy/evaluate.ts'
import type { MasterKeyDescription } from '../provider.ts'
import type { CensusPlace } from './census.ts'
import type { DestroyVerdict } from './destroy-gate.ts'
import { DestroyGate } from './destroyable.ts'
import type { Keyrings } from './keyrings.ts'
import {
  type CleanupOptions,
  cleanupKeys,
  type DestroyOptions,
  destroyKey,
  eachKeyring,
  expiredKeys,
  recordById,
  resumeKey,
  revokeKey,
  suspendKey,
} from './lifecycle.ts'
import { type RewrapOptions, type RewrapResult, rewrapKeys, rotateMasterKey } from './rewrap.ts'
import { ensureKeyring, type RotateOptions, rotateKeyring } from './rotation.ts'
import { type KeyServices, recordsOf } from './services.ts'
import { viewKeyring } from './states.ts'
import {
  eachKeyInfo,
  type KeyFilter,
  type KeyInfo,
  type KeyStatistics,
  keyInfo,
  keyStatistics,
} from './views.ts'
import { type WrapStatus, wrapStatus } from './wrap-status.ts'

export interface TenantOption {
  readonly tenant?: string
}

export interface RotationReport {
  /** False when nothing was due, or another process had made the next key already. */
  readonly rotated: boolean
  /** Why it was rotated, or why not. */
  readonly why: string
  /** The key that encrypts, or will from its `activatesAt` on. */
  readonly key: KeyInfo
}

export interface RevocationReport {
  readonly key: KeyInfo
  /** A new key took the place of the revoked one. */
  readonly replaced: boolean
  /** Why no new key could be made, where one was needed: the keyring does not encrypt until one is. */
  readonly replacementError?: Error
}

export class KeyManager {
  readonly #services: KeyServices
  readonly #rings: Keyrings
  readonly #places: readonly CensusPlace[]

  /** `places`: where ciphertexts live; a key is destroyed when a census of all of them has found nothing under it. */
  constructor(services: KeyServices, rings: Keyrings, places: readonly CensusPlace[] = []) {
    this.#services = services
    this.#rings = rings
    this.#places = places
  }

  /** Makes the first key of a keyring; resolves to the active key, new or not. */
  async create(keyType: string, options: TenantOption = {}): Promise<KeyInfo> {
    const { keyring } = keyringFor(this.#services.policy, { keyType, ...options })
    const { current } = await ensureKeyring(this.#services, keyring)
    const key = current ?? (await rotateKeyring(this.#services, keyring)).key
    return this.#infoAfterChange(key.id)
  }

  /** The active key, if there is one. Makes nothing. */
  async active(keyType: string, options: TenantOption = {}): Promise<KeyInfo | undefined> {
    const { keyring } = keyringFor(this.#services.policy, { keyType, ...options })
    for await (const key of eachKeyInfo(this.#services, { keyring, state: 'active' })) return key
    return undefined
  }

  /** Makes the next key of a keyring when it is due, or with `force`; with `now` it encrypts at once. */
  async rotate(keyType: string, options: TenantOption & RotateOptions = {}): Promise<RotationReport> {
    const { tenant, ...rotate } = options
    const { keyring } = keyringFor(this.#services.policy, {
      keyType,
      ...(tenant === undefined ? {} : { tenant }),
    })
    return this.#rotate(keyring, rotate)
  }

  /** Rotates every keyring that is due, automatic rotation switched off or not. */
  async rotateDue(options: Pick<RotateOptions, 'now' | 'reason'> = {}): Promise<RotationReport[]> {
    const due = new Set<string>()
    for await (const key of eachKeyInfo(this.#services)) if (key.due) due.add(key.keyring)
    const reports: RotationReport[] = []
    for (const keyring of due) reports.push(await this.#rotate(keyring, options))
    return reports
  }

  async #rotate(keyring: string, options: RotateOptions): Promise<RotationReport> {
    const { rotated, why, key } = await rotateKeyring(this.#services, keyring, options)
    return { rotated, why, key: await this.#infoAfterChange(key.id) }
  }

  /** Keys by keyring and version, destroyed ones included. */
  list(filter: KeyFilter = {}): Promise<KeyInfo[]> {
    return Array.fromAsync(eachKeyInfo(this.#services, filter))
  }

  /** One key. Throws ERR_KEY_UNKNOWN. */
  async describe(id: number): Promise<KeyInfo> {
    const record = await recordById(this.#services, id)
    const view = viewKeyring(
      await recordsOf(this.#services.store, record.keyring),
      this.#services.clock.now(),
    )
    return keyInfo(this.#services, view, view.records.find((other) => other.id === id) ?? record)
  }

  /** Numbers over the whole store. */
  async statistics(): Promise<KeyStatistics> {
    return keyStatistics(this.#services, (await expiredKeys(this.#services)).length)
  }

  /** Puts a key out of use until `resume`. */
  async suspend(id: number, reason: string): Promise<KeyInfo> {
    await suspendKey(this.#services, id, reason)
    return this.#infoAfterChange(id)
  }

  /** Undoes `suspend`. */
  async resume(id: number, reason = ''): Promise<KeyInfo> {
    await resumeKey(this.#services, id, reason)
    return this.#infoAfterChange(id)
  }

  /** Marks a key as compromised, for good; an active one is replaced first. */
  async revoke(id: number, reason: string): Promise<RevocationReport> {
    const { replaced, replacementError } = await revokeKey(this.#services, id, reason)
    const key = await this.#infoAfterChange(id)
    return { key, replaced, ...(replacementError === undefined ? {} : { replacementError }) }
  }

  /** Whether `destroy` would destroy a key without an override, and what is missing if not. Throws ERR_KEY_UNKNOWN. */
  async destroyable(id: number): Promise<DestroyVerdict> {
    return new DestroyGate(this.#services, this.#places).verdict(await recordById(this.#services, id))
  }

  /** Destroys a key: its data is lost for ever. Throws ERR_DESTROY_REFUSED unless every guard agrees. */
  async destroy(id: number, options: DestroyOptions = {}): Promise<KeyInfo> {
    await destroyKey(this.#services, this.#places, id, options)
    return this.#infoAfterChange(id)
  }

  /**
   * Destroys (or, in a dry run, lists) keys that were replaced, are past max age and whose grace is over; without an
   * override only those of which `destroyable` says so. Throws ERR_DESTROY_REFUSED when that is none of them.
   */
  async cleanup(options: CleanupOptions = {}): Promise<KeyInfo[]> {
    const keys: KeyInfo[] = []
    for (const { id } of await cleanupKeys(this.#services, this.#places, options))
      keys.push(await this.#infoAfterChange(id))
    return keys
  }

  /** Makes a new version of a provider's master key; `rewrap` then brings the data keys under it. */
  rotateMaster(provider: string): Promise<MasterKeyDescription> {
    return rotateMasterKey(this.#services, provider)
  }

  /** Wraps data keys anew under the current master key version. Data stays as it is. */
  rewrap(options: RewrapOptions = {}): Promise<RewrapResult> {
    return rewrapKeys(this.#services, options)
  }

  /** How the wraps of all keys stand: stale ones, missing ones, those that are the only ones of their key. */
  wrapStatus(): Promise<WrapStatus[]> {
    return wrapStatus(this.#services)
  }

  /** Names of all keyrings in the store. */
  async keyrings(): Promise<string[]> {
    const names: string[] = []
    for await (const [first] of eachKeyring(this.#services))
      if (first !== undefined) names.push(first.keyring)
    return names
  }

  async #infoAfterChange(id: number): Promise<KeyInfo> {
    const info = await this.describe(id)
    const loaded = this.#rings.loaded.find((ring) => ring.name === info.keyring)
    await loaded?.records.refreshAfterWrite()
    return info
  }
}
