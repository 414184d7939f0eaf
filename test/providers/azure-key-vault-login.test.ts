/** Logins by the real client of Microsoft Entra against the fake's token endpoints. A process of its own. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../src/testing/native/process.ts'
import { failureOf, sameBytes } from '../conformance/provider.ts'
import { context, newKey, refusedWith, skip, startBench } from './azure-key-vault/kit.ts'

describe.skipIf(skip)(`Azure Key Vault: logins ${skip ?? ''}`, async () => {
  const { as, fake, loginOptions, open } = await startBench()
  const identity = fake.login.addPrincipal(['get', 'wrapKey', 'unwrapKey'])
  beforeEach(() => void Object.assign(process.env, fake.identityEnv))
  afterEach(() => {
    fake.login.lifetimeS = 3600
    for (const name of Object.keys(fake.identityEnv)) delete process.env[name]
  })

  const serves = async (provider: ReturnType<typeof open>): Promise<void> => {
    const key = newKey()
    expect(sameBytes(await provider.unwrapKey(await provider.wrapKey(key, context), context), key)).toBe(true)
  }

  it.each([
    ['the managed identity of the machine', { credential: 'managed-identity' }],
    ['a user-assigned managed identity', { credential: 'managed-identity', clientId: identity.clientId }],
    ['the default chain, which finds the managed identity', { credential: 'default' }],
  ] as const)('logs in as %s', async (_, options) => {
    await serves(open(options))
    expect(fake.calls.at(-1)).toMatchObject({ operation: 'unwrapKey', clientId: identity.clientId })
  })

  it('a managed identity that the machine has not got is refused with its code', async () => {
    const provider = open({
      credential: 'managed-identity',
      clientId: 'ffffffff-0000-4000-8000-000000000000',
    })
    const hint = await refusedWith(provider, 'ERR_PROVIDER_UNAUTHENTICATED', () =>
      provider.describeMasterKey(),
    )
    expect(hint).toContain('ENCRYPTION_AZURE_CREDENTIAL')
  })

  it('asks once for a token, and anew before it ends', async () => {
    fake.login.lifetimeS = 3
    const provider = open(loginOptions())
    const issued = fake.login.issued
    await provider.describeMasterKey()
    expect(fake.login.issued).toBeGreaterThan(issued)
    await delay(2100) // less than a second is left of it
    const before = fake.calls.length
    await serves(provider)
    expect(fake.calls.slice(before).every(({ status }) => status === 200)).toBe(true)
  })

  it('logs in once for all calls while the token lives', async () => {
    const provider = open(loginOptions())
    await serves(provider)
    const issued = fake.login.issued
    for (let round = 0; round < 5; round++) await serves(provider)
    expect(fake.login.issued).toBe(issued)
  })

  it('logs in again when the token is revoked, for all of many calls at once', async () => {
    const provider = open(loginOptions())
    await serves(provider)
    fake.login.revokeTokens()
    await Promise.all(Array.from({ length: 20 }, () => serves(provider)))
  })

  it('a wrong secret is refused with its code, asked once, and never shown', async () => {
    const clientSecret = 'wrong-secret-that-nobody-may-see'
    const provider = open({ ...loginOptions(), clientSecret })
    const issued = fake.login.issued
    for (let round = 0; round < 2; round++) {
      const describeKey = () => provider.describeMasterKey()
      const hint = await refusedWith(provider, 'ERR_PROVIDER_UNAUTHENTICATED', describeKey, [clientSecret])
      expect(hint).toContain('ENCRYPTION_AZURE_CLIENT_SECRET')
    }
    expect(fake.login.issued).toBe(issued)
  })

  it('a login host that is not there is unavailable', async () => {
    const authorityHost = `https://127.0.0.1:${await freePort()}`
    const provider = open({ ...loginOptions(), authorityHost })
    await refusedWith(provider, 'ERR_PROVIDER_UNAVAILABLE', () => provider.describeMasterKey())
  })

  it('a token never shows in an error', async () => {
    const token = 'a-token-that-nobody-may-see'
    const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) }
    const provider = open({ credential })
    await refusedWith(provider, 'ERR_PROVIDER_UNAUTHENTICATED', () => provider.describeMasterKey(), [token])
    expect(await failureOf(() => open(as()).describeMasterKey())).not.toHaveProperty('cause')
  })

  it('without the emulator option a vault that asks for a token of another domain gets none', async () => {
    const issued = fake.login.issued
    const provider = open({ ...loginOptions(), emulator: false, allowAnyHost: true })
    const hint = await refusedWith(provider, 'ERR_PROVIDER_FAILED', () => provider.describeMasterKey())
    expect(hint).toContain('ENCRYPTION_AZURE_VAULT_URL')
    expect(fake.login.issued).toBe(issued)
  })
})
