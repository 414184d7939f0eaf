/**
 * Decorators of standard ECMAScript (stage 3, as TypeScript 5 and esbuild compile them without flags): the instance
 * holds the ciphertext, the accessor gives the value. What copies, prints or serialises the instance sees ciphertext.
 */
import { inspect } from 'node:util'
import type { FieldType, FieldTypes } from '../data/codecs.ts'
import { isEncrypted } from '../data/inspect.ts'
import { KeywrightError } from '../errors.ts'
import { type ColumnOptions, EncryptedColumn } from './shared/column.ts'
import { rowId } from './shared/row.ts'
import type { KeywrightSource } from './shared/source.ts'

export interface EncryptedMemberOptions<K extends FieldType = 'string'> extends ColumnOptions<K> {
  /**
   * The member that holds the row's id, declared before this one. Values are then bound to it: it must be set before
   * them, and stay. @default not bound to a row
   */
  readonly row?: string
}

/** For `accessor` members and, where the compiler follows the final proposal, plain fields. */
export interface EncryptedMember<T> {
  <This extends object, V extends T | null | undefined>(
    target: ClassAccessorDecoratorTarget<This, V>,
    context: ClassAccessorDecoratorContext<This, V>,
  ): ClassAccessorDecoratorResult<This, V>
  <This extends object, V extends T | null | undefined>(
    target: undefined,
    context: ClassFieldDecoratorContext<This, V>,
  ): (this: This, initial: V) => V
}

/** Makes decorators of members: `@encrypted('users.email') accessor email = ''`. */
export interface EncryptedDecorator {
  <K extends FieldType = 'string'>(
    of: string,
    options?: EncryptedMemberOptions<K>,
  ): EncryptedMember<FieldTypes[K]>
  /** Loads the keys of every member decorated so far, for the accessors. */
  ready(): Promise<void>
}

/** Ciphertexts of an instance by member; what is null or undefined was never encrypted. */
type Held = Map<PropertyKey, string | null | undefined>

const held = new WeakMap<object, Held>()
const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/**
 * The decorator of one Keywright, or of one that is opened later:
 *
 *     const encrypted = encryptedMembers(() => kw)
 *     class User { @encrypted('users.email') accessor email = '' }
 *
 * Reading and writing are synchronous: `await encrypted.ready()` before the first instance. They throw
 * ERR_KEY_NOT_LOADED otherwise, and what decryption throws.
 */
export function encryptedMembers(source: KeywrightSource): EncryptedDecorator {
  const columns: EncryptedColumn<unknown>[] = []
  const decorator = (of: string, options: EncryptedMemberOptions<FieldType> = {}) => {
    const { row, ...rest } = options
    const column = new EncryptedColumn<unknown>(source, of, rest)
    columns.push(column)
    return (_target: unknown, context: ClassAccessorDecoratorContext | ClassFieldDecoratorContext) => {
      const member = new Member(column, row, context.name)
      if (context.private) throw notThere('a private member')
      if (context.static) throw notThere('a static member')
      return context.kind === 'accessor' ? member.accessor() : member.field(context)
    }
  }
  const ready = async (): Promise<void> => {
    for (const column of columns) await column.ready()
  }
  return Object.assign(decorator, { ready }) as unknown as EncryptedDecorator
}

/** The ciphertexts that an instance holds, by member, to store them. */
export function ciphertextsOf(instance: object): Record<string, string | null | undefined> {
  const own = held.get(instance)
  return own === undefined ? {} : Object.fromEntries(own)
}

/**
 * Puts stored ciphertexts back into an instance, without decrypting them. Throws ERR_NOT_CIPHERTEXT for anything else,
 * and ERR_ARGUMENT_INVALID for a member that is not encrypted.
 */
