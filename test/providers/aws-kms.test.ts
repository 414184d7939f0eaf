import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import awsKms from '../../providers/aws-kms.ts'
import { open } from '../../src/compose.ts'
import { type AwsKmsFake, startAwsKmsFake } from '../../src/testing/fakes/aws-kms.ts'
import { localstack } from '../../src/testing/native/localstack.ts'
import { moto } from '../../src/testing/native/moto.ts'
import { type ConformanceSkip, runProviderConformance, sameBytes } from '../conformance/provider.ts'
import { serverFor } from '../kit/servers.ts'
import { Bench, context, harnessOf, newKey, REGION } from './aws-kms/kit.ts'

const NO_PINNING: ConformanceSkip = {
  reason: 'KMS wraps under the current key material alone; a pinned version is refused by the options',
  tests: ['a pinned version wraps under it'],
}

const noFaults = (server: string): ConformanceSkip => ({
  reason: `${server} takes any credentials, denies nothing and never throttles: see the wire fake`,
  tests: [
    'a missing permission has its code',
    'throttled, then served',
    'credentials that expire are renewed',
  ],
})

/** The whole way of an application, by the environment of the emulator alone. */
async function endToEnd(env: Readonly<Record<string, string>>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'keywright-aws-'))
  const environment = {
    ...env,
    ENCRYPTION_KEY_ID: 'alias/made-by-open',
    ENCRYPTION_KEY_STORE_URL: `sqlite:${join(folder, 'keys.db')}`,
  }
  const options = { environment, config: {}, audit: false } as const
  try {
    const first = await open({ ...options, create: true })
    const sealed = await first.encrypt('pii', 'a@example.org')
    await first.close()
    const second = await open(options)
    expect(await second.decrypt(sealed)).toBe('a@example.org')
    expect((await second.check()).checks[0]).toMatchObject({ state: 'ok' })
    await second.close()
  } finally {
    await rm(folder, { recursive: true })
  }
}

const localStackServer = await serverFor(localstack)

describe.skipIf(localStackServer.skip)('AWS KMS on LocalStack', () => {
  let bench: Bench
  beforeAll(async () => {
    if (localStackServer.start) bench = new Bench(await localStackServer.start())
  }, 120_000)
  afterAll(() => bench?.stop())

  runProviderConformance(
    'aws-kms (LocalStack 4.14.0)',
    harnessOf(() => bench),
    [
      NO_PINNING,
      noFaults('LocalStack'),
      {
        reason: 'LocalStack does not name the key material in replies, so a false label cannot be told',
        tests: ['a wrap opens only under the version that made it'],
      },
    ],
  )

  it('encrypts and decrypts by the environment of the emulator alone', () => endToEnd(bench.emulator.env))

  it('tells when the key rotates by itself', async () => {
    const keyId = await bench.newKeyId()
    const provider = bench.provider(keyId)
    expect((await provider.describeMasterKey()).rotatesAt).toBeUndefined()
    await bench.admin.enableKeyRotation({ KeyId: keyId, RotationPeriodInDays: 100 })
    const { rotatesAt = 0, server, warnings } = await provider.describeMasterKey()
    expect(Math.round((rotatesAt - Date.now()) / 86_400_000)).toBe(100)
    expect(server?.tls).toBe(false)
    expect(Math.abs((server?.time ?? 0) - Date.now())).toBeLessThan(60_000)
    expect(warnings).toEqual([])
    await provider.close?.()
  })

  it.each(['RSA_2048', 'HMAC_256'] as const)('refuses a key of the spec %s', async (KeySpec) => {
    const KeyUsage = KeySpec === 'RSA_2048' ? 'ENCRYPT_DECRYPT' : 'GENERATE_VERIFY_MAC'
    const provider = bench.provider(await bench.newKeyId({ KeySpec, KeyUsage }))
    for (const call of [() => provider.describeMasterKey(), () => provider.wrapKey(newKey(), context)]) {
      await expect(call()).rejects.toMatchObject({ code: 'ERR_MASTER_KEY_UNSUITABLE' })
    }
    await provider.close?.()
  })
})

const motoServer = await serverFor(moto)

