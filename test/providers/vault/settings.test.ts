import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../../../providers/index.ts'
import { describeKey, parseKey, type TransitKey } from '../../../providers/vault/key.ts'
import { checkOptions, VARIABLES } from '../../../providers/vault/settings.ts'
import vaultProvider, {
  configure,
  leastPrivilege,
  permissions,
  type VaultOptions,
} from '../../../providers/vault.ts'
import { KeywrightError } from '../../../src/errors.ts'
import { failureOf } from '../../conformance/provider-kit.ts'

const base: VaultOptions = { url: 'https://vault.example:8200', keyId: 'app', token: 's.secrettokenvalue' }
const settings = (options: Readonly<Record<string, unknown>>) => ({
  name: 'vault',
  options,
  production: true,
  create: false,
})

/** What configuration with these options fails with; it names option and variable, and shows no value. */
async function refusal(options: Readonly<Record<string, unknown>>): Promise<KeywrightError> {
  const error = await failureOf(async () => configure(settings(options)))
  expect(error).toBeInstanceOf(KeywrightError)
  return error as KeywrightError
}

describe('options of the Vault provider', () => {
  it('are the rows of the table', () => {
    const rows = BACKENDS['vault']?.variables ?? []
    expect(Object.fromEntries(rows.map(({ option, variables }) => [option, variables]))).toEqual(
      Object.fromEntries(Object.entries(VARIABLES).map(([option, variable]) => [option, [variable]])),
    )
    expect(rows.filter(({ secret }) => secret).map(({ option }) => option)).toEqual([
      'token',
      'secretId',
      'jwt',
    ])
    expect(rows.flatMap(({ standard = [] }) => standard).sort()).toEqual([
      'VAULT_ADDR',
      'VAULT_CACERT',
      'VAULT_NAMESPACE',
      'VAULT_TOKEN',
    ])
  })

  const bad: readonly [string, Readonly<Record<string, unknown>>][] = [
    ['keyId', { keyId: undefined }],
    ['keyId', { keyId: '../sys/seal' }],
    ['keyId', { keyId: 'a/b' }],
    ['keyId', { keyId: '..' }],
    ['keyId', { keyId: '.hidden' }],
    ['keyId', { keyId: 'a?list=true' }],
    ['keyId', { keyId: 'a%2e%2e' }],
    ['keyId', { keyId: 'schlüssel' }],
    ['keyId', { keyId: 'a\n' }],
    ['keyId', { keyId: 'x'.repeat(129) }],
    ['keyId', { keyId: 7 }],
    ['keyVersion', { keyVersion: 'latest' }],
    ['keyVersion', { keyVersion: 0 }],
    ['keyVersion', { keyVersion: 1.5 }],
    ['keyVersion', { keyVersion: -1 }],
    ['keyVersion', { keyVersion: '01' }],
    ['url', { url: undefined }],
    ['url', { url: 'vault.example:8200' }],
    ['url', { url: 'ftp://vault.example' }],
    ['url', { url: 'unix:///run/vault.sock' }],
    ['url', { url: 'https:vault.example' }],
    ['url', { url: 'https://user:passwd@vault.example' }],
    ['url', { url: 'https://vault.example/v1' }],
    ['url', { url: 'https://vault.example/v1/' }],
    ['url', { url: 'https://vault.example/?a=b' }],
    ['url', { url: 'https://vault.example/#a' }],
    ['url', { url: 'https://vault.example/a b' }],
    ['url', { url: 'http://vault.example:8200' }],
    ['url', { url: 'http://10.0.0.1:8200' }],
    ['url', { url: 'http://127.0.0.1.example.org' }],
    ['url', { url: 'http://localhost.example.org' }],
    ['url', { url: 'http://0.0.0.0:8200' }],
    ['url', { url: 'http://vault.example:8200', allowInsecure: 'false' }],
    ['mount', { mount: 'transit/../sys' }],
    ['mount', { mount: '/' }],
    ['mount', { mount: 'a//b' }],
    ['mount', { mount: 'a b' }],
    ['namespace', { namespace: 'a\r\nX-Vault-Token: b' }],
    ['namespace', { namespace: 'a/../b' }],
    ['authMount', { authMount: '../sys' }],
    ['auth', { auth: 'ldap' }],
    ['auth', { auth: 'toString' }],
    ['auth', { roleId: 'role' }],
    ['roleId', { auth: 'approle' }],
    ['role', { auth: 'kubernetes' }],
    ['role', { auth: 'jwt', jwt: 'x' }],
    ['jwt', { auth: 'jwt', role: 'x' }],
    ['tokenFile', { auth: 'token-file' }],
    ['token', { token: undefined }],
    ['token', { token: '' }],
    ['token', { token: 's.secret\nvalue' }],
    ['token', { token: undefined, role: 'app' }],
    ['derived', { derived: 'yes please' }],
    ['derived', { derived: 2 }],
    ['allowInsecure', { allowInsecure: 'of course' }],
    ['clientKey', { clientCert: 'a.pem' }],
    ['clientCert', { clientKey: 'a.key' }],
    ['caCert', { caCert: ['a.pem'] }],
  ]
  it.each(bad)('a bad %s in %j is refused by name', async (option, options) => {
    const error = await refusal({ ...base, ...options })
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', details: { option } })
    expect(`${error.message} ${error.hint}`).toContain(`"${option}"`)
    expect(error.hint).toMatch(/ENCRYPTION_(VAULT|KEY)_/)
    const shown = JSON.stringify(error)
    for (const value of ['secret', 'passwd', 'vault.example', '..', 'X-Vault'])
      expect(shown).not.toContain(value)
  })

  it('an unknown option is refused, and neither it nor its value is shown', async () => {
    const error = await refusal({ ...base, tokn: 's.other' })
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', hint: expect.stringContaining('tokenFile') })
    expect(JSON.stringify(error)).not.toMatch(/s\.other|tokn/)
  })

  const good: readonly [Partial<VaultOptions>, object][] = [
    [{}, { auth: 'token', authMount: 'token', mount: 'transit', name: 'vault', isTls: true }],
    [{ url: 'http://localhost:8200/' }, { url: 'http://localhost:8200', isTls: false }],
    [{ url: 'http://127.8.8.8:8200' }, { url: 'http://127.8.8.8:8200' }],
    [{ url: 'http://[::1]:8200' }, { url: 'http://[::1]:8200' }],
    [{ url: 'HTTPS://Vault.Example/proxy/vault/' }, { url: 'https://vault.example/proxy/vault' }],
    [{ url: 'http://vault.example', allowInsecure: true }, { url: 'http://vault.example' }],
    [{ namespace: '/team/a/' }, { namespace: 'team/a' }],
    [{ mount: '/kms/eu/' }, { mount: 'kms/eu' }],
    [{ keyVersion: '3' }, { keyVersion: 3 }],
    [
      { token: undefined as never, roleId: 'r' },
      { auth: 'approle', authMount: 'approle' },
    ],
    [{ roleId: 'r', auth: 'token' }, { auth: 'token' }],
    [
      { roleId: 'r', auth: 'approle', authMount: 'a/b' },
      { auth: 'approle', authMount: 'a/b' },
    ],
    [{ token: undefined as never, tokenFile: '/t' }, { auth: 'token-file' }],
    [
      { token: undefined as never, jwtFile: '/j', role: 'r' },
      { auth: 'jwt', jwtFile: '/j' },
    ],
    [
      { auth: 'kubernetes', role: 'r' },
      { authMount: 'kubernetes', jwtFile: '/var/run/secrets/kubernetes.io/serviceaccount/token' },
    ],
  ]
  it.each(good)('%j is read as %j', (options, expected) => {
    expect(checkOptions({ ...base, ...options })).toMatchObject(expected)
  })

  it('text and JSON mean the same', async () => {
    for (const [text, json] of [
      ['true', true],
      ['FALSE', false],
      ['1', true],
      ['0', false],
    ] as const) {
      const [one, two] = await Promise.all(
        [text, json].map((allowInsecure) =>
          configure(settings({ ...base, url: 'http://vault.example', allowInsecure })).then(
            () => true,
            () => false,
          ),
        ),
      )
      expect([one, two]).toEqual([json, json])
    }
    for (const keyVersion of ['2', 2]) {
      expect((await configure(settings({ ...base, keyVersion }))).capabilities.rotatesMasterKey).toBe(false)
    }
  })

  it('whatever names are taken, the path of a request is what they say', () => {
    const name = fc.string({
      unit: fc.constantFrom('a', '.', '-', '_', '/', '%', '?', '#', '\\', ' ', 'é'),
      maxLength: 8,
    })
    fc.assert(
      fc.property(name, name, (keyId, mount) => {
        let checked: ReturnType<typeof checkOptions>
        try {
          checked = checkOptions({ ...base, keyId, mount })
        } catch (error) {
          return (error as KeywrightError).code === 'ERR_CONFIG_INVALID'
        }
        const path = `/v1/${checked.mount}/keys/${checked.keyId}`
        return new URL(`https://vault.example${path}`).pathname === path
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('warnings', () => {
  it.each([
    ['http://vault.example', true],
    ['http://localhost:8200', false],
    ['https://vault.example', false],
  ])('about %s in clear: %s', (url, isWarned) => {
    const key = parseKey({ type: 'aes256-gcm96', latest_version: 1, keys: {} })
    const { warnings = [] } = describeKey(
      key as TransitKey,
      checkOptions({ ...base, url, allowInsecure: true }),
      {},
    )
    expect(warnings.join().includes('ENCRYPTION_VAULT_ALLOW_INSECURE')).toBe(isWarned)
  })
})

describe('least privilege', () => {
  it('is for this configuration, without "create" on encrypt', () => {
    const { format, text, title } = leastPrivilege(
      settings({ keyId: 'app', mount: '/kms/eu/', namespace: 'team' }),
    )
    expect([format, title]).toEqual(['hcl', 'Vault policy for the application, in the namespace team'])
    expect(text).toContain('path "kms/eu/encrypt/app" { capabilities = ["update"] }')
    expect(text).not.toContain('"create"]')
  })

  it.each([{}, { keyId: 'a" {}', mount: 7 }])('has a gap for what is not configured: %j', (options) => {
    expect(leastPrivilege(settings(options)).text).toContain('path "transit/keys/<key>"')
  })

  it('every operation that the provider has is in the list of permissions', () => {
    expect(Object.keys(permissions).sort()).toEqual(['describe', 'rotate', 'unwrap', 'wrap'])
    expect(vaultProvider(base).rewrapKey).toBeUndefined()
  })
})
