/**
 * TypeORM: a transformer for single columns, and a subscriber that binds values to their row. Written against
 * typeorm 1.1.
 *
 * A transformer sees one value and neither its row nor what it is for. So a condition on an encrypted column finds
 * nothing, and `save` of a loaded entity writes its encrypted columns again. The subscriber has neither fault.
 */
import type { FieldType } from '../data/codecs.ts'
import { isEncrypted } from '../data/inspect.ts'
import type { HashOptions } from '../data/search/blind-index.ts'
import { KeywrightError } from '../errors.ts'
import { type ColumnOptions, EncryptedColumn, encryptedColumnOf } from './shared/column.ts'
import { type RowIdForm, rowId, writtenRowId } from './shared/row.ts'
import { SearchColumn, SearchToken } from './shared/search-column.ts'
import type { KeywrightSource } from './shared/source.ts'

/** TypeORM's `ValueTransformer`. */
export interface ValueTransformer {
  to(value: unknown): unknown
  from(value: unknown): unknown
}

/** A transformer with its keys. */
export interface ReadyTransformer extends ValueTransformer {
  /** Loads every key that may decrypt: await it before the first query. */
  ready(): Promise<void>
}

/** A transformer of search tokens. */
export interface TokenTransformer extends ReadyTransformer {
  /** The tokens of a value under every live key: `{ emailToken: In(await token.tokens(value)) }`. */
  tokens(value: string): Promise<SearchToken[]>
}

/**
 * Encrypts one column: `@Column({ type: 'text', transformer: encryptedTransformer(() => kw, 'users.email') })`.
 * Synchronous: it throws ERR_KEY_NOT_LOADED before `ready()`, and what decryption throws, naming the column.
 */
export function encryptedTransformer<K extends FieldType = 'string'>(
  source: KeywrightSource,
  of: string,
  options: ColumnOptions<K> = {},
): ReadyTransformer {
  const column = encryptedColumnOf(source, of, options)
  return {
    to: (value) => column.encryptSync(value as never),
    from: (value) => column.decryptSync(value),
    ready: () => column.ready(),
  }
}

/** Hashes what is stored in, or compared with, a column of search tokens of the encrypted column `of`. */
export function tokenTransformer(
  source: KeywrightSource,
  of: string,
  options: HashOptions & { readonly tenant?: string } = {},
): TokenTransformer {
  const column = new SearchColumn(source, of, options)
  return {
    // What was read comes as a token again when an entity is saved.
    to: (value) => column.tokenSync(value as string | SearchToken),
    from: (value) => (typeof value === 'string' ? new SearchToken(value) : value),
    ready: () => column.ready(),
    tokens: (value) => column.tokens(value),
  }
}

/** Plaintext where only ciphertext may stand. Whatever wants to send or print it gets an error instead. */
class Unencrypted {
  readonly #column: string

  constructor(column: string) {
    this.#column = column
  }

  toJSON(): never {
    return this.#refuse()
  }

  toString(): never {
    return this.#refuse()
  }

  valueOf(): never {
    return this.#refuse()
  }

  /** What pg asks of objects that are parameters. */
  toPostgres(): never {
    return this.#refuse()
  }

  #refuse(): never {
    throw new KeywrightError(
      'ERR_ARGUMENT_INVALID',
      `column "${this.#column}": plaintext would reach the database`,
      {
        hint:
          'write it with save() or insert() of an entity that has its row id, with the encryption subscriber among the ' +
          "data source's subscribers; to find rows, use the token column",
        details: { column: this.#column },
      },
    )
  }
}

/**
 * For columns that the subscriber encrypts: lets ciphertext and null through and nothing else. Without it a query
 * that does not pass through the subscriber (`update(id, …)`, a query builder) would store plaintext.
 */
export function ciphertextOnly(of: string): ValueTransformer {
  // TypeORM also calls `to` to compare two plain values: equal ones must give the same object.
  let last: { readonly value: unknown; readonly stands: Unencrypted } | undefined
  return {
    to(value) {
      if (value === null || value === undefined || isEncrypted(value)) return value
      if (last === undefined || !isSame(last.value, value)) last = { value, stands: new Unencrypted(of) }
      return last.stands
    },
    from: (value) => value,
  }
}

const isSame = (a: unknown, b: unknown): boolean =>
  a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b))

