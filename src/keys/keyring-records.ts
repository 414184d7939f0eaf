/** The records of one keyring as last read, how fresh they are, and what the policy says of each. */
import { KeywrightError } from '../errors.ts'
import { evaluateKey, type KeyDecision, rotationDue } from '../policy/evaluate.ts'
import type { KeyTypePolicy } from '../policy/policy.ts'
import type { KeyRecord } from '../store.ts'
import { closed, keyNotLoaded, notLoaded, refused, stale } from './refusals.ts'
import { type KeyServices, recordsOf } from './services.ts'
import { type KeyringView, viewKeyring } from './states.ts'

/** Failures after which only a new key helps. */
const REPLACED_BY_ROTATION: ReadonlySet<string> = new Set([
  'ERR_KEY_COMPROMISED',
  'ERR_KEY_DESTROYED',
  'ERR_KEY_EXPIRED',
  'ERR_KEY_EXHAUSTED',
])

/** After reading again for a key that does not open brought nothing new, how long to leave the store alone. */
const NOTHING_NEW_MS = 1000

export type Operation = 'encrypt' | 'decrypt'

export class KeyringRecords {
  readonly #services: KeyServices
  readonly #keyring: string
  readonly #policy: KeyTypePolicy
  readonly #onRead: () => void
  #view: KeyringView = viewKeyring([], 0)
  #readAt = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined
  #nothingNewUntil = Number.NEGATIVE_INFINITY
  #closed = false

  /** `onRead` is called after every successful read. */
  constructor(services: KeyServices, keyring: string, policy: KeyTypePolicy, onRead: () => void) {
    this.#services = services
    this.#keyring = keyring
    this.#policy = policy
    this.#onRead = onRead
  }

  /** When they were last read, ms since the epoch; -Infinity before the first time. */
  get readAt(): number {
    return this.#readAt
  }

  get all(): readonly KeyRecord[] {
    return this.#view.records
  }

  /** The view at `now`. Kept until the next version's date. */
  at(now: number): KeyringView {
    const { pending, records } = this.#view
    if (pending !== undefined && now >= pending.activatesAt) this.#view = viewKeyring(records, now)
    return this.#view
  }

  byId(id: number): KeyRecord | undefined {
    return this.#view.records.find((record) => record.id === id)
  }

  isFresh(now: number): boolean {
    return now < this.#readAt + this.#policy.cache.refreshMs
  }

  /** From then on nothing is served from these records. */
  staleAt(): number {
    return this.#readAt + this.#policy.cache.refreshMs + this.#policy.serveStaleMs
  }

  /** Throws ERR_CLOSED, ERR_KEY_NOT_LOADED or ERR_KEYRING_STALE. */
  assertUsable(now: number): void {
    this.#assertOpen()
    if (this.#readAt === Number.NEGATIVE_INFINITY) throw notLoaded(this.#keyring, 'it is not loaded')
    if (now >= this.staleAt()) throw stale(this.#keyring, now - this.#readAt)
  }

  decide(record: KeyRecord, operation: Operation): KeyDecision {
    const now = this.#services.clock.now()
    const state = this.at(now).stateOf(record)
    return evaluateKey(this.#policy, operation, { ...record, state }, now)
  }

  /** The decision, or what the policy refuses as an error. */
  assertAllowed(record: KeyRecord, operation: Operation): KeyDecision {
    const decision = this.decide(record, operation)
    if (decision.allowed) return decision
    throw refused(record, decision.code ?? 'ERR_KEY_INACTIVE', decision.reason)
  }

  /** Why a key does not open anything here now. */
  whyNotOpen(id: number): KeywrightError {
    const record = this.byId(id)
    const decision = record === undefined ? undefined : this.decide(record, 'decrypt')
    if (record !== undefined && decision?.allowed === false) {
      return refused(record, decision.code ?? 'ERR_KEY_INACTIVE', decision.reason)
    }
    this.assertUsable(this.#services.clock.now())
    return keyNotLoaded(this.#keyring, id)
  }

  /** Whether nothing encrypts now, and only a new key can. */
  needNewKey(): boolean {
    const { current } = this.at(this.#services.clock.now())
    return current === undefined || REPLACED_BY_ROTATION.has(this.decide(current, 'encrypt').code ?? '')
  }

  /** Whether a new key should take over from the one that encrypts, and none is prepared. */
  rotationIsDue(): boolean {
    const now = this.#services.clock.now()
    const view = this.at(now)
    if (view.pending !== undefined) return false
    if (view.current === undefined || this.needNewKey()) return true
    return rotationDue(this.#policy, { ...view.current, state: view.stateOf(view.current) }, now).due
  }

  /** Reads when the refresh period is over. Without the store, what was read serves while it may. */
  async refreshIfDue(): Promise<void> {
    if (this.isFresh(this.#services.clock.now())) return
    try {
      await this.refresh()
    } catch (error) {
      const mayServe = error instanceof KeywrightError && error.retryable
      if (!mayServe || this.#services.clock.now() >= this.staleAt()) throw error
    }
  }

  /** Reads anew; one read in flight. */
  async refresh(): Promise<void> {
    this.#assertOpen()
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  /** Reads once more after a read that is under way: for whoever has just written. */
  async refreshAfterWrite(): Promise<void> {
    await this.#reading?.catch(() => undefined)
    await this.refresh()
  }

  /**
   * For whoever cannot open `record`: reads anew and gives the record as it is now, undefined where it is the
   * same or cannot be read. After a read that brought nothing new there is none for a moment: an outage of the
   * provider must not become load on the store.
   */
  async readAgain(record: KeyRecord): Promise<KeyRecord | undefined> {
    const changed = (): KeyRecord | undefined => {
      const now = this.byId(record.id)
      return now === undefined || now.revision === record.revision || now.wraps.length === 0 ? undefined : now
    }
    if (changed() !== undefined || this.#services.clock.now() < this.#nothingNewUntil) return changed()
    await this.refreshAfterWrite().catch(() => undefined)
    if (changed() === undefined) this.#nothingNewUntil = this.#services.clock.now() + NOTHING_NEW_MS
    return changed()
  }

  forget(): void {
    this.#view = viewKeyring([], 0)
    this.#readAt = Number.NEGATIVE_INFINITY
  }

  /** Nothing is read or served any more. */
  close(): void {
    this.#closed = true
    this.forget()
  }

  #assertOpen(): void {
    if (this.#closed) throw closed()
  }

  async #read(): Promise<void> {
    const readAt = this.#services.clock.now() // before the read: what changes during it is seen the next time
    const records = await recordsOf(this.#services.store, this.#keyring)
    this.#readAt = readAt
    this.#view = viewKeyring(records, readAt)
    this.#onRead()
  }
}
