import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { errorCode as sortError } from '../../providers/gcp-kms/errors.ts'
import { ProviderCalls } from '../../src/keys/provider-calls.ts'
import type { KeyProvider } from '../../src/provider.ts'
import type { Fault } from '../../src/testing/fakes/faults.ts'
import { type GcpKmsFake, startGcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { freePort } from '../../src/testing/native/process.ts'
import { failureOf, sameBytes, wrapContext } from '../conformance/provider.ts'
import { context, openOn, primaryOf, refusal, skip } from './gcp-kms/kit.ts'

const key = new Uint8Array(64).fill(7)
let fake: GcpKmsFake
let keyId: string
let provider: KeyProvider

describe.skipIf(skip)('what can go wrong with Cloud KMS', () => {
  beforeAll(async () => {
    fake = await startGcpKmsFake()
  })
  afterAll(() => fake.stop())
  beforeEach(() => {
    keyId = fake.makeKey()
    provider = openOn(fake, { keyId })
  })
  afterEach(async () => {
    fake.service.faults.clear()
    fake.service.tamper = undefined
    await provider.close?.()
  })

  const faults: [Fault, string, string][] = [
    ['throttle', 'ERR_PROVIDER_THROTTLED', 'try again later'],
    ['unavailable', 'ERR_PROVIDER_UNAVAILABLE', 'ENCRYPTION_GCP_ENDPOINT'],
    ['reset', 'ERR_PROVIDER_UNAVAILABLE', 'ENCRYPTION_GCP_ENDPOINT'],
    ['half-reply', 'ERR_PROVIDER_UNAVAILABLE', 'ENCRYPTION_GCP_ENDPOINT'],
    ['wrong-checksum', 'ERR_PROVIDER_CORRUPTED', 'ENCRYPTION_GCP_ENDPOINT'],
    ['missing-field', 'ERR_PROVIDER_CORRUPTED', 'ENCRYPTION_GCP_ENDPOINT'],
    ['expired-token', 'ERR_PROVIDER_UNAUTHENTICATED', 'ENCRYPTION_GCP_KEY_FILE'],
  ]
  it.each(faults)('%s is %s for wrap and unwrap, and the next call is served', async (fault, code, hint) => {
    const wrapped = await provider.wrapKey(key, context)
    const calls = [() => provider.wrapKey(key, context), () => provider.unwrapKey(wrapped, context)]
    for (const call of calls) {
      fake.service.faults.inject(fault)
      const refused = await refusal(call)
      expect(refused).toMatchObject({ code })
      expect(refused.hint).toContain(hint)
      await call()
    }
    expect(fake.service.faults.pending).toBe(0)
  })

  it("another key's reply is refused: by its name for a wrap, by the digest of core for an unwrap", async () => {
    const calls = new ProviderCalls({ now: Date.now, providers: [provider] })
    const wrapped = await calls.wrap(provider.name, key.subarray(0, 32), context)
    fake.service.faults.inject('other-key', { calls: 2 })
    const wrap = await refusal(() => provider.wrapKey(key, context))
    expect(wrap).toMatchObject({
      code: 'ERR_PROVIDER_CORRUPTED',
      text: expect.stringContaining('another key'),
    })
    expect(await refusal(() => calls.unwrap(wrapped, context))).toMatchObject({ code: 'ERR_UNWRAP_FAILED' })
  })

  const tampered: [string, string, (reply: Record<string, unknown>) => void][] = [
    ['Encrypt', 'the plaintext was not verified', (reply) => delete reply['verifiedPlaintextCrc32c']],
    [
      'Encrypt',
      'the context was not verified',
      (reply) => {
        reply['verifiedAdditionalAuthenticatedDataCrc32c'] = false
      },
    ],
    ['Encrypt', 'no ciphertext', (reply) => delete reply['ciphertext']],
    ['Encrypt', 'no name', (reply) => delete reply['name']],
    [
      'Encrypt',
      'the name of the key without a version',
      (reply) => {
        reply['name'] = String(reply['name']).replace(/\/cryptoKeyVersions.*/, '')
      },
    ],
    [
      'Encrypt',
      'a key whose name begins alike',
      (reply) => {
        reply['name'] = String(reply['name']).replace('/cryptoKeyVersions', '-2/cryptoKeyVersions')
      },
    ],
    ['Decrypt', 'no plaintext', (reply) => delete reply['plaintext']],
    ['GetCryptoKey', 'no name', (reply) => delete reply['name']],
    [
      'GetCryptoKey',
      'a primary version of another key',
      (reply) => {
        reply['primary'] = { name: 'projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1' }
      },
    ],
    [
      'CreateCryptoKeyVersion',
      'a version of another key',
      (reply) => {
        reply['name'] = 'projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1'
      },
    ],
  ]
  it.each(tampered)('%s: a reply with %s is thrown away', async (operation, _, change) => {
    const wrapped = await provider.wrapKey(key, context)
    const calls: Record<string, () => Promise<unknown>> = {
      CreateCryptoKeyVersion: async () => provider.rotateMasterKey?.(),
      Decrypt: () => provider.unwrapKey(wrapped, context),
      Encrypt: () => provider.wrapKey(key, context),
      GetCryptoKey: () => provider.describeMasterKey(),
    }
    fake.service.tamper = (name, reply) => {
      if (name === operation) change(reply)
    }
    expect((await refusal(calls[operation] as () => Promise<unknown>)).code).toBe('ERR_PROVIDER_CORRUPTED')
  })

  it('a checksum that the service finds wrong is damage, not a wrong key', async () => {
    const wrapped = await provider.wrapKey(key, context)
    const text = 'The checksum in field ciphertext_crc32c did not match the data in field ciphertext.'
    expect(sortError({ code: 3, message: `3 INVALID_ARGUMENT: ${text}` })).toBe('ERR_PROVIDER_CORRUPTED')
    const other = wrapContext({ keyring: 'other' })
    expect((await refusal(() => provider.unwrapKey(wrapped, other))).code).toBe('ERR_UNWRAP_FAILED')
  })

  const states = [
    ['DISABLED', 'ERR_MASTER_KEY_DISABLED', 'versions enable', 'disabled'],
    ['DESTROY_SCHEDULED', 'ERR_MASTER_KEY_DELETED', 'versions restore', 'pending-deletion'],
    ['DESTROYED', 'ERR_MASTER_KEY_DELETED', 'versions restore', 'unavailable'],
  ] as const
  it.each(states)('a version that is %s is %s', async (state, code, hint, described) => {
    const wrapped = await provider.wrapKey(key, context)
    const version = primaryOf(fake, keyId)
    if (state === 'DESTROYED') fake.service.keys.destroy(version)
    else version.state = state
    for (const call of [() => provider.wrapKey(key, context), () => provider.unwrapKey(wrapped, context)]) {
      const refused = await refusal(call)
      expect(refused.code).toBe(code)
      expect(refused.hint).toContain(hint)
    }
    expect((await provider.describeMasterKey()).state).toBe(described)
  })

  it('an old version that is disabled refuses its wraps only', async () => {
    const old = await provider.wrapKey(key, context)
    const version = primaryOf(fake, keyId)
    await provider.rotateMasterKey?.()
    version.state = 'DISABLED'
    expect((await refusal(() => provider.unwrapKey(old, context))).code).toBe('ERR_MASTER_KEY_DISABLED')
    const renewed = await provider.wrapKey(key, context)
    expect(sameBytes(await provider.unwrapKey(renewed, context), key)).toBe(true)
  })

  it('a key without a primary version says so', async () => {
    const empty = openOn(fake, { keyId: fake.makeKey({ withoutVersion: true }) })
    expect((await refusal(() => empty.describeMasterKey())).hint).toContain('set-primary-version')
    expect((await refusal(() => empty.wrapKey(key, context))).code).toBe('ERR_MASTER_KEY_DISABLED')
    await empty.close?.()
  })

  it.each([
    ['ASYMMETRIC_DECRYPT', 'RSA_DECRYPT_OAEP_3072_SHA256'],
    ['RAW_ENCRYPT_DECRYPT', 'AES_256_GCM'],
    ['MAC', 'HMAC_SHA256'],
  ])('a key of the purpose %s is unsuitable', async (purpose, algorithm) => {
    const other = openOn(fake, { keyId: fake.makeKey({ algorithm, purpose }) })
    for (const call of [() => other.wrapKey(key, context), () => other.describeMasterKey()]) {
      const refused = await refusal(call)
      expect(refused.code).toBe('ERR_MASTER_KEY_UNSUITABLE')
      expect(refused.hint).toContain('ENCRYPTION_KEY_ID')
    }
    await other.close?.()
  })

  it('a key of another algorithm is unsuitable', async () => {
    fake.service.tamper = (_, reply) => {
      Object.assign(reply, { primary: { ...(reply['primary'] as object), algorithm: 'AES_256_CBC' } })
    }
    expect((await refusal(() => provider.describeMasterKey())).code).toBe('ERR_MASTER_KEY_UNSUITABLE')
  })

  it('a version that is not usable at once does not become primary', async () => {
    fake.service.tamper = (name, reply) => {
      if (name === 'CreateCryptoKeyVersion') reply['state'] = 'PENDING_GENERATION'
    }
    const refused = await refusal(async () => provider.rotateMasterKey?.())
    expect(refused).toMatchObject({ code: 'ERR_PROVIDER_FAILED', hint: expect.stringContaining('unchanged') })
    fake.service.tamper = undefined
    expect((await provider.describeMasterKey()).version).toBe('1')
  })

  it('reading, wrapping and unwrapping make nothing', async () => {
    const unknown = openOn(fake, { keyId: 'not-there' })
    const wrapped = { ...(await provider.wrapKey(key, context)), masterKeyId: fake.resource('not-there') }
    for (const call of [
      () => unknown.wrapKey(key, context),
      () => unknown.unwrapKey(wrapped, context),
      () => unknown.describeMasterKey(),
    ]) {
      const refused = await refusal(call)
      expect(refused.code).toBe('ERR_MASTER_KEY_NOT_FOUND')
      expect(refused.hint).toContain('ENCRYPTION_KEY_ID')
    }
    expect([...fake.service.calls.keys()].filter((name) => /KeyRing|CreateCryptoKey$/.test(name))).toEqual([])
    await unknown.close?.()
  })

  it('a wrap that names another key is refused without asking, and the name is not shown', async () => {
    const wrapped = await provider.wrapKey(key, context)
    const before = fake.service.calls.get('Decrypt')
    const error = await failureOf(() =>
      provider.unwrapKey({ ...wrapped, masterKeyId: 'projects/evil/secret-name' }, context),
    )
    expect(error).toMatchObject({ code: 'ERR_MASTER_KEY_NOT_FOUND' })
    expect(JSON.stringify(error)).not.toContain('secret-name')
    expect(fake.service.calls.get('Decrypt')).toBe(before)
  })

  it('a hanging call ends with its signal, and the next one goes over a new connection', async () => {
    const wrapped = await provider.wrapKey(key, context)
    fake.service.faults.inject('hang')
    const signal = AbortSignal.timeout(100)
    const refused = await refusal(() => provider.unwrapKey(wrapped, context, { signal }))
    expect(refused.code).toBe('ERR_PROVIDER_TIMEOUT')
    expect(sameBytes(await provider.unwrapKey(wrapped, context), key)).toBe(true)
  })

  it('serves as soon as the server is back', async () => {
    const port = await freePort()
    const late = openOn({ endpoint: `127.0.0.1:${port}` }, { keyId: 'late' })
    expect((await refusal(() => late.describeMasterKey())).code).toBe('ERR_PROVIDER_UNAVAILABLE')
    for (let round = 0; round < 2; round++) {
      const server = await startGcpKmsFake({ port })
      server.makeKey({}, 'late')
      expect((await late.wrapKey(key, context)).masterKeyVersion).toBe('1')
      await server.stop()
      expect((await refusal(() => late.describeMasterKey())).code).toBe('ERR_PROVIDER_UNAVAILABLE')
    }
    await late.close?.()
  })

  it('sorts what it never saw', () => {
    const table: [unknown, string][] = [
      [{ code: 1 }, 'ERR_ABORTED'],
      [{ code: 2, message: 'x' }, 'ERR_PROVIDER_FAILED'],
      [{ code: 3, message: 'x' }, 'ERR_PROVIDER_FAILED'],
      [{ code: 4 }, 'ERR_PROVIDER_TIMEOUT'],
      [{ code: 5 }, 'ERR_MASTER_KEY_NOT_FOUND'],
      [{ code: 7 }, 'ERR_PROVIDER_DENIED'],
      [{ code: 8 }, 'ERR_PROVIDER_THROTTLED'],
      [{ code: 9, message: 'current state is: DISABLED.' }, 'ERR_MASTER_KEY_DISABLED'],
      [{ code: 9, message: 'current state is: DESTROYED.' }, 'ERR_MASTER_KEY_DELETED'],
      [{ code: 10 }, 'ERR_PROVIDER_UNAVAILABLE'],
      [{ code: 12 }, 'ERR_PROVIDER_FAILED'],
      [{ code: 13 }, 'ERR_PROVIDER_UNAVAILABLE'],
      [{ code: 14 }, 'ERR_PROVIDER_UNAVAILABLE'],
      [{ code: 16 }, 'ERR_PROVIDER_UNAUTHENTICATED'],
      [new Error('Could not load the default credentials.'), 'ERR_PROVIDER_UNAUTHENTICATED'],
      [new Error('connect ECONNREFUSED 127.0.0.1:1'), 'ERR_PROVIDER_UNAVAILABLE'],
      [{ code: 'EPERM', message: 'x' }, 'ERR_PROVIDER_FAILED'],
      [{ code: 99 }, 'ERR_PROVIDER_FAILED'],
    ]
    for (const [error, code] of table) expect([error, sortError(error)]).toEqual([error, code])
  })
})
