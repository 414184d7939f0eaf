/** The usage leases of one keyring: one for the key that encrypts, one for the key that will. */
import type { KeyTypePolicy } from '../policy/policy.ts'
import type { KeyRecord, KeyStore } from '../store.ts'
import { leaseExhausted } from './refusals.ts'
import { leaseBlock, UsageLease } from './usage.ts'

export class Leases {
  readonly #store: KeyStore
  readonly #policy: KeyTypePolicy
  readonly #leases = new Map<number, UsageLease>()

  constructor(store: KeyStore, policy: KeyTypePolicy) {
    this.#store = store
    this.#policy = policy
  }

  peek(id: number): UsageLease | undefined {
    return this.#leases.get(id)
  }

  /**
   * Leases messages for a key that seals values; where rotation goes by bytes, reports them. Throws
   * ERR_KEY_EXHAUSTED.
   */
  async ensure(record: KeyRecord): Promise<void> {
    if (record.algorithm === 'HMAC-SHA-256') return
    const { rotation } = this.#policy
    const lease = this.#of(record)
    if (lease.low) await lease.refill()
    else if (lease.bytes > 0 && Number.isFinite(rotation.bytes)) await lease.report()
  }

  /** Leases messages without waiting. Throws ERR_KEY_LEASE_EXHAUSTED where the store cannot, and ERR_KEY_EXHAUSTED. */
  leaseSync(keyring: string, record: KeyRecord | undefined): UsageLease {
    const lease = record && this.#store.addUsageSync && this.#of(record)
    if (lease?.refillSync() !== true) throw leaseExhausted(keyring)
    return lease
  }

  #of(record: KeyRecord): UsageLease {
    const { maxMessages, rotation } = this.#policy
    const block = leaseBlock(Math.min(maxMessages, rotation.messages))
    const lease = this.#leases.get(record.id) ?? new UsageLease(this.#store, record.id, maxMessages, block)
    this.#leases.set(record.id, lease)
    return lease
  }

  /** A replaced key encrypts no more: what was leased for it goes back. One that fails only costs budget. */
  releaseExcept(...ids: readonly (number | undefined)[]): void {
    for (const [id, lease] of this.#leases) {
      if (ids.includes(id)) continue
      this.#leases.delete(id)
      lease.release().catch(() => undefined)
    }
  }

  async releaseAll(): Promise<void> {
    const leases = [...this.#leases.values()]
    this.#leases.clear()
    await Promise.all(leases.map((lease) => lease.release()))
  }
}
