/**
 * The encrypted fields of an application's models in one place. Works on plain records and on instances of classes,
 * which keep their class, and fills columns of search tokens.
 */
import type { PlainRecord, RecordCodec, RecordOptions } from '../data/records.ts'
import type { HashOptions } from '../data/search/blind-index.ts'
import { KeywrightError } from '../errors.ts'
import { SearchColumn } from './shared/search-column.ts'
import { type KeywrightSource, madeFor } from './shared/source.ts'

/** A member that holds the search token of another one. */
export interface ModelToken extends HashOptions {
  /** The encrypted member, by dot path from the top: 'email', 'contact.email'. */
  readonly of: string
}

/** What is encrypted in one model. */
export interface ModelOptions extends RecordOptions {
  /** The table: part of the context, and of the path that the policy's selectors match. */
  readonly table: string
  /** Members that hold search tokens, by name: `{ emailToken: { of: 'email', normaliser: 'email' } }`. */
  readonly tokens?: Readonly<Record<string, ModelToken>>
}

/** The models of an application, by name. */
export type Models<M extends Readonly<Record<string, ModelOptions>>> = { readonly [N in keyof M]: Model }

/**
 * Declares models. A wrong key type or path throws with the first use of its model.
 *
 *     const { User } = models(kw, { User: { table: 'users', row: 'id', fields: { email: 'pii' } } })
 *     await db.insert(await User.encrypt(user))
 */
export function models<const M extends Readonly<Record<string, ModelOptions>>>(
  source: KeywrightSource,
  config: M,
): Models<M> {
  const entries = Object.entries(config).map(([name, options]) => [name, new Model(source, options)] as const)
  return Object.freeze(Object.fromEntries(entries)) as Models<M>
}

export class Model {
  readonly #table: string
  readonly #tokens: readonly { readonly member: string; readonly of: string; readonly column: SearchColumn }[]
  readonly #records: () => RecordCodec

  constructor(source: KeywrightSource, options: ModelOptions) {
    const { tokens = {}, ...record } = options
    this.#table = record.table
    this.#records = madeFor(source, (kw) => kw.records(record))
    const tenant = record.tenant === undefined ? {} : { tenant: record.tenant }
    this.#tokens = Object.entries(tokens).map(([member, { of, ...hash }]) => ({
      member,
      of,
      column: new SearchColumn(source, `${record.table}.${of}`, { ...hash, ...tenant }),
    }))
  }

  /** A copy with its fields encrypted and its tokens filled in. Loads keys as needed. */
  async encrypt<R extends object>(record: R): Promise<R> {
    const plain = toPlain(record)
    const done = { ...(await this.#records().encrypt(plain)) }
    for (const { member, of, column } of this.#tokens) {
      const token = await column.token(valueAt(plain, of))
      if (token !== undefined) done[member] = token
    }
    return likeOriginal(record, done)
  }

  /** The same without waiting. Throws ERR_KEY_NOT_LOADED before `ready()`. */
  encryptSync<R extends object>(record: R): R {
    const plain = toPlain(record)
    const done = { ...this.#records().encryptSync(plain) }
    for (const { member, of, column } of this.#tokens) {
      const token = column.tokenSync(valueAt(plain, of))
      if (token !== undefined) done[member] = token
    }
    return likeOriginal(record, done)
  }

  /** A copy with its fields decrypted. Throws, naming the field, when one does not open. */
  async decrypt<R extends object>(record: R): Promise<R> {
    return likeOriginal(record, await this.#records().decrypt(toPlain(record)))
  }

  /** The same without waiting. */
  decryptSync<R extends object>(record: R): R {
    return likeOriginal(record, this.#records().decryptSync(toPlain(record)))
  }

  async encryptAll<R extends object>(records: Iterable<R>): Promise<R[]> {
    const done: R[] = []
    for (const record of records) done.push(await this.encrypt(record))
    return done
  }

  async decryptAll<R extends object>(records: Iterable<R>): Promise<R[]> {
    const done: R[] = []
    for (const record of records) done.push(await this.decrypt(record))
    return done
  }

  /** The tokens to look for in `member`, under every live key: `WHERE member IN (…)`. */
  async tokens(member: string, value: string): Promise<string[]> {
    const found = this.#tokens.find((token) => token.member === member)
    if (found !== undefined) return (await found.column.tokens(value)).map(String)
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `the model "${this.#table}" has no such token`, {
      hint: `declare it under "tokens"; there are: ${this.#tokens.map((token) => token.member).join(', ') || 'none'}`,
    })
  }

  /** Loads every key that may decrypt, for the synchronous forms: of the fields named in `fields`, and the tokens'. */
  async ready(): Promise<this> {
    await this.#records().ready({ all: true })
    for (const { column } of this.#tokens) await column.ready()
    return this
  }
}

/** What the instance has of its own, by name. */
function toPlain(record: object): PlainRecord {
  if (Array.isArray(record) || record instanceof Map || record instanceof Set) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'a model takes one record', {
      hint: 'for several use encryptAll and decryptAll',
    })
  }
  return { ...record } as PlainRecord
}

/** `members` as an object of the same class. */
function likeOriginal<R extends object>(original: R, members: PlainRecord): R {
  const prototype: unknown = Object.getPrototypeOf(original)
  if (prototype === Object.prototype || prototype === null) return members as R
  return Object.create(prototype as object, Object.getOwnPropertyDescriptors(members)) as R
}

/** The text at a dot path; null and undefined end it. Throws ERR_VALUE_TYPE for anything that is no text. */
function valueAt(record: PlainRecord, path: string): string | null | undefined {
  let value: unknown = record
  for (const name of path.split('.')) {
    if (value === null || value === undefined) return value
    value = Object.hasOwn(value as object, name) ? (value as Record<string, unknown>)[name] : undefined
  }
  if (value === null || value === undefined || typeof value === 'string') return value
  throw new KeywrightError('ERR_VALUE_TYPE', `field "${path}": only text has a search token`, {
    hint: 'keep what is searched as text, or make its token yourself: kw.index(…).token(String(value))',
  })
}
