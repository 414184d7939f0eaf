/** Which keyring a key id belongs to, asked of the store. Ids are free to invent: those of nobody must not become load. */
import type { Clock } from '../clock.ts'
import type { KeyRecord, KeyStore } from '../store.ts'
import { tooManyUnknown, unknownKey } from './refusals.ts'

/** An id of nobody is asked for at most once in this time. */
const UNKNOWN_PAUSE_MS = 5_000
const MAX_UNKNOWN = 10_000
/** Different ids of nobody. Those that are found do not count: a process that starts meets all its keyrings at once. */
const MAX_UNKNOWN_A_SECOND = 200
/** Others wait, and are not asked for any more once too many were unknown. */
const AT_ONCE = 200

export class KeyLookUps {
  readonly #store: KeyStore
  readonly #clock: Clock
  /** When each was asked for. */
  readonly #unknown = new Map<number, number>()
  readonly #running = new Map<number, Promise<KeyRecord | undefined>>()
  readonly #waiting: (() => void)[] = []
  #asking = 0
  #second = 0
  #unknownThisSecond = 0

  constructor({ store, clock }: { readonly store: KeyStore; readonly clock: Clock }) {
    this.#store = store
    this.#clock = clock
  }

  /** The name of the keyring. Throws ERR_KEY_UNKNOWN, and ERR_KEY_NOT_LOADED while too many ids are unknown. */
  async keyringOf(id: number): Promise<string> {
    const now = this.#clock.now()
    if (now < (this.#unknown.get(id) ?? Number.NEGATIVE_INFINITY) + UNKNOWN_PAUSE_MS) throw unknownKey(id)
    const running = this.#running.get(id) ?? this.#ask(id).finally(() => this.#running.delete(id))
    this.#running.set(id, running)
    const record = await running
    if (record !== undefined) return record.keyring
    if (this.#unknown.size >= MAX_UNKNOWN) this.#unknown.clear()
    this.#unknown.set(id, now)
    throw unknownKey(id)
  }

  /** For whoever has just added keys. */
  forget(): void {
    this.#unknown.clear()
  }

  async #ask(id: number): Promise<KeyRecord | undefined> {
    while (this.#asking >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#asking++
    try {
      this.#assertFewUnknown(id)
      const record = await this.#store.get(id)
      if (record === undefined) this.#unknownThisSecond++
      return record
    } finally {
      this.#asking--
      this.#waiting.shift()?.()
    }
  }

  #assertFewUnknown(id: number): void {
    const second = Math.floor(this.#clock.now() / 1000)
    if (second !== this.#second) this.#unknownThisSecond = 0
    this.#second = second
    if (this.#unknownThisSecond >= MAX_UNKNOWN_A_SECOND) throw tooManyUnknown(id)
  }
}
