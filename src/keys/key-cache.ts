/**
 * The open keys of one keyring, bounded by time and uses. One load in flight per key; a failed load is forgotten.
 * When the provider is down, what is here serves on for as long as the policy says, then no more.
 */
import type { Clock } from '../clock.ts'
import { KeywrightError } from '../errors.ts'
import type { KeyTypePolicy } from '../policy/policy.ts'
import type { KeyRecord } from '../store.ts'
import type { KeyringRecords } from './keyring-records.ts'
import { OpenKey } from './open-key.ts'
import { openRecord } from './opener.ts'
import type { ProviderCalls } from './provider-calls.ts'

export class KeyCache {
  readonly #calls: ProviderCalls
  readonly #clock: Clock
  readonly #policy: KeyTypePolicy
  readonly #keys = new Map<number, OpenKey>()
  readonly #loading = new Map<number, Promise<OpenKey>>()

  constructor(calls: ProviderCalls, clock: Clock, policy: KeyTypePolicy) {
    this.#calls = calls
    this.#clock = clock
    this.#policy = policy
  }

  get serveStaleMs(): number {
    return this.#policy.serveStaleMs
  }

  /** The open key, whatever its age. */
  peek(id: number): OpenKey | undefined {
    return this.#keys.get(id)
  }

  /** Folds every bound by time into one instant per key. Keys that may not decrypt any more are forgotten at once. */
  setDeadlines(records: KeyringRecords): void {
    for (const key of this.#keys.values()) {
      const record = records.byId(key.id)
      const decision = record === undefined ? undefined : records.decide(record, 'decrypt')
      if (decision?.allowed) {
        key.opensUntil = Math.min(records.staleAt(), this.servesUntil(key), decision.until)
      } else this.#keys.delete(key.id)
    }
  }

  clear(): void {
    this.#keys.clear()
  }

  /** Within its TTL and uses at `now`. */
  isYoung(key: OpenKey, now: number): boolean {
    return key.usesLeft > 0 && now < key.openedAt + this.#policy.cache.ttlMs
  }

  /** Until when `key` may serve, provider down included. */
  servesUntil(key: OpenKey): number {
    return key.openedAt + this.#policy.cache.ttlMs + this.#policy.serveStaleMs
  }

  /**
   * The open key of `record`: the one at hand if it stays young for `aheadMs` more, else unwrapped anew. When that
   * fails for want of the provider, the old one while the policy lets it serve.
   */
  async open(record: KeyRecord, aheadMs = 0): Promise<OpenKey> {
    const held = this.#keys.get(record.id)
    if (held !== undefined && this.isYoung(held, this.#clock.now() + aheadMs)) return held
    try {
      return await this.#load(record)
    } catch (error) {
      const now = this.#clock.now()
      const mayServe = error instanceof KeywrightError && error.retryable
      if (held === undefined || !mayServe || now >= this.servesUntil(held)) throw error
      held.usesLeft = Math.max(held.usesLeft, this.#policy.cache.uses)
      return held
    }
  }

  #load(record: KeyRecord): Promise<OpenKey> {
    const loading = this.#loading.get(record.id)
    if (loading !== undefined) return loading
    const load = this.#unwrap(record).finally(() => this.#loading.delete(record.id))
    this.#loading.set(record.id, load)
    return load
  }

  async #unwrap(record: KeyRecord): Promise<OpenKey> {
    const openedAt = this.#clock.now()
    const key = new OpenKey(record, await openRecord(this.#calls, record), openedAt, this.#policy.cache.uses)
    this.#keys.set(record.id, key)
    return key
  }
}