export function restore<T extends object>(
  instance: T,
  ciphertexts: Readonly<Record<string, string | null | undefined>>,
): T {
  const own = held.get(instance)
  for (const [name, value] of Object.entries(ciphertexts)) {
    if (own?.has(name) !== true) {
      throw new KeywrightError('ERR_ARGUMENT_INVALID', 'the instance has no encrypted member of that name', {
        hint: 'only members with the decorator hold ciphertexts; assign the others',
      })
    }
    if (value !== null && value !== undefined && !isEncrypted(value)) {
      throw new KeywrightError(
        'ERR_NOT_CIPHERTEXT',
        `member "${name}": the value is not a Keywright ciphertext`,
        {
          hint: 'assign plain values to the member itself: it encrypts them',
        },
      )
    }
  }
  for (const [name, value] of Object.entries(ciphertexts)) own?.set(name, value)
  return instance
}

/** One decorated member of a class. */
class Member {
  readonly #column: EncryptedColumn<unknown>
  readonly #row: string | undefined
  readonly #name: PropertyKey

  constructor(column: EncryptedColumn<unknown>, row: string | undefined, name: PropertyKey) {
    this.#column = column
    this.#row = row
    this.#name = name
  }

  /** The storage that the language makes for the accessor stays empty. */
  accessor(): ClassAccessorDecoratorResult<object, unknown> {
    const { get, set, begin } = this.#operations()
    return {
      get() {
        return get(this)
      },
      set(value) {
        set(this, value)
      },
      init(initial) {
        begin(this, initial)
        return undefined
      },
    }
  }

  /** A field is an own property: it is replaced by an accessor as soon as the language has defined it. */
  field(context: ClassFieldDecoratorContext): (this: object, initial: unknown) => unknown {
    const { get, set, begin } = this.#operations()
    const name = this.#name
    context.addInitializer(function (this: unknown) {
      const instance = this as object
      if (held.get(instance)?.has(name) !== true) throw notThere('a field compiled by this compiler')
      Object.defineProperty(instance, name, {
        get: () => get(instance),
        set: (value: unknown) => set(instance, value),
        enumerable: false, // `{ ...instance }` and Object.assign must not copy the value out
        configurable: false,
      })
    })
    return function (initial) {
      begin(this, initial)
      return undefined
    }
  }

  #operations() {
    const name = this.#name
    const set = (instance: object, value: unknown): void => {
      own(instance).set(name, this.#column.encryptSync(value, this.#rowOf(instance, value)))
    }
    return {
      get: (instance: object): unknown => {
        const value = held.get(instance)?.get(name)
        return this.#column.decryptSync(value, this.#rowOf(instance, value))
      },
      set,
      begin: (instance: object, initial: unknown): void => {
        set(instance, initial)
        showCiphertexts(instance)
      },
    }
  }

  #rowOf(instance: object, value: unknown): string | undefined {
    if (this.#row === undefined || value === null || value === undefined) return undefined
    const id: unknown = Reflect.get(instance, this.#row)
    return rowId(
      id,
      `member "${String(this.#name)}"`,
      `set "${this.#row}" before it, in a member declared before it`,
    )
  }
}

function own(instance: object): Held {
  const known = held.get(instance)
  if (known !== undefined) return known
  const made: Held = new Map()
  held.set(instance, made)
  return made
}

/** A class that has its own toJSON or inspection keeps it. */
function showCiphertexts(instance: object): void {
  const prototype = Object.getPrototypeOf(instance) as object | null
  const target = prototype === Object.prototype || prototype === null ? instance : prototype
  if (!('toJSON' in instance)) {
    define(target, 'toJSON', function (this: object) {
      return { ...this, ...ciphertextsOf(this) }
    })
  }
  if (!(INSPECT in instance)) {
    define(target, INSPECT, function (this: object, _depth: number, options: object) {
      return `${this.constructor.name} ${inspect({ ...this, ...ciphertextsOf(this) }, { ...options, getters: false })}`
    })
  }
}

const define = (
  target: object,
  name: PropertyKey,
  value: (this: object, ...args: never[]) => unknown,
): void => {
  Object.defineProperty(target, name, { value, writable: true, configurable: true })
}

function notThere(what: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', `${what} cannot be encrypted`, {
    hint: "decorate a public member of instances, best as `@encrypted('users.email') accessor email = ''`",
  })
}
