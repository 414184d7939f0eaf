/**
 * Search tokens: HMAC-SHA-256 (Tink's HmacPrf) of a normalised value, under keys of their own. Equal values of one
 * field give equal tokens, so a column of tokens can be compared and indexed without decrypting anything.
 *
 * Input of the PRF: canonical JSON of { field, keyring, normaliser, value }. Token: `kwi1.` + base64url of
 * key id (4, big-endian) || PRF output (32). Equal tokens tell that values are equal: that is their purpose and
 * their price.
 */
import { createHmac } from 'node:crypto'
import { equalBytes } from '../crypto/bytes.ts'
import { canonicalBytes } from '../crypto/canonical.ts'
import { parseToken, tokenKeyId, toToken } from '../crypto/token.ts'
import { KeywrightError } from '../errors.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Keyrings } from '../keys/keyrings.ts'
import type { OpenKey } from '../keys/open-key.ts'
import { NORMALISERS, type NormaliserName } from './normalisers.ts'

export interface HashOptions {
  /** How values that count as equal become the same text. @default 'exact' */
  readonly normaliser?: NormaliserName
}

export class BlindIndex {
  readonly #rings: Keyrings
  readonly #ring: Keyring
  readonly #field: string
  readonly #normaliser: NormaliserName

  constructor(rings: Keyrings, keyring: string, field: string, options: HashOptions = {}) {
    this.#rings = rings
    this.#ring = rings.get(keyring)
    this.#field = field
    this.#normaliser = options.normaliser ?? 'exact'
    if (!Object.hasOwn(NORMALISERS, this.#normaliser)) {
      throw new KeywrightError('ERR_ARGUMENT_INVALID', 'unknown normaliser', {
        hint: `one of ${Object.keys(NORMALISERS).join(', ')}`,
      })
    }
  }

  /** The token to store beside the ciphertext. */
  async token(value: string): Promise<string> {
    await this.#ring.prepare()
    return this.tokenSync(value)
  }

  /** The same without waiting; throws ERR_KEY_NOT_LOADED before a first `token`. */
  tokenSync(value: string): string {
    return this.#tokenUnder(this.#ring.activeKey(), this.#normalise(value))
  }

  /** Tokens under every live key, the active one first: for `WHERE token IN (…)` while the index key rotates. */
  async tokens(value: string): Promise<string[]> {
    await this.#ring.prepare()
    await this.#ring.prepareAll()
    const normalised = this.#normalise(value)
    const active = this.#ring.activeKey()
    const others = this.#ring.openKeys().filter((key) => key !== active)
    return [active, ...others].map((key) => this.#tokenUnder(key, normalised))
  }

  /** Whether `token` was made from a value equal to this one, compared in constant time. */
  async matches(value: string, token: string): Promise<boolean> {
    const bytes = parseToken(token)
    const id = tokenKeyId(bytes)
    if (this.#ring.records.byId(id) === undefined) await this.#rings.assertOwns(this.#ring, id)
    await this.#ring.prepareKey(id)
    const key = this.#ring.openKeys().find((open) => open.id === id)
    if (key === undefined) return false
    const expected = parseToken(this.#tokenUnder(key, this.#normalise(value)))
    return equalBytes(expected, bytes)
  }

  #normalise(value: string): string {
    if (typeof value !== 'string' || !value.isWellFormed()) {
      throw new KeywrightError('ERR_VALUE_TYPE', 'only well-formed strings can be hashed for search', {
        hint: 'convert the value yourself, always in the same way',
      })
    }
    return NORMALISERS[this.#normaliser](value)
  }

  #tokenUnder(key: OpenKey, normalised: string): string {
    const input = canonicalBytes({
      field: this.#field,
      keyring: this.#ring.name,
      normaliser: this.#normaliser,
      value: normalised,
    })
    return toToken(key.id, createHmac('sha256', key.key).update(input).digest())
  }
}
