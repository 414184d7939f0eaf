import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { AwsKmsLib, AwsKmsOptions } from '../../providers/aws-kms.ts'
import type { KeyProvider } from '../../src/provider.ts'
import { type AwsKmsFake, startAwsKmsFake } from '../../src/testing/fakes/aws-kms.ts'
import { sameBytes } from '../conformance/provider.ts'
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

describe('faults of the service', () => {
  it.each([
    ['throttle', 'ERR_PROVIDER_THROTTLED', 'cache ttl'],
    ['unavailable', 'ERR_PROVIDER_UNAVAILABLE', 'ENCRYPTION_AWS_REGION'],
    ['reset', 'ERR_PROVIDER_UNAVAILABLE', 'ENCRYPTION_AWS_ENDPOINT'],
    ['half-reply', 'ERR_PROVIDER_UNAVAILABLE', 'ENCRYPTION_AWS_ENDPOINT'],
    ['missing-field', 'ERR_PROVIDER_CORRUPTED', 'ENCRYPTION_AWS_ENDPOINT'],
    ['other-key', 'ERR_PROVIDER_CORRUPTED', 'ENCRYPTION_AWS_ENDPOINT'],
  ] as const)('"%s" is %s in every call, and then it works', async (fault, code, naming) => {
    const aws = provider()
    const key = newKey()
    const wrapped = await aws.wrapKey(key, context)
    const secrets = [key, bench.secret]
    for (const call of [
      () => aws.wrapKey(key, context),
      () => aws.unwrapKey(wrapped, context),
      async () => aws.rewrapKey?.(wrapped, context),
      () => aws.describeMasterKey(),
    ]) {
      fake.faults.inject(fault)
      await refusedWith(code, call, { naming, secrets })
    }
    expect(fake.faults.pending).toBe(0)
    expect(sameBytes(await aws.unwrapKey(wrapped, context), key)).toBe(true)
  })

  it.each(['Encrypt', 'Decrypt'])('never hands out a wrap whose %s answer was damaged', async (operation) => {
    fake.faults.inject('wrong-checksum', { operation })
    await refusedWith('ERR_PROVIDER_CORRUPTED', () => provider().wrapKey(newKey(), context))
  })

  it('refuses credentials that ended and cannot be renewed', async () => {
    fake.faults.inject('expired-token', { calls: 2 })
    await refusedWith('ERR_PROVIDER_UNAUTHENTICATED', () => provider().describeMasterKey(), {
      naming: 'ENCRYPTION_AWS_ACCESS_KEY_ID',
    })
    expect(fake.faults.pending).toBe(0) // it was tried once more
  })

  it.each([
    ['an unknown access key', { accessKeyId: 'AKIASTRANGER', secretAccessKey: 'a-strangers-secret' }],
    ['a wrong secret', { accessKeyId: '', secretAccessKey: 'a-wrong-secret-of-the-administrator' }],
    [
      'a session token that is not its own',
      { accessKeyId: '', secretAccessKey: '', sessionToken: 'x'.repeat(40) },
    ],
  ])('refuses %s', async (_, given) => {
    const credentials = {
      ...given,
      accessKeyId: given.accessKeyId || fake.administrator.accessKeyId,
      secretAccessKey: given.secretAccessKey || bench.secret,
    }
    await refusedWith('ERR_PROVIDER_UNAUTHENTICATED', () => provider({ credentials }).describeMasterKey(), {
      naming: 'ENCRYPTION_AWS_SECRET_ACCESS_KEY',
      secrets: [credentials.secretAccessKey],
    })
  })

  it.each([
    ['wrap', ['kms:Decrypt', 'kms:DescribeKey'], 'kms:Encrypt'],
    ['wrap', ['kms:Encrypt', 'kms:DescribeKey'], 'kms:Decrypt'],
    ['unwrap', ['kms:Encrypt'], 'kms:Decrypt'],
    ['rewrap', ['kms:ReEncryptFrom', 'kms:Decrypt'], 'kms:ReEncryptTo'],
    ['describe', ['kms:Encrypt'], 'kms:DescribeKey'],
    ['rotate', ['kms:DescribeKey'], 'kms:RotateKeyOnDemand'],
  ] as const)('names the permission for %s with %j', async (operation, actions, naming) => {
    const accessKeyId = `AKIA${operation}${actions.length}${naming.length}`
    fake.identities.add(accessKeyId, { secretAccessKey: 'limited-secret', actions })
    const wrapped = await provider().wrapKey(newKey(), context)
    const limited = provider({ credentials: { accessKeyId, secretAccessKey: 'limited-secret' } })
    const calls: Record<typeof operation, () => Promise<unknown>> = {
      wrap: () => limited.wrapKey(newKey(), context),
      unwrap: () => limited.unwrapKey(wrapped, context),
      rewrap: async () => limited.rewrapKey?.(wrapped, context),
      describe: () => limited.describeMasterKey(),
      rotate: async () => limited.rotateMasterKey?.(),
    }
    await refusedWith('ERR_PROVIDER_DENIED', calls[operation], { naming })
  })

  it('describes a key of whose rotation it may know nothing', async () => {
    await bench.admin.enableKeyRotation({ KeyId: keyId })
    expect((await provider().describeMasterKey()).rotatesAt).toBeGreaterThan(Date.now())
    fake.identities.add('AKIALOOKS', { secretAccessKey: 'looking-secret', actions: ['kms:DescribeKey'] })
    const credentials = { accessKeyId: 'AKIALOOKS', secretAccessKey: 'looking-secret' }
    const { createdAt, rotatesAt, state } = await provider({ credentials }).describeMasterKey()
    expect({ createdAt, rotatesAt, state }).toEqual({ state: 'enabled' })
  })

  it('does what its documentation says with no client installed, and with a broken one', async () => {
    const lib = (): Promise<AwsKmsLib> => Promise.reject(new Error('not found'))
    const aws = provider({ lib })
    await expect(aws.describeMasterKey()).rejects.toThrow()
    const code = aws.errorCode(await aws.describeMasterKey().catch((error: unknown) => error))
    expect(code).toBe('ERR_PROVIDER_FAILED')
  })

  it('uses the client that is given, made once', async () => {
    const { KMS } = await import('@aws-sdk/client-kms')
    const load = vi.fn(() => Promise.resolve({ KMS }))
    const aws = provider({ lib: load })
    await Promise.all([aws.describeMasterKey(), aws.describeMasterKey()])
    expect(load).toHaveBeenCalledTimes(1)
  })
})

