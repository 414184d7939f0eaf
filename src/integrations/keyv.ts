/**
 * Encryption for Keyv 6, whatever its store:
 *
 *     const cache = encryptedKeyv(kw, new Keyv({ store: new Map() }))
 *
 * Keyv's own `encryption` and `serialization` are not told for which key a value is, so values could be swapped. This one
 * takes the place of Keyv's store adapter, in front of the real one, and binds values to namespace and key. Namespaces,
 * TTLs and statistics stay Keyv's.
 *
 * Context: keyring, `table: keyv`, `column: value`, `row`: the JSON of [namespace, key].
 */
import type { Field } from '../data/field.ts'
import { KeywrightError } from '../errors.ts'
import type { Keywright } from '../keywright.ts'
import { fieldAt } from './shared/field-at.ts'
import { type CacheOptions, wrong } from './shared/redis-values.ts'
import { isUnreadable, report } from './shared/unreadable.ts'

export type { CacheOptions } from './shared/redis-values.ts'

interface Entry {
  readonly key: string
  readonly value: unknown
  readonly expires?: number | undefined
}

/** A store adapter as Keyv 6 calls it. */
interface Adapter {
  namespace?: string | undefined
  get(key: string): Promise<unknown>
  set(key: string, value: unknown, expires?: number): Promise<unknown>
  delete(key: string): Promise<unknown>
  clear(): Promise<unknown>
  has?(key: string): Promise<unknown>
  hasMany?(keys: string[]): Promise<unknown>
  getMany?(keys: string[]): Promise<unknown[]>
  setMany?(entries: Entry[]): Promise<unknown>
  deleteMany?(keys: string[]): Promise<unknown>
  disconnect?(): Promise<unknown>
  iterator?(): AsyncIterable<readonly unknown[]>
}

/** The part of a Keyv instance that is needed. */
export interface KeyvLike {
  store: unknown
}

/**
 * Makes a Keyv instance encrypt what it stores from now on; resolves nothing, gives the same instance. What the store
 * held in clear counts as not there.
 *
 * Keyv tells failures of its store, outages included, by an `error` event: with a listener it then goes on as if nothing
 * were there, without one its call rejects. Throws ERR_ARGUMENT_INVALID, ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID.
 */
export function encryptedKeyv<V extends KeyvLike>(kw: Keywright, keyv: V, options: CacheOptions = {}): V {
  const inner = keyv.store as Adapter | undefined
  if (typeof inner?.get !== 'function' || typeof inner.set !== 'function' || ENCRYPTED.has(inner))
    throw wrong('this Keyv', 'an instance of Keyv 6 that does not encrypt yet')
  const field = fieldAt(kw, { table: 'keyv', column: 'value' }, options)
  keyv.store = encrypting(inner, new Values(field, options))
  return keyv
}

const ENCRYPTED = new WeakSet<object>()

class Values {
  readonly #field: Field<string>
  readonly #options: CacheOptions

  constructor(field: Field<string>, options: CacheOptions) {
    this.#field = field
    this.#options = options
  }

  async seal(value: unknown, namespace: string | undefined, key: string): Promise<string> {
    if (typeof value === 'string') return this.#field.encrypt(value, rowOf(namespace, key))
    throw new KeywrightError('ERR_VALUE_TYPE', 'only what Keyv has serialised can be encrypted', {
      hint: 'leave its option "serialization" as it is (createKeyv switches it off: use new Keyv)',
    })
  }

  /** undefined for none, and for one that does not open unless it is to throw. */
  async open(stored: unknown, namespace: string | undefined, key: string): Promise<string | undefined> {
    if (stored === undefined || stored === null) return undefined
    try {
      return await this.#field.decrypt(stored as string, rowOf(namespace, key))
    } catch (error) {
      if (!isUnreadable(error)) throw error
      report(this.#options.onError, error, 'a cached value', { key })
      if (this.#options.onUnreadable === 'throw') throw error
      return undefined
    }
  }
}

const rowOf = (namespace: string | undefined, key: string): { row: string } => ({
  row: JSON.stringify([namespace ?? null, key]),
})

/** Only what the adapter below has: Keyv has its own ways for the rest. */
function encrypting(inner: Adapter, values: Values): Adapter {
  const { has, hasMany, getMany, setMany, deleteMany, disconnect, iterator } = inner
  const adapter: Adapter & { readonly capabilities: object } = {
    // It takes times as Keyv 6 has them, and the adapter below is one that Keyv itself chose.
    capabilities: { expires: true },
    get namespace() {
      return inner.namespace
    },
    set namespace(namespace) {
      inner.namespace = namespace
    },
    get: async (key) => values.open(await inner.get(key), inner.namespace, key),
    set: async (key, value, expires) =>
      inner.set(key, await values.seal(value, inner.namespace, key), expires),
    delete: (key) => inner.delete(key),
    clear: () => inner.clear(),
    ...(has && { has: (key: string) => has.call(inner, key) }),
    ...(hasMany && { hasMany: (keys: string[]) => hasMany.call(inner, keys) }),
    ...(deleteMany && { deleteMany: (keys: string[]) => deleteMany.call(inner, keys) }),
    ...(disconnect && { disconnect: () => disconnect.call(inner) }),
    ...(getMany && {
      async getMany(keys: string[]) {
        const found = await getMany.call(inner, keys)
        return Promise.all(keys.map((key, at) => values.open(found[at], inner.namespace, key)))
      },
    }),
    ...(setMany && {
      async setMany(entries: Entry[]) {
        const sealed = entries.map(async (entry) => ({
          ...entry,
          value: await values.seal(entry.value, inner.namespace, entry.key),
        }))
        return setMany.call(inner, await Promise.all(sealed))
      },
    }),
    ...(iterator && {
      async *iterator() {
        for await (const [key, stored] of iterator.call(inner)) {
          const value = await values.open(stored, inner.namespace, String(key))
          if (value !== undefined) yield [key, value]
        }
      },
    }),
  }
  ENCRYPTED.add(adapter)
  return adapter
}