describe.skipIf(motoServer.skip)('AWS KMS on moto', () => {
  let bench: Bench
  beforeAll(async () => {
    if (motoServer.start) bench = new Bench(await motoServer.start())
  }, 120_000)
  afterAll(() => bench?.stop())

  runProviderConformance(
    'aws-kms (moto 5.2.5)',
    harnessOf(() => bench),
    [
      NO_PINNING,
      noFaults('moto'),
      {
        reason: 'moto names no key material at all: every wrap has the version "unversioned"',
        tests: [
          'after a rotation old and new wraps open',
          'a wrap opens only under the version that made it',
        ],
      },
      {
        reason: 'moto begins its ciphertext with the key id, and denies access when that does not fit',
        tests: ['a damaged ciphertext is refused with one face'],
      },
      {
        reason: 'moto goes on encrypting under disabled and deleted keys',
        tests: [
          'a disabled master key refuses, an enabled one serves again',
          'a deleted master key has its code',
        ],
      },
    ],
  )

  it('encrypts and decrypts by the environment of the emulator alone', () => endToEnd(bench.emulator.env))

  it('rotates on demand, and says when the current key material was made', async () => {
    const keyId = await bench.newKeyId()
    const provider = bench.provider(keyId)
    const key = newKey()
    const old = await provider.wrapKey(key, context)
    expect(old.masterKeyVersion).toBe('unversioned')
    const { createdAt: first = 0 } = await provider.describeMasterKey()
    const rotated = await provider.rotateMasterKey?.()
    expect(rotated?.createdAt ?? 0).toBeGreaterThan(first)
    const { Rotations } = await bench.admin.listKeyRotations({ KeyId: keyId })
    expect(Rotations).toHaveLength(1)
    expect(sameBytes(await provider.unwrapKey(old, context), key)).toBe(true)
    await provider.close?.()
  })
})

describe('AWS KMS on the wire fake', () => {
  let fake: AwsKmsFake
  let bench: Bench
  beforeAll(async () => {
    fake = await startAwsKmsFake()
    bench = new Bench(fake)
    // The standard chain as it is in a container of AWS, with nothing else to find.
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', fake.credentialsUrl)
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
    for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/nonexistent')
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_PROFILE']) vi.stubEnv(name, undefined)
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    await bench?.stop()
  })

  runProviderConformance(
    'aws-kms (wire fake)',
    {
      ...harnessOf(() => bench),
      async openDenied() {
        fake.identities.add('AKIADENIED', { secretAccessKey: 'denied-secret', actions: [] })
        return bench.provider(bench.current, {
          credentials: { accessKeyId: 'AKIADENIED', secretAccessKey: 'denied-secret' },
        })
      },
      async openThrottled() {
        fake.faults.clear()
        fake.faults.inject('throttle')
        return bench.provider(bench.current)
      },
      async openExpiring() {
        const { credentials: _, ...options } = bench.options(bench.current)
        return { provider: awsKms(options), expire: async () => fake.identities.expire() }
      },
      secrets: () => [bench.secret, 'denied-secret'],
    },
    [NO_PINNING],
  )

  it('encrypts and decrypts by the environment of the fake alone', () => endToEnd(fake.env))

  it('asks KMS twice for a wrap, once for an unwrap, and always says which key', async () => {
    const keyId = await bench.newKeyId()
    const provider = bench.provider(keyId)
    fake.faults.clear()
    const before = fake.calls.length
    const wrapped = await provider.wrapKey(newKey(), context)
    await provider.unwrapKey(wrapped, context)
    await provider.rewrapKey?.(wrapped, context)
    const calls = fake.calls.slice(before)
    expect(calls.map(({ operation }) => operation)).toEqual(['Encrypt', 'Decrypt', 'Decrypt', 'ReEncrypt'])
    for (const { body, region } of calls) {
      const { KeyId, SourceKeyId = KeyId, EncryptionContext, SourceEncryptionContext } = JSON.parse(body)
      expect(SourceKeyId).toBe(keyId)
      expect(EncryptionContext ?? SourceEncryptionContext).toEqual(context.entries)
      expect(region).toBe(REGION)
    }
    await provider.close?.()
  })
})
