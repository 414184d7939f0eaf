/**
 * Records: plain objects in which the fields that the policy's selectors claim (or that the caller names) are
 * encrypted, everything else untouched. Nested objects and arrays of objects are walked; null and undefined stay.
 *
 * A value whose type nobody declared and that is no string is sealed as JSON under a context with one more member,
 * `as: json`, so that it comes back as what it was and cannot be taken for text.
 */
import { isCiphertext } from '../crypto/ciphertext.ts'
import { KeywrightError } from '../errors.ts'
import type { Keyrings } from '../keys/keyrings.ts'
import { placeContext } from './binding.ts'
import { CODECS, type Codec, codecFor, type FieldType, type JsonValue } from './codecs.ts'
import { Field } from './field.ts'
import { replaceValues, type Slot } from './walk.ts'

/** Records whose member names are data (maps by id) must not fill the memory with paths that are not encrypted. */
const MAX_REMEMBERED_PATHS = 10_000

export type PlainRecord = Readonly<Record<string, unknown>>

/** Which key type a field has, and which type its values. */
export interface RecordField {
  /** @default what the policy's selectors say */
  readonly keyType?: string
  /** @default strings as they are, everything else as JSON */
  readonly as?: FieldType
}

export interface RecordOptions {
  /** Part of the context and of the path that selectors match. */
  readonly table?: string
  readonly tenant?: string
  /**
   * The fields to encrypt, by dot path, with their key type; without it the policy's selectors choose.
   * `{ 'contact.email': 'pii', income: { keyType: 'financial_data', as: 'number' } }`
   */
  readonly fields?: Readonly<Record<string, string | RecordField>>
  /** The member that holds the row's id, or a function that gives it. With it values are bound to their row. */
  readonly row?: string | ((record: PlainRecord) => string)
}

/** Decides the keyring of a field; undefined when it is not to be encrypted. */
export type ResolveKeyring = (path: string, keyType: string | undefined) => string | undefined

/** How one field of a record is encrypted. */
interface FieldPlan {
  readonly declared: Field<unknown> | undefined
  readonly text: Field<string>
  readonly json: Field<JsonValue>
  /**
   * What opens it: as declared or as text, and as JSON of an undeclared type, which it may have been before it was
   * declared. The one that opened last comes first: a column has one type, mostly.
   */
  opening: readonly [Field<unknown>, Field<unknown>]
}

export class RecordCodec {
  readonly #rings: Keyrings
  readonly #options: RecordOptions
  readonly #resolve: ResolveKeyring
  readonly #plans = new Map<string, FieldPlan | undefined>()

  constructor(rings: Keyrings, options: RecordOptions, resolve: ResolveKeyring) {
    this.#rings = rings
    this.#options = options
    this.#resolve = resolve
    for (const path of Object.keys(options.fields ?? {})) this.#planFor(path) // a wrong key type fails here
  }

  /** A copy with its fields encrypted. Loads keyrings as needed. */
  encrypt<R extends PlainRecord>(record: R): Promise<R> {
    return this.#each(record, (plan, value, row) => sealer(plan, value).encrypt(value, row))
  }

  /** The same without waiting. Throws ERR_KEY_NOT_LOADED before `ready()`. */
  encryptSync<R extends PlainRecord>(record: R): R {
    return this.#eachSync(record, (plan, value, row) => sealer(plan, value).encryptSync(value, row))
  }

  /** A copy with its fields decrypted. Throws, naming the field, when one does not open. */
  decrypt<R extends PlainRecord>(record: R): Promise<R> {
    return this.#each(record, openAsync)
  }

  /** The same without waiting. */
  decryptSync<R extends PlainRecord>(record: R): R {
    return this.#eachSync(record, openSync)
  }

  /** Many records. */
  async encryptAll<R extends PlainRecord>(records: Iterable<R>): Promise<R[]> {
    const done: R[] = []
    for (const record of records) done.push(await this.encrypt(record))
    return done
  }

  async decryptAll<R extends PlainRecord>(records: Iterable<R>): Promise<R[]> {
    const done: R[] = []
    for (const record of records) done.push(await this.decrypt(record))
    return done
  }

  /** Loads the keyrings of the fields named in `fields` and of those met so far, for the synchronous forms. */
  async ready(options: { readonly all?: boolean } = {}): Promise<this> {
    for (const plan of this.#plans.values()) await (plan?.declared ?? plan?.text)?.ready(options)
    return this
  }

  async #each<R extends PlainRecord>(
    record: R,
    change: (plan: FieldPlan, value: unknown, row: { row?: string }) => Promise<unknown>,
  ): Promise<R> {
    const row = this.#rowOf(record)
    const { copy, slots } = this.#copy(record)
    for (const slot of slots) {
      try {
        slot.holder[slot.name] = await change(this.#planAt(slot), slot.value, row)
      } catch (error) {
        throw named(error, slot.path)
      }
    }
    return copy
  }

  #eachSync<R extends PlainRecord>(
    record: R,
    change: (plan: FieldPlan, value: unknown, row: { row?: string }) => unknown,
  ): R {
    const row = this.#rowOf(record)
    const { copy, slots } = this.#copy(record)
    for (const slot of slots) {
      try {
        slot.holder[slot.name] = change(this.#planAt(slot), slot.value, row)
      } catch (error) {
        throw named(error, slot.path)
      }
    }
    return copy
  }

  #copy<R extends PlainRecord>(record: R): { copy: R; slots: Slot[] } {
    return replaceValues(record, (path) => this.#planFor(path) !== undefined)
  }

  #planAt(slot: Slot): FieldPlan {
    return this.#planFor(slot.path) as FieldPlan
  }

