import { describe, expect, it } from 'vitest'
import { sameBytes } from '../conformance/provider.ts'
import { context, newKey, refusedWith, skip, startBench } from './azure-key-vault/kit.ts'

describe.skipIf(skip)(`Azure Key Vault: states of the key ${skip ?? ''}`, async () => {
  const { fake, openOn } = await startBench()
  const masterKey = async (): Promise<string> => (await fake.createMasterKey()).keyId
  const now = () => Math.floor(Date.now() / 1000)
  const DAY_S = 86_400

  it('an expired version refuses to wrap, and still opens what it wrapped', async () => {
    const keyId = await masterKey()
    const provider = openOn(keyId)
    const key = newKey()
    const wrapped = await provider.wrapKey(key, context)
    fake.vault.set(keyId, { exp: now() - 60 })
    const hint = await refusedWith(provider, 'ERR_MASTER_KEY_DISABLED', () => provider.wrapKey(key, context))
    expect(hint).toContain('rotate it')
    expect(sameBytes(await provider.unwrapKey(wrapped, context), key)).toBe(true)
    const master = await provider.describeMasterKey()
    expect(master.state).toBe('unavailable')
    expect(master.warnings?.join()).toContain('expired on')
    await provider.rotateMasterKey?.()
    expect((await provider.wrapKey(key, context)).masterKeyVersion).not.toBe(wrapped.masterKeyVersion)
  })

  it('a version that is not valid yet refuses to wrap', async () => {
    const keyId = await masterKey()
    fake.vault.set(keyId, { nbf: now() + DAY_S })
    const provider = openOn(keyId)
    await refusedWith(provider, 'ERR_MASTER_KEY_DISABLED', () => provider.wrapKey(newKey(), context))
    const { state, warnings } = await provider.describeMasterKey()
    expect([state, warnings?.join()]).toEqual(['unavailable', expect.stringContaining('not valid before')])
  })

  it.each([
    [29, 'expires on'],
    [31, ''],
  ])('a version that expires in %i days says: "%s"', async (days, warning) => {
    const keyId = await masterKey()
    fake.vault.set(keyId, { exp: now() + days * DAY_S })
    const { state, warnings } = await openOn(keyId).describeMasterKey()
    expect(state).toBe('enabled')
    expect(warnings?.length).toBe(warning === '' ? 0 : 1)
    expect(warnings?.join()).toContain(warning)
  })

  it('finds the new version when the one it knew was disabled', async () => {
    const keyId = await masterKey()
    const provider = openOn(keyId)
    const { masterKeyVersion } = await provider.wrapKey(newKey(), context)
    const { id } = await fake.vault.rotate(keyId)
    fake.vault.set(keyId, { enabled: false }, masterKeyVersion)
    expect((await provider.wrapKey(newKey(), context)).masterKeyVersion).toBe(id)
  })

  it('a deleted key can be recovered; a purged one is not found', async () => {
    const keyId = await masterKey()
    const provider = openOn(keyId)
    const key = newKey()
    const wrapped = await provider.wrapKey(key, context)
    fake.vault.delete(keyId)
    const unwrap = () => provider.unwrapKey(wrapped, context)
    expect(await refusedWith(provider, 'ERR_MASTER_KEY_DELETED', unwrap)).toContain('recover')
    const described = await provider.describeMasterKey()
    expect(described).toMatchObject({ state: 'pending-deletion', version: wrapped.masterKeyVersion })
    expect(described.warnings?.join()).toMatch(/recovered until \d{4}-/)
    fake.vault.recover(keyId)
    expect(sameBytes(await unwrap(), key)).toBe(true)
    fake.vault.delete(keyId)
    fake.vault.purge(keyId)
    await refusedWith(provider, 'ERR_MASTER_KEY_NOT_FOUND', unwrap)
    const hint = await refusedWith(provider, 'ERR_MASTER_KEY_NOT_FOUND', () => provider.describeMasterKey())
    expect(hint).toContain('ENCRYPTION_KEY_ID')
  })

  it.each([
    ['an elliptic curve key', { type: 'EC' }],
    ['an RSA key of 1024 bits', { bits: 1024 }],
    ['a key that may not wrap', { operations: ['unwrapKey', 'sign'] }],
    ['a key that may not unwrap', { operations: ['wrapKey'] }],
  ] as const)('%s is refused', async (title, spec) => {
    const keyId = title.replaceAll(' ', '-')
    await fake.vault.add(keyId, spec)
    const provider = openOn(keyId)
    await refusedWith(provider, 'ERR_MASTER_KEY_UNSUITABLE', () => provider.wrapKey(newKey(), context))
    const describe = () => provider.describeMasterKey()
    expect(await refusedWith(provider, 'ERR_MASTER_KEY_UNSUITABLE', describe)).toContain('ENCRYPTION_KEY_ID')
  })

  it.each<[Record<string, string>, number | undefined, number | undefined]>([
    [{ timeAfterCreate: 'P90D' }, undefined, 90],
    [{ timeBeforeExpiry: 'P30D' }, 100, 70],
    [{ timeBeforeExpiry: 'P30D' }, undefined, undefined],
    [{ timeAfterCreate: 'soon' }, undefined, undefined],
  ])(
    'a rotation policy of %o, expiry in %s days, gives the next rotation in %s',
    async (trigger, expiry, days) => {
      const keyId = await masterKey()
      const { created } = fake.vault.find(keyId)
      if (expiry !== undefined) fake.vault.set(keyId, { exp: created + expiry * DAY_S })
      fake.vault.setPolicy(keyId, [{ action: { type: 'Rotate' }, trigger }])
      const { rotatesAt } = await openOn(keyId).describeMasterKey()
      expect(rotatesAt).toBe(days === undefined ? undefined : (created + days * DAY_S) * 1000)
    },
  )
})
