/** The provider over the clients: which version, what to send, what to believe of the answer. */
import {
  type CallOptions,
  type KeyProvider,
  KeywrightError,
  type MasterKeyDescription,
  type WrapContext,
  type WrappedKey,
} from '../../src/provider.ts'
import { assertNotAborted } from './call.ts'
import { AzureClients } from './clients.ts'
import { type AzureOperation, azureErrorCode, corrupted, unwrapFailed } from './errors.ts'
import { assertSuitable, describeDeleted, describeKey, type KeyVersion, modulusBytes } from './master-key.ts'
import { ALGORITHMS, type AzureAlgorithm, type AzureSettings } from './options.ts'
import type { AzureRotationPolicy } from './sdk.ts'
import { isKeyVersion, masterKeyIdOf, versionWithin } from './vault-url.ts'

/** RSA-OAEP-256 under 2048 bits: 256 − 2 × 32 − 2. https://www.rfc-editor.org/rfc/rfc8017#section-7.1.1 */
const MAX_RSA_BYTES = 190
/** RFC 3394 sets no limit; this is far above what is ever wrapped. */
const MAX_AES_BYTES = 512
/** AES key wrap takes whole blocks of 8 bytes, at least two, and adds one. https://www.rfc-editor.org/rfc/rfc3394 */
const AES_BLOCK = 8
const MAX_CIPHERTEXT_BYTES = 1024

export class AzureKeyVaultProvider implements KeyProvider {
  readonly name: string
  readonly capabilities: KeyProvider['capabilities']
  readonly rotateMasterKey?: (options?: CallOptions) => Promise<MasterKeyDescription>
  readonly #settings: AzureSettings
  readonly #clients: AzureClients
  readonly #masterKeyId: string
  #latest: { readonly found: KeyVersion; readonly seenAt: number } | undefined
  #closed = false

  constructor(name: string, settings: AzureSettings) {
    this.name = name
    this.#settings = settings
    this.#clients = new AzureClients(settings)
    this.#masterKeyId = masterKeyIdOf(settings.vault.url, settings.keyId)
    const isPinned = settings.keyVersion !== undefined
    this.capabilities = {
      bindsContext: false,
      rotatesMasterKey: !isPinned,
      rewraps: false,
      versionsMasterKey: true,
      maxPlaintextBytes: settings.algorithm === 'A256KW' ? MAX_AES_BYTES : MAX_RSA_BYTES,
    }
    if (!isPinned) this.rotateMasterKey = (options) => this.#rotate(options)
  }

  async wrapKey(key: Uint8Array, _context: WrapContext, options?: CallOptions): Promise<WrappedKey> {
    this.#begin(options)
    const { algorithm } = this.#settings
    const payload = copyPayload(key, algorithm, this.capabilities.maxPlaintextBytes)
    try {
      return await this.#wrapUnder(await this.#current(options), payload, options)
    } catch (error) {
      // The version that was remembered may have been taken out of use since: there may be a newer one.
      if (!this.#forgetIfGone(error)) throw await this.#deletedOr(error, options)
      return await this.#wrapAgain(payload, options)
    } finally {
      payload.fill(0)
    }
  }

  async #wrapAgain(payload: Uint8Array, options?: CallOptions): Promise<WrappedKey> {
    try {
      return await this.#wrapUnder(await this.#current(options), payload, options)
    } catch (error) {
      throw await this.#deletedOr(error, options)
    }
  }

