/**
 * Hears from the store of what others changed, where the store can tell: such a keyring is read soon instead of when
 * its period is over. Never relied on: a notice that does not come costs the rest of the period, and nothing else.
 */
import type { Clock } from '../clock.ts'
import type { KeyStore } from '../store.ts'

/** A process that ends sooner needs no notices, and no connection for them. */
const START_AFTER_MS = 1000
/** A fleet that hears of the same change asks store and provider within this time, not at once. */
const SPREAD_MS = 1000
/** Between two readings; what is heard meanwhile is read together. */
const PAUSE_MS = 1000

export class StoreWatch {
  readonly #store: KeyStore
  readonly #clock: Clock
  readonly #read: (keyrings: ReadonlySet<string> | undefined) => Promise<void>
  #state: 'new' | 'started' | 'stopped' = 'new'
  #unsubscribe: (() => void) | undefined
  #cancel: (() => void) | undefined
  #heard = new Set<string>()
  #missedSome = false
  #isReading = false
  #nextAt = Number.NEGATIVE_INFINITY

  /** `read` gets the names of the keyrings that changed; undefined when notices may have been missed: all of them. */
  constructor(
    parts: { readonly store: KeyStore; readonly clock: Clock },
    read: (keyrings: ReadonlySet<string> | undefined) => Promise<void>,
  ) {
    this.#store = parts.store
    this.#clock = parts.clock
    this.#read = read
  }

  /** Subscribes after a moment. Again is harmless. */
  start(): void {
    if (this.#state !== 'new' || this.#store.watch === undefined) return
    this.#state = 'started'
    this.#cancel = this.#clock.after(START_AFTER_MS, () => {
      this.#cancel = undefined
      try {
        this.#unsubscribe = this.#store.watch?.((keyring) => this.#hear(keyring))
      } catch {
        // Then the refresh period has to do.
      }
    })
  }

  /** Nothing is heard or read any more. */
  stop(): void {
    this.#state = 'stopped'
    this.#cancel?.()
    try {
      this.#unsubscribe?.()
    } catch {
      // The store is closed next; nobody listens here any more.
    }
  }

  #hear(keyring: string | undefined): void {
    if (keyring === undefined) this.#missedSome = true
    else this.#heard.add(keyring)
    this.#plan()
  }

  #plan(): void {
    const hasNews = this.#missedSome || this.#heard.size > 0
    if (!hasNews || this.#isReading || this.#cancel !== undefined || this.#state !== 'started') return
    const wait = Math.max(0, this.#nextAt - this.#clock.now()) + SPREAD_MS * Math.random()
    this.#cancel = this.#clock.after(wait, () => void this.#readNow())
  }

  async #readNow(): Promise<void> {
    const keyrings = this.#missedSome ? undefined : this.#heard
    this.#cancel = undefined
    this.#heard = new Set()
    this.#missedSome = false
    this.#isReading = true
    await this.#read(keyrings).catch(() => undefined) // the refresh period brings it, and health tells
    this.#isReading = false
    this.#nextAt = this.#clock.now() + PAUSE_MS
    this.#plan()
  }
}