  #planFor(path: string): FieldPlan | undefined {
    if (this.#plans.has(path)) return this.#plans.get(path)
    const plan = this.#makePlan(path)
    if (this.#plans.size >= MAX_REMEMBERED_PATHS) this.#plans.clear()
    this.#plans.set(path, plan)
    return plan
  }

  #makePlan(path: string): FieldPlan | undefined {
    const { fields, table } = this.#options
    const stated = fields === undefined || !Object.hasOwn(fields, path) ? undefined : fields[path]
    if (fields !== undefined && stated === undefined) return undefined
    const { keyType, as } = typeof stated === 'string' ? { keyType: stated, as: undefined } : (stated ?? {})
    const keyring = this.#resolve(table === undefined ? path : `${table}.${path}`, keyType)
    if (keyring === undefined && stated !== undefined) throw unmatched(path)
    if (keyring === undefined) return undefined
    const context = placeContext(keyring, { table, column: path })
    const field = <T>(codec: Codec<T>, more = {}) =>
      new Field(this.#rings, keyring, codec, { ...context, ...more })
    const declared = as === undefined ? undefined : field(codecFor(as) as Codec<unknown>)
    const text = field(CODECS.string)
    const json = field(CODECS.json, { as: 'json' })
    return { declared, text, json, opening: [declared ?? text, json] as FieldPlan['opening'] }
  }

  #rowOf(record: PlainRecord): { row?: string } {
    const { row } = this.#options
    if (row === undefined) return {}
    const id = typeof row === 'function' ? row(record) : record[row]
    if (typeof id === 'string' && id !== '') return { row: id }
    if (typeof id === 'number' && Number.isSafeInteger(id)) return { row: String(id) }
    if (typeof id === 'bigint') return { row: String(id) }
    throw new KeywrightError('ERR_CONTEXT_INVALID', 'the record has no usable row id', {
      hint: 'the "row" option names a member that holds a non-empty string or an integer, or leave it out',
    })
  }
}

function sealer(plan: FieldPlan, value: unknown): Field<unknown> {
  return (plan.declared ?? (typeof value === 'string' ? plan.text : plan.json)) as Field<unknown>
}

type Row = { row?: string }

async function openAsync(plan: FieldPlan, value: unknown, row: Row): Promise<unknown> {
  const ciphertext = asCiphertext(value)
  const [first, second] = plan.opening
  try {
    return await first.decrypt(ciphertext, row)
  } catch (error) {
    if (!mayBeTheOther(error)) throw error
    const opened = await second.decrypt(ciphertext, row)
    plan.opening = [second, first]
    return opened
  }
}

function openSync(plan: FieldPlan, value: unknown, row: Row): unknown {
  const ciphertext = asCiphertext(value)
  const [first, second] = plan.opening
  try {
    return first.decryptSync(ciphertext, row)
  } catch (error) {
    if (!mayBeTheOther(error)) throw error
    const opened = second.decryptSync(ciphertext, row)
    plan.opening = [second, first]
    return opened
  }
}

function asCiphertext(value: unknown): string | Uint8Array {
  if (typeof value === 'string' || isCiphertext(value)) return value
  throw new KeywrightError('ERR_NOT_CIPHERTEXT', 'the value is not a Keywright ciphertext', {
    hint: 'was it stored before encryption was switched on?',
  })
}

const mayBeTheOther = (error: unknown): boolean =>
  error instanceof KeywrightError && error.code === 'ERR_DECRYPTION_FAILED'

/** A field that the caller names must not be stored in clear because nobody knows its key type. */
function unmatched(path: string): KeywrightError {
  return new KeywrightError('ERR_FIELD_UNMATCHED', `field "${path}": no selector of the policy matches it`, {
    hint: 'name its key type: { keyType: … }, or add a selector for it to the policy document',
    details: { field: path },
  })
}

/** The same error, saying in which field. A member name that looks like data is not repeated. */
function named(error: unknown, at: string): unknown {
  if (!(error instanceof KeywrightError)) return error
  const path = at
    .split('.')
    .map((segment) => (/^[\w$-]{1,64}$/.test(segment) ? segment : '…'))
    .join('.')
  return new KeywrightError(error.code, `field "${path}": ${error.message}`, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    details: { ...error.details, field: path },
  })
}
