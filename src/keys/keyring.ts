/**
 * A keyring in use: its records as last read, its open keys, and the hot path. `sealSync` and `openSync` touch no
 * network and no store. Every bound by time (next version, max age, cache TTL, staleness) is folded into one instant
 * that is compared with the clock. All else happens in `prepare` and `maintain`.
 */
import { keyIdOf } from '../crypto/ciphertext.ts'
import { KeywrightError } from '../errors.ts'
import type { KeyTypePolicy } from '../policy/policy.ts'
import type { KeyRecord } from '../store.ts'
import { KeyCache } from './key-cache.ts'
import { KeyringRecords } from './keyring-records.ts'
import { Leases } from './leases.ts'
import type { OpenKey } from './open-key.ts'
import { auditedNeedsAsync, keyNotLoaded, notLoaded, unknownKey } from './refusals.ts'
import { ensureKeyring, rotateKeyring } from './rotation.ts'
import { type KeyServices, policyOf } from './services.ts'
import { servingKey } from './serving-key.ts'
import { untilLoaded } from './until-loaded.ts'
import type { UsageLease } from './usage.ts'

export class Keyring {
  readonly name: string
  readonly policy: KeyTypePolicy
  readonly records: KeyringRecords
  readonly #services: KeyServices
  readonly #onUse: (used: Keyring) => void
  readonly #cache: KeyCache
  readonly #leases: Leases
  #active: OpenKey | undefined
  #lease: UsageLease | undefined
  #sealUntil = Number.NEGATIVE_INFINITY
  /** Every key that may decrypt is held open, because `prepareAll` asked for it. */
  #keepsAll = false

