/** One encrypted column as object-relational mappers use it: synchronous, null stays null, errors name the column. */
import type { FieldType, FieldTypes } from '../../data/codecs.ts'
import type { Field, FieldOptions, RowOption } from '../../data/field.ts'
import { KeywrightError } from '../../errors.ts'
import { located } from './place.ts'
import { type KeywrightSource, madeFor } from './source.ts'

export interface ColumnOptions<K extends FieldType = 'string'> {
  /** @default what the policy's selectors say to 'table.column' */
  readonly keyType?: string
  /** The type of the values. @default 'string' */
  readonly as?: K
  readonly tenant?: string
  /** What else the values are bound to. */
  readonly context?: FieldOptions['context']
}

/** `of` is 'table.column'. Throws ERR_ARGUMENT_INVALID for anything else. */
export class EncryptedColumn<T> {
  /** 'users.email' */
  readonly name: string
  readonly #field: () => Field<T>

  constructor(source: KeywrightSource, of: string, options: ColumnOptions<FieldType> = {}) {
    const dot = of.indexOf('.')
    if (dot < 1 || dot === of.length - 1) {
      throw new KeywrightError('ERR_ARGUMENT_INVALID', 'an encrypted column is named by table and column', {
        hint: "write 'users.email'; another key type goes into the option keyType",
      })
    }
    const { keyType, ...rest } = options
    this.name = of
    const place = { ...rest, table: of.slice(0, dot), column: of.slice(dot + 1) }
    this.#field = madeFor(source, (kw) => kw.field(keyType ?? of, place) as unknown as Field<T>)
  }

  /** The ciphertext of a value; null and undefined are passed on. */
  encryptSync(value: T | null | undefined, row?: string): string | null | undefined {
    if (value === null || value === undefined) return value as null | undefined
    return this.#try(() => this.#field().encryptSync(value, rowOption(row)))
  }

  /** The reverse. Throws ERR_NOT_CIPHERTEXT for plain text; it is never handed through. */
  decryptSync(value: unknown, row?: string): T | null | undefined {
    if (value === null || value === undefined) return value
    return this.#try(() => this.#field().decryptSync(value as string, rowOption(row)))
  }

  /** As `encryptSync`, loading keys as needed. */
  async encrypt(value: T | null | undefined, row?: string): Promise<string | null | undefined> {
    if (value === null || value === undefined) return value as null | undefined
    try {
      return await this.#field().encrypt(value, rowOption(row))
    } catch (error) {
      throw this.#named(error)
    }
  }

  /** As `decryptSync`, loading keys as needed. */
  async decrypt(value: unknown, row?: string): Promise<T | null | undefined> {
    if (value === null || value === undefined) return value
    try {
      return await this.#field().decrypt(value as string, rowOption(row))
    } catch (error) {
      throw this.#named(error)
    }
  }

  /** Loads every key that may decrypt, for the synchronous forms. */
  async ready(): Promise<void> {
    await this.#field().ready({ all: true })
  }

  #try<R>(work: () => R): R {
    try {
      return work()
    } catch (error) {
      throw this.#named(error)
    }
  }

  #named(error: unknown): unknown {
    const where = `column "${this.name}"`
    if (!(error instanceof KeywrightError) || error.code !== 'ERR_KEY_NOT_LOADED')
      return located(error, where, { column: this.name })
    const keyring = this.#field().keyring
    const [keyType = '', tenant] = keyring.split('/')
    const options = tenant === undefined ? '{ all: true }' : `{ all: true, tenant: '${tenant}' }`
    return new KeywrightError(error.code, `${where}: ${error.message}`, {
      hint: `await kw.ready(['${keyType}'], ${options}) before the first query: columns are encrypted without waiting`,
      details: { ...error.details, column: this.name },
    })
  }
}

/** A column of values of one type. */
export function encryptedColumnOf<K extends FieldType = 'string'>(
  source: KeywrightSource,
  of: string,
  options: ColumnOptions<K> = {},
): EncryptedColumn<FieldTypes[K]> {
  return new EncryptedColumn(source, of, options)
}

const rowOption = (row: string | undefined): RowOption => (row === undefined ? {} : { row })
