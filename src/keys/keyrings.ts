/** The keyrings of this process: made on demand, bounded in number, maintained by one timer, found by key id. */
import { keyIdOf } from '../crypto/ciphertext.ts'
import { KeywrightError } from '../errors.ts'
import { Keyring } from './keyring.ts'
import { KeyLookUps } from './look-ups.ts'
import { closed, otherKeyring } from './refusals.ts'
import type { KeyServices } from './services.ts'
import { StoreWatch } from './watching.ts'

/** Loaded keyrings at most; the one used longest ago is unloaded. One takes about 4 KiB. */
const MAX_KEYRINGS = 10_000
const MAX_OWNERS = 10_000
/**
 * Parts of the refresh period. Maintenance is planned for the second, and takes along what is past the first, so that
 * records are always read before the period is over and synchronous callers never meet its end.
 */
const DUE_AT = 0.6
const MAINTAIN_AT = 0.75
/** After a failure the next attempt waits so long. */
const RETRY_AFTER = 0.25
/** A fleet that started together does not ask together. */
const JITTER = 0.1
/** Store reads under way at once in one round of maintenance. */
const MAINTENANCE_CONCURRENCY = 8

export class Keyrings {
  readonly #services: KeyServices
  /** In order of last use: the Map keeps insertion order, a use inserts anew. */
  readonly #rings = new Map<string, Keyring>()
  /** Where a key was found the last time, so that many loaded keyrings need not be searched. */
  readonly #owners = new Map<number, Keyring>()
  /** Fields may hold keyrings that were dropped: there is never a second one of the same name. */
  readonly #dropped = new Map<string, WeakRef<Keyring>>()
  readonly #collected = new FinalizationRegistry<string>((name) => {
    if (this.#dropped.get(name)?.deref() === undefined) this.#dropped.delete(name)
  })
  readonly #lookUps: KeyLookUps
  #cancelTimer: (() => void) | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #maintaining: Promise<void> | undefined
  /** The store tells of changes in these: they are due whatever their period says. */
  readonly #changed = new Set<Keyring>()
  readonly #watch: StoreWatch
  #closed = false
  /** What the last round of maintenance could not do, by keyring. For health. */
  readonly failures = new Map<string, KeywrightError>()

  constructor(services: KeyServices) {
    this.#services = services
    this.#lookUps = new KeyLookUps(services)
    this.#watch = new StoreWatch(services, (names) => this.#maintainChanged(names))
  }

  /** The keyring by name. Reads nothing yet. Throws ERR_KEY_TYPE_UNKNOWN and ERR_CLOSED. */
  get(name: string): Keyring {
    if (this.#closed) throw closed()
    const known = this.#rings.get(name) ?? this.#dropped.get(name)?.deref()
    const ring = known ?? new Keyring(this.#services, name, (used) => this.#use(used))
    this.#use(ring)
    return ring
  }

  /** Makes `ring` the one used last. One that was dropped while somebody held it comes back as it is used again. */
  #use(ring: Keyring): void {
    if (this.#closed) return
    const isLoaded = this.#rings.delete(ring.name)
    this.#rings.set(ring.name, ring)
    if (isLoaded) return
    this.#dropped.delete(ring.name)
    this.#dropOldest()
    this.#wakeFor([ring])
    this.#watch.start()
  }

  get loaded(): readonly Keyring[] {
    return [...this.#rings.values()]
  }

  /** The loaded keyring that has this key; never waits. */
  withKeySync(id: number): Keyring | undefined {
    const last = this.#owners.get(id)
    if (last !== undefined && this.#rings.get(last.name) === last && last.records.byId(id)) return last
    for (const ring of this.#rings.values()) {
      if (ring.records.byId(id) === undefined) continue
      if (this.#owners.size >= MAX_OWNERS) this.#owners.clear()
      this.#owners.set(id, ring)
      return ring
    }
    return undefined
  }

  /** The keyring that has this key, looked up in the store when it is not loaded. Throws ERR_KEY_UNKNOWN. */
  async withKey(id: number): Promise<Keyring> {
    return this.withKeySync(id) ?? this.get(await this.#lookUps.keyringOf(id))
  }

  /** Asserts that the key belongs to `ring`, looking at the store for one it has not heard of. */
  async assertOwns(ring: Keyring, id: number): Promise<void> {
    await ring.records.refreshIfDue()
    if (ring.records.byId(id) !== undefined) return
    const owner = this.withKeySync(id)?.name ?? (await this.#lookUps.keyringOf(id))
    if (owner !== ring.name) throw otherKeyring(ring.name, id)
    await ring.records.refreshAfterWrite()
  }

  /** For whoever has just added keys to a keyring: they are known here at once. */
  async reload(name: string): Promise<void> {
    this.#lookUps.forget()
    await this.#rings.get(name)?.records.refreshAfterWrite()
  }

  /** Decrypts under a key of `ring`, loading what is missing. A key of another keyring is refused as such. */
  async open(ring: Keyring, wire: Buffer, aad: Uint8Array): Promise<Buffer> {
    const id = keyIdOf(wire)
    if (ring.records.byId(id) === undefined) await this.assertOwns(ring, id)
    return ring.open(wire, aad)
  }

  /** The same without waiting. */
  openSync(ring: Keyring, wire: Buffer, aad: Uint8Array): Buffer {
    try {
      return ring.openSync(wire, aad)
    } catch (error) {
      throw this.#explain(error, ring, keyIdOf(wire))
    }
  }

  /** Opens the active key of `ring`, with `all` every key that may decrypt. */
  async ready(ring: Keyring, all = false): Promise<void> {
    await ring.prepare()
    if (all) await ring.prepareAll()
  }

  /** The error to throw: a key of another loaded keyring is not "not loaded". */
  #explain(error: unknown, ring: Keyring, id: number): unknown {
    if (!(error instanceof KeywrightError) || error.code !== 'ERR_KEY_NOT_LOADED') return error
    const owner = this.withKeySync(id)
    return owner !== undefined && owner !== ring ? otherKeyring(ring.name, id) : error
  }

  /** One round of maintenance over all loaded keyrings whose refresh is due. One round at a time. */
  maintain(): Promise<void> {
    this.#maintaining ??= this.#maintainAll().finally(() => {
      this.#maintaining = undefined
    })
    return this.#maintaining
  }

  async #maintainAll(): Promise<void> {
    const now = this.#services.clock.now()
    const due = this.loaded.filter(
      (ring) => this.#changed.has(ring) || ring.records.readAt + ring.policy.cache.refreshMs * DUE_AT <= now,
    )
    this.#changed.clear()
    const queue = due.values()
    const worker = async (): Promise<void> => {
      for (const ring of queue) await this.#maintainOne(ring)
    }
    await Promise.all(Array.from({ length: MAINTENANCE_CONCURRENCY }, worker))
  }

  /** Before their time: keyrings that others changed, all loaded ones without names. */
  async #maintainChanged(names: ReadonlySet<string> | undefined): Promise<void> {
    for (const name of names ?? this.#rings.keys()) {
      const ring = this.#rings.get(name)
      if (ring !== undefined) this.#changed.add(ring)
    }
    await this.#maintaining // a round that is under way may have read before the change
    if (this.#changed.size > 0 && !this.#closed) await this.maintain()
  }

  async #maintainOne(ring: Keyring): Promise<void> {
    try {
      await ring.maintain()
      this.failures.delete(ring.name)
    } catch (error) {
      // Nobody waits for this: health tells it, and whoever uses the keyring meets it when it matters.
      const known = error instanceof KeywrightError
      this.failures.set(ring.name, known ? error : new KeywrightError('ERR_INTERNAL', 'maintenance failed'))
    }
  }

  /** Sets the timer for the first of `rings` that is due, unless it is set for an earlier time. */
  #wakeFor(rings: Iterable<Keyring>): void {
    const now = this.#services.clock.now()
    let wait = Number.POSITIVE_INFINITY
    for (const { records, policy } of rings) {
      const { refreshMs } = policy.cache
      const due = records.readAt + refreshMs * MAINTAIN_AT - now
      wait = Math.min(wait, Math.max(due, refreshMs * RETRY_AFTER) * (1 + JITTER * Math.random()))
    }
    if (now + wait >= this.#timerAt || wait === Number.POSITIVE_INFINITY) return
    this.#cancelTimer?.()
    this.#timerAt = now + wait
    this.#cancelTimer = this.#services.clock.after(wait, () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      void this.maintain().finally(() => {
        if (!this.#closed) this.#wakeFor(this.#rings.values())
      })
    })
  }

  #dropOldest(): void {
    if (this.#rings.size <= MAX_KEYRINGS) return
    const [oldest] = this.#rings.values()
    if (oldest === undefined) return
    this.#rings.delete(oldest.name)
    this.failures.delete(oldest.name)
    this.#dropped.set(oldest.name, new WeakRef(oldest))
    this.#collected.register(oldest, oldest.name)
    oldest.unload().catch(() => undefined) // a lease that could not be given back only costs budget
  }

  /** Gives all leases back. A store that is gone does not keep anybody from closing. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancelTimer?.()
    this.#watch.stop()
    await this.#maintaining
    await Promise.allSettled(this.loaded.map((ring) => ring.close()))
    this.#rings.clear()
  }
}
