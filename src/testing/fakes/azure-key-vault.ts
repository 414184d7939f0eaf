/**
 * A server that speaks the protocol of Azure Key Vault, or of Managed HSM, with the official client: real sockets and
 * TLS, real cryptography, the documented errors. Nothing of Microsoft's can be had to run locally.
 *
 * It is built from https://learn.microsoft.com/rest/api/keyvault/keys and knows no more than its documentation.
 */
import { writeFile } from 'node:fs/promises'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Emulator, EmulatorMasterKey, EmulatorOptions, LocalServer, Missing } from '../emulator.ts'
import { scratchFolder } from '../native/process.ts'
import { FakeLogin } from './azure-key-vault/login.ts'
import { type Parts, type SeenCall, send, serve } from './azure-key-vault/server.ts'
import { FakeVault } from './azure-key-vault/vault.ts'
import { Faults } from './faults.ts'

export type { Permission, Principal } from './azure-key-vault/login.ts'

const TITLE = 'wire fake of Azure Key Vault'
const FIRST_KEY = 'keywright-master'
const DAY_MS = 86_400_000

/** An emulator whose inside tests can reach. */
export interface AzureKeyVaultFake extends Emulator {
  /** How the next calls go wrong. Operations: getKey, wrapKey, unwrapKey, rotateKey, createKey, getDeletedKey … */
  readonly faults: Faults
  /** The keys: add, set attributes, delete, purge. */
  readonly vault: FakeVault
  /** Identities and tokens. */
  readonly login: FakeLogin
  /** Calls that passed the login, in order. */
  readonly calls: readonly SeenCall[]
  /** Path of the CA certificate to trust. */
  readonly caCert: string
  /** For ManagedIdentityCredential, as App Service sets them. */
  readonly identityEnv: Readonly<Record<'IDENTITY_ENDPOINT' | 'IDENTITY_HEADER', string>>
  /** Makes the network rules of the vault refuse everybody, or nobody. */
  firewall(isClosed: boolean): void
}

/** Starts the fake; `server: 'managed-hsm'` makes it a Managed HSM, with an oct-HSM key and A256KW. */
export async function startAzureKeyVaultFake(options: EmulatorOptions = {}): Promise<AzureKeyVaultFake> {
  const isManagedHsm = options.server === 'managed-hsm'
  const { generate } = await import('selfsigned')
  const certificate = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + DAY_MS),
    extensions: [
      { name: 'basicConstraints', cA: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  const folder = await scratchFolder('azure')
  const caCert = join(folder.path, 'ca.pem')
  await writeFile(caCert, certificate.cert)
  let origin = ''
  const parts: Parts = {
    vault: new FakeVault(isManagedHsm, () => origin),
    login: new FakeLogin(),
    faults: new Faults(),
    calls: [],
    isFirewalled: false,
    origin: () => origin,
  }
  const vaultServer = createHttpsServer(
    { key: certificate.private, cert: certificate.cert },
    (request, response) => {
      serve(parts, request, response).catch((error: Error) => response.destroy(error))
    },
  )
  const identityServer = createHttpServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://fake.invalid')
    const header = request.headers['x-identity-header']
    const isToken = pathname === '/msi/token'
    send(response, isToken ? parts.login.managedIdentity(searchParams, String(header)) : { status: 404 })
  })
  origin = `https://127.0.0.1:${await listen(vaultServer)}`
  const identityPort = await listen(identityServer)
  await parts.vault.add(FIRST_KEY)
  return emulatorOf(parts, { caCert, isManagedHsm, origin, identityPort }, async () => {
    await Promise.all([close(vaultServer), close(identityServer)])
    await folder.remove()
  })
}

function emulatorOf(
  parts: Parts,
  at: { caCert: string; isManagedHsm: boolean; origin: string; identityPort: number },
  end: () => Promise<void>,
): AzureKeyVaultFake {
  const { calls, faults, login, vault } = parts
  const env = (keyId: string): Record<string, string> => ({
    ENCRYPTION_KEY_STORAGE_BACKEND: 'azure_kv',
    ENCRYPTION_AZURE_VAULT_URL: at.origin,
    ENCRYPTION_AZURE_EMULATOR: 'true',
    ENCRYPTION_AZURE_CACERT: at.caCert,
    ENCRYPTION_KEY_ID: keyId,
    ...(at.isManagedHsm ? { ENCRYPTION_AZURE_ALGORITHM: 'A256KW' } : {}),
  })
  let made = 0
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= end()
    return stopped
  }
  return {
    name: 'azure-key-vault',
    kind: 'fake',
    server: at.isManagedHsm ? `${TITLE} (Managed HSM)` : TITLE,
    endpoint: at.origin,
    env: env(FIRST_KEY),
    async createMasterKey(name = `master-${++made}`): Promise<EmulatorMasterKey> {
      await vault.add(name)
      return { keyId: name, env: env(name) }
    },
    stop,
    [Symbol.asyncDispose]: stop,
    calls,
    faults,
    login,
    vault,
    caCert: at.caCert,
    identityEnv: {
      IDENTITY_ENDPOINT: `http://127.0.0.1:${at.identityPort}/msi/token`,
      IDENTITY_HEADER: login.identityHeader,
    },
    firewall(isClosed) {
      parts.isFirewalled = isClosed
    },
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections() // some may be hanging on purpose
  })
}

/** The fake as a local server of the kit. */
export const azureKeyVaultFake: LocalServer = {
  name: 'azure-key-vault',
  kind: 'fake',
  server: TITLE,
  async install(): Promise<Missing | undefined> {
    try {
      await import('selfsigned')
      return undefined
    } catch {
      return {
        reason: 'the package selfsigned, which makes its certificate, is missing',
        remedy: 'npm install selfsigned',
      }
    }
  },
  start: (options) => startAzureKeyVaultFake(options),
}
