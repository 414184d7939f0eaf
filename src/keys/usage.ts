/**
 * Counting what is encrypted under a key. A process leases blocks of messages from the store before it uses them,
 * so that all processes together never pass the limit; a crash loses at most one block per process.
 */
import { KeywrightError } from '../errors.ts'
import type { KeyStore, KeyUsage, UsageGrant } from '../store.ts'

/** Messages of one lease at most: at two million a second, half a second's worth of a loop that never waits. */
const LARGEST_BLOCK = 2 ** 20

/**
 * The size of one lease: what a crash may cost, a sixty-fourth of the limit at most. `limit` is where encryption stops
 * or where rotation is due, whichever comes first: what is leased counts as used.
 */
export function leaseBlock(limit: number): number {
  return Math.max(1, Math.min(LARGEST_BLOCK, Math.floor(limit / 64)))
}

/** One process's share of a key's budget. */
export class UsageLease {
  readonly keyId: number
  /** Messages that may still be encrypted without asking the store. */
  left = 0
  /** Plaintext bytes since the last report. */
  bytes = 0
  /** The totals as the store last told. */
  usage: KeyUsage = { messages: 0, bytes: 0 }
  readonly #store: KeyStore
  readonly #maxMessages: number
  readonly #block: number
  /** The store had nothing more to give. */
  #dry = false
  #refilling: Promise<void> | undefined

  constructor(store: KeyStore, keyId: number, maxMessages: number, block: number) {
    this.#store = store
    this.keyId = keyId
    this.#maxMessages = maxMessages
    this.#block = block
  }

  /** Whether it is time to lease the next block ahead. */
  get low(): boolean {
    return this.left <= 0 || (!this.#dry && this.left < this.#block / 2)
  }

  /** Leases one more block; one call in flight. Throws ERR_KEY_EXHAUSTED at the limit when nothing is left. */
  refill(): Promise<void> {
    this.#refilling ??= this.#lease().finally(() => {
      this.#refilling = undefined
    })
    return this.#refilling
  }

  /** The same ahead of need: a failure is not reported here but when the messages at hand are used up. */
  refillInBackground(): void {
    this.refill().catch(() => undefined)
  }

  /** Reports the bytes that were encrypted so far. */
  async report(): Promise<void> {
    await this.#add(0)
  }

  async #lease(): Promise<void> {
    this.#accept(await this.#add(this.#block))
    if (this.left <= 0) throw this.#exhausted()
  }

  /** Adds messages, and the bytes since the last report; those of a failed call are reported with the next one. */
  async #add(messages: number): Promise<UsageGrant | undefined> {
    const bytes = this.#takeBytes()
    try {
      return await this.#store.addUsage(this.keyId, { messages, bytes }, this.#maxMessages)
    } catch (error) {
      this.bytes += bytes
      throw error
    }
  }

  /** The same without waiting, where the store can. False where it cannot. */
  refillSync(): boolean {
    if (this.#store.addUsageSync === undefined) return false
    const bytes = this.#takeBytes()
    try {
      this.#accept(this.#store.addUsageSync(this.keyId, { messages: this.#block, bytes }, this.#maxMessages))
    } catch (error) {
      this.bytes += bytes
      throw error
    }
    if (this.left <= 0) throw this.#exhausted()
    return true
  }

  /** Gives back what was not used and reports the bytes. */
  async release(): Promise<void> {
    await this.#refilling?.catch(() => undefined)
    const unused = Math.max(0, this.left)
    this.left = 0
    if (unused > 0 || this.bytes > 0) await this.#add(-unused)
  }

  #exhausted(): KeywrightError {
    return new KeywrightError(
      'ERR_KEY_EXHAUSTED',
      `key ${this.keyId} has encrypted all the messages it may`,
      {
        hint: 'rotate the keyring; with automatic rotation it happens before this limit',
        details: { keyId: this.keyId, maxMessages: this.#maxMessages },
      },
    )
  }

  #takeBytes(): number {
    const bytes = this.bytes
    this.bytes = 0
    return bytes
  }

  #accept(answer: UsageGrant | undefined): void {
    if (answer === undefined) {
      throw new KeywrightError('ERR_KEY_UNKNOWN', `key ${this.keyId} is not in the key store any more`, {
        hint: 'was the store replaced by another one? nothing is encrypted under a key that is not stored',
      })
    }
    this.left += answer.granted
    this.#dry = answer.granted === 0
    this.usage = answer.usage
  }
}
