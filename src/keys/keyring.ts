/**
 * A keyring in use: its records as last read, its open keys, and the hot path.
 *
 * `sealSync` and `openSync` touch no network and no store. Every bound by time (next version, max age, cache TTL,
 * staleness) is folded into one instant, which they compare with the clock. All else happens in `prepare` and
 * `maintain`, which the asynchronous forms await and a timer calls.
 */
import { keyIdOf } from '../crypto/ciphertext.ts'
import { KeywrightError } from '../errors.ts'
import type { KeyTypePolicy } from '../policy/policy.ts'
import type { KeyRecord } from '../store.ts'
import { KeyCache } from './key-cache.ts'
import { KeyringRecords } from './keyring-records.ts'
import { Leases } from './leases.ts'
import type { OpenKey } from './open-key.ts'
import {
  auditedNeedsAsync,
  keyNotLoaded,
  leaseExhausted,
  notLoaded,
  refused,
  unknownKey,
} from './refusals.ts'
import { ensureKeyring, rotateKeyring } from './rotation.ts'
import { type KeyServices, policyOf } from './services.ts'
import type { UsageLease } from './usage.ts'

export class Keyring {
  readonly name: string
  readonly policy: KeyTypePolicy
  readonly records: KeyringRecords
  readonly #services: KeyServices
  readonly #cache: KeyCache
  readonly #leases: Leases
  #active: OpenKey | undefined
  #lease: UsageLease | undefined
  #sealUntil = Number.NEGATIVE_INFINITY

