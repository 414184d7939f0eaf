/** What wraps are bound to, whose key an alias is, and what requests carry, on the wire fake. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import awsKms, { type AwsKmsOptions, configure } from '../../providers/aws-kms.ts'
import type { KeyProvider, WrappedKey } from '../../src/provider.ts'
import { type AwsKmsFake, startAwsKmsFake } from '../../src/testing/fakes/aws-kms.ts'
import { sameBytes, wrapContext } from '../conformance/provider.ts'
import { Bench, context, newKey, REGION, refusedWith } from './aws-kms/kit.ts'

let fake: AwsKmsFake
let bench: Bench
let keyId = ''
const opened: KeyProvider[] = []

beforeAll(async () => {
  fake = await startAwsKmsFake()
  bench = new Bench(fake)
  keyId = await bench.newKeyId()
})
afterEach(async () => {
  vi.unstubAllEnvs()
  fake.faults.clear()
  fake.nameMaterials(true)
  for (const provider of opened.splice(0)) await provider.close?.()
})
afterAll(() => bench.stop())

const provider = (more: Partial<AwsKmsOptions> = {}): KeyProvider => {
  const made = bench.provider(keyId, more)
  opened.push(made)
  return made
}

describe('labels of wraps', () => {
  const arn = (region: string, account: string, id: string): string =>
    `arn:aws:kms:${region}:${account}:key/${id}`
  const id = '11111111-2222-4333-8444-555555555555'

  it.each([
    ['of another key', arn(REGION, '111122223333', id)],
    ['of another region', () => keyId.replace(REGION, 'eu-west-1')],
    ['of another account', () => keyId.replace('111122223333', '999999999999')],
    ['of another partition', () => keyId.replace('arn:aws:', 'arn:aws-cn:')],
    ['an alias', `arn:aws:kms:${REGION}:111122223333:alias/x`],
    ['a bare id', () => keyId.replace(/^.*\//, '')],
    ['a URL', 'https://169.254.169.254/latest/meta-data'],
    ['empty', ''],
  ])('refuses a master key id that is %s, and asks nobody', async (_, given) => {
    const aws = provider()
    const wrapped = await aws.wrapKey(newKey(), context)
    const masterKeyId = typeof given === 'string' ? given : given()
    const { length } = fake.calls
    for (const call of [aws.unwrapKey, aws.rewrapKey ?? aws.unwrapKey]) {
      await refusedWith('ERR_MASTER_KEY_NOT_FOUND', () => call({ ...wrapped, masterKeyId }, context), {
        naming: 'ENCRYPTION_AWS_FORMER_KEY_IDS',
      })
    }
    expect(fake.calls.length).toBe(length)
  })

  it('does not repeat what was stored unless it is the ARN of a key', async () => {
    const wrapped = await provider().wrapKey(newKey(), context)
    const masterKeyId = 'somebody put a password here: hunter2hunter2'
    await refusedWith(
      'ERR_MASTER_KEY_NOT_FOUND',
      () => provider().unwrapKey({ ...wrapped, masterKeyId }, context),
      {
        secrets: ['hunter2hunter2'],
      },
    )
  })

  it('refuses the label of another account under a bare key id', async () => {
    const aws = provider({ keyId: keyId.replace(/^.*\//, '') })
    const wrapped = await aws.wrapKey(newKey(), context)
    const masterKeyId = wrapped.masterKeyId.replace('111122223333', '999999999999')
    await refusedWith('ERR_UNWRAP_FAILED', () => aws.unwrapKey({ ...wrapped, masterKeyId }, context))
  })

  it('refuses a false version, by whichever call', async () => {
    const aws = provider()
    const wrapped = await aws.wrapKey(newKey(), context)
    const faces = new Set<string>()
    const lies: Partial<WrappedKey>[] = [
      { masterKeyVersion: 'f'.repeat(64) },
      { masterKeyVersion: 'latest' },
      { algorithm: 'RSAES_OAEP_SHA_256' },
      { ciphertext: new Uint8Array(6145) },
      { ciphertext: wrapped.ciphertext.subarray(1) },
    ]
    for (const lie of lies) {
      for (const call of [aws.unwrapKey, aws.rewrapKey ?? aws.unwrapKey]) {
        const error = await refusedWith('ERR_UNWRAP_FAILED', () => call({ ...wrapped, ...lie }, context))
        faces.add(JSON.stringify(error))
      }
    }
    expect(faces.size).toBe(1)
  })

  it('opens a wrap from before the service named key materials', async () => {
    fake.nameMaterials(false)
    const aws = provider()
    const key = newKey()
    const wrapped = await aws.wrapKey(key, context)
    expect(wrapped.masterKeyVersion).toBe('unversioned')
    fake.nameMaterials(true)
    expect(sameBytes(await aws.unwrapKey(wrapped, context), key)).toBe(true)
    expect((await aws.rewrapKey?.(wrapped, context))?.masterKeyVersion).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('aliases', () => {
  it('keep opening what a former key wrapped when that is named', async () => {
    const [former, next] = [await bench.newKeyId(), await bench.newKeyId()]
    await bench.admin.createAlias({ AliasName: 'alias/moving', TargetKeyId: former })
    const aws = provider({ keyId: 'alias/moving' })
    const key = newKey()
    const wrapped = await aws.wrapKey(key, context)
    expect(wrapped.masterKeyId).toBe(former)
    expect(sameBytes(await aws.unwrapKey(wrapped, context), key)).toBe(true)

    await bench.admin.updateAlias({ AliasName: 'alias/moving', TargetKeyId: next })
    await refusedWith('ERR_UNWRAP_FAILED', () => aws.unwrapKey(wrapped, context), {
      naming: 'ENCRYPTION_AWS_FORMER_KEY_IDS',
    })
    const both = provider({ keyId: 'alias/moving', formerKeyIds: [former] })
    expect(sameBytes(await both.unwrapKey(wrapped, context), key)).toBe(true)
    const renewed = await both.rewrapKey?.(wrapped, context)
    expect(renewed?.masterKeyId).toBe(next)
    expect(renewed && sameBytes(await aws.unwrapKey(renewed, context), key)).toBe(true)
  })

  it('are followed by ARN too', async () => {
    await bench.admin.createAlias({ AliasName: 'alias/by-arn', TargetKeyId: keyId })
    const aws = provider({ keyId: `arn:aws:kms:${REGION}:111122223333:alias/by-arn` })
    const wrapped = await aws.wrapKey(newKey(), context)
    expect(wrapped.masterKeyId).toBe(keyId)
    expect((await aws.describeMasterKey()).id).toBe(keyId)
    expect((await aws.rotateMasterKey?.())?.version).not.toBe(wrapped.masterKeyVersion)
  })

  const settings = (alias: string, create: boolean) => ({
    name: 'aws',
    production: false,
    create,
    options: {
      keyId: alias,
      region: REGION,
      endpoint: fake.endpoint,
      accessKeyId: fake.administrator.accessKeyId,
      secretAccessKey: fake.administrator.secretAccessKey,
    },
  })

  it('are made with a key only when that was asked for, and only once', async () => {
    const count = (): number => fake.keys.all().length
    const before = count()
    const reading = await configure(settings('alias/not-there', false))
    opened.push(reading)
    const wrapped = await provider().wrapKey(newKey(), context)
    await refusedWith('ERR_MASTER_KEY_NOT_FOUND', () => reading.wrapKey(newKey(), context), {
      naming: 'ENCRYPTION_KEY_ID',
    })
    await refusedWith('ERR_MASTER_KEY_NOT_FOUND', () => reading.describeMasterKey())
    await refusedWith('ERR_MASTER_KEY_NOT_FOUND', () => reading.unwrapKey(wrapped, context))
    expect(count()).toBe(before)
    for (const _ of [1, 2]) opened.push(await configure(settings('alias/not-there', true)))
    expect(count()).toBe(before + 1)
    expect((await reading.describeMasterKey()).state).toBe('enabled')
  })

  it('are made once by several processes; no other key stays', async () => {
    const before = new Set(fake.keys.all())
    opened.push(...(await Promise.all([1, 2, 3].map(() => configure(settings('alias/raced', true))))))
    const ids = await Promise.all(opened.map(async (one) => (await one.describeMasterKey()).id))
    expect(new Set(ids).size).toBe(1)
    const made = fake.keys.all().filter((key) => !before.has(key))
    expect(made.filter(({ state }) => state === 'Enabled').map(({ arn }) => arn)).toEqual([ids[0]])
  })

  it('are not made where that is denied', async () => {
    fake.identities.add('AKIANOMAKER', { secretAccessKey: 'makes-nothing', actions: ['kms:DescribeKey'] })
    const { options, ...rest } = settings('alias/denied', true)
    const limited = { ...options, accessKeyId: 'AKIANOMAKER', secretAccessKey: 'makes-nothing' }
    await refusedWith('ERR_PROVIDER_DENIED', () => configure({ ...rest, options: limited }), {
      naming: 'kms:CreateKey',
    })
  })
})

describe('requests', () => {
  it('carry grant tokens, and a bad one is denied', async () => {
    fake.grantTokens.add('good-grant')
    const aws = provider({ grantTokens: ['good-grant'] })
    const wrapped = await aws.wrapKey(newKey(), context)
    await aws.rewrapKey?.(wrapped, context)
    await aws.unwrapKey(wrapped, context)
    await refusedWith(
      'ERR_PROVIDER_DENIED',
      () => provider({ grantTokens: ['old-grant-token'] }).unwrapKey(wrapped, context),
      { naming: 'ENCRYPTION_AWS_GRANT_TOKENS', secrets: ['old-grant-token'] },
    )
  })

  it('are signed with the credentials of a profile', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keywright-profile-'))
    const { accessKeyId, secretAccessKey } = fake.administrator
    const path = join(folder, 'credentials')
    await writeFile(
      path,
      `[app]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`,
    )
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', path)
    vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'))
    const aws = awsKms({ keyId, endpoint: fake.endpoint, profile: 'app' })
    opened.push(aws)
    expect((await aws.describeMasterKey()).id).toBe(keyId)
    await rm(folder, { recursive: true })
  })

  it('never go to an http address of the shared configuration', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_KMS', 'http://kms.example.org')
    const aws = awsKms({ keyId, credentials: fake.administrator })
    opened.push(aws)
    await refusedWith('ERR_CONFIG_INVALID', () => aws.wrapKey(newKey(), context), {
      naming: 'AWS_ENDPOINT_URL',
    })
  })

  it('are refused by a server without a certificate that is trusted', async () => {
    const [{ createServer }, { generate }] = [await import('node:https'), await import('selfsigned')]
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
      keyType: 'ec',
    })
    const server = createServer({ cert, key })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const aws = provider({ endpoint: `https://localhost:${port}` })
    await refusedWith('ERR_PROVIDER_FAILED', () => aws.describeMasterKey(), { naming: 'NODE_EXTRA_CA_CERTS' })
    server.close()
  })

  it('bind any context and open any key', async () => {
    const aws = provider()
    const entries = fc.dictionary(
      fc.stringMatching(/^[a-z0-9_.-]{1,20}$/).filter((name) => name !== '__proto__' && name !== 'other'),
      fc.string({ maxLength: 40, unit: 'grapheme' }),
      { maxKeys: 4 },
    )
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), entries, async (key, map) => {
        const bound = wrapContext({ ...map })
        const wrapped = await aws.wrapKey(key, bound)
        expect(sameBytes(await aws.unwrapKey(wrapped, bound), key)).toBe(true)
        const other = wrapContext({ ...map, other: 'more' })
        await refusedWith('ERR_UNWRAP_FAILED', () => aws.unwrapKey(wrapped, other))
      }),
      { numRuns: 25 },
    )
  })
})
