/** `doctor --fix-hints`: what it prints is put into force, is enough for the work, and allows no more. */
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Permission } from '../../src/testing/fakes/azure-key-vault.ts'
import type { Env } from './bad-input-kit.ts'
import { Workplace } from './cli-kit.ts'
import { type Backends, missing, startBackends } from './doctor-backends.ts'
import { allWell, DAILY, doctor, type Privileges, ROTATION } from './doctor-kit.ts'

describe.skipIf(missing)(`the smallest policies ${missing ?? ''}`, () => {
  let backends: Backends
  let place: Workplace

  beforeAll(async () => {
    backends = await startBackends()
  })
  afterAll(() => backends.stop())
  beforeEach(() => {
    place = new Workplace()
  })
  afterEach(() => place.leave())

  /** An installation by who may do everything, and the policy that is printed for it. */
  async function policyFor(env: Env): Promise<Privileges> {
    await allWell(place, env, ['init'])
    const { privileges = [] } = await doctor(place, env, { flags: ['--fix-hints'] })
    const [only, ...more] = privileges
    if (only === undefined || more.length > 0) throw new Error('expected one policy')
    return only
  }

  it('Vault: the policy as it is printed', async () => {
    const { as, bao } = backends
    const { text } = await policyFor(bao.env)
    const env = await as.vault(text)
    await allWell(place, env, ...DAILY, ...ROTATION, ...DAILY)
    const token = String(env['ENCRYPTION_VAULT_TOKEN'])
    const mayNot = async (method: string, path: string): Promise<void> => {
      const headers = { 'X-Vault-Token': token }
      const body = method === 'GET' ? {} : { body: '{"plaintext":"AAAA"}' }
      const { status } = await fetch(`${bao.endpoint}/v1/${path}`, { method, headers, ...body })
      expect([path, status]).toEqual([path, 403])
    }
    await mayNot('POST', 'transit/keys/another')
    await mayNot('POST', 'transit/encrypt/another')
    await mayNot('DELETE', 'transit/keys/keywright-1')
    await mayNot('POST', 'transit/keys/keywright-1/config')
    await mayNot('GET', 'transit/export/encryption-key/keywright-1')
    await mayNot('GET', 'sys/mounts')
  })

  it.each([0, 1, 2, 3])('Vault: without line %i of the policy the work fails', async (index) => {
    const { as, bao } = backends
    const { text } = await policyFor(bao.env)
    const lines = text.split('\n').filter((line) => line.startsWith('path "transit/'))
    expect(lines).toHaveLength(4)
    const env = await as.vault(lines.filter((_, at) => at !== index).join('\n'))
    const codes: number[] = []
    for (const argv of [...DAILY, ...ROTATION]) {
      const { code } = await place.keywright(argv, { env, stdin: 'ada@example.com' })
      codes.push(code)
    }
    expect(codes).toContain(1)
  })

  it('AWS: the actions of the policy are those that are called, and no other', async () => {
    const { as, aws } = backends
    const { format, text } = await policyFor(aws.env)
    expect(format).toBe('json')
    const { Statement } = JSON.parse(text) as {
      Statement: readonly { Effect: string; Action: readonly string[]; Resource: string }[]
    }
    const actions = Statement.flatMap(({ Action }) => Action)
    for (const { Effect, Resource } of Statement)
      expect([Effect, Resource]).toEqual(['Allow', aws.env['ENCRYPTION_KEY_ID']])
    const env = as.aws(...actions)
    await allWell(place, env, ...DAILY, ...ROTATION, ...DAILY)
    const seen = aws.calls.filter(({ accessKeyId }) => accessKeyId === env['ENCRYPTION_AWS_ACCESS_KEY_ID'])
    const called = new Set(
      seen.flatMap(({ operation }) =>
        operation === 'ReEncrypt' ? ['kms:ReEncryptFrom', 'kms:ReEncryptTo'] : [`kms:${operation}`],
      ),
    )
    expect([...called].sort()).toEqual([...new Set(actions)].sort())
    // An application that rotates nothing by hand needs the first two statements alone.
    const daily = Statement.slice(0, 2).flatMap(({ Action }) => Action)
    await allWell(place, as.aws(...daily), ...DAILY, ['rewrap'])
  })

  it('Azure: what the role permits', async () => {
    const { as, azure } = backends
    const { text } = await policyFor(azure.env)
    expect(text).toContain('--role "Key Vault Crypto Service Encryption User"')
    expect(text).toContain('/keys/keywright-master"')
    // https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security#key-vault-crypto-service-encryption-user
    const role: readonly Permission[] = ['get', 'list', 'wrapKey', 'unwrapKey']
    const env = as.azure(...role)
    await allWell(place, env, ...DAILY, ['rewrap'])
    const mine = azure.calls.filter(({ clientId }) => clientId === env['ENCRYPTION_AZURE_CLIENT_ID'])
    const refused = mine.filter(({ status }) => status === 403).map(({ operation }) => operation)
    // The schedule of rotations is shown to those who may see it.
    expect(refused.filter((operation) => operation !== 'getRotationPolicy')).toEqual([])
    expect(new Set(mine.map(({ operation }) => operation))).toEqual(
      new Set(['getKey', 'getRotationPolicy', 'wrapKey', 'unwrapKey']),
    )
  })

  /** https://cloud.google.com/kms/docs/reference/permissions-and-roles#cloudkms.cryptoKeyEncrypterDecrypter */
  const ENCRYPTER = ['cloudkms.cryptoKeyVersions.useToEncrypt', 'cloudkms.cryptoKeyVersions.useToDecrypt']

  it('Google: the roles that its commands give', async () => {
    const { as, gcp, identities } = backends
    const all = as.gcp(...ENCRYPTER, 'cloudkms.cryptoKeys.get', 'cloudkms.cryptoKeyVersions.get')
    const { text } = await policyFor(all)
    expect(text).toContain('roles/cloudkms.cryptoKeyEncrypterDecrypter')
    expect(text).toContain(`add-iam-policy-binding ${gcp.env['ENCRYPTION_KEY_ID']} `)
    const custom = [...text.matchAll(/--permissions=(\S+)/g)].map(([, list = '']) => list.split(','))
    const [describing = [], rotating = []] = custom
    await allWell(place, as.gcp(...ENCRYPTER, ...describing), ...DAILY, ['rewrap'])
    await allWell(place, as.gcp(...ENCRYPTER, ...describing, ...rotating), ...DAILY, ...ROTATION)
    const short = as.gcp(...ENCRYPTER, ...describing)
    const { code, err } = await place.keywright(['master', 'rotate'], { env: short })
    expect(code).toBe(1)
    expect(err).toContain('ERR_PROVIDER_DENIED')
    for (const secret of identities.secrets) expect(err).not.toContain(secret)
  })

  it('Redis: the ACL rules as they are printed, for both users', async () => {
    const { cache } = backends
    const onStore = { ...cache.env, ENCRYPTION_KEY_STORE_URL: 'sqlite:./keys.db' }
    const { text } = await policyFor(onStore)
    const admin = new Redis({ port: cache.port, password: cache.password })
    const envs: Env[] = []
    for (const line of text.trim().split('\n')) {
      const [command = '', ...rest] = line.split(' ').map((word) => word.replace(/^'(.*)'$/, '$1'))
      const name = rest[1] ?? ''
      await admin.call(command, ...rest.map((word) => word.replace('<password>', `password-of-${name}`)))
      const address = `redis://${name}:password-of-${name}@127.0.0.1:${cache.port}/0`
      envs.push({ ...onStore, ENCRYPTION_REDIS_URL: address })
    }
    admin.disconnect()
    const [user = {}, administrator = {}] = envs
    await allWell(place, user, ...DAILY, ['rewrap'])
    expect((await place.keywright(['master', 'rotate'], { env: user })).err).toContain('ERR_PROVIDER_DENIED')
    await allWell(place, administrator, ...ROTATION, ...DAILY)
    await allWell(place, user, ...DAILY)
  })

  it('prints the same to a person, under a title', async () => {
    const { bao } = backends
    const { text, title } = await policyFor(bao.env)
    const { code, out } = await place.keywright(['doctor', '--fix-hints'], { env: bao.env })
    expect(code).toBe(0)
    expect(out).toContain(`\nvault: ${title}\n${text.trimEnd()}\n`)
  })
})
