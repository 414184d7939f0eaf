/** A field: one column with its key type, its type and its context, bound once and used many times. */

import type { Context } from '../crypto/canonical.ts'
import { parseCiphertext, toText } from '../crypto/ciphertext.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Keyrings } from '../keys/keyrings.ts'
import { bindPlace, type FieldPlace, placeContext } from './binding.ts'
import { type Codec, codecFor, type FieldType, type FieldTypes } from './codecs.ts'

/** Which row a value stands in. With it, a ciphertext copied to another row does not open there. */
export interface RowOption {
  /** The row's id as a string, always in the same form. */
  readonly row?: string
}

export interface FieldOptions<K extends FieldType = 'string'> extends FieldPlace {
  /** The type of the values. @default 'string' */
  readonly as?: K
}

export class Field<T> {
  /** The keyring whose active key encrypts this field. */
  readonly keyring: string
  readonly #rings: Keyrings
  readonly #ring: Keyring
  readonly #codec: Codec<T>
  readonly #aadFor: (row: string | undefined) => Buffer

  /** `context` is complete but for the row; it names the keyring too. */
  constructor(rings: Keyrings, keyring: string, codec: Codec<T>, context: Context) {
    this.keyring = keyring
    this.#rings = rings
    this.#ring = rings.get(keyring)
    this.#codec = codec
    this.#aadFor = bindPlace(context)
  }

  /** Encrypts; loads the keyring when needed. Resolves to `kw1.…`. */
  async encrypt(value: T, options?: RowOption): Promise<string> {
    if (this.#ring.readyToSeal()) return this.encryptSync(value, options)
    return toText(await this.#ring.seal(this.#codec.encode(value), this.#aadFor(options?.row)))
  }

  /** Encrypts without waiting. Throws ERR_KEY_NOT_LOADED before `ready()` or a first `encrypt`. */
  encryptSync(value: T, options?: RowOption): string {
    return toText(this.#ring.sealSync(this.#codec.encode(value), this.#aadFor(options?.row)))
  }

  /** Encrypts to wire bytes, for binary columns. */
  async encryptToBytes(value: T, options?: RowOption): Promise<Buffer> {
    return this.#ring.seal(this.#codec.encode(value), this.#aadFor(options?.row))
  }

  /** Decrypts text or wire bytes; loads the key when needed. Throws ERR_DECRYPTION_FAILED and others. */
  async decrypt(value: string | Uint8Array, options?: RowOption): Promise<T> {
    const wire = parseCiphertext(value)
    const aad = this.#aadFor(options?.row)
    const opened = this.#ring.openIfReady(wire, aad) ?? (await this.#rings.open(this.#ring, wire, aad))
    return this.#codec.decode(opened)
  }

  /** Decrypts without waiting. Throws ERR_KEY_NOT_LOADED for a key that is not open in this process. */
  decryptSync(value: string | Uint8Array, options?: RowOption): T {
    const wire = parseCiphertext(value)
    return this.#codec.decode(this.#rings.openSync(this.#ring, wire, this.#aadFor(options?.row)))
  }

  /** Loads the keyring: the active key, with `all` every key that may decrypt. */
  async ready(options: { readonly all?: boolean } = {}): Promise<this> {
    await this.#rings.ready(this.#ring, options.all)
    return this
  }
}

/** A field of a keyring. */
export function createField<K extends FieldType = 'string'>(
  rings: Keyrings,
  keyring: string,
  options: FieldOptions<K> = {},
): Field<FieldTypes[K]> {
  return new Field(rings, keyring, codecFor(options.as ?? ('string' as K)), placeContext(keyring, options))
}
