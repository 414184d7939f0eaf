/** The provider's members on one crypto key. */
import {
  type CallOptions,
  type KeyProvider,
  KeywrightError,
  type MasterKeyDescription,
  type ProviderCapabilities,
  type WrapContext,
  type WrappedKey,
} from '../../src/provider.ts'
import { assertNotAborted } from './abort.ts'
import type { CryptoKey } from './crypto-key.ts'
import { errorCode } from './errors.ts'
import { ALGORITHMS, algorithmOf } from './master-key.ts'
import { isVersion } from './names.ts'
import type { Encrypted } from './replies.ts'

export interface KmsProviderOptions {
  readonly name: string
  readonly key: CryptoKey
  readonly pinned: string | undefined
  readonly insecure: boolean
  readonly close: () => Promise<void>
}

/** https://cloud.google.com/kms/docs/reference/rpc/google.cloud.kms.v1#encryptrequest */
const MAX_PLAINTEXT = 65_536
/** In an HSM plaintext and context together; a half is left to the context. */
const HSM_TOTAL = 8_192
const HSM_MAX_PLAINTEXT = 4_096
const PROBE = new Uint8Array(1)

/**
 * The version is bound too: it is part of the additional authenticated data, so that the service refuses a wrap under
 * a false version label. The primary version is learned from an encryption of one byte at the first wrap, then from
 * every reply; when it changed meanwhile, the wrap is made once more under the version that the service named.
 */
export class KmsProvider implements KeyProvider {
  readonly name: string
  readonly capabilities: ProviderCapabilities
  readonly errorCode = errorCode
  readonly close: () => Promise<void>
  readonly rotateMasterKey?: (options?: CallOptions) => Promise<MasterKeyDescription>
  readonly #key: CryptoKey
  readonly #pinned: string | undefined
  readonly #insecure: boolean
  #primary: string | undefined
  #hsm = false

  constructor({ close, insecure, key, name, pinned }: KmsProviderOptions) {
    this.name = name
    this.close = close
    this.#key = key
    this.#pinned = pinned
    this.#insecure = insecure
    const isHsm = (): boolean => this.#hsm
    this.capabilities = {
      bindsContext: true,
      rewraps: false,
      rotatesMasterKey: pinned === undefined,
      versionsMasterKey: true,
      get maxPlaintextBytes() {
        return isHsm() ? HSM_MAX_PLAINTEXT : MAX_PLAINTEXT
      },
    }
    if (pinned === undefined) this.rotateMasterKey = (options) => this.#rotate(options)
  }

  /** Throws ERR_ARGUMENT_INVALID for a key that is empty or too long. */
  async wrapKey(key: Uint8Array, context: WrapContext, { signal }: CallOptions = {}): Promise<WrappedKey> {
    assertNotAborted(signal)
    assertLength(key, MAX_PLAINTEXT)
    const expected = this.#pinned ?? this.#primary ?? (await this.#encrypt(PROBE, PROBE, signal)).version
    const aad = boundTo(context, expected)
    assertLength(key, this.#hsm ? Math.min(HSM_MAX_PLAINTEXT, HSM_TOTAL - aad.length) : MAX_PLAINTEXT)
    let encrypted = await this.#encrypt(key, aad, signal, this.#pinned)
    const { version } = encrypted
    if (version !== expected) {
      encrypted = await this.#encrypt(key, boundTo(context, version), signal, version)
    }
    return {
      algorithm: algorithmOf(encrypted.protectionLevel),
      ciphertext: encrypted.ciphertext,
      masterKeyId: this.#key.name,
      masterKeyVersion: version,
      provider: this.name,
    }
  }

  async unwrapKey(
    wrapped: WrappedKey,
    context: WrapContext,
    { signal }: CallOptions = {},
  ): Promise<Uint8Array> {
    assertNotAborted(signal)
    const { algorithm, ciphertext, masterKeyId, masterKeyVersion } = wrapped
    if (masterKeyId !== this.#key.name) throw foreign(this.#key.name)
    if (!ALGORITHMS.includes(algorithm) || !isVersion(masterKeyVersion) || ciphertext.length === 0) {
      throw new KeywrightError('ERR_UNWRAP_FAILED', 'gcp-kms: the wrapped key cannot be unwrapped', {
        hint: 'the wrap was changed, or it was made under another context, master key or version',
      })
    }
    return this.#key.decrypt(ciphertext, boundTo(context, masterKeyVersion), signal)
  }

  async describeMasterKey({ signal }: CallOptions = {}): Promise<MasterKeyDescription> {
    assertNotAborted(signal)
    const { description, primary } = await this.#key.describe(this.#pinned, signal)
    this.#primary = primary ?? this.#primary
    return { ...description, ...this.#facts() }
  }

  async #rotate({ signal }: CallOptions = {}): Promise<MasterKeyDescription> {
    assertNotAborted(signal)
    const description = await this.#key.rotate(signal)
    this.#primary = description.version
    return { ...description, ...this.#facts() }
  }

  #facts(): Pick<MasterKeyDescription, 'server' | 'warnings'> {
    if (!this.#insecure) return { server: { tls: true } }
    const warning = 'the connection is not encrypted and sends no credentials: for an emulator only'
    return { server: { tls: false }, warnings: [warning] }
  }

  async #encrypt(
    plaintext: Uint8Array,
    aad: Uint8Array,
    signal: AbortSignal | undefined,
    version?: string,
  ): Promise<Encrypted> {
    const encrypted = await this.#key.encrypt(plaintext, aad, signal, version)
    if (version === undefined) this.#primary = encrypted.version
    this.#hsm = encrypted.protectionLevel.startsWith('HSM')
    return encrypted
  }
}

/** Canonical contexts hold no line feed, and a version none in any case: two of them never give the same bytes. */
function boundTo({ bytes }: WrapContext, version: string): Uint8Array {
  return Buffer.concat([bytes, Buffer.from(`\ncryptoKeyVersions/${version}`)])
}

function assertLength(key: unknown, most: number): void {
  if (!(key instanceof Uint8Array)) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `"key" expected Uint8Array, got ${typeof key}`)
  }
  if (key.length >= 1 && key.length <= most) return
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `"key" expected 1 to ${most} bytes, got ${key.length}`)
}

/** The wrap's own name is stored data: it is not shown. */
function foreign(configured: string): KeywrightError {
  return new KeywrightError('ERR_MASTER_KEY_NOT_FOUND', 'gcp-kms: the wrap was made by another master key', {
    details: { configured },
    hint: 'name the key, location and project that made it in ENCRYPTION_KEY_ID, or move the keys to this one',
  })
}
