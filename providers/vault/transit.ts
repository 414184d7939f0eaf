/** The operations on a Transit key: https://developer.hashicorp.com/vault/api-docs/secret/transit. */
import {
  KeywrightError,
  type MasterKeyDescription,
  type ServerFacts,
  type WrappedKey,
} from '../../src/provider.ts'
import { unwrapFailed } from '../local/call.ts'
import { CORRUPTED, failure, KEY_MISSING, NOT_TRANSIT } from './failures.ts'
import { assertSuitable, describeKey, isAeadType, parseKey, type TransitKey } from './key.ts'
import type { VaultReply } from './server.ts'
import type { VaultSession } from './session.ts'
import type { VaultSettings } from './settings.ts'

type Signal = AbortSignal | undefined

/**
 * The type that `encrypt` would give a key that it makes by itself. It cannot encrypt, so where there is no key the
 * call fails in place of making one; a key that is there has its type already.
 */
const TYPE_THAT_CANNOT_ENCRYPT = 'ecdsa-p256'
const NEW_KEY_TYPE = 'aes256-gcm96'
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

export class TransitEngine {
  readonly #session: VaultSession
  readonly #settings: VaultSettings
  /** What the key is does not change while it exists. */
  #known: TransitKey | undefined

  constructor(session: VaultSession, settings: VaultSettings) {
    this.#session = session
    this.#settings = settings
  }

