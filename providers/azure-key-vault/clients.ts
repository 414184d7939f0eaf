/** The Azure clients of one provider: made on first use, one for each key version, a bounded number of them. */
import { readFile } from 'node:fs/promises'
import { importLib, KeywrightError, once } from '../../src/provider.ts'
import { type Answer, callAzure } from './call.ts'
import { openCredential } from './credentials.ts'
import type { AzureOperation } from './errors.ts'
import type { AzureSettings } from './options.ts'
import type { AzureCallOptions, AzureCryptographyClient, AzureKeyClient, AzureKeysLib } from './sdk.ts'
import { masterKeyIdOf } from './vault-url.ts'

/** Each client has a pipeline of its own; a key has one version in use and a few old ones. */
const MAX_VERSIONS = 16

interface Opened {
  readonly keys: AzureKeyClient
  /** The client of exactly this key version. */
  version(version: string): AzureCryptographyClient
}

export class AzureClients {
  readonly #settings: AzureSettings
  readonly #opened = once(() => this.#open())
  /** The clients with which a call succeeded. */
  readonly #good = new WeakSet<Promise<Opened>>()

  constructor(settings: AzureSettings) {
    this.#settings = settings
  }

  /** A call of the client of the vault. */
  vault<T>(
    operation: AzureOperation,
    signal: AbortSignal | undefined,
    run: (client: AzureKeyClient, options: AzureCallOptions) => Promise<T>,
  ): Promise<Answer<T>> {
    return this.#call(operation, signal, ({ keys }, options) => run(keys, options))
  }

  /** A call of the client of one key version. */
  version<T>(
    operation: AzureOperation,
    version: string,
    signal: AbortSignal | undefined,
    run: (client: AzureCryptographyClient, options: AzureCallOptions) => Promise<T>,
  ): Promise<Answer<T>> {
    return this.#call(operation, signal, (opened, options) => run(opened.version(version), options))
  }

  /** Drops clients and credential; connections close when they are idle. */
  close(): void {
    this.#opened.forget()
  }

  /**
   * A token that the vault does not accept although it has not ended (revoked, or another clock) is remembered by its
   * credential, so the login is made anew, once, if it was good before.
   */
  async #call<T>(
    operation: AzureOperation,
    signal: AbortSignal | undefined,
    run: (opened: Opened, options: AzureCallOptions) => Promise<T>,
  ): Promise<Answer<T>> {
    const used = this.#opened.get()
    const attempt = async (opening: Promise<Opened>): Promise<Answer<T>> => {
      const answer = await callAzure(operation, signal, async (options) => run(await opening, options))
      this.#good.add(opening)
      return answer
    }
    try {
      return await attempt(used)
    } catch (error) {
      const isRefused = error instanceof KeywrightError && error.code === 'ERR_PROVIDER_UNAUTHENTICATED'
      if (!isRefused || !this.#good.has(used)) throw error
      if (this.#opened.peek() === used) this.#opened.forget()
      return attempt(this.#opened.get())
    }
  }

  async #open(): Promise<Opened> {
    const { caCert, emulator, keyId, lib, vault } = this.#settings
    const { CryptographyClient, KeyClient } = await importLib<AzureKeysLib>(
      '@azure/keyvault-keys',
      lib?.keys,
      () => import('@azure/keyvault-keys'),
    )
    const ca = caCert === undefined ? undefined : await readCaCert(caCert)
    const credential = await openCredential(this.#settings, ca)
    // One object for all clients: connections are shared by those that have the same one.
    const tls = ca === undefined ? {} : { tlsOptions: { ca } }
    // A fresh one for each client: they write into it, and their User-Agent would grow with each.
    const options = (): object => ({
      ...tls,
      retryOptions: { maxRetries: 0 },
      ...(emulator === true ? { disableChallengeResourceVerification: true } : {}),
    })
    const ofVersion = (version: string): AzureCryptographyClient => {
      const id = `${masterKeyIdOf(vault.url, keyId)}/${version}`
      const properties = { vaultUrl: vault.url, name: keyId, version }
      return new CryptographyClient({ id, name: keyId, properties }, credential, options())
    }
    return { keys: new KeyClient(vault.url, credential, options()), version: bounded(ofVersion) }
  }
}

/** Keeps the clients that were used last. */
function bounded(make: (version: string) => AzureCryptographyClient): Opened['version'] {
  const clients = new Map<string, AzureCryptographyClient>()
  return (version) => {
    const client = clients.get(version) ?? make(version)
    clients.delete(version)
    clients.set(version, client) // now the last one
    for (const oldest of clients.keys()) {
      if (clients.size <= MAX_VERSIONS) break
      clients.delete(oldest)
    }
    return client
  }
}

async function readCaCert(path: string): Promise<string> {
  const pem = await readFile(path, 'utf8').catch(() => '')
  if (/-----BEGIN CERTIFICATE-----/.test(pem)) return pem
  throw new KeywrightError(
    'ERR_CONFIG_INVALID',
    '"caCert" of the Azure Key Vault provider names no readable PEM file',
    {
      hint: 'correct ENCRYPTION_AZURE_CACERT: the path of a file with BEGIN CERTIFICATE in it',
    },
  )
}
