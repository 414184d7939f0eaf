/** `doctor` against each backend: what it says of one that works, and of one that does not. */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ALL } from '../providers/gcp-kms/identities.ts'
import { closedPort, type Env } from './bad-input-kit.ts'
import { Workplace } from './cli-kit.ts'
import { type Backends, missing, startBackends } from './doctor-backends.ts'
import { doctor, failed, of } from './doctor-kit.ts'

const MINUTE_MS = 60_000

describe.skipIf(missing)(`doctor and the providers ${missing ?? ''}`, () => {
  let backends: Backends
  let place: Workplace

  beforeAll(async () => {
    backends = await startBackends()
    place = new Workplace()
    await place.init()
    writeFileSync('none.json', '{"version":1}')
  })
  afterAll(async () => {
    place.leave()
    await backends.stop()
  })

  /** Store and audit log are those of the folder; only the provider is another one. */
  const on = (env: Env, more: Env = {}): Env => ({
    ...env,
    ENCRYPTION_KEY_STORE_URL: 'sqlite:.keywright/keys.db',
    ENCRYPTION_AUDIT_PATH: '.keywright/audit.jsonl',
    ENCRYPTION_CONFIG: 'none.json',
    ...more,
  })

  it.each<[string, () => Env, RegExp]>([
    ['vault', () => backends.bao.env, /without TLS, clocks agree/],
    ['redis', () => backends.cache.env, /^Redis \d+\.\d+\.\d+, without TLS, clocks agree$/],
    ['aws-kms', () => backends.aws.env, /without TLS, clocks agree/],
    ['azure-key-vault', () => backends.azure.env, /^Azure Key Vault \S+, over TLS, clocks agree$/],
    ['gcp-kms', () => backends.as.gcp(...ALL), /^over TLS$/],
  ])('%s: works, latency, master key, version, TLS and clock', async (name, env, facts) => {
    const report = await doctor(place, on(env()))
    expect(failed(report.checks)).toEqual([])
    expect(report.exit).toBe(0)
    const good = of(report, name).filter(({ state }) => state === 'ok')
    expect(good.map(({ found }) => found)).toEqual([
      expect.stringMatching(/^wraps in \d+\.\d ms, unwraps in \d+\.\d ms$/),
      expect.stringMatching(/^master key \S+ version \S+ is enabled/),
      expect.stringMatching(facts),
    ])
  })

  it('says the same to a person', async () => {
    const { code, err, out } = await place.keywright(['doctor'], { env: on(backends.bao.env) })
    expect(code).toBe(0)
    expect(out).toMatch(/^ok {7}provider vault {2}wraps in [\d.]+ ms, unwraps in [\d.]+ ms$/m)
    expect(out).toMatch(/^ok {7}provider vault {2}master key keywright-1 version 1 is enabled$/m)
    expect(err).toMatch(/^keywright: \d+ checks, 0 failed, 0 warnings\n$/)
  })

  const CLOCKED: readonly [string, () => Env][] = [
    ['vault', () => backends.bao.env],
    ['redis', () => backends.cache.env],
    ['aws-kms', () => backends.aws.env],
    ['azure-key-vault', () => backends.azure.env],
  ]
  it.each(CLOCKED)('%s: a clock that differs is told', async (name, env) => {
    for (const [later, which] of [
      [2.5 * MINUTE_MS, /2 minutes ahead of the service's/],
      [-3.5 * MINUTE_MS, /3 minutes behind the service's/],
    ] as const) {
      const report = await doctor(place, on(env()), { later })
      const skewed = of(report, name).find(({ found }) => which.test(found))
      expect(skewed).toMatchObject({ state: 'warning', hint: expect.stringContaining('NTP') })
      expect(of(report, name).some(({ found }) => found.includes('clocks agree'))).toBe(false)
    }
  })

  const READ = 'path "transit/keys/*" { capabilities = ["read"] }\n'
  const ENCRYPT = 'path "transit/encrypt/*" { capabilities = ["update"] }\n'
  const DECRYPT = 'path "transit/decrypt/*" { capabilities = ["update"] }\n'
  const SELF = 'path "auth/token/lookup-self" { capabilities = ["read"] }\n'
  const USE = ['cloudkms.cryptoKeyVersions.useToEncrypt', 'cloudkms.cryptoKeyVersions.useToDecrypt'] as const
  const GET = ['cloudkms.cryptoKeys.get', 'cloudkms.cryptoKeyVersions.get'] as const
  const REDIS = ['~*', '+client|setname', '+select', '+time', '+info', '+config|get'] as const

  /** provider, what it lacks, the environment, the operations that fail for it, and the words that name it. */
  it.each<[string, string, () => Env | Promise<Env>, readonly string[], string]>([
    ['vault', 'decrypt', () => backends.as.vault(READ + ENCRYPT + SELF), ['unwrap'], 'transit>/decrypt/'],
    ['vault', 'encrypt', () => backends.as.vault(READ + DECRYPT + SELF), ['wrap'], 'transit>/encrypt/'],
    ['vault', 'everything', () => backends.as.vault(SELF), ['describe', 'wrap'], 'transit>/keys/'],
    [
      'aws-kms',
      'kms:Decrypt',
      () => backends.as.aws('kms:Encrypt', 'kms:DescribeKey'),
      ['wrap'],
      'kms:Decrypt',
    ],
    [
      'aws-kms',
      'kms:DescribeKey',
      () => backends.as.aws('kms:Encrypt', 'kms:Decrypt'),
      ['describe'],
      'kms:DescribeKey',
    ],
    ['aws-kms', 'everything', () => backends.as.aws(), ['describe', 'wrap'], 'kms:Encrypt'],
    ['azure-key-vault', 'unwrapKey', () => backends.as.azure('get', 'wrapKey'), ['unwrap'], 'unwrap'],
    ['azure-key-vault', 'wrapKey', () => backends.as.azure('get', 'unwrapKey'), ['wrap'], 'wrap'],
    ['gcp-kms', 'useToDecrypt', () => backends.as.gcp(USE[0], ...GET), ['unwrap'], USE[1]],
    ['gcp-kms', 'useToEncrypt', () => backends.as.gcp(USE[1], ...GET), ['wrap'], USE[0]],
    ['gcp-kms', 'get', () => backends.as.gcp(...USE), ['describe'], GET[0]],
    ['redis', '+get', () => backends.as.redis(...REDIS), ['describe', 'wrap'], '+get'],
  ])('%s: names %s when it is what lacks', async (name, _, env, operations, permission) => {
    const report = await doctor(place, on(await env()))
    expect(report).toMatchObject({ exit: 1, state: 'failed' })
    const denied = failed(of(report, name))
    expect(denied.map(({ code }) => code)).toEqual(operations.map(() => 'ERR_PROVIDER_DENIED'))
    const named = denied.map(({ found }) => /^may not (\w+): it needs /.exec(found)?.[1])
    expect(named).toEqual(operations)
    const words = permission.replace('transit>', '<mount>')
    expect(denied.some(({ found }) => found.includes(words))).toBe(true)
    for (const { hint } of denied) expect(hint).toContain('doctor --fix-hints')
    // What may be done still is.
    const works = of(report, name).some(({ found }) => found.startsWith('master key '))
    expect(works).toBe(!operations.includes('describe'))
  })

  it.each<[string, () => Promise<Env> | Env, string, RegExp]>([
    [
      'azure-key-vault',
      async () => {
        await backends.azure.vault.add('off', { attributes: { enabled: false } })
        return { ...backends.azure.env, ENCRYPTION_KEY_ID: 'off' }
      },
      'ERR_MASTER_KEY_DISABLED',
      /enable it/,
    ],
    [
      'aws-kms',
      () => {
        const key = backends.aws.keys.create('us-east-1', {})
        key.state = 'Disabled'
        return { ...backends.aws.env, ENCRYPTION_KEY_ID: key.arn }
      },
      'ERR_MASTER_KEY_DISABLED',
      /aws kms enable-key/,
    ],
    [
      'gcp-kms',
      () => {
        const { makeKey, resource, service } = backends.gcp
        const env = { ...backends.as.gcp(...ALL), ENCRYPTION_KEY_ID: makeKey() }
        const { version } = service.keys.version(`${resource(env.ENCRYPTION_KEY_ID)}/cryptoKeyVersions/1`)
        version.state = 'DISABLED'
        return env
      },
      'ERR_MASTER_KEY_DISABLED',
      /versions enable/,
    ],
    [
      'vault',
      async () => {
        await backends.bao.call('POST', 'transit/keys/gone', {})
        await backends.bao.call('DELETE', 'transit/keys/gone/soft-delete')
        return { ...backends.bao.env, ENCRYPTION_KEY_ID: 'gone' }
      },
      'ERR_MASTER_KEY_DELETED',
      /soft-delete-restore/,
    ],
  ])(
    '%s: a master key that is out of use is told once, with its state and the remedy',
    async (name, env, code, hint) => {
      const report = await doctor(place, on(await env()))
      const [only, ...more] = failed(of(report, name))
      expect(more).toEqual([])
      expect(only).toMatchObject({ code, hint: expect.stringMatching(hint) })
      expect(only?.found).toMatch(/^master key \S+ version \S+ is (disabled|pending-deletion)/)
    },
  )

  it('several providers: those that are broken do not keep the others from being looked at', async () => {
    const { azure, bao } = backends
    const document = {
      version: 1,
      provider: 'main',
      providers: {
        main: { type: 'file', path: '.keywright/master.keys' },
        nowhere: { type: 'vault', url: `http://127.0.0.1:${await closedPort()}`, token: 's.x', keyId: 'k' },
        strange: { type: 'azure-key-vault', vaultUrl: 'ftp://example', keyId: 'k' },
        old: {
          type: 'azure-key-vault',
          vaultUrl: azure.endpoint,
          caCert: azure.caCert,
          emulator: true,
          keyId: 'no-such-key',
        },
        last: {
          type: 'vault',
          url: bao.endpoint,
          token: bao.env['ENCRYPTION_VAULT_TOKEN'],
          keyId: 'keywright-1',
        },
      },
    }
    writeFileSync('several.json', JSON.stringify(document))
    const report = await doctor(place, { ENCRYPTION_CONFIG: 'several.json' }, { flags: ['--fix-hints'] })
    expect(report.exit).toBe(1)
    const codes = Object.keys(document.providers).map((name) => [
      name,
      failed(of(report, name)).map(({ code }) => code),
    ])
    expect(Object.fromEntries(codes)).toEqual({
      main: [],
      nowhere: ['ERR_PROVIDER_UNAVAILABLE'],
      strange: ['ERR_CONFIG_INVALID'],
      old: ['ERR_MASTER_KEY_NOT_FOUND'],
      last: [],
    })
    for (const name of ['main', 'last'])
      expect(of(report, name)[0]?.found).toMatch(/^wraps in .* unwraps in /)
    // The policies of those that are configured are printed all the same.
    expect(report.privileges?.map(({ provider }) => provider)).toEqual(
      expect.arrayContaining(['nowhere', 'old', 'last']),
    )
    expect(JSON.stringify(report)).not.toContain(bao.env['ENCRYPTION_VAULT_TOKEN'])
  })

  it('has one form as JSON', async () => {
    const { checks, exit, privileges, ...rest } = await doctor(place, on(backends.bao.env), {
      flags: ['--fix-hints'],
    })
    expect(rest).toEqual({ state: 'ok' })
    expect(exit).toBe(0)
    for (const check of checks) {
      expect(
        Object.keys(check).filter((name) => !['state', 'name', 'found', 'hint', 'code'].includes(name)),
      ).toEqual([])
      expect(check).toMatchObject({ name: expect.any(String), found: expect.any(String) })
      expect(['ok', 'warning', 'failed']).toContain(check.state)
    }
    expect(privileges).toEqual([
      {
        provider: 'vault',
        title: expect.stringContaining('Vault policy'),
        format: 'hcl',
        text: expect.any(String),
      },
    ])
    expect(await doctor(place, on(backends.bao.env))).not.toHaveProperty('privileges')
  })
})
