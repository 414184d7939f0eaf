/**
 * Search tokens: HMAC-SHA-256 (Tink's HmacPrf) of a normalised value, under keys of their own. Equal values of one
 * field give equal tokens, so a column of tokens can be compared and indexed without decrypting anything.
 *
 * Input of the PRF: canonical JSON of { field, keyring, normaliser, value }, and of `bits` and `slow` where they are
 * used. Token: `kwi1.` + base64url of key id (4, big-endian) || PRF output (32, or as many as `bits` needs). Equal
 * tokens tell that values are equal: that is their purpose and their price.
 */
import { createHmac } from 'node:crypto'
import { equalBytes } from '../../crypto/bytes.ts'
import { canonicalBytes } from '../../crypto/canonical.ts'
import { parseToken, tokenKeyId, toToken } from '../../crypto/token.ts'
import { KeywrightError } from '../../errors.ts'
import type { Keyring } from '../../keys/keyring.ts'
import type { Keyrings } from '../../keys/keyrings.ts'
import type { OpenKey } from '../../keys/open-key.ts'
import { type CustomNormaliser, type NormaliserName, normaliserFor } from './normalisers.ts'
import { costName, type SlowCost, type SlowHash, slowCost, stretch, stretchSync } from './slow-hash.ts'

const FULL_BITS = 256
const FEWEST_BITS = 4

export interface HashOptions {
  /** How values that count as equal become the same text, or which part of them is searched. @default 'exact' */
  readonly normaliser?: NormaliserName | CustomNormaliser
  /**
   * Keep so many bits of a token, from 4 to 256: several values share one, so that it tells less. A lookup then finds
   * other rows as well, one in 2^bits: decrypt and compare. @default 256
   */
  readonly bits?: number
  /** Argon2id before the token, for values of which there are few. @default false */
  readonly slow?: boolean | SlowHash
}

export class BlindIndex {
  readonly #rings: Keyrings
  readonly #ring: Keyring
  /** The token's input but for the value. */
  readonly #about: Readonly<Record<string, string>>
  readonly #normaliser: CustomNormaliser
  readonly #bits: number
  readonly #slow: SlowCost | undefined

  /** Throws ERR_ARGUMENT_INVALID, and ERR_DEPENDENCY_MISSING where `slow` is asked for and this Node has no Argon2. */
  constructor(rings: Keyrings, keyring: string, field: string, options: HashOptions = {}) {
    this.#rings = rings
    this.#ring = rings.get(keyring)
    const { normaliser = 'exact', bits = FULL_BITS } = options
    this.#normaliser = normaliserFor(normaliser)
    this.#bits = bitsOf(bits)
    this.#slow = slowCost(options.slow)
    this.#about = {
      field,
      keyring,
      normaliser: this.#normaliser.name,
      ...(this.#bits === FULL_BITS ? {} : { bits: String(this.#bits) }),
      ...(this.#slow === undefined ? {} : { slow: costName(this.#slow) }),
    }
  }

  /** The keyring whose active key makes the tokens: 'blind_index', 'blind_index/tenant-42'. */
  get keyring(): string {
    return this.#ring.name
  }

  /** Loads every live key, for the synchronous forms. */
  async ready(): Promise<this> {
    await this.#ring.prepare()
    await this.#ring.prepareAll()
    return this
  }

  /** The token to store beside the ciphertext. */
  async token(value: string): Promise<string> {
    await this.#ring.prepare()
    return this.#tokenUnder(this.#ring.activeKey(), this.#normalise(value))
  }

  /** The same without waiting; throws ERR_KEY_NOT_LOADED before `ready` or a first `token`. */
  tokenSync(value: string): string {
    return this.#tokenUnderSync(this.#ring.activeKey(), this.#normalise(value))
  }

  /** Tokens under every live key, the active one first: for `WHERE token IN (…)` while the index key rotates. */
  async tokens(value: string): Promise<string[]> {
    await this.ready()
    const normalised = this.#normalise(value)
    const tokens: string[] = []
    for (const key of this.#liveKeys()) tokens.push(await this.#tokenUnder(key, normalised))
    return tokens
  }

  /** The same without waiting, under the keys that are open here: after `ready`, every live one. */
  tokensSync(value: string): string[] {
    const normalised = this.#normalise(value)
    return this.#liveKeys().map((key) => this.#tokenUnderSync(key, normalised))
  }

  /** Whether `token` was made from a value equal to this one, compared in constant time. */
  async matches(value: string, token: string): Promise<boolean> {
    const bytes = parseToken(token)
    const id = tokenKeyId(bytes)
    if (this.#ring.records.byId(id) === undefined) await this.#rings.assertOwns(this.#ring, id)
    await this.#ring.prepareKey(id)
    const key = this.#ring.openKeys().find((open) => open.id === id)
    if (key === undefined) return false
    const expected = parseToken(await this.#tokenUnder(key, this.#normalise(value)))
    return equalBytes(expected, bytes)
  }

  /** How many rows a lookup finds on average that hold another value, among `rows` rows. */
  falsePositives(rows: number): number {
    return rows / 2 ** this.#bits
  }

  #liveKeys(): OpenKey[] {
    const active = this.#ring.activeKey()
    return [active, ...this.#ring.openKeys().filter((key) => key !== active)]
  }

  #normalise(value: string): string {
    const normalised = wellFormed(value) ? this.#normaliser.normalise(value) : undefined
    if (wellFormed(normalised)) return normalised
    throw new KeywrightError('ERR_VALUE_TYPE', 'only well-formed strings can be hashed for search', {
      hint: 'convert the value yourself, always in the same way; a normaliser of your own gives strings, too',
    })
  }

  async #tokenUnder(key: OpenKey, normalised: string): Promise<string> {
    const slow = this.#slow
    return this.#finish(key, slow ? await stretch(key.key, this.#about, normalised, slow) : normalised)
  }

  #tokenUnderSync(key: OpenKey, normalised: string): string {
    const slow = this.#slow
    return this.#finish(key, slow ? stretchSync(key.key, this.#about, normalised, slow) : normalised)
  }

  #finish(key: OpenKey, value: string): string {
    const output = createHmac('sha256', key.key)
      .update(canonicalBytes({ ...this.#about, value }))
      .digest()
    return toToken(key.id, firstBits(output, this.#bits))
  }
}

const wellFormed = (value: unknown): value is string => typeof value === 'string' && value.isWellFormed()

function bitsOf(bits: number): number {
  if (Number.isInteger(bits) && bits >= FEWEST_BITS && bits <= FULL_BITS) return bits
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `"bits" is not from ${FEWEST_BITS} to ${FULL_BITS}`, {
    hint: 'how many bits of a token are kept; leave it out for all of them',
  })
}

/** The first `bits` bits, the rest of the last byte zero. */
function firstBits(output: Buffer, bits: number): Buffer {
  const cut = output.subarray(0, Math.ceil(bits / 8))
  const unused = (8 - (bits % 8)) % 8
  const last = cut.length - 1
  cut[last] = ((cut[last] as number) >> unused) << unused
  return cut
}
