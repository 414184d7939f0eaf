import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configure } from '../../providers/gcp-kms.ts'
import { type GcpKmsFake, PLACE, startGcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { sameBytes } from '../conformance/provider.ts'
import { context, openOn, primaryOf, refusal, settings, skip } from './gcp-kms/kit.ts'

describe.skipIf(skip)('Cloud KMS keys and versions', () => {
  let fake: GcpKmsFake
  beforeAll(async () => {
    fake = await startGcpKmsFake()
  })
  afterAll(() => fake.stop())
  const key = new Uint8Array(64).fill(9)

  it('create makes ring and key once, also when two processes do it together', async () => {
    const options = { ...PLACE, endpoint: fake.endpoint, keyId: 'made', keyRing: 'made' }
    const make = () => configure(settings(options, { create: true }))
    const providers = await Promise.all([make(), make(), make()])
    const wraps = await Promise.all(providers.map((one) => one.wrapKey(key, context)))
    expect(wraps.map((one) => one.masterKeyVersion)).toEqual(['1', '1', '1'])
    await make()
    for (const one of providers) await one.close?.()
  })

  it('create on a server that is not there fails with its code', async () => {
    const options = { ...PLACE, endpoint: '127.0.0.1:1', keyId: 'made' }
    const refused = await refusal(() => configure(settings(options, { create: true })))
    expect(refused.code).toBe('ERR_PROVIDER_UNAVAILABLE')
  })

  it('the primary version is followed, whoever changes it, and a wrap costs one call', async () => {
    const keyId = fake.makeKey()
    const provider = openOn(fake, { keyId })
    await provider.wrapKey(key, context)
    const { keys } = fake.service
    const master = keys.key(fake.resource(keyId))
    master.primary = keys.addVersion(master)
    const count = (): number => fake.service.calls.get('Encrypt') ?? 0
    let before = count()
    const wrapped = await provider.wrapKey(key, context)
    expect([wrapped.masterKeyVersion, count() - before]).toEqual(['2', 2])
    before = count()
    expect((await provider.wrapKey(key, context)).masterKeyVersion).toBe('2')
    expect(count() - before).toBe(1)
    expect(sameBytes(await provider.unwrapKey(wrapped, context), key)).toBe(true)
    await provider.close?.()
  })

  it('a pinned version stays, and one that is not there is named', async () => {
    const keyId = fake.makeKey()
    const { keys } = fake.service
    const master = keys.key(fake.resource(keyId))
    master.primary = keys.addVersion(master)
    const pinned = openOn(fake, { keyId, keyVersion: '1' })
    expect((await pinned.wrapKey(key, context)).masterKeyVersion).toBe('1')
    expect((await pinned.describeMasterKey()).version).toBe('1')
    await pinned.close?.()
    const unknown = openOn(fake, { keyId, keyVersion: '77' })
    expect((await refusal(() => unknown.wrapKey(key, context))).hint).toContain('ENCRYPTION_KEY_VERSION')
    await unknown.close?.()
  })

  it('tells when the service rotates, and warns of a plain connection', async () => {
    const nextRotationAt = 1_900_000_000_500
    const rotating = openOn(fake, { keyId: fake.makeKey({ nextRotationAt }) })
    const description = await rotating.describeMasterKey()
    expect(description.rotatesAt).toBe(nextRotationAt)
    expect(description.createdAt).toBeGreaterThan(Date.now() - 60_000)
    expect(description.warnings?.join()).toContain('not encrypted')
    const still = openOn(fake, { keyId: fake.makeKey() })
    expect((await still.describeMasterKey()).rotatesAt).toBeUndefined()
    await Promise.all([rotating.close?.(), still.close?.()])
  })

  it('knows the limit of an HSM after its first reply, and leaves room for the context', async () => {
    const provider = openOn(fake, { keyId: fake.makeKey({ protectionLevel: 'HSM' }) })
    expect(provider.capabilities.maxPlaintextBytes).toBe(65_536)
    await provider.wrapKey(key, context)
    expect(provider.capabilities.maxPlaintextBytes).toBe(4096)
    const long = { bytes: Buffer.alloc(6000, 'x'), entries: {} }
    expect((await provider.wrapKey(new Uint8Array(2000), long)).ciphertext.length).toBeGreaterThan(2000)
    const refused = await refusal(() => provider.wrapKey(new Uint8Array(3000), long))
    expect(refused.code).toBe('ERR_ARGUMENT_INVALID')
    await provider.close?.()
  })

  it('a software key takes 64 KiB', async () => {
    const provider = openOn(fake, { keyId: fake.makeKey() })
    const most = new Uint8Array(65_536).fill(1)
    expect(sameBytes(await provider.unwrapKey(await provider.wrapKey(most, context), context), most)).toBe(
      true,
    )
    await provider.close?.()
  })

  it('no version label but its own opens a wrap, whatever context it is under', async () => {
    const keyId = fake.makeKey()
    const provider = openOn(fake, { keyId })
    const wrapped = await provider.wrapKey(key, context)
    expect(primaryOf(fake, keyId).name).toMatch(/\/cryptoKeyVersions\/1$/)
    await fc.assert(
      fc.asyncProperty(fc.integer({ max: 2 ** 31, min: 2 }), async (version) => {
        const relabelled = { ...wrapped, masterKeyVersion: String(version) }
        expect((await refusal(() => provider.unwrapKey(relabelled, context))).code).toBe('ERR_UNWRAP_FAILED')
      }),
      { numRuns: 20 },
    )
    // A context that ends like the binding of a version is still another one.
    const suffix = Buffer.concat([context.bytes, Buffer.from('\ncryptoKeyVersions/1')])
    const forged = { bytes: suffix, entries: {} }
    expect((await refusal(() => provider.unwrapKey(wrapped, forged))).code).toBe('ERR_UNWRAP_FAILED')
    await provider.close?.()
  })
})
