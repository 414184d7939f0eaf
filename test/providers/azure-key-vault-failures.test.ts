import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import type { Fault } from '../../src/testing/fakes/faults.ts'
import { failureOf, sameBytes } from '../conformance/provider.ts'
import { context, newKey, refusedWith, skip, startBench } from './azure-key-vault/kit.ts'

describe.skipIf(skip)(`Azure Key Vault: what goes wrong ${skip ?? ''}`, async () => {
  const { as, fake, open, openOn } = await startBench()
  const masterKey = async (): Promise<string> => (await fake.createMasterKey()).keyId

  const FAULTS: [Fault, ErrorCode][] = [
    ['throttle', 'ERR_PROVIDER_THROTTLED'],
    ['unavailable', 'ERR_PROVIDER_UNAVAILABLE'],
    ['reset', 'ERR_PROVIDER_UNAVAILABLE'],
    ['half-reply', 'ERR_PROVIDER_CORRUPTED'],
    ['missing-field', 'ERR_PROVIDER_CORRUPTED'],
    ['other-key', 'ERR_PROVIDER_CORRUPTED'],
  ]
  describe.each(FAULTS)('%s', (fault, code) => {
    it('has its code in every operation, and the next call is served', async () => {
      const provider = openOn(await masterKey())
      const key = newKey()
      const wrapped = await provider.wrapKey(key, context)
      const calls: [string, () => Promise<unknown>][] = [
        ['wrapKey', () => provider.wrapKey(key, context)],
        ['unwrapKey', () => provider.unwrapKey(wrapped, context)],
        ['getKey', () => provider.describeMasterKey()],
        ['rotateKey', async () => provider.rotateMasterKey?.()],
      ]
      for (const [operation, call] of calls) {
        fake.faults.inject(fault, { operation })
        expect(await refusedWith(provider, code, call, [key])).not.toBe('')
        expect(fake.faults.pending).toBe(0)
        await call()
      }
    })
  })

  it('a ciphertext of another length is not stored', async () => {
    const provider = open()
    fake.faults.inject('wrong-checksum', { operation: 'wrapKey' })
    await refusedWith(provider, 'ERR_PROVIDER_CORRUPTED', () => provider.wrapKey(newKey(), context))
  })

  it('tells how long to wait when it is throttled', async () => {
    fake.faults.inject('throttle')
    const error = await failureOf(() => open().describeMasterKey())
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_THROTTLED', details: { retryAfterMs: 1000 } })
  })

  it('makes no attempts of its own', async () => {
    const provider = open()
    const before = fake.calls.length
    fake.faults.inject('unavailable', { calls: 5 })
    await refusedWith(provider, 'ERR_PROVIDER_UNAVAILABLE', () => provider.describeMasterKey())
    expect(fake.calls.length).toBe(before + 1)
  })

  it('a token that the vault no longer takes is sent again by the client, and served', async () => {
    const provider = open()
    await provider.describeMasterKey()
    fake.faults.inject('expired-token')
    expect((await provider.describeMasterKey()).state).toBe('enabled')
    expect(fake.faults.pending).toBe(0)
  })

  it('a server that takes the connection and says nothing ends with the signal', async () => {
    const server = createServer(() => {}).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    const provider = open({ vaultUrl: `https://127.0.0.1:${port}` })
    const call = (signal: AbortSignal) => () => provider.wrapKey(newKey(), context, { signal })
    await refusedWith(provider, 'ERR_PROVIDER_TIMEOUT', call(AbortSignal.timeout(50)))
    const controller = new AbortController()
    setTimeout(() => controller.abort(new Error('secret reason')), 50)
    const error = await failureOf(call(controller.signal))
    expect(error).toMatchObject({ code: 'ERR_ABORTED' })
    expect(String(error)).not.toContain('secret reason')
    server.close()
  })

  it('a certificate that is not trusted is refused and names the setting', async () => {
    const untrusting = openOn('keywright-master', { caCert: undefined as unknown as string })
    const hint = await refusedWith(untrusting, 'ERR_PROVIDER_FAILED', () => untrusting.describeMasterKey())
    expect(hint).toContain('ENCRYPTION_AZURE_CACERT')
  })

  describe('permissions', () => {
    it.each([
      ['wrap', 'keys/wrap/action', 'get'],
      ['describe', 'keys/read', 'wrapKey'],
    ] as const)('%s without its permission names it', async (operation, permission, granted) => {
      const provider = open(as(granted))
      const calls = {
        wrap: () => provider.wrapKey(newKey(), context),
        describe: () => provider.describeMasterKey(),
      }
      expect(await refusedWith(provider, 'ERR_PROVIDER_DENIED', calls[operation])).toContain(permission)
    })

    it('unwraps without the permission to read the key', async () => {
      const key = newKey()
      const wrapped = await open().wrapKey(key, context)
      const opened = await open(as('unwrapKey')).unwrapKey(wrapped, context)
      expect(sameBytes(opened, key)).toBe(true)
      const denied = open(as('get', 'wrapKey'))
      const unwrap = () => denied.unwrapKey(wrapped, context)
      expect(await refusedWith(denied, 'ERR_PROVIDER_DENIED', unwrap, [key])).toContain('keys/unwrap/action')
    })

    it('rotates only with the permission', async () => {
      const keyId = await masterKey()
      const provider = openOn(keyId, as('get', 'wrapKey', 'unwrapKey'))
      const rotate = async () => provider.rotateMasterKey?.()
      expect(await refusedWith(provider, 'ERR_PROVIDER_DENIED', rotate)).toContain('keys/rotate/action')
      expect(fake.vault.versions(keyId)).toHaveLength(1)
    })

    it('describes without the permission to read the rotation policy', async () => {
      const master = await open(as('get')).describeMasterKey()
      expect(master).toMatchObject({ state: 'enabled' })
      expect(master.rotatesAt).toBeUndefined()
    })

    it('tells network rules from permissions', async () => {
      fake.firewall(true)
      const provider = open()
      const hint = await refusedWith(provider, 'ERR_PROVIDER_DENIED', () => provider.describeMasterKey())
      expect(hint).toContain('network rules')
    })
  })

  describe('stored data', () => {
    it.each([
      ['another vault', (id: string) => id.replace(/:\d+/, ':1')],
      ['another key', (id: string) => id.replace(/[^/]+$/, 'another')],
      ['a path', (id: string) => `${id}/../../secrets/x`],
      ['nothing', () => ''],
    ])('is never an address: %s as master key id is not contacted', async (_, change) => {
      const provider = open()
      const wrapped = await provider.wrapKey(newKey(), context)
      const before = fake.calls.length
      const changed = { ...wrapped, masterKeyId: change(wrapped.masterKeyId) }
      await refusedWith(provider, 'ERR_MASTER_KEY_NOT_FOUND', () => provider.unwrapKey(changed, context))
      expect(fake.calls.length).toBe(before)
    })

    it.each(['', 'latest', '../x', '0'.repeat(31), `${'0'.repeat(32)}/wrapkey`])(
      'is never a path: version "%s" is not sent',
      async (masterKeyVersion) => {
        const provider = open()
        const wrapped = { ...(await provider.wrapKey(newKey(), context)), masterKeyVersion }
        const before = fake.calls.length
        await refusedWith(provider, 'ERR_MASTER_KEY_NOT_FOUND', () => provider.unwrapKey(wrapped, context))
        expect(fake.calls.length).toBe(before)
      },
    )

    it.each(['RSA-OAEP', 'RSA1_5', 'none'])('never unwraps with %s', async (algorithm) => {
      const provider = open()
      const wrapped = { ...(await provider.wrapKey(newKey(), context)), algorithm }
      await refusedWith(provider, 'ERR_UNWRAP_FAILED', () => provider.unwrapKey(wrapped, context))
    })
  })

  it('creates nothing on wrap, unwrap and describe, and asks for the version before it wraps', async () => {
    const provider = openOn('is-not-there')
    const before = fake.calls.length
    await refusedWith(provider, 'ERR_MASTER_KEY_NOT_FOUND', () => provider.wrapKey(newKey(), context))
    await refusedWith(provider, 'ERR_MASTER_KEY_NOT_FOUND', () => provider.describeMasterKey())
    const operations = new Set(fake.calls.slice(before).map(({ operation }) => operation))
    expect([...operations]).toEqual(['getKey', 'getDeletedKey'])
  })

  it('many versions are a bounded number of clients, whose User-Agent stays as it is', async () => {
    const keyId = await masterKey()
    const provider = openOn(keyId)
    const key = newKey()
    const wraps = []
    for (let version = 0; version < 20; version++) {
      if (version > 0) await provider.rotateMasterKey?.()
      wraps.push(await provider.wrapKey(key, context))
    }
    const before = fake.calls.length
    for (const wrapped of [...wraps, ...wraps]) {
      expect(sameBytes(await provider.unwrapKey(wrapped, context), key)).toBe(true)
    }
    const seen = fake.calls.slice(before)
    expect(seen.every(({ operation, status }) => operation === 'unwrapKey' && status === 200)).toBe(true)
    expect(new Set(seen.map(({ userAgent }) => userAgent)).size).toBe(1)
  })

  it('looks for a newer version when the interval is over', async () => {
    const keyId = await masterKey()
    const [eager, patient] = [openOn(keyId, { checkIntervalMs: 0 }), openOn(keyId)]
    const old = await patient.wrapKey(newKey(), context)
    await eager.wrapKey(newKey(), context)
    const { id } = await fake.vault.rotate(keyId)
    expect((await eager.wrapKey(newKey(), context)).masterKeyVersion).toBe(id)
    expect((await patient.wrapKey(newKey(), context)).masterKeyVersion).toBe(old.masterKeyVersion)
    await patient.describeMasterKey()
    expect((await patient.wrapKey(newKey(), context)).masterKeyVersion).toBe(id)
  })
})