/** What is encrypted in one entity. Names are those of its properties. */
export interface SubscribedEntity {
  /** The entity's class, or the name of its EntitySchema. */
  readonly target: (new (...args: never[]) => object) | string
  /** The table in the context of its values. */
  readonly table: string
  /** The property with the row's id. @default values are not bound to rows */
  readonly row?: string
  /** 'exact' refuses ids that a database may write in another form. @default 'exact' */
  readonly rowForm?: RowIdForm
  /** The encrypted properties: a key type, options, or `{}` for what the policy's selectors say. */
  readonly columns: Readonly<Record<string, string | ColumnOptions<FieldType>>>
}

type Entity = Record<string, unknown>

interface WriteEvent {
  readonly entity?: object | undefined
}

interface ChangeEvent extends WriteEvent {
  readonly updatedColumns: readonly { readonly propertyName: string }[]
}

/** TypeORM's `EntitySubscriberInterface`. */
export interface EncryptionSubscriber {
  // biome-ignore lint/complexity/noBannedTypes: TypeORM's own type
  listenTo(): Function | string
  afterLoad(entity: object): Promise<void>
  beforeInsert(event: WriteEvent): Promise<void>
  afterInsert(event: WriteEvent): void
  beforeUpdate(event: ChangeEvent): Promise<void>
  afterUpdate(event: WriteEvent): void
  /** Loads the keys of all columns. Not needed: the subscriber loads what it needs. */
  ready(): Promise<void>
}

/** What a property held before it was encrypted for a write. */
interface Sent {
  readonly plain: unknown
  readonly ciphertext: string
}

/**
 * Encrypts the properties of an entity when it is written and decrypts them when it is loaded. Add it to
 * `dataSource.subscribers` after `initialize()`, and give its columns `transformer: ciphertextOnly('table.column')`.
 *
 * With `row`, the id must be there before the entity is inserted, so not made by the database.
 */
export function encryptionSubscriber(
  source: KeywrightSource,
  options: SubscribedEntity,
): EncryptionSubscriber {
  const { target, table, row, rowForm } = options
  const columns = Object.entries(options.columns).map(([name, of]) => {
    const more = typeof of === 'string' ? { keyType: of } : of
    return [name, new EncryptedColumn<unknown>(source, `${table}.${name}`, more)] as const
  })
  /** Entities hold ciphertext while they are written; a failed write leaves it there until the next. */
  const sent = new WeakMap<object, Map<string, Sent>>()

  const encrypt = async (entity: Entity, names?: ReadonlySet<string>): Promise<void> => {
    putBack(entity)
    const writes: [string, Sent][] = []
    for (const [name, column] of columns) {
      const plain = entity[name]
      if (plain === null || plain === undefined || (names !== undefined && !names.has(name))) continue
      const where = `column "${column.name}"`
      const hint = `set "${row}" before the entity is saved: the database cannot make it, values are bound to it`
      const id = row === undefined ? undefined : writtenRowId(entity[row], where, hint, rowForm)
      writes.push([name, { plain, ciphertext: (await column.encrypt(plain, id)) as string }])
    }
    sent.set(entity, new Map(writes))
    for (const [name, { ciphertext }] of writes) entity[name] = ciphertext
  }

  const putBack = (entity: Entity): void => {
    for (const [name, { plain, ciphertext }] of sent.get(entity) ?? [])
      if (entity[name] === ciphertext) entity[name] = plain
    sent.delete(entity)
  }

  return {
    listenTo: () => target,
    async afterLoad(loaded) {
      const entity = loaded as Entity
      for (const [name, column] of columns) {
        const value = entity[name]
        if (value === null || value === undefined) continue
        const hint = `load "${row}" as well`
        const id = row === undefined ? undefined : rowId(entity[row], `column "${column.name}"`, hint)
        entity[name] = await column.decrypt(value, id)
      }
    },
    async beforeInsert({ entity }) {
      if (entity !== undefined) await encrypt(entity as Entity)
    },
    afterInsert({ entity }) {
      if (entity !== undefined) putBack(entity as Entity)
    },
    async beforeUpdate({ entity, updatedColumns }) {
      if (entity === undefined) return
      await encrypt(entity as Entity, new Set(updatedColumns.map(({ propertyName }) => propertyName)))
    },
    afterUpdate({ entity }) {
      if (entity !== undefined) putBack(entity as Entity)
    },
    async ready() {
      for (const [, column] of columns) await column.ready()
    },
  }
}

export { type KeywrightSource, SearchToken }
