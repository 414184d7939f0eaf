/** The readers that a migration may use, by name. */
import { KeywrightError } from '../../errors.ts'
import { fernetReader } from './fernet.ts'
import { type FernetKey, fernetKeys } from './fernet-key.ts'
import { looksCurrent } from './forms.ts'
import { plainReader } from './plain.ts'
import type { ForeignReader } from './reader.ts'

/** What is needed to read values of other libraries. Read nowhere but inside a migration window of the policy. */
export interface ForeignOptions {
  /** Readers of formats of your own, beside 'fernet' and 'plain'. */
  readonly readers?: readonly ForeignReader[]
  /**
   * Fernet keys as `Fernet.generate_key()` prints them, in the order in which they are tried; a text may hold several,
   * one a line or joined by commas. The first key is the one that the way back writes with.
   */
  readonly fernetKeys?: readonly string[]
}

const NAME = /^[a-z][a-z0-9-]{0,31}$/
const TAKEN: readonly string[] = ['current', 'plain', 'fernet']

export class ForeignReaders {
  readonly #options: ForeignOptions
  #keys: readonly FernetKey[] | undefined

  /** Throws ERR_ARGUMENT_INVALID for a reader whose name is taken or none. Keys are looked at when they are needed. */
  constructor(options: ForeignOptions = {}) {
    this.#options = options
    const names = (options.readers ?? []).map(({ name }) => name)
    names.forEach((name, index) => {
      if (NAME.test(name) && !TAKEN.includes(name) && names.indexOf(name) === index) return
      throw new KeywrightError('ERR_ARGUMENT_INVALID', 'a reader in "readers" has no usable name', {
        hint: `lower-case letters, digits and "-", at most 32, each another, and none of ${TAKEN.join(', ')}`,
      })
    })
  }

  /** The Fernet keys, the one that writes first. Throws ERR_FOREIGN_KEY_MISSING and ERR_ARGUMENT_INVALID. */
  get fernetKeys(): readonly FernetKey[] {
    this.#keys ??= fernetKeys(this.#options.fernetKeys ?? [])
    if (this.#keys.length > 0) return this.#keys
    throw new KeywrightError(
      'ERR_FOREIGN_KEY_MISSING',
      'there is no Fernet key to read the old values with',
      {
        hint: 'set ENCRYPTION_KEY or OLD_ENCRYPTION_KEY, pass --old-key-file, or "fernetKeys"',
      },
    )
  }

  /**
   * Readers in the order in which they are asked: those with a form first, plain text last. Throws
   * ERR_FOREIGN_KEY_MISSING, and ERR_CONFIG_INVALID for a name that no reader has.
   */
  named(names: readonly string[]): ForeignReader[] {
    const inOrder = [...new Set(names)].sort((a, b) => Number(a === 'plain') - Number(b === 'plain'))
    return inOrder.map((name) => this.#named(name))
  }

  #named(name: string): ForeignReader {
    if (name === 'plain') return plainReader
    if (name === 'fernet') return fernetReader(this.fernetKeys)
    const own = this.#options.readers ?? []
    const found = own.find((reader) => reader.name === name)
    if (found !== undefined) return found
    const known = ['plain', 'fernet', ...own.map((reader) => reader.name)]
    throw new KeywrightError('ERR_CONFIG_INVALID', 'the migration reads a format that has no reader', {
      hint: `"migration.reads" may name ${known.join(', ')}; pass others in "readers"`,
    })
  }
}

/** What a value is: Keywright's own, one that a reader takes, or neither. */
export type Recognised =
  | { readonly kind: 'current' }
  | { readonly kind: 'readable'; readonly reader: ForeignReader }
  | { readonly kind: 'foreign' }

/** The first of `readers` that takes the value. One that looks like ours is never anything else. */
export function recognise(value: string | Uint8Array, readers: readonly ForeignReader[]): Recognised {
  if (looksCurrent(value)) return { kind: 'current' }
  const reader = readers.find((one) => one.recognises(value))
  return reader === undefined ? { kind: 'foreign' } : { kind: 'readable', reader }
}