  /** `onUse` is called when something is loaded for a caller. Throws ERR_KEY_TYPE_UNKNOWN. */
  constructor(services: KeyServices, name: string, onUse: (used: Keyring) => void) {
    this.#services = services
    this.#onUse = onUse
    this.name = name
    this.policy = policyOf(services, name)
    this.#cache = new KeyCache(services, this.policy, (record) => this.records.readAgain(record))
    this.#leases = new Leases(services.store, this.policy)
    this.records = new KeyringRecords(services, name, this.policy, () => this.#setDeadlines())
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
    if (this.policy.auditAccess) {
      if (!this.#loadedToSeal()) await this.prepare()
      await this.#services.audit.append({
        event: 'data.encrypt',
        keyring: this.name,
        keyId: this.activeKey().id,
      })
    }
    return untilLoaded(async () => {
      // Those who waited with this caller may have taken the whole lease: nothing may come between check and use.
      if (!this.#loadedToSeal())
        do await this.prepare()
        while (this.#lease !== undefined && this.#lease.left <= 0)
      return this.#seal(plaintext, aad)
    })
  }

  /** Decrypts, loading what is missing. */
  async open(wire: Buffer, aad: Uint8Array): Promise<Buffer> {
    const id = keyIdOf(wire)
    if (this.policy.auditAccess) {
      await this.prepareKey(id)
      await this.#services.audit.append({ event: 'data.decrypt', keyring: this.name, keyId: id })
    }
    return untilLoaded(async () => {
      if (!this.#servesNow(this.#cache.peek(id))) await this.prepareKey(id)
      return this.#open(wire, aad)
    })
  }

  /** Whether `sealSync` will do, so that an asynchronous caller need not wait. Leases ahead when it is time. */
  readyToSeal(): boolean {
    return !this.policy.auditAccess && this.#loadedToSeal()
  }

  /** The plaintext when nothing has to be loaded for it; an asynchronous caller need not wait then. */
  openIfReady(wire: Buffer, aad: Uint8Array): Buffer | undefined {
    const key = this.#cache.peek(keyIdOf(wire))
    if (key === undefined || this.policy.auditAccess || !this.#servesNow(key)) return undefined
    key.usesLeft--
    return key.suite.open(key.key, wire, aad)
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
    if (key === undefined || key.usesLeft <= 0 || this.#services.clock.now() >= key.opensUntil)
      throw this.records.whyNotOpen(keyIdOf(wire))
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
    this.#onUse(this)
    await this.records.refreshIfDue()
    if (this.records.needNewKey()) await this.#makeKey()
    try {
      await this.#openForSealing()
    } catch (error) {
      await this.#goOnWithout(error)
    }
    this.#select(this.#services.clock.now())
  }

  /** After others used up the key: the next one. While provider or store are down: what still serves here. */
  async #goOnWithout(error: unknown): Promise<void> {
    if (!(error instanceof KeywrightError)) throw error
    if (error.code === 'ERR_KEY_EXHAUSTED') {
      await this.records.refreshAfterWrite()
      if (this.records.needNewKey()) await this.#makeKey()
      await this.#openForSealing()
    } else if (!error.retryable || !this.#serves()) throw error
  }

  #serves(): boolean {
    try {
      this.#select(this.#services.clock.now())
    } catch {
      return false
    }
    return this.#lease === undefined ? this.policy.algorithm === 'HMAC-SHA-256' : this.#lease.left > 0
  }

  /** Opens one key of this keyring for decryption. */
  async prepareKey(id: number): Promise<void> {
    this.#onUse(this)
    await this.records.refreshIfDue()
    const record = this.records.byId(id)
    if (record === undefined) throw unknownKey(id)
    this.records.assertAllowed(record, 'decrypt')
    if (id === this.#encryptsUnder()) await this.#leases.ensure(record).catch(() => undefined)
    await this.#cache.open(record)
    this.#setDeadlines()
  }

  /** Where this process encrypts: the key under which synchronous callers do so as soon as it is open. */
  #encryptsUnder(): number | undefined {
    const { current } = this.records.at(this.#services.clock.now())
    if (this.#active === undefined || current === undefined) return undefined
    return this.records.decide(current, 'encrypt').allowed ? current.id : undefined
  }

  /** Opens every key that may decrypt, for the synchronous form. */
  async prepareAll(): Promise<void> {
    this.#keepsAll = true
    this.#onUse(this)
    await this.records.refreshIfDue()
    for (const record of this.records.all) {
      if (this.records.decide(record, 'decrypt').allowed) await this.#cache.open(record)
    }
    this.#setDeadlines()
  }

  /** What the timer does: read anew, rotate when due, renew keys and leases before they run out. */
  async maintain(): Promise<void> {
    await this.records.refresh()
    await this.#cache.renew(this.records, this.#keepsAll, this.#encryptsUnder())
    this.#setDeadlines()
    if (this.#active === undefined) return // only decrypts here so far: nothing is made for it
    if (this.policy.rotation.auto && this.records.rotationIsDue()) {
      const { rotated } = await rotateKeyring(this.#services, this.name)
      if (rotated) await this.records.refreshAfterWrite()
    }
    await this.#openForSealing(this.policy.cache.refreshMs)
  }

  /** Unloads for good: whoever still holds the keyring gets ERR_CLOSED. */
  async close(): Promise<void> {
    this.records.close()
    await this.unload()
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
    // A key that makes search tokens has no suite: asking for it throws.
    this.#lease = active.suite && this.#leases.leaseSync(this.name, this.records.byId(active.id))
    return this.#seal(plaintext, aad)
  }

  #loadedToSeal(): boolean {
    const now = this.#services.clock.now()
    const lease = this.#lease
    if (lease === undefined || this.#active === undefined) return false
    if (lease.low) lease.refillInBackground()
    const isNow = now < this.#sealUntil && this.records.isFresh(now)
    return isNow && lease.left > 0 && this.#cache.isYoung(this.#active, now)
  }

  #servesNow(key: OpenKey | undefined): boolean {
    const now = this.#services.clock.now()
    return (
      key !== undefined && now < key.opensUntil && this.records.isFresh(now) && this.#cache.isYoung(key, now)
    )
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
    // Leased first: once it is open, synchronous callers use it. And opened all the same, to decrypt.
    const failure: unknown = await this.#leases.ensure(current).catch((error: unknown) => error)
    await this.#cache.open(current, aheadMs)
    if (failure !== undefined) throw failure
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

  /** Folds every bound by time into one instant per key; those that may not decrypt any more are forgotten. */
  #setDeadlines(): void {
    this.#cache.setDeadlines(this.records)
    this.#sealUntil = Number.NEGATIVE_INFINITY // select again, by what is known now
  }

  /** Chooses the key that encrypts at `now` and until when that holds; never waits. */
  #select(now: number): OpenKey {
    this.records.assertUsable(now)
    const { current, pending } = this.records.at(now)
    if (current === undefined) throw notLoaded(this.name, 'it has no key that encrypts')
    const { until } = this.records.assertAllowed(current, 'encrypt')
    const key = servingKey(this.records.all, current, this.#cache, now)
    if (key === undefined) throw keyNotLoaded(this.name, current.id)
    const nextAt = pending?.activatesAt ?? Number.POSITIVE_INFINITY
    this.#sealUntil = Math.min(this.records.staleAt(), this.#cache.servesUntil(key), until, nextAt)
    this.#active = key
    this.#lease = this.#leases.peek(key.id)
    return key
  }
}
