/** Functions whose callers hold ciphertexts: parameters are decrypted on the way in, the result encrypted on the way out. */
import type { Context } from '../crypto/canonical.ts'
import type { FieldType } from '../data/codecs.ts'
import type { Field } from '../data/field.ts'
import type { RecordCodec, RecordOptions } from '../data/records.ts'
import { KeywrightError } from '../errors.ts'
import type { Keywright } from '../keywright.ts'
import { located } from './shared/place.ts'
import { type KeywrightSource, madeFor } from './shared/source.ts'

/** One whole value. */
export interface ValueSlot {
  /** A key type, or 'table.column', whose key type the policy's selectors tell. */
  readonly field: string
  /** The type of the plain value. @default 'string' */
  readonly as?: FieldType
  /** What else the value is bound to. */
  readonly context?: Context
}

/** The sensitive members of an object: what `kw.records` takes. */
export interface RecordSlot {
  readonly record: RecordOptions
}

/** How one parameter or the result is encrypted: 'pii' and 'users.email' are short for `{ field }`. */
export type Slot = string | ValueSlot | RecordSlot

export interface EncryptedFunctionOptions {
  /** The result. @default plain */
  readonly returns?: Slot
  /** The parameters by position; undefined and what is beyond the end are plain. */
  readonly params?: readonly (Slot | undefined)[]
  readonly tenant?: string
}

type Values = readonly unknown[]

/** What stands outside for a value `V` in a slot `S`. */
type Outside<S, V> = S extends RecordSlot ? V : S extends Slot ? string | Extract<V, null | undefined> : V

type OutsideParams<P, A extends Values> = P extends Values
  ? { [I in keyof A]: I extends keyof P ? Outside<P[I], A[I]> : A[I] }
  : A

type ParamsOf<O> = O extends { readonly params: infer P } ? P : undefined
type ReturnsOf<O> = O extends { readonly returns: infer S } ? S : undefined

/** A function of the same parameters for whoever holds ciphertexts. */
export type EncryptedFunction<This, A extends Values, R, O> = (
  this: This,
  ...args: OutsideParams<ParamsOf<O>, A>
) => Promise<Outside<ReturnsOf<O>, Awaited<R>>>

/** The same for synchronous functions. */
export type EncryptedSyncFunction<This, A extends Values, R, O> = (
  this: This,
  ...args: OutsideParams<ParamsOf<O>, A>
) => Outside<ReturnsOf<O>, R>

/**
 * Wraps `fn`, which works on plain values, for callers that hold ciphertexts:
 *
 *     const mask = encrypted(kw, (ssn: string) => ssn.slice(-4), { params: ['users.ssn'], returns: 'pii' })
 *     await mask(ciphertextOfSsn) // 'kw1.…'
 *
 * null and undefined stay. Loads keys as needed. Rejects as decryption does, naming the parameter, before `fn` is called.
 */
export function encrypted<
  This,
  A extends Values,
  R,
  const O extends EncryptedFunctionOptions = EncryptedFunctionOptions,
>(source: KeywrightSource, fn: (this: This, ...args: A) => R, options: O): EncryptedFunction<This, A, R, O> {
  const slots = slotsOf(source, options)
  const wrapped = async function (this: This, ...args: unknown[]): Promise<unknown> {
    const { params, returns } = slots()
    const plain: unknown[] = [...args]
    for (const { slot, index, where } of params) {
      const value = args[index]
      if (value === null || value === undefined) continue
      plain[index] = await slot.decrypt(value).catch(rethrow(where))
    }
    const result: unknown = await Reflect.apply(fn, this, plain)
    if (returns === undefined || result === null || result === undefined) return result
    return returns.encrypt(result).catch(rethrow('the result'))
  }
  return named(wrapped, fn) as unknown as EncryptedFunction<This, A, R, O>
}

/**
 * The same for functions that return no promise. Throws ERR_KEY_NOT_LOADED before `kw.ready([…], { all: true })`.
 */