  async #wrapUnder(found: KeyVersion, payload: Uint8Array, options?: CallOptions): Promise<WrappedKey> {
    const { algorithm } = this.#settings
    const { version } = found
    const answer = await this.#clients.version('wrap', version, options?.signal, (client, call) =>
      client.wrapKey(algorithm, payload, call),
    )
    this.#assertKid('wrap', answer.kid, version)
    const ciphertext = bytesOf(answer.value.result)
    const expected = algorithm === 'A256KW' ? payload.length + AES_BLOCK : modulusBytes(found.key)
    if (ciphertext?.length !== expected) throw corrupted('wrap', 'has a ciphertext of another length')
    return {
      provider: this.name,
      masterKeyId: this.#masterKeyId,
      masterKeyVersion: version,
      algorithm,
      ciphertext,
    }
  }

  async unwrapKey(wrapped: WrappedKey, _context: WrapContext, options?: CallOptions): Promise<Uint8Array> {
    this.#begin(options)
    const { algorithm, ciphertext, masterKeyId, masterKeyVersion } = wrapped
    // Stored data is never an address: it must name the key that is configured, and then tells only a version.
    if (masterKeyId.toLowerCase() !== this.#masterKeyId.toLowerCase() || !isKeyVersion(masterKeyVersion)) {
      throw foreign(this.#masterKeyId)
    }
    const isKnown = (ALGORITHMS as readonly string[]).includes(algorithm)
    if (!isKnown || ciphertext.length === 0 || ciphertext.length > MAX_CIPHERTEXT_BYTES) throw unwrapFailed()
    const bytes = Uint8Array.from(ciphertext)
    const run = this.#clients.version('unwrap', masterKeyVersion, options?.signal, (client, call) =>
      client.unwrapKey(algorithm, bytes, call),
    )
    const answer = await run.catch(async (error: unknown) => {
      throw await this.#deletedOr(error, options)
    })
    this.#assertKid('unwrap', answer.kid, masterKeyVersion)
    const key = bytesOf(answer.value.result)
    if (key === undefined) throw corrupted('unwrap', 'has no key')
    return key
  }

  async describeMasterKey(options?: CallOptions): Promise<MasterKeyDescription> {
    this.#begin(options)
    const { algorithm } = this.#settings
    try {
      const found = await this.#lookUp('describe', options)
      return describeKey(found, algorithm, await this.#rotationPolicy(options), Date.now())
    } catch (error) {
      if (!isCode(error, 'ERR_MASTER_KEY_NOT_FOUND')) throw error
      const deleted = await this.#findDeleted(options)
      if (deleted === undefined) throw error
      return describeDeleted(deleted, algorithm)
    }
  }

  async #rotate(options?: CallOptions): Promise<MasterKeyDescription> {
    this.#begin(options)
    const { algorithm, keyId } = this.#settings
    const { value, server } = await this.#clients.vault('rotate', options?.signal, (client, call) =>
      client.rotateKey(keyId, call),
    )
    const version = versionWithin(this.#masterKeyId, value.id)
    if (version === undefined) throw corrupted('rotate', 'is that of another key')
    const found: KeyVersion = { id: this.#masterKeyId, version, key: value, server }
    this.#latest = { found, seenAt: Date.now() }
    return describeKey(found, algorithm, await this.#rotationPolicy(options), Date.now())
  }

  errorCode(error: unknown): ReturnType<KeyProvider['errorCode']> {
    return azureErrorCode(error)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#latest = undefined
    this.#clients.close()
  }

  /** Makes the key where there is none. Throws ERR_MASTER_KEY_DELETED where one was deleted. */
  async create(options?: CallOptions): Promise<void> {
    this.#begin(options)
    const { algorithm, keyId, keySize = 3072, keyVersion, vault } = this.#settings
    const failure = await this.#lookUp('describe', options).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (failure === undefined) return
    if (keyVersion !== undefined || !isCode(failure, 'ERR_MASTER_KEY_NOT_FOUND')) throw failure
    const rsa = vault.kind === 'managed-hsm' ? 'RSA-HSM' : 'RSA'
    const isAes = algorithm === 'A256KW'
    await this.#clients.vault('create', options?.signal, (client, call) =>
      client.createKey(keyId, isAes ? 'oct-HSM' : rsa, {
        ...call,
        keySize: isAes ? 256 : keySize,
        keyOps: ['wrapKey', 'unwrapKey'],
      }),
    )
  }

  #begin(options: CallOptions | undefined): void {
    if (this.#closed) throw new KeywrightError('ERR_CLOSED', `the provider "${this.name}" is closed`)
    assertNotAborted(options?.signal)
  }

  /** The version for new wraps, looked up when the last look is too long ago. */
  async #current(options?: CallOptions): Promise<KeyVersion> {
    const { checkIntervalMs } = this.#settings
    const latest = this.#latest
    if (latest !== undefined && Date.now() - latest.seenAt < checkIntervalMs) return latest.found
    return this.#lookUp('wrap', options)
  }

  /** Asks for the latest or the pinned version, checks that it fits, and remembers it. */
  async #lookUp(operation: AzureOperation, options?: CallOptions): Promise<KeyVersion> {
    const { algorithm, keyId, keyVersion } = this.#settings
    const { value, server } = await this.#clients.vault(operation, options?.signal, (client, call) =>
      client.getKey(keyId, { ...call, ...(keyVersion === undefined ? {} : { version: keyVersion }) }),
    )
    const version = versionWithin(this.#masterKeyId, value.id)
    if (version === undefined || (keyVersion ?? version) !== version) {
      throw corrupted(operation, 'is that of another key')
    }
    const found: KeyVersion = { id: this.#masterKeyId, version, key: value, server }
    assertSuitable(found, algorithm)
    if (value.properties.enabled === false && operation === 'wrap') throw disabled()
    this.#latest = { found, seenAt: Date.now() }
    return found
  }

  /** Not permitted, or not offered: no date. */
  async #rotationPolicy(options?: CallOptions): Promise<AzureRotationPolicy | undefined> {
    const { keyId, keyVersion } = this.#settings
    if (keyVersion !== undefined) return undefined
    const asked = this.#clients.vault('describe', options?.signal, (client) =>
      client.getKeyRotationPolicy(keyId),
    )
    const answer = await asked.catch(() => undefined)
    assertNotAborted(options?.signal)
    return answer?.value
  }

  /** A vault says of a deleted key that it is not there; it knows better under another address. */
  async #deletedOr(error: unknown, options?: CallOptions): Promise<unknown> {
    if (!isCode(error, 'ERR_MASTER_KEY_NOT_FOUND')) return error
    if ((await this.#findDeleted(options)) === undefined) return error
    return new KeywrightError('ERR_MASTER_KEY_DELETED', `the Azure key ${this.#masterKeyId} is deleted`, {
      hint: 'recover it before it is purged (az keyvault key recover): without it nothing that it wrapped can be opened',
    })
  }

  async #findDeleted(options?: CallOptions): Promise<KeyVersion | undefined> {
    const { keyId } = this.#settings
    const asked = this.#clients.vault('describe', options?.signal, (client, call) =>
      client.getDeletedKey(keyId, call),
    )
    const answer = await asked.catch(() => undefined)
    assertNotAborted(options?.signal)
    const version = versionWithin(this.#masterKeyId, answer?.value.id)
    if (answer === undefined || version === undefined) return undefined
    return { id: this.#masterKeyId, version, key: answer.value, server: answer.server }
  }

  #forgetIfGone(error: unknown): boolean {
    const isGone = isCode(error, 'ERR_MASTER_KEY_DISABLED') || isCode(error, 'ERR_MASTER_KEY_NOT_FOUND')
    if (!isGone || this.#latest === undefined || this.#settings.keyVersion !== undefined) return false
    this.#latest = undefined
    return true
  }

  /** The answer must be about the version that was asked for. */
  #assertKid(operation: AzureOperation, kid: unknown, version: string): void {
    if (versionWithin(this.#masterKeyId, kid) !== version)
      throw corrupted(operation, 'is that of another key')
  }
}

function copyPayload(key: unknown, algorithm: AzureAlgorithm, most: number): Uint8Array {
  if (!(key instanceof Uint8Array)) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', `"key" expected Uint8Array, got ${typeof key}`)
  }
  const isAes = algorithm === 'A256KW'
  const fits = isAes ? key.length >= 2 * AES_BLOCK && key.length % AES_BLOCK === 0 : key.length >= 1
  if (fits && key.length <= most) return Uint8Array.from(key)
  const expected = isAes ? `a multiple of 8 bytes from 16 to ${most}` : `1 to ${most} bytes`
  throw new KeywrightError('ERR_ARGUMENT_INVALID', `"key" expected ${expected}, got ${key.length}`)
}

/** A copy, so that a pooled buffer of the client is not handed out. */
function bytesOf(result: unknown): Uint8Array | undefined {
  return result instanceof Uint8Array && result.length > 0 ? Uint8Array.from(result) : undefined
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof KeywrightError && error.code === code
}

function disabled(): KeywrightError {
  return new KeywrightError(
    'ERR_MASTER_KEY_DISABLED',
    'the version of the Azure key that wraps is disabled',
    {
      hint: 'enable it in the vault (az keyvault key set-attributes --enabled true), or rotate the key',
    },
  )
}

/** The stored id may be anything, so it is not shown. */
function foreign(masterKeyId: string): KeywrightError {
  return new KeywrightError(
    'ERR_MASTER_KEY_NOT_FOUND',
    'the wrap was made by another master key than the one configured',
    {
      details: { configured: masterKeyId },
      hint: 'check ENCRYPTION_AZURE_VAULT_URL and ENCRYPTION_KEY_ID: they must name the key that wrapped it',
    },
  )
}
