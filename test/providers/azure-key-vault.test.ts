import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { open } from '../../src/compose.ts'
import { freePort } from '../../src/testing/native/process.ts'
import { type ProviderHarness, runProviderConformance, sameBytes } from '../conformance/provider.ts'
import { type Bench, context, newKey, refusedWith, skip, startBench } from './azure-key-vault/kit.ts'

describe.skipIf(skip)(`Azure Key Vault on the wire fake ${skip ?? ''}`, async () => {
  const bench = await startBench()
  runProviderConformance('azure-key-vault', harnessOf(bench))

  it('encrypts and decrypts by the environment of the fake alone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keywright-azure-'))
    const environment = {
      ...bench.fake.env,
      ENCRYPTION_KEY_ID: 'made-by-open',
      ENCRYPTION_AZURE_KEY_SIZE: '2048',
      ENCRYPTION_KEY_STORE_URL: `sqlite:${join(folder, 'keys.db')}`,
    }
    const options = { environment, config: {}, audit: false } as const
    try {
      const first = await open({ ...options, create: true })
      const sealed = await first.encrypt('pii', 'a@example.org')
      await first.close()
      const second = await open(options)
      expect(await second.decrypt(sealed)).toBe('a@example.org')
      await second.close()
    } finally {
      await rm(folder, { recursive: true })
    }
    expect(bench.fake.vault.versions('made-by-open')).toHaveLength(1)
  })

  it('opens what it wrapped, for keys of 1 to 190 bytes', async () => {
    const provider = bench.open()
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 190 }), async (key) => {
        const opened = await provider.unwrapKey(await provider.wrapKey(key, context), context)
        expect(sameBytes(opened, key)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  it.each([3072, 4096])('wraps under an RSA key of %i bits', async (bits) => {
    await bench.fake.vault.add(`rsa-${bits}`, { bits })
    const provider = bench.openOn(`rsa-${bits}`)
    const key = newKey()
    const wrapped = await provider.wrapKey(key, context)
    expect(wrapped.ciphertext.length).toBe(bits / 8)
    expect(sameBytes(await provider.unwrapKey(wrapped, context), key)).toBe(true)
  })
})

describe.skipIf(skip)('Managed HSM on the wire fake', async () => {
  const bench = await startBench({ server: 'managed-hsm' })
  runProviderConformance('azure-key-vault (Managed HSM, A256KW)', harnessOf(bench), [
    {
      reason: 'A256KW wraps whole blocks of 8 bytes, at least two',
      tests: ['round trip of 1, 32, 64 and the most bytes'],
    },
    { reason: 'A256KW has no randomness (RFC 3394)', tests: ['two wraps of one key differ'] },
  ])

  it('opens what it wrapped, for whole blocks from 16 to 512 bytes', async () => {
    const provider = bench.open()
    for (const length of [16, 24, 64, 512]) {
      const key = newKey(length)
      const wrapped = await provider.wrapKey(key, context)
      expect(wrapped).toMatchObject({ algorithm: 'A256KW' })
      expect(wrapped.ciphertext.length).toBe(length + 8)
      expect(sameBytes(await provider.unwrapKey(wrapped, context), key)).toBe(true)
    }
  })

  it.each([0, 8, 15, 63, 520])('refuses a key of %i bytes before it is sent', async (length) => {
    const provider = bench.open()
    const before = bench.fake.calls.length
    const key = newKey(length)
    await refusedWith(provider, 'ERR_ARGUMENT_INVALID', () => provider.wrapKey(key, context))
    expect(bench.fake.calls.length).toBe(before)
  })

  it('refuses an RSA key for A256KW, and an AES key for RSA-OAEP-256', async () => {
    await bench.fake.vault.add('rsa-in-hsm', { type: 'RSA-HSM' })
    const aes = bench.openOn('rsa-in-hsm')
    const hint = await refusedWith(aes, 'ERR_MASTER_KEY_UNSUITABLE', () => aes.wrapKey(newKey(), context))
    expect(hint).toContain('ENCRYPTION_AZURE_ALGORITHM')
    const rsa = bench.open({ algorithm: 'RSA-OAEP-256' })
    await refusedWith(rsa, 'ERR_MASTER_KEY_UNSUITABLE', () => rsa.describeMasterKey())
  })
})

/** All members: the fake can do everything. */
function harnessOf({ as, fake, loginOptions, open: openFirst, openOn }: Bench): ProviderHarness {
  let keyId = ''
  const secrets: string[] = []
  return {
    async open() {
      const [first, second] = [await fake.createMasterKey(), await fake.createMasterKey()]
      keyId = first.keyId
      fake.faults.clear()
      return [openOn(keyId), openOn(second.keyId)]
    },
    reopen: async () => openOn(keyId),
    async openBroken() {
      const late = `late-${keyId}`
      return { provider: openOn(late), repair: async () => void (await fake.createMasterKey(late)) }
    },
    disable: async () => void fake.vault.set(keyId, { enabled: false }),
    enable: async () => void fake.vault.set(keyId, { enabled: true }),
    delete: async () => fake.vault.delete(keyId),
    openPinned: async (keyVersion) => openOn(keyId, { keyVersion }),
    openUnknown: async () => openOn('nobody-made-it'),
    openDenied: async () => openOn(keyId, as()),
    openUnreachable: async () => openFirst({ vaultUrl: `https://127.0.0.1:${await freePort()}` }),
    async openHanging() {
      fake.faults.inject('hang', { calls: Number.POSITIVE_INFINITY })
      return openOn(keyId)
    },
    async openThrottled() {
      fake.faults.inject('throttle')
      return openOn(keyId)
    },
    async openExpiring() {
      const login = loginOptions()
      secrets.push(login.clientSecret ?? '')
      return { provider: openOn(keyId, login), expire: async () => fake.login.revokeTokens() }
    },
    secrets: () => secrets,
  }
}
