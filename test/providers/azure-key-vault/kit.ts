/** What the tests of the Azure provider share: one fake a file, providers on it, wraps. */
import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, expect } from 'vitest'
import { type AzureKeyVaultOptions, azureKeyVault } from '../../../providers/azure-key-vault.ts'
import type { ErrorCode } from '../../../src/errors.ts'
import type { KeyProvider } from '../../../src/provider.ts'
import type { EmulatorOptions } from '../../../src/testing/emulator.ts'
import {
  type AzureKeyVaultFake,
  azureKeyVaultFake,
  type Permission,
  startAzureKeyVaultFake,
} from '../../../src/testing/fakes/azure-key-vault.ts'
import { codeOf, expectNoSecret, failureOf, wrapContext } from '../../conformance/provider-kit.ts'
import { serverFor } from '../../kit/servers.ts'

export const context = wrapContext()
export const newKey = (bytes = 64): Uint8Array => Uint8Array.from(randomBytes(bytes))

/** Why the tests are skipped, if they are; in CI a missing part fails instead. */
export const { skip } = await serverFor(azureKeyVaultFake)

export interface Bench {
  readonly fake: AzureKeyVaultFake
  /** A provider on the fake, closed after the test. */
  open(options?: Partial<AzureKeyVaultOptions>): KeyProvider
  /** … on a key of its own. */
  openOn(keyId: string, options?: Partial<AzureKeyVaultOptions>): KeyProvider
  /** Options for an identity that may do just this, with a token that lives for an hour. */
  as(...permissions: Permission[]): Partial<AzureKeyVaultOptions>
  /** Options for a login with a client secret at the fake. */
  loginOptions(): Partial<AzureKeyVaultOptions>
}

/** Starts a fake for this file; its faults and rules are undone after each test. */
export async function startBench(options: EmulatorOptions = {}): Promise<Bench> {
  const fake = await startAzureKeyVaultFake(options)
  const opened: KeyProvider[] = []
  afterEach(async () => {
    fake.faults.clear()
    fake.firewall(false)
    for (const provider of opened.splice(0)) await provider.close?.()
  })
  afterAll(() => fake.stop())
  const bench: Bench = {
    fake,
    open: (more = {}) => bench.openOn('keywright-master', more),
    openOn(keyId, more = {}) {
      const algorithm = fake.vault.isManagedHsm ? { algorithm: 'A256KW' as const } : {}
      const base = { vaultUrl: fake.endpoint, emulator: true, caCert: fake.caCert, ...algorithm }
      const provider = azureKeyVault({ ...base, keyId, ...more })
      opened.push(provider)
      return provider
    },
    as(...permissions) {
      const token = fake.login.issue(fake.login.addPrincipal(permissions))
      return { credential: { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) } }
    },
    loginOptions() {
      const { clientId, clientSecret } = fake.login.addPrincipal()
      const { tenantId } = fake.login
      return { credential: 'client-secret', authorityHost: fake.endpoint, tenantId, clientId, clientSecret }
    },
  }
  return bench
}

/** Fails unless the call is refused with this code, without the key in the error; gives the error's hint. */
export async function refusedWith(
  provider: KeyProvider,
  code: ErrorCode,
  call: () => Promise<unknown>,
  secrets: readonly (string | Uint8Array)[] = [],
): Promise<string> {
  const error = await failureOf(call)
  expectNoSecret(error, secrets)
  expect(codeOf(provider, error)).toBe(code)
  return (error as { hint?: string }).hint ?? ''
}
