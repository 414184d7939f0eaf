/** An unwrapped key in memory: a KeyObject, never bytes, with the bounds within which it may be used. */
import type { KeyObject } from 'node:crypto'
import { SUITES, type Suite } from '../crypto/aead.ts'
import { KeywrightError } from '../errors.ts'
import type { KeyRecord } from '../store.ts'

export class OpenKey {
  readonly id: number
  readonly key: KeyObject
  /** When it was unwrapped, ms since the epoch. */
  readonly openedAt: number
  /** How many more operations it may serve before the provider is asked again. */
  usesLeft: number
  /** It opens ciphertexts up to this instant; recomputed with every refresh. */
  opensUntil = 0
  readonly #suite: Suite | undefined

  constructor(record: KeyRecord, key: KeyObject, openedAt: number, uses: number) {
    this.id = record.id
    this.key = key
    this.openedAt = openedAt
    this.usesLeft = uses
    this.#suite = record.algorithm === 'HMAC-SHA-256' ? undefined : SUITES[record.algorithm]
  }

  /** Throws ERR_ARGUMENT_INVALID for a key that only makes search tokens. */
  get suite(): Suite {
    if (this.#suite !== undefined) return this.#suite
    throw new KeywrightError(
      'ERR_ARGUMENT_INVALID',
      `key ${this.id} makes search tokens, it does not encrypt`,
      {
        hint: 'use another key type, or hash()',
      },
    )
  }
}
