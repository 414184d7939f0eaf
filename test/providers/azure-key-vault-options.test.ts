import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  type AzureKeyVaultOptions,
  azureKeyVault,
  configure,
  createMasterKey,
  leastPrivilege,
  permissions,
} from '../../providers/azure-key-vault.ts'
import { BACKENDS } from '../../providers/index.ts'
import { importLib } from '../../src/provider.ts'
import { startAzureKeyVaultFake } from '../../src/testing/fakes/azure-key-vault.ts'
import { failureOf, sameBytes } from '../conformance/provider.ts'
import { type Bench, context, newKey, skip, startBench } from './azure-key-vault/kit.ts'

const good: AzureKeyVaultOptions = { vaultUrl: 'https://my-vault.vault.azure.net', keyId: 'master' }
const settingsWith = (options: Record<string, unknown>) => ({
  name: 'azure-eu',
  options,
  production: true,
  create: false,
})

describe('options of the Azure provider', () => {
  it.each([
    'https://my-vault.vault.azure.net',
    'https://my-vault.vault.azure.net/',
    'https://MY-VAULT.vault.azure.net',
    'https://my-vault.vault.azure.cn',
    'https://my-vault.vault.usgovcloudapi.net',
    'https://my-hsm.managedhsm.azure.net',
    'https://my-hsm.managedhsm.usgovcloudapi.net',
  ])('takes the vault URL %s', (vaultUrl) => {
    expect(azureKeyVault({ ...good, vaultUrl }).name).toBe('azure-key-vault')
  })

  it.each([
    ['a URL with a typo', 'htps:/my-vault'],
    ['http', 'http://my-vault.vault.azure.net'],
    ['credentials', 'https://user:hunter22@my-vault.vault.azure.net'],
    ['a key id', 'https://my-vault.vault.azure.net/keys/master'],
    ['a query', 'https://my-vault.vault.azure.net/?x=hunter22'],
    ['another host', 'https://example.org'],
    ['a host that only ends like a vault', 'https://vault.azure.net.example.org'],
    ['a host in front of a vault', 'https://a.my-vault.vault.azure.net'],
    ['the suffix alone', 'https://vault.azure.net'],
    ['a port', 'https://my-vault.vault.azure.net:8443'],
    ['loopback without the emulator option', 'https://127.0.0.1:8443'],
    ['nothing', ''],
  ])('refuses %s as vault URL, and does not show it', async (_, vaultUrl) => {
    const error = await failureOf(async () => azureKeyVault({ ...good, vaultUrl }))
    expect(error).toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      hint: expect.stringContaining('ENCRYPTION_AZURE_VAULT_URL'),
    })
    expect(JSON.stringify(error)).not.toContain('hunter22')
  })

  it('takes another host only when it is allowed, an emulator only on loopback', async () => {
    const vaultUrl = 'https://vault.local.azurestack.external:443'
    expect(azureKeyVault({ ...good, vaultUrl, allowAnyHost: true })).toBeDefined()
    for (const host of ['https://localhost:8443', 'https://127.0.0.1:8443', 'https://[::1]:8443']) {
      expect(azureKeyVault({ ...good, vaultUrl: host, emulator: true })).toBeDefined()
    }
    for (const host of [good.vaultUrl, 'https://127.0.0.1.example.org', 'http://localhost:8443']) {
      const error = await failureOf(async () => azureKeyVault({ ...good, vaultUrl: host, emulator: true }))
      expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' })
    }
  })

  it.each<[string, Partial<Record<keyof AzureKeyVaultOptions, unknown>>, string]>([
    ['a missing key name', { keyId: undefined }, 'ENCRYPTION_KEY_ID'],
    ['a key name that leaves its path', { keyId: '../secrets/x' }, 'ENCRYPTION_KEY_ID'],
    ['a key identifier as name', { keyId: 'https://v.vault.azure.net/keys/k' }, 'ENCRYPTION_KEY_ID'],
    ['a key name that is too long', { keyId: 'k'.repeat(128) }, 'ENCRYPTION_KEY_ID'],
    ['"latest" as version', { keyVersion: 'latest' }, 'ENCRYPTION_KEY_VERSION'],
    ['RSA-OAEP with SHA-1', { algorithm: 'RSA-OAEP' }, 'ENCRYPTION_AZURE_ALGORITHM'],
    ['A256KW on a vault', { algorithm: 'A256KW' }, 'ENCRYPTION_AZURE_ALGORITHM'],
    ['an unknown credential', { credential: 'magic' }, 'ENCRYPTION_AZURE_CREDENTIAL'],
    ['a secret without tenant', { clientSecret: 's', clientId: 'c' }, 'ENCRYPTION_AZURE_TENANT_ID'],
    ['a secret without client', { clientSecret: 's', tenantId: 't' }, 'ENCRYPTION_AZURE_CLIENT_ID'],
    [
      'client-secret without a secret',
      { credential: 'client-secret', tenantId: 't', clientId: 'c' },
      '_SECRET',
    ],
    ['a login host without https', { authorityHost: 'http://login' }, 'ENCRYPTION_AZURE_AUTHORITY_HOST'],
    ['a key size of 1024', { keySize: 1024 }, 'ENCRYPTION_AZURE_KEY_SIZE'],
    ['a negative interval', { checkIntervalMs: -1 }, 'ENCRYPTION_AZURE_CHECK_INTERVAL_MS'],
  ])('refuses %s', async (_, wrong, setting) => {
    const error = await failureOf(async () => azureKeyVault({ ...good, ...wrong } as AzureKeyVaultOptions))
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', hint: expect.stringContaining(setting) })
  })

  it('reads every option of the table from text and from JSON', async () => {
    const texts = {
      vaultUrl: good.vaultUrl,
      keyId: 'master',
      keyVersion: '0'.repeat(32),
      algorithm: 'RSA-OAEP-256',
      credential: 'managed-identity',
      tenantId: 't',
      clientId: 'c',
      clientSecret: 's',
      authorityHost: 'https://login.microsoftonline.us',
      caCert: '/nowhere',
      allowAnyHost: 'false',
      emulator: '0',
      checkIntervalMs: '1000',
      keySize: '2048',
    }
    const row = BACKENDS['azure-key-vault']
    expect(row?.variables.map(({ option }) => option).sort()).toEqual(Object.keys(texts).sort())
    const provider = await configure(settingsWith(texts))
    expect(provider).toMatchObject({ name: 'azure-eu', capabilities: { rotatesMasterKey: false } })
    expect(provider.rotateMasterKey).toBeUndefined()
    const typed = { ...texts, allowAnyHost: false, emulator: false, checkIntervalMs: 1000, keySize: 2048 }
    expect((await configure(settingsWith(typed))).name).toBe('azure-eu')
    expect(row?.variables.filter(({ secret }) => secret).map(({ option }) => option)).toEqual([
      'clientSecret',
    ])
  })

  it.each([
    ['an option that does not exist', { valutUrl: 'hunter22' }, 'vaultUrl'],
    ['a number for a text', { keyId: 42 }, 'ENCRYPTION_KEY_ID'],
    ['a word for a flag', { emulator: 'maybe' }, 'ENCRYPTION_AZURE_EMULATOR'],
    ['a name of JavaScript for a flag', { allowAnyHost: 'constructor' }, 'ENCRYPTION_AZURE_ALLOW_ANY_HOST'],
    ['a word for a number', { checkIntervalMs: 'long' }, 'ENCRYPTION_AZURE_CHECK_INTERVAL_MS'],
    ['an object for a credential', { credential: {} }, 'ENCRYPTION_AZURE_CREDENTIAL'],
  ])('configure refuses %s', async (_, wrong, setting) => {
    const error = await failureOf(() => configure(settingsWith({ ...good, ...wrong })))
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', hint: expect.stringContaining(setting) })
    expect(JSON.stringify(error)).not.toContain('hunter22')
  })

  it.each([
    ['keys', '@azure/keyvault-keys'],
    ['identity', '@azure/identity'],
  ])('says what to install when the library for %s is missing', async (which, name) => {
    const missing = () => importLib(name, undefined, () => import(`${name}-that-is-not-there`))
    const provider = azureKeyVault({ ...good, lib: { [which]: missing } })
    const error = await failureOf(() => provider.describeMasterKey())
    expect(error).toMatchObject({
      code: 'ERR_DEPENDENCY_MISSING',
      hint: expect.stringContaining(`npm install ${name}`),
    })
    expect(provider.errorCode(error)).toBe('ERR_DEPENDENCY_MISSING')
  })

  it.each<[string, object, string]>([
    ['a wrong certificate', { name: 'RestError', code: 'SELF_SIGNED_CERT_IN_CHAIN' }, 'ERR_PROVIDER_FAILED'],
    ['a host that is not there', { name: 'RestError', code: 'ENOTFOUND' }, 'ERR_PROVIDER_UNAVAILABLE'],
    ['a gateway that fails', { name: 'RestError', statusCode: 502 }, 'ERR_PROVIDER_UNAVAILABLE'],
    ['a request that took too long', { name: 'RestError', statusCode: 408 }, 'ERR_PROVIDER_TIMEOUT'],
    ['an abort', { name: 'AbortError' }, 'ERR_ABORTED'],
    ['a refused login', { name: 'AuthenticationError', statusCode: 401 }, 'ERR_PROVIDER_UNAUTHENTICATED'],
    ['a throttled login', { name: 'AuthenticationError', statusCode: 429 }, 'ERR_PROVIDER_THROTTLED'],
    [
      'a login service that is down',
      { name: 'AuthenticationError', statusCode: 503 },
      'ERR_PROVIDER_UNAVAILABLE',
    ],
    ['no credential', { name: 'CredentialUnavailableError' }, 'ERR_PROVIDER_UNAUTHENTICATED'],
    ['names of JavaScript', { name: 'constructor', code: '__proto__' }, 'ERR_PROVIDER_FAILED'],
  ])('sorts %s', (_, error, code) => {
    expect(azureKeyVault(good).errorCode(Object.assign(new Error('x'), error))).toBe(code)
  })

  it('names the role of the application in its least privilege', () => {
    const vault = leastPrivilege(settingsWith({ ...good }))
    expect(vault.text).toContain('--role "Key Vault Crypto Service Encryption User"')
    expect(vault.text).toContain('/vaults/my-vault/keys/master"')
    const hsm = leastPrivilege(settingsWith({ vaultUrl: 'https://my-hsm.managedhsm.azure.net', keyId: 'k' }))
    expect(hsm.text).toContain('--hsm-name my-hsm')
    expect(hsm.text).toContain('--scope /keys/k')
    const nothing = leastPrivilege(settingsWith({ keyId: '$(rm -rf /)' }))
    expect(nothing.text).toContain('/vaults/<vault name>/keys/<key name>')
    expect(nothing.text).not.toContain('rm -rf')
    expect(Object.keys(permissions)).toEqual(['wrap', 'unwrap', 'describe', 'rotate'])
  })
})