  /** Wraps under the latest or the pinned version of a key that exists. */
  async wrap(plaintext: Uint8Array, context: Uint8Array, signal: Signal): Promise<WrappedKey> {
    const { keyVersion, name } = this.#settings
    const { type } = this.#known ?? (await this.read(signal)).key
    const reply = await this.#post('encrypt', signal, {
      plaintext: base64(plaintext),
      ...this.#bound(context),
      type: TYPE_THAT_CANNOT_ENCRYPT,
      ...(keyVersion === undefined ? {} : { key_version: keyVersion }),
    })
    const { version, ciphertext } = parseCiphertext(reply)
    if (keyVersion !== undefined && version !== String(keyVersion)) throw failure(CORRUPTED)
    return {
      provider: name,
      masterKeyId: this.#settings.keyId,
      masterKeyVersion: version,
      algorithm: type,
      ciphertext,
    }
  }

  /** Unwraps with exactly the version of the label: the ciphertext that is sent is made from it. */
  async unwrap(wrapped: WrappedKey, context: Uint8Array, signal: Signal): Promise<Uint8Array> {
    if (wrapped.masterKeyId !== this.#settings.keyId) throw foreign()
    // Vault reads v0 as v1.
    const isLabel = /^[1-9]\d{0,8}$/.test(wrapped.masterKeyVersion) && isAeadType(wrapped.algorithm)
    if (!isLabel) throw unwrapFailed()
    const { data } = await this.#post('decrypt', signal, {
      ciphertext: `vault:v${wrapped.masterKeyVersion}:${base64(wrapped.ciphertext)}`,
      ...this.#bound(context),
    })
    const bytes = bytesOf(data['plaintext'])
    if (bytes === undefined) throw failure(CORRUPTED)
    return bytes
  }

  async describe(signal: Signal): Promise<MasterKeyDescription> {
    const { facts, key } = await this.read(signal)
    return this.#described(key, facts)
  }

  async rotate(signal: Signal): Promise<MasterKeyDescription> {
    await this.read(signal)
    const { data, facts } = await this.#post('rotate', signal, {})
    const key = parseKey(data)
    // Old servers do not say. It happened: an abort that comes now must not hide it.
    return key === undefined ? this.describe(undefined) : this.#described(key, facts)
  }

  /** Reads the key, and with the option `create` makes it where there is none. */
  async read(signal: Signal): Promise<{ key: TransitKey; facts: ServerFacts }> {
    const path = this.#path('keys')
    const reply = await this.#call(async () => {
      try {
        return await this.#session.request({ method: 'GET', path, signal })
      } catch (error) {
        if (!isMissing(error)) throw error
        await this.#assertTransit(signal)
        if (this.#settings.create !== true) throw error
        const body = { type: NEW_KEY_TYPE, derived: this.#settings.derived === true }
        await this.#session.request({ method: 'POST', path, body, signal }) // changes nothing if there is one now
        return this.#session.request({ method: 'GET', path, signal })
      }
    })
    const key = parseKey(reply.data)
    if (key === undefined) {
      await this.#assertTransit(signal)
      throw failure(CORRUPTED)
    }
    assertSuitable(key, this.#settings)
    this.#known = key
    return { key, facts: reply.facts }
  }

  #post(
    operation: 'encrypt' | 'decrypt' | 'rotate',
    signal: Signal,
    body: Readonly<Record<string, unknown>>,
  ): Promise<VaultReply> {
    return this.#call(() =>
      this.#session.request({ method: 'POST', path: this.#path(operation), body, signal }),
    )
  }

  /** After a failure the key may be another one or gone: the next wrap looks. */
  async #call(request: () => Promise<VaultReply>): Promise<VaultReply> {
    try {
      return await request()
    } catch (error) {
      this.#known = undefined
      throw error
    }
  }

  #described(key: TransitKey, facts: ServerFacts): MasterKeyDescription {
    const described = describeKey(key, this.#settings, facts)
    return { ...described, warnings: [...(described.warnings ?? []), ...this.#session.warnings()] }
  }

  #path(operation: 'encrypt' | 'decrypt' | 'rotate' | 'keys'): string {
    const { keyId, mount } = this.#settings
    return operation === 'rotate' ? `${mount}/keys/${keyId}/rotate` : `${mount}/${operation}/${keyId}`
  }

  #bound(context: Uint8Array): Record<string, string> {
    const bytes = base64(context)
    return { associated_data: bytes, ...(this.#settings.derived === true ? { context: bytes } : {}) }
  }

  /**
   * An engine of another kind answers 404 too, or something that is no key. Any token that may do something in a
   * mount may ask what it is; for others the question stays open.
   */
  async #assertTransit(signal: Signal): Promise<void> {
    const path = `sys/internal/ui/mounts/${this.#settings.mount}`
    try {
      const { data } = await this.#session.request({ method: 'GET', path, signal })
      if (data['type'] === undefined || data['type'] === 'transit') return
    } catch (error) {
      if (error instanceof KeywrightError && !error.retryable && error.code !== 'ERR_ABORTED') return
      throw error
    }
    throw failure(NOT_TRANSIT)
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof KeywrightError && error.code === KEY_MISSING.code

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

/** Bytes of base64 text, none or more than none; undefined for anything else. */
function bytesOf(text: unknown): Uint8Array | undefined {
  return typeof text === 'string' && text !== '' && BASE64.test(text)
    ? Buffer.from(text, 'base64')
    : undefined
}

/** `vault:vN:base64`, and `key_version` where the server is new enough to say it. */
function parseCiphertext({ data }: VaultReply): { version: string; ciphertext: Uint8Array } {
  const { ciphertext: text, key_version: stated } = data
  const match = typeof text === 'string' ? /^vault:v([1-9]\d{0,8}):(.+)$/.exec(text) : null
  const [, version, encoded] = match ?? []
  const ciphertext = bytesOf(encoded)
  const isOne = stated === undefined || String(stated) === version
  if (version === undefined || ciphertext === undefined || !isOne) throw failure(CORRUPTED)
  return { version, ciphertext }
}

/** Whose wrap it is is stored data, and so not shown. */
function foreign(): KeywrightError {
  return new KeywrightError('ERR_MASTER_KEY_NOT_FOUND', 'the key was wrapped by another transit key', {
    hint: 'ENCRYPTION_KEY_ID names a key that did not make this wrap: put back the former name, or configure a second provider for it',
  })
}
