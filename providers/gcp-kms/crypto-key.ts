/** The calls on one crypto key, each with its error in words and its reply checked. */
import { KeywrightError, type MasterKeyDescription } from '../../src/provider.ts'
import type { Connection, KmsRequest } from './connection.ts'
import { corrupted, describeFailure } from './errors.ts'
import { assertSuitable, describe, type KeyReply, primaryOf, type VersionReply } from './master-key.ts'
import { versionName, versionOf } from './names.ts'
import { PERMISSIONS } from './privileges.ts'
import {
  type DecryptReply,
  decryptRequest,
  type Encrypted,
  type EncryptReply,
  encryptRequest,
  readDecrypted,
  readEncrypted,
} from './replies.ts'

type Signal = AbortSignal | undefined

const ENCRYPT = { operation: 'encrypt', permission: PERMISSIONS.wrap }
const DECRYPT = { operation: 'decrypt', permission: PERMISSIONS.unwrap }
const READ = { operation: 'read the key', permission: PERMISSIONS.describe }
const ROTATE = { operation: 'rotate the key', permission: PERMISSIONS.rotate }

/** A key by its resource name. All members throw KeywrightError. */
export class CryptoKey {
  readonly name: string
  readonly #connection: Connection

  constructor(name: string, connection: Connection) {
    this.name = name
    this.#connection = connection
  }

  /** With the primary version, or with `version`. */
  async encrypt(
    plaintext: Uint8Array,
    aad: Uint8Array,
    signal: Signal,
    version?: string,
  ): Promise<Encrypted> {
    const target = version === undefined ? this.name : versionName(this.name, version)
    const request = encryptRequest(target, plaintext, aad)
    const encrypted = readEncrypted(
      this.name,
      await this.#call<EncryptReply>('encrypt', request, signal, ENCRYPT),
    )
    if (version === undefined || encrypted.version === version) return encrypted
    throw corrupted('the reply to an encryption is of another version')
  }

  /** The service finds the version in the ciphertext. */
  async decrypt(ciphertext: Uint8Array, aad: Uint8Array, signal: Signal): Promise<Uint8Array> {
    const request = decryptRequest(this.name, ciphertext, aad)
    return readDecrypted(await this.#call<DecryptReply>('decrypt', request, signal, DECRYPT))
  }

  /** The key with its primary version, or with `pinned`; and what the primary is, where it is another one. */
  async describe(
    pinned: string | undefined,
    signal: Signal,
  ): Promise<{ description: MasterKeyDescription; primary: string | undefined }> {
    const key = await this.#call<KeyReply>('getCryptoKey', { name: this.name }, signal, READ)
    assertSuitable(this.name, key)
    const version = pinned === undefined ? primaryOf(this.name, key) : await this.#version(pinned, signal)
    const primary = versionOf(this.name, key.primary?.name)
    return { description: describe(this.name, key, version), primary }
  }

  /** Makes a version and makes it primary. The service counts versions; their numbers are never used again. */
  async rotate(signal: Signal): Promise<MasterKeyDescription> {
    const request = { cryptoKeyVersion: {}, parent: this.name }
    const made = await this.#call<VersionReply>('createCryptoKeyVersion', request, signal, ROTATE)
    const version = versionOf(this.name, made.name)
    if (version === undefined) throw corrupted('the version that was made is of another key')
    if (made.state !== 'ENABLED') throw this.#notUsable(version)
    const change = { cryptoKeyVersionId: version, name: this.name }
    const key = await this.#call<KeyReply>('updateCryptoKeyPrimaryVersion', change, signal, ROTATE)
    assertSuitable(this.name, key)
    return describe(this.name, key, primaryOf(this.name, key))
  }

  #version(version: string, signal: Signal): Promise<VersionReply> {
    return this.#call('getCryptoKeyVersion', { name: versionName(this.name, version) }, signal, READ)
  }

  #notUsable(version: string): KeywrightError {
    return new KeywrightError('ERR_PROVIDER_FAILED', 'gcp-kms: the new key version is not usable at once', {
      details: { masterKeyId: this.name, masterKeyVersion: version },
      hint: 'the primary version is unchanged: make the new one primary when Cloud KMS shows it as enabled',
    })
  }

  async #call<T>(
    method: string,
    request: KmsRequest,
    signal: Signal,
    asked: { operation: string; permission: string },
  ): Promise<T> {
    try {
      return await this.#connection.call<T>(method, request, signal)
    } catch (error) {
      throw describeFailure(error, { ...asked, key: this.name })
    }
  }
}