describe.skipIf(skip)('making the master key', async () => {
  const bench = await startBench()
  const { fake } = bench
  const optionsFor = (keyId: string, more: Partial<AzureKeyVaultOptions> = {}): AzureKeyVaultOptions => ({
    vaultUrl: fake.endpoint,
    emulator: true,
    caCert: fake.caCert,
    keyId,
    ...more,
  })

  it('is done where there is none, once, for wrapping only', async () => {
    await createMasterKey(optionsFor('made'))
    await createMasterKey(optionsFor('made'))
    const [version, ...more] = fake.vault.versions('made')
    expect(version).toMatchObject({ type: 'RSA', bits: 3072, operations: ['wrapKey', 'unwrapKey'] })
    expect(more).toEqual([])
    await servesOn(bench, 'made')
  })

  it('is done by configure only when it is asked to', async () => {
    const options = { ...fake.env, vaultUrl: fake.endpoint, emulator: 'true', caCert: fake.caCert }
    const own = { keyId: 'by-configure', keySize: '2048' }
    const settings = settingsWith({
      vaultUrl: options.vaultUrl,
      emulator: 'true',
      caCert: fake.caCert,
      ...own,
    })
    await (await configure(settings)).close?.()
    expect(() => fake.vault.find('by-configure')).toThrow()
    await (await configure({ ...settings, create: true })).close?.()
    expect(fake.vault.find('by-configure').bits).toBe(2048)
  })

  it('is refused with its code: deleted, pinned, unsuitable, denied', async () => {
    await fake.vault.add('was-deleted')
    fake.vault.delete('was-deleted')
    await fake.vault.add('curve', { type: 'EC' })
    const cases: [AzureKeyVaultOptions, string][] = [
      [optionsFor('was-deleted'), 'ERR_MASTER_KEY_DELETED'],
      [optionsFor('pinned', { keyVersion: '0'.repeat(32) }), 'ERR_MASTER_KEY_NOT_FOUND'],
      [optionsFor('curve'), 'ERR_MASTER_KEY_UNSUITABLE'],
      [optionsFor('denied', bench.as('get')), 'ERR_PROVIDER_DENIED'],
    ]
    for (const [options, code] of cases) {
      expect(await failureOf(() => createMasterKey(options))).toMatchObject({ code })
    }
    expect(() => fake.vault.find('denied')).toThrow()
  })

  it('makes an AES key on a Managed HSM', async () => {
    const hsm = await startAzureKeyVaultFake({ server: 'managed-hsm' })
    try {
      const options = { vaultUrl: hsm.endpoint, emulator: true, caCert: hsm.caCert, keyId: 'aes' } as const
      await createMasterKey({ ...options, algorithm: 'A256KW' })
      expect(hsm.vault.find('aes')).toMatchObject({ type: 'oct-HSM', bits: 256 })
    } finally {
      await hsm.stop()
    }
  })
})

describe.skipIf(skip)('the CA certificate', async () => {
  const { fake, open } = await startBench()
  const folder = await mkdtemp(join(tmpdir(), 'keywright-azure-'))
  afterAll(() => rm(folder, { recursive: true }))

  it.each([
    ['is missing', 'nowhere.pem', undefined],
    ['is no certificate', 'text.pem', 'hello'],
  ])('that %s is a wrong setting', async (_, name, content) => {
    const caCert = join(folder, name)
    if (content !== undefined) await writeFile(caCert, content)
    const error = await failureOf(() => open({ caCert }).describeMasterKey())
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', hint: expect.stringContaining('_CACERT') })
    if (content === undefined) return
    await copyFile(fake.caCert, caCert)
    expect((await open({ caCert }).describeMasterKey()).state).toBe('enabled')
  })
})

async function servesOn({ openOn }: Bench, keyId: string): Promise<void> {
  const provider = openOn(keyId)
  const key = newKey()
  expect(sameBytes(await provider.unwrapKey(await provider.wrapKey(key, context), context), key)).toBe(true)
}
