/** A keyring as applications hold it: values in, `kw1.…` out, with a context that may differ from call to call. */

import { type Context, canonicalBytes } from '../crypto/canonical.ts'
import { parseCiphertext, toText } from '../crypto/ciphertext.ts'
import type { Keyring } from '../keys/keyring.ts'
import type { Keyrings } from '../keys/keyrings.ts'
import { placeContext } from './binding.ts'
import { CODECS, codecFor, type FieldType, type FieldTypes, type JsonValue } from './codecs.ts'

export interface ContextOption {
  /** What the ciphertext is bound to beside its keyring. The same must be given to decrypt. @default {} */
  readonly context?: Context
}

export interface DecryptOptions<K extends FieldType = 'string'> extends ContextOption {
  /** What the plaintext is read as. @default 'string' */
  readonly as?: K
}

/** Strings become UTF-8, bytes stay bytes, everything else becomes JSON. */
export type Encryptable = JsonValue | Uint8Array

export class KeyringCipher {
  readonly #rings: Keyrings
  readonly #ring: Keyring

  constructor(rings: Keyrings, ring: Keyring) {
    this.#rings = rings
    this.#ring = ring
  }

  /** 'pii', 'pii/tenant-42' */
  get name(): string {
    return this.#ring.name
  }

  /** Encrypts under the active key; loads what is missing. */
  async encrypt(value: Encryptable, options: ContextOption = {}): Promise<string> {
    if (this.#ring.readyToSeal()) return this.encryptSync(value, options)
    return toText(await this.#ring.seal(encode(value), this.#aad(options)))
  }

  /** Encrypts without waiting. Throws ERR_KEY_NOT_LOADED when the keyring is not ready. */
  encryptSync(value: Encryptable, options: ContextOption = {}): string {
    return toText(this.#ring.sealSync(encode(value), this.#aad(options)))
  }

  /** Decrypts; loads the key when needed. Throws ERR_DECRYPTION_FAILED, ERR_KEY_UNKNOWN, ERR_KEYRING_MISMATCH … */
  async decrypt<K extends FieldType = 'string'>(
    value: string | Uint8Array,
    options: DecryptOptions<K> = {},
  ): Promise<FieldTypes[K]> {
    const codec = codecFor(options.as ?? ('string' as K))
    const wire = parseCiphertext(value)
    return codec.decode(await this.#rings.open(this.#ring, wire, this.#aad(options)))
  }

  /** Decrypts without waiting. Throws ERR_KEY_NOT_LOADED for a key that is not open in this process. */
  decryptSync<K extends FieldType = 'string'>(
    value: string | Uint8Array,
    options: DecryptOptions<K> = {},
  ): FieldTypes[K] {
    const codec = codecFor(options.as ?? ('string' as K))
    const wire = parseCiphertext(value)
    return codec.decode(this.#rings.openSync(this.#ring, wire, this.#aad(options)))
  }

  /** Opens the active key, with `all` every key that may decrypt. */
  async ready(options: { readonly all?: boolean } = {}): Promise<this> {
    await this.#rings.ready(this.#ring, options.all)
    return this
  }

  #aad(options: ContextOption): Buffer {
    return canonicalBytes(placeContext(this.#ring.name, { context: options.context }))
  }
}

function encode(value: Encryptable): string | Uint8Array {
  if (typeof value === 'string') return CODECS.string.encode(value)
  return value instanceof Uint8Array ? value : CODECS.json.encode(value)
}