export function encryptedSync<
  This,
  A extends Values,
  R,
  const O extends EncryptedFunctionOptions = EncryptedFunctionOptions,
>(
  source: KeywrightSource,
  fn: (this: This, ...args: A) => R,
  options: O,
): EncryptedSyncFunction<This, A, R, O> {
  const slots = slotsOf(source, options)
  const wrapped = function (this: This, ...args: unknown[]): unknown {
    const { params, returns } = slots()
    const plain: unknown[] = [...args]
    for (const { slot, index, where } of params) {
      const value = args[index]
      if (value === null || value === undefined) continue
      plain[index] = attempt(where, () => slot.decryptSync(value))
    }
    const result: unknown = Reflect.apply(fn, this, plain)
    if (returns === undefined || result === null || result === undefined) return result
    return attempt('the result', () => returns.encryptSync(settled(result)))
  }
  return named(wrapped, fn) as unknown as EncryptedSyncFunction<This, A, R, O>
}

type MethodDecorator = <This, A extends Values, R>(
  method: (this: This, ...args: A) => R,
  context: ClassMethodDecoratorContext,
) => (this: This, ...args: A) => R

/**
 * The wrapper as a standard decorator of methods that return a promise. TypeScript cannot change a method's type in a
 * decorator, so parameters and results keep theirs: declare them as what callers hold, strings mostly.
 */
export function encryptedMethod(source: KeywrightSource, options: EncryptedFunctionOptions): MethodDecorator {
  return (method) => encrypted(source, method, options) as never
}

/** Both directions of a slot, whether it is a value or a record. */
interface SlotCipher {
  encrypt(value: unknown): Promise<unknown>
  decrypt(value: unknown): Promise<unknown>
  encryptSync(value: unknown): unknown
  decryptSync(value: unknown): unknown
}

interface Slots {
  readonly returns: SlotCipher | undefined
  readonly params: readonly { readonly slot: SlotCipher; readonly index: number; readonly where: string }[]
}

/** Opened with the first call, then kept. */
function slotsOf(source: KeywrightSource, options: EncryptedFunctionOptions): () => Slots {
  const { tenant, returns, params = [] } = options
  return madeFor(source, (kw) => ({
    returns: returns === undefined ? undefined : cipherOf(kw, returns, tenant),
    params: params.flatMap((slot, index) =>
      slot === undefined
        ? []
        : [{ slot: cipherOf(kw, slot, tenant), index, where: `parameter ${index + 1}` }],
    ),
  }))
}

function cipherOf(kw: Keywright, slot: Slot, tenant: string | undefined): SlotCipher {
  const tenantOption = tenant === undefined ? {} : { tenant }
  if (typeof slot !== 'string' && 'record' in slot)
    return kw.records({ ...tenantOption, ...slot.record }) as RecordCodec & SlotCipher
  const { field, as = 'string', context } = typeof slot === 'string' ? { field: slot } : slot
  return kw.field(field, {
    as,
    ...(context === undefined ? {} : { context }),
    ...tenantOption,
  }) as unknown as Field<unknown> & SlotCipher
}

function attempt<T>(where: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw located(error, where)
  }
}

const rethrow =
  (where: string) =>
  (error: unknown): never => {
    throw located(error, where)
  }

/** The result of a synchronous function; a promise would be taken for an empty object. */
function settled(result: unknown): unknown {
  if (typeof (result as { then?: unknown }).then !== 'function') return result
  throw new KeywrightError('ERR_VALUE_TYPE', 'the function returns a promise', {
    hint: 'wrap it with encrypted instead of encryptedSync',
  })
}

/** Under the name of the function it stands for, so that stacks read well. */
function named<F extends (...args: never[]) => unknown>(wrapped: F, { name }: { readonly name: string }): F {
  return Object.defineProperty(wrapped, 'name', { value: name, configurable: true })
}

export type { KeywrightSource }