describe('states of the key', () => {
  it.each([
    ['PendingDeletion', 'ERR_MASTER_KEY_DELETED', 'cancel-key-deletion'],
    ['Disabled', 'ERR_MASTER_KEY_DISABLED', 'enable-key'],
    ['PendingImport', 'ERR_MASTER_KEY_UNSUITABLE', 'SYMMETRIC_DEFAULT'],
    ['Unavailable', 'ERR_PROVIDER_UNAVAILABLE', 'ENCRYPTION_AWS_REGION'],
  ] as const)('%s is %s', async (state, code, naming) => {
    const arn = await bench.newKeyId()
    const aws = bench.provider(arn)
    opened.push(aws)
    const wrapped = await aws.wrapKey(newKey(), context)
    fake.keys.find(arn, REGION).state = state
    await refusedWith(code, () => aws.wrapKey(newKey(), context), { naming })
    await refusedWith(code, () => aws.unwrapKey(wrapped, context), { naming })
    await refusedWith(code, async () => aws.rewrapKey?.(wrapped, context), { naming })
  })

  it('a key that is being moved to another primary region serves', async () => {
    const arn = await bench.newKeyId()
    const aws = bench.provider(arn)
    opened.push(aws)
    fake.keys.find(arn, REGION).state = 'Updating'
    expect((await aws.describeMasterKey()).state).toBe('enabled')
    expect((await aws.wrapKey(newKey(), context)).masterKeyId).toBe(arn)
  })

  it('tells when a key is deleted', async () => {
    const arn = await bench.newKeyId()
    const aws = bench.provider(arn)
    opened.push(aws)
    await bench.admin.scheduleKeyDeletion({ KeyId: arn, PendingWindowInDays: 7 })
    const { state, warnings = [] } = await aws.describeMasterKey()
    expect(state).toBe('pending-deletion')
    expect(warnings[0]).toMatch(/^KMS deletes the master key on 20/)
  })

  it.each(['RSA_2048', 'HMAC_256'] as const)('refuses a key of the spec %s', async (KeySpec) => {
    const KeyUsage = KeySpec === 'RSA_2048' ? 'ENCRYPT_DECRYPT' : 'GENERATE_VERIFY_MAC'
    const aws = bench.provider(await bench.newKeyId({ KeySpec, KeyUsage }))
    opened.push(aws)
    for (const call of [() => aws.wrapKey(newKey(), context), () => aws.describeMasterKey()]) {
      await refusedWith('ERR_MASTER_KEY_UNSUITABLE', call, { naming: 'ENCRYPTION_KEY_ID' })
    }
  })
})
