/**
 * Drizzle ORM: custom column types for encrypted values and for their search tokens, in any dialect that has
 * `customType` (PostgreSQL, SQLite, MySQL). Written against drizzle-orm 0.45.
 *
 * A column type sees one value and not its row, so it cannot bind values to rows: `models` of
 * 'keywright/integrations/models' does, on whole records. Nor does it see whether a value is compared or stored: a
 * comparison with an encrypted column finds nothing. Compare its token.
 */
import type { FieldType, FieldTypes } from '../data/codecs.ts'
import type { HashOptions } from '../data/search/blind-index.ts'
import { KeywrightError } from '../errors.ts'
import { type ColumnOptions, encryptedColumnOf } from './shared/column.ts'
import { SearchColumn, type SearchToken } from './shared/search-column.ts'
import type { KeywrightSource } from './shared/source.ts'

/** What `customType` of a dialect takes. */
export interface CustomTypeParams {
  dataType(): string
  toDriver(value: unknown): unknown
  fromDriver(value: unknown): unknown
}

/** `customType` of 'drizzle-orm/pg-core', 'drizzle-orm/sqlite-core' and so on. */
export type CustomType<B> = (params: CustomTypeParams) => (name: string) => B

export interface EncryptedColumnOptions<K extends FieldType = 'string'> extends ColumnOptions<K> {
  /** The name in the database. @default the name of the member in the table */
  readonly name?: string
}

export interface TokenColumnOptions extends HashOptions {
  /** The name in the database. @default the name of the member in the table */
  readonly name?: string
  readonly tenant?: string
}

/** A column builder whose values are `T`, as Drizzle's own `$type<T>()` says it. */
export type TypedColumn<B, T> = B & { _: { $type: T } }

export interface EncryptedColumns<B> {
  /**
   * An encrypted column. `of` is 'table.column', which the values are bound to and which tells the key type. The
   * column is text in the database: a ciphertext of n bytes of text takes 4 + ⌈4 (n + 33) / 3⌉ characters.
   */
  <K extends FieldType = 'string'>(
    of: string,
    options?: EncryptedColumnOptions<K>,
  ): TypedColumn<B, FieldTypes[K]>
  /**
   * A column of search tokens of the encrypted column `of`. Give it the same value as that one: it is hashed on its
   * way to the database. To look rows up: `inArray(users.emailToken, await encrypted.tokens('users.email', value))`.
   */
  token(of: string, options?: TokenColumnOptions): TypedColumn<B, string | SearchToken>
  /**
   * The tokens of a value under every live index key, for `inArray`: `eq` with the plain value asks for the active key
   * only, and misses rows while that key rotates. Throws ERR_ARGUMENT_INVALID before `token(of)`.
   */
  tokens(of: string, value: string): Promise<SearchToken[]>
  /** Loads the keys of every column declared so far: await it before the first query. */
  ready(): Promise<void>
}

/**
 * Encrypted columns of one dialect:
 *
 *     const encrypted = encryptedColumns(() => kw, customType)
 *     const users = pgTable('users', {
 *       id: integer().primaryKey(),
 *       email: encrypted('users.email'),
 *       emailToken: encrypted.token('users.email', { normaliser: 'email', name: 'email_token' }),
 *     })
 *
 * Encryption does not wait: it throws ERR_KEY_NOT_LOADED before `ready()`, and what decryption throws, naming the column.
 */
export function encryptedColumns<B>(source: KeywrightSource, customType: CustomType<B>): EncryptedColumns<B> {
  const loaded: { ready(): Promise<void> }[] = []
  const searched = new Map<string, SearchColumn>()

  const column = (of: string, options: EncryptedColumnOptions<FieldType> = {}): B => {
    const { name = '', ...rest } = options
    const values = encryptedColumnOf(source, of, rest)
    loaded.push(values)
    return customType({
      dataType: () => 'text',
      toDriver: (value) => values.encryptSync(value as never),
      fromDriver: (value) => values.decryptSync(value),
    })(name)
  }

  const token = (of: string, options: TokenColumnOptions = {}): B => {
    const { name = '', ...rest } = options
    const index = new SearchColumn(source, of, rest)
    loaded.push(index)
    searched.set(of, index)
    return customType({
      dataType: () => 'text',
      toDriver: (value) => index.tokenSync(value as string | SearchToken),
      fromDriver: (value) => value,
    })(name)
  }

  const tokens = async (of: string, value: string): Promise<SearchToken[]> => {
    const index = searched.get(of)
    if (index === undefined) throw noTokens(of)
    return index.tokens(value)
  }

  const ready = async (): Promise<void> => {
    for (const one of loaded) await one.ready()
  }
  return Object.assign(column, { token, tokens, ready }) as unknown as EncryptedColumns<B>
}

function noTokens(of: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `no token column is declared for "${of}"`, {
    hint: `declare it in the table: emailToken: encrypted.token('${of}')`,
  })
}

export type { KeywrightSource, SearchToken }
