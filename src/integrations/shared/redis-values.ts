/** Keys and values of an encrypted Redis cache: how names are written, and what values are bound to. */
import type { FieldTypes } from '../../data/codecs.ts'
import type { Field } from '../../data/field.ts'
import type { BlindIndex } from '../../data/search/blind-index.ts'
import { KeywrightError } from '../../errors.ts'
import type { Keywright } from '../../keywright.ts'
import { fieldAt, type KeyOptions } from './field-at.ts'
import { isUnreadable, type OnError, report } from './unreadable.ts'

/** What values of a cache can be. */
export type CacheType = 'string' | 'json' | 'bytes'

export interface CacheOptions extends KeyOptions {
  /**
   * What becomes of a value that does not open: changed, moved from another key, its key revoked or destroyed. 'miss':
   * it counts as not there. 'throw': its error is thrown. An outage of a provider or a store always throws. @default 'miss'
   */
  readonly onUnreadable?: 'miss' | 'throw'
  /** Is told of values that do not open. Without `hashKeys` `details.key` names the key. */
  readonly onError?: OnError
}

export interface RedisCacheOptions<K extends CacheType> extends CacheOptions {
  /** What values are: 'string', 'json' (plain JSON values) or 'bytes' (Buffers). @default 'string' */
  readonly as?: K
  /**
   * Replaces the names of keys by an HMAC under the key type `blind_index`, so that they cannot be read in Redis. Then
   * there is no `keys` and no `scan`, and the names of hash fields stay readable all the same. @default false
   */
  readonly hashKeys?: boolean
}

/** What stands for a value that is not there. */
export type Cached<T> = T | null

export class RedisValues<K extends CacheType> {
  readonly hashed: boolean
  readonly #prefix: string
  readonly #value: Field<FieldTypes[K]>
  readonly #member: Field<FieldTypes[K]>
  readonly #names: BlindIndex | undefined
  readonly #options: RedisCacheOptions<K>

  /** `prefix` is what the client puts before every key. */
  constructor(kw: Keywright, prefix: string, options: RedisCacheOptions<K>) {
    const as = options.as ?? ('string' as K)
    if (!['string', 'json', 'bytes'].includes(as)) throw wrong('option "as"', "'string', 'json' or 'bytes'")
    if (!['miss', 'throw', undefined].includes(options.onUnreadable))
      throw wrong('option "onUnreadable"', "'miss' or 'throw'")
    this.hashed = options.hashKeys ?? false
    this.#prefix = prefix
    this.#options = options
    this.#value = fieldAt(kw, { table: 'cache', column: 'value', as }, options)
    this.#member = fieldAt(kw, { table: 'cache', column: 'hash', as }, options)
    this.#names = this.hashed ? kw.index(`cache/${this.#value.keyring}`) : undefined
  }

  /** The name of a key in Redis. */
  async name(key: unknown): Promise<string> {
    const full = this.#full(key)
    return this.#names === undefined ? (key as string) : this.#names.token(exactly(full))
  }

  /** The names under which it may lie: after a rotation of the index key there are several. */
  async names(key: unknown): Promise<string[]> {
    const full = this.#full(key)
    return this.#names === undefined ? [key as string] : this.#names.tokens(exactly(full))
  }

  async seal(value: unknown, key: unknown, member?: unknown): Promise<string> {
    const [field, row] = this.#bound(key, member)
    return field.encrypt(value as FieldTypes[K], { row })
  }

  /** The value in a reply of Redis; null for none, and for one that does not open unless it is to throw. */
  async open(reply: unknown, key: unknown, member?: unknown): Promise<Cached<FieldTypes[K]>> {
    if (reply === null || reply === undefined) return null
    const [field, row] = this.#bound(key, member)
    try {
      return await field.decrypt(reply as string, { row })
    } catch (error) {
      if (!isUnreadable(error)) throw error
      report(this.#options.onError, error, 'a cached value', this.hashed ? {} : { key: row })
      if (this.#options.onUnreadable === 'throw') throw error
      return null
    }
  }

  #bound(key: unknown, member: unknown): [Field<FieldTypes[K]>, string] {
    const full = this.#full(key)
    if (member === undefined) return [this.#value, full]
    if (typeof member !== 'string') throw wrong('the name of a hash field', 'a string')
    return [this.#member, JSON.stringify([full, member])]
  }

  #full(key: unknown): string {
    if (typeof key !== 'string' || !key.isWellFormed())
      throw wrong('the name of a key', 'a well-formed string: values are bound to it')
    return this.#prefix + key
  }
}

/** An index takes equal spellings of a text for one; names of keys are compared byte by byte. */
const exactly = (name: string): string => Buffer.from(name).toString('base64url')

/** What is wrong is named, never shown: key and value are easily swapped. */
export function wrong(what: string, expected: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `${what} is not possible`, {
    hint: `expected ${expected}`,
  })
}
