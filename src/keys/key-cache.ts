/**
 * The open keys of one keyring, bounded by time and uses. One load in flight per key; a failed load is forgotten.
 * When the provider is down, what is here serves on for as long as the policy says, then no more.
 */
import type { KeyObject } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { KeywrightError } from '../errors.ts'
import type { KeyTypePolicy } from '../policy/policy.ts'
import type { KeyRecord } from '../store.ts'
import type { KeyringRecords } from './keyring-records.ts'
import { OpenKey } from './open-key.ts'
import { openRecord } from './opener.ts'
import type { ProviderCalls } from './provider-calls.ts'
import type { KeyServices } from './services.ts'

/** The record as it is stored now, where that is not what was read before. */
export type ReadAgain = (record: KeyRecord) => Promise<KeyRecord | undefined>

/** A key on its way. */
interface Loading {
  readonly key: Promise<OpenKey>
  /** Callers who wait for it. */
  waiting: number
}

export class KeyCache {
  readonly #calls: ProviderCalls
  readonly #clock: Clock
  readonly #policy: KeyTypePolicy
  readonly #readAgain: ReadAgain
  readonly #keys = new Map<number, OpenKey>()
  readonly #loading = new Map<number, Loading>()

  constructor(services: KeyServices, policy: KeyTypePolicy, readAgain: ReadAgain) {
    this.#calls = services.calls
    this.#clock = services.clock
    this.#policy = policy
    this.#readAgain = readAgain
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
      // Each of those who came here in vain gets to use it.
      held.usesLeft = Math.max(held.usesLeft + 1, this.#policy.cache.uses)
      return held
    }
  }

  /**
   * Keys that were used since they were opened stay open (with `all`, every key that may decrypt), but for the one with
   * the id `except`. One that fails is tried again the next time.
   */
  async renew(records: KeyringRecords, all: boolean, except: number | undefined): Promise<void> {
    const { refreshMs, uses } = this.#policy.cache
    for (const record of records.all) {
      const held = this.#keys.get(record.id)
      const wanted = record.id !== except && (all || (held !== undefined && held.usesLeft < uses))
      if (!wanted || !records.decide(record, 'decrypt').allowed) continue
      await this.open(record, refreshMs).catch(() => undefined)
    }
  }

  #load(record: KeyRecord): Promise<OpenKey> {
    const loading = this.#loading.get(record.id) ?? this.#begin(record)
    loading.waiting++
    return loading.key
  }

  #begin(record: KeyRecord): Loading {
    const key = this.#unwrap(record, () => loading.waiting).finally(() => this.#loading.delete(record.id))
    const loading: Loading = { key, waiting: 0 }
    this.#loading.set(record.id, loading)
    return loading
  }

  /** It serves at least those who wait for it by then, or the last of many callers at once would never have a turn. */
  async #unwrap(record: KeyRecord, waiting: () => number): Promise<OpenKey> {
    const opened = await this.#openNow(record)
    const uses = Math.max(this.#policy.cache.uses, waiting())
    const key = new OpenKey(record, opened, this.#clock.now(), uses)
    this.#keys.set(record.id, key)
    return key
  }

  /** A move to another provider may have replaced every wrap since the record was read. */
  async #openNow(record: KeyRecord): Promise<KeyObject> {
    try {
      return await openRecord(this.#calls, record)
    } catch (error) {
      const changed = await this.#readAgain(record)
      if (changed === undefined) throw error
      return openRecord(this.#calls, changed)
    }
  }
}