  /** Throws ERR_KEY_TYPE_UNKNOWN. */
  constructor(services: KeyServices, name: string) {
    this.#services = services
    this.name = name
    this.policy = policyOf(services, name)
    this.#cache = new KeyCache(services.calls, services.clock, this.policy)
    this.#leases = new Leases(services.store, this.policy)
    this.records = new KeyringRecords(services, name, this.policy, () => this.#afterRead())
  }

  /** Encrypts under the active key; never waits. */
  sealSync(plaintext: string | Uint8Array, aad: Uint8Array): Buffer {
    if (this.policy.auditAccess) throw auditedNeedsAsync(this.name)
    return this.#seal(plaintext, aad)
  }

  /** Decrypts under the key that `wire` names; never waits. */
  openSync(wire: Buffer, aad: Uint8Array): Buffer {
    if (this.policy.auditAccess) throw auditedNeedsAsync(this.name)
    return this.#open(wire, aad)
  }

  /** Encrypts, loading what is missing. */
  async seal(plaintext: string | Uint8Array, aad: Uint8Array): Promise<Buffer> {
    if (!this.#loadedToSeal()) await this.#prepareToSeal()
    if (!this.policy.auditAccess) return this.#seal(plaintext, aad)
    await this.#auditAccess('data.encrypt', this.activeKey().id)
    if (!this.#loadedToSeal()) await this.#prepareToSeal()
    return this.#seal(plaintext, aad)
  }

  /** Decrypts, loading what is missing. */
  async open(wire: Buffer, aad: Uint8Array): Promise<Buffer> {
    const id = keyIdOf(wire)
    if (!this.#loadedToOpen(id)) await this.prepareKey(id)
    if (this.policy.auditAccess) await this.#auditAccess('data.decrypt', id)
    return this.#open(wire, aad)
  }

  /** Whether `sealSync` will do, so that an asynchronous caller need not wait. Leases ahead when it is time. */
  readyToSeal(): boolean {
    return !this.policy.auditAccess && this.#loadedToSeal()
  }

  /** Whether `openSync` will do for this key. */
  readyToOpen(id: number): boolean {
    return !this.policy.auditAccess && this.#loadedToOpen(id)
  }

  #seal(plaintext: string | Uint8Array, aad: Uint8Array): Buffer {
    const active = this.activeKey()
    const lease = this.#lease
    if (lease === undefined || lease.left <= 0) return this.#sealWithNewLease(active, plaintext, aad)
    if (active.usesLeft <= 0) throw notLoaded(this.name, 'its key has served as often as the cache allows')
    const wire = active.suite.seal(active.key, active.id, plaintext, aad)
    active.usesLeft--
    lease.left--
    lease.bytes += wire.length - active.suite.overheadBytes
    return wire
  }

  #open(wire: Buffer, aad: Uint8Array): Buffer {
    const key = this.#cache.peek(keyIdOf(wire))
    if (key === undefined || key.usesLeft <= 0 || this.#services.clock.now() >= key.opensUntil) {
      throw this.#whyNotOpen(keyIdOf(wire))
    }
    key.usesLeft--
    return key.suite.open(key.key, wire, aad)
  }

  /** The open key that encrypts now; never waits. */
  activeKey(): OpenKey {
    const now = this.#services.clock.now()
    return now < this.#sealUntil && this.#active !== undefined ? this.#active : this.#select(now)
  }

  /** Every open key that may decrypt, newest first; never waits. */
  openKeys(): OpenKey[] {
    const now = this.#services.clock.now()
    const keys = this.records.all.toReversed().map((record) => this.#cache.peek(record.id))
    return keys.filter((key): key is OpenKey => key !== undefined && now < key.opensUntil)
  }

  /** Makes the keyring ready to encrypt: makes or replaces the key where it must be, opens it, leases messages. */
  async prepare(): Promise<void> {
    await this.records.refreshIfDue()
    if (this.records.needNewKey()) await this.#makeKey()
    try {
      await this.#openForSealing()
    } catch (error) {
      if (!(error instanceof KeywrightError) || error.code !== 'ERR_KEY_EXHAUSTED') throw error
      await this.records.refreshAfterWrite() // others leased the rest since the last read
      if (this.records.needNewKey()) await this.#makeKey()
      await this.#openForSealing()
    }
    this.#select(this.#services.clock.now())
  }

  /** Prepares until a message is left for this caller: those who waited with him may have taken a whole lease. */
  async #prepareToSeal(): Promise<void> {
    do await this.prepare()
    while (this.#lease !== undefined && this.#lease.left <= 0)
  }

  /** Opens one key of this keyring for decryption. */
  async prepareKey(id: number): Promise<void> {
    await this.records.refreshIfDue()
    const record = this.records.byId(id)
    if (record === undefined) throw unknownKey(id)
    this.records.assertAllowed(record, 'decrypt')
    await this.#cache.open(record)
    this.#setDeadlines()
  }

  /** Opens every key that may decrypt, for the synchronous form. */
  async prepareAll(): Promise<void> {
    await this.records.refreshIfDue()
    for (const record of this.records.all) {
      if (this.records.decide(record, 'decrypt').allowed) await this.#cache.open(record)
    }
    this.#setDeadlines()
  }

  /** What the timer does: read anew, rotate when due, renew keys and leases before they run out. */
  async maintain(): Promise<void> {
    await this.records.refresh()
    if (this.#active === undefined) return // only decrypts here so far: nothing is made for it
    const { pending } = this.records.at(this.#services.clock.now())
    if (this.policy.rotation.auto && pending === undefined) {
      const { rotated } = await rotateKeyring(this.#services, this.name)
      if (rotated) await this.records.refreshAfterWrite()
    }
    await this.#openForSealing(this.policy.cache.refreshMs)
  }

  /** Gives leases back and forgets the keys. The keyring loads again when it is used again. */
  async unload(): Promise<void> {
    this.#cache.clear()
    this.records.forget()
    this.#active = undefined
    this.#sealUntil = Number.NEGATIVE_INFINITY
    this.#lease = undefined
    await this.#leases.releaseAll()
  }

  #sealWithNewLease(active: OpenKey, plaintext: string | Uint8Array, aad: Uint8Array): Buffer {
    const { suite } = active // a key that makes search tokens has none, and no lease: it throws here
    if (suite === undefined || this.#lease?.refillSync() !== true) throw leaseExhausted(this.name)
    return this.#seal(plaintext, aad)
  }

  #loadedToSeal(): boolean {
    const now = this.#services.clock.now()
    const lease = this.#lease
    if (lease === undefined || this.#active === undefined) return false
    if (lease.low) lease.refillInBackground()
    return (
      now < this.#sealUntil &&
      lease.left > 0 &&
      this.records.isFresh(now) &&
      this.#cache.isYoung(this.#active, now)
    )
  }

  #loadedToOpen(id: number): boolean {
    const now = this.#services.clock.now()
    const key = this.#cache.peek(id)
    return (
      key !== undefined && now < key.opensUntil && this.records.isFresh(now) && this.#cache.isYoung(key, now)
    )
  }

  async #auditAccess(event: 'data.encrypt' | 'data.decrypt', keyId: number): Promise<void> {
    await this.#services.audit.append({ event, keyring: this.name, keyId })
  }

  /** Keys that may not decrypt any more are forgotten at once. */
  #afterRead(): void {
    for (const { id } of this.#cache.values()) {
      const record = this.records.byId(id)
      if (record === undefined || !this.records.decide(record, 'decrypt').allowed) this.#cache.forget(id)
    }
    this.#setDeadlines()
  }

  async #makeKey(): Promise<void> {
    if (this.records.all.length === 0) await ensureKeyring(this.#services, this.name)
    else if (this.policy.rotation.auto) await rotateKeyring(this.#services, this.name, { now: true })
    await this.records.refreshAfterWrite()
  }

  /** Opens and leases for the current version and, ahead of its date, for the next one. */
  async #openForSealing(aheadMs = 0): Promise<void> {
    const { current, pending } = this.records.at(this.#services.clock.now())
    if (current === undefined) throw notLoaded(this.name, 'it has no key that encrypts')
    this.records.assertAllowed(current, 'encrypt')
    if (pending !== undefined) await this.#openAhead(pending)
    await this.#cache.open(current, aheadMs)
    await this.#leases.ensure(current)
    this.#leases.releaseExcept(current.id, pending?.id)
    this.#setDeadlines()
  }

  /** The next version is opened before its turn; if that fails now, the next refresh tries again. */
  async #openAhead(pending: KeyRecord): Promise<void> {
    try {
      await this.#cache.open(pending)
      await this.#leases.ensure(pending)
    } catch (error) {
      if (!(error instanceof KeywrightError)) throw error
    }
  }

  /** Folds every bound by time into one instant per key. */
  #setDeadlines(): void {
    const staleAt = this.records.staleAt()
    for (const key of this.#cache.values()) {
      const record = this.records.byId(key.id)
      const decision = record === undefined ? undefined : this.records.decide(record, 'decrypt')
      key.opensUntil = decision?.allowed
        ? Math.min(staleAt, this.#cache.servesUntil(key), decision.until)
        : Number.NEGATIVE_INFINITY
    }
    this.#sealUntil = Number.NEGATIVE_INFINITY // select again, by what is known now
  }

  /** Chooses the key that encrypts at `now` and until when that holds; never waits. */
  #select(now: number): OpenKey {
    if (this.records.readAt === Number.NEGATIVE_INFINITY) throw notLoaded(this.name, 'it is not loaded')
    this.records.assertNotStale(now)
    const { current, pending } = this.records.at(now)
    if (current === undefined) throw notLoaded(this.name, 'it has no key that encrypts')
    const { until } = this.records.assertAllowed(current, 'encrypt')
    const key = this.#servingKey(current, now)
    const nextAt = pending?.activatesAt ?? Number.POSITIVE_INFINITY
    this.#sealUntil = Math.min(this.records.staleAt(), this.#cache.servesUntil(key), until, nextAt)
    this.#active = key
    this.#lease = this.#leases.peek(key.id)
    return key
  }

  /**
   * The open key of the current version. When it could not be opened yet, because the provider is down, the version
   * before goes on for as long as stale keys may serve: a process that has not heard of the rotation does the same.
   */
  #servingKey(current: KeyRecord, now: number): OpenKey {
    const serves = (record: KeyRecord | undefined): OpenKey | undefined => {
      const key = record === undefined ? undefined : this.#cache.peek(record.id)
      return key !== undefined && now < this.#cache.servesUntil(key) ? key : undefined
    }
    const before = this.records.all.findLast(
      (record) => record.version < current.version && record.status === 'enabled',
    )
    const inTime = now < current.activatesAt + this.policy.serveStaleMs
    const key = serves(current) ?? (inTime ? serves(before) : undefined)
    if (key === undefined) throw keyNotLoaded(this.name, current.id)
    return key
  }

  #whyNotOpen(id: number): KeywrightError {
    const record = this.records.byId(id)
    if (record === undefined) return keyNotLoaded(this.name, id)
    const { allowed, code, reason } = this.records.decide(record, 'decrypt')
    if (!allowed) return refused(record, code ?? 'ERR_KEY_INACTIVE', reason)
    this.records.assertNotStale(this.#services.clock.now())
    return keyNotLoaded(this.name, id)
  }
}
