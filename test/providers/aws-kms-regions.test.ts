/** Multi-Region keys: the order of regions, falling back, and what is no reason to fall back. */
import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import awsKms, { type AwsKmsOptions } from '../../providers/aws-kms.ts'
import type { KeyProvider } from '../../src/provider.ts'
import { type AwsKmsFake, startAwsKmsFake } from '../../src/testing/fakes/aws-kms.ts'
import { localstack } from '../../src/testing/native/localstack.ts'
import { sameBytes } from '../conformance/provider.ts'
import { serverFor } from '../kit/servers.ts'
import { Bench, context, idOf, newKey, refusedWith } from './aws-kms/kit.ts'

const HERE = 'us-east-1'
const THERE = 'eu-west-1'
const regionOf = (arn: string): string | undefined => arn.split(':')[3]

const opened: KeyProvider[] = []
const keep = (provider: KeyProvider): KeyProvider => {
  opened.push(provider)
  return provider
}
afterEach(async () => {
  for (const provider of opened.splice(0)) await provider.close?.()
})

const server = await serverFor(localstack)

describe.skipIf(server.skip)('two LocalStacks as two regions', () => {
  let here: Bench
  let there: Bench
  beforeAll(async () => {
    if (server.start === undefined) return
    const [one, two] = await Promise.all([server.start(), server.start()])
    here = new Bench(one)
    there = new Bench(two)
  }, 120_000)
  afterAll(async () => {
    await Promise.all([here?.stop(), there?.stop()])
  })

  /** The same key on both servers, as KMS would have copied it. */
  async function sharedKey(): Promise<string> {
    const id = `mrk-${randomBytes(16).toString('hex')}`
    const Tags = [
      { TagKey: '_custom_id_', TagValue: id },
      { TagKey: '_custom_key_material_', TagValue: randomBytes(32).toString('base64') },
    ]
    const [inThere] = [there.adminOf(THERE)]
    await here.admin.createKey({ MultiRegion: true, Tags })
    await inThere.createKey({ MultiRegion: true, Tags })
    inThere.destroy()
    return id
  }

  it('go on in the second region when the first one is gone, and come back', async () => {
    const way = await here.way()
    const { credentials } = here.options('')
    const provider = keep(
      awsKms({
        keyId: await sharedKey(),
        regions: [HERE, THERE],
        endpoint: { [HERE]: way.origin, [THERE]: there.emulator.endpoint },
        credentials,
      }),
    )
    const key = newKey()
    const first = await provider.wrapKey(key, context)
    expect(regionOf(first.masterKeyId)).toBe(HERE)

    await way.close()
    const second = await provider.wrapKey(key, context)
    expect(regionOf(second.masterKeyId)).toBe(THERE)
    for (const wrapped of [first, second]) {
      expect(sameBytes(await provider.unwrapKey(wrapped, context), key)).toBe(true)
    }
    expect(regionOf((await provider.describeMasterKey()).id)).toBe(THERE)

    await way.open()
    const client = keep(
      awsKms({ keyId: idOf(first.masterKeyId), region: HERE, endpoint: way.origin, credentials }),
    )
    for (const wrapped of [first, second]) {
      expect(sameBytes(await client.unwrapKey(wrapped, context), key)).toBe(true)
    }
  })
})

describe('two wire fakes as two regions', () => {
  let here: AwsKmsFake
  let there: AwsKmsFake
  let bench: Bench
  let keyId = ''
  beforeAll(async () => {
    here = await startAwsKmsFake()
    there = await startAwsKmsFake({ keys: here.keys })
    bench = new Bench(here)
    const arn = await bench.newKeyId({ MultiRegion: true })
    await bench.admin.replicateKey({ KeyId: arn, ReplicaRegion: THERE })
    keyId = idOf(arn)
  })
  afterEach(() => {
    here.faults.clear()
    there.faults.clear()
  })
  afterAll(async () => {
    await bench.stop()
    await there.stop()
  })

  const provider = (more: Partial<AwsKmsOptions> = {}): KeyProvider =>
    keep(
      awsKms({
        keyId,
        regions: [HERE, THERE],
        endpoint: { [HERE]: here.endpoint, [THERE]: there.endpoint },
        credentials: here.administrator,
        regionTimeoutMs: 150,
        ...more,
      }),
    )

  it.each(['unavailable', 'reset', 'hang', 'half-reply'] as const)('falls back on "%s"', async (fault) => {
    here.faults.inject(fault, { calls: Number.POSITIVE_INFINITY })
    const aws = provider()
    const key = newKey()
    const wrapped = await aws.wrapKey(key, context)
    expect(regionOf(wrapped.masterKeyId)).toBe(THERE)
    here.faults.clear()
    const { length } = here.calls
    expect(sameBytes(await aws.unwrapKey(wrapped, context), key)).toBe(true)
    expect(here.calls.length).toBe(length) // it is left alone for a while
  })

  it.each([
    ['throttle', 'ERR_PROVIDER_THROTTLED'],
    ['missing-field', 'ERR_PROVIDER_CORRUPTED'],
    ['other-key', 'ERR_PROVIDER_CORRUPTED'],
  ] as const)('does not fall back on "%s"', async (fault, code) => {
    here.faults.inject(fault)
    const { length } = there.calls
    await refusedWith(code, () => provider().wrapKey(newKey(), context))
    expect(there.calls.length).toBe(length)
  })

  it('does not fall back where it is denied, disabled or unknown, nor for a bad ciphertext', async () => {
    const aws = provider()
    const wrapped = await aws.wrapKey(newKey(), context)
    const cut = { ...wrapped, ciphertext: wrapped.ciphertext.subarray(0, 70) }
    const { length } = there.calls
    await refusedWith('ERR_UNWRAP_FAILED', () => aws.unwrapKey(cut, context))
    here.identities.add('AKIANOBODY', { secretAccessKey: 'nobodys-secret', actions: [] })
    const denied = provider({ credentials: { accessKeyId: 'AKIANOBODY', secretAccessKey: 'nobodys-secret' } })
    await refusedWith('ERR_PROVIDER_DENIED', () => denied.wrapKey(newKey(), context))
    await bench.admin.disableKey({ KeyId: keyId })
    await refusedWith('ERR_MASTER_KEY_DISABLED', () => aws.wrapKey(newKey(), context))
    await bench.admin.enableKey({ KeyId: keyId })
    const unknown = provider({ keyId: `mrk-${'0'.repeat(32)}` })
    await refusedWith('ERR_MASTER_KEY_NOT_FOUND', () => unknown.wrapKey(newKey(), context))
    expect(there.calls.length).toBe(length)
  })

  it('says so when no region is available', async () => {
    for (const { faults } of [here, there]) faults.inject('unavailable', { calls: 2 })
    const aws = provider()
    await refusedWith('ERR_PROVIDER_UNAVAILABLE', () => aws.wrapKey(newKey(), context), {
      naming: 'ENCRYPTION_AWS_REGION',
    })
    await refusedWith('ERR_PROVIDER_UNAVAILABLE', () => aws.describeMasterKey(), {
      naming: 'ENCRYPTION_AWS_ENDPOINT',
    })
    expect((await aws.describeMasterKey()).state).toBe('enabled')
  })

  it('stops at the signal of the caller, also between regions', async () => {
    here.faults.inject('hang', { calls: 9 })
    there.faults.inject('hang', { calls: 9 })
    const aws = provider()
    const controller = new AbortController()
    const call = refusedWith('ERR_ABORTED', () =>
      aws.wrapKey(newKey(), context, { signal: controller.signal }),
    )
    setTimeout(() => controller.abort(), 250)
    await call
    await refusedWith('ERR_PROVIDER_TIMEOUT', () =>
      aws.wrapKey(newKey(), context, { signal: AbortSignal.timeout(50) }),
    )
  })

  it('opens in its region what another region wrapped, under the ARN of either', async () => {
    const key = newKey()
    const arn = (region: string): string => `arn:aws:kms:${region}:111122223333:key/${keyId}`
    const single = { endpoint: there.endpoint, credentials: here.administrator }
    const wrapped = await provider().wrapKey(key, context)
    for (const options of [
      { keyId, region: THERE },
      { keyId: arn(HERE), region: THERE },
      { keyId: arn(THERE) },
    ]) {
      const aws = keep(awsKms({ ...single, ...options }))
      expect(sameBytes(await aws.unwrapKey(wrapped, context), key)).toBe(true)
      const rewrapped = await aws.rewrapKey?.(wrapped, context)
      expect(rewrapped?.masterKeyId).toBe(arn(THERE))
    }
  })

  it('rotates in the primary region, wherever it is in the list', async () => {
    const aws = provider({ regions: [THERE, HERE] })
    const old = await aws.wrapKey(newKey(), context)
    expect(regionOf(old.masterKeyId)).toBe(THERE)
    const rotated = await aws.rotateMasterKey?.()
    expect(rotated?.version).not.toBe(old.masterKeyVersion)
    expect(here.calls.at(-1)?.operation).toBe('RotateKeyOnDemand')
    expect((await aws.unwrapKey(old, context)).length).toBe(64)
  })

  it('does not rotate a copy', async () => {
    const aws = keep(
      awsKms({ keyId, region: THERE, endpoint: there.endpoint, credentials: here.administrator }),
    )
    await refusedWith('ERR_PROVIDER_FAILED', async () => aws.rotateMasterKey?.(), { naming: `add ${HERE}` })
  })
})
