import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leastPrivilege } from '../../../providers/vault.ts'
import type { OpenBao } from '../../../src/testing/native/openbao.ts'
import { sameBytes, wrapContext } from '../../conformance/provider-kit.ts'
import { type Gate, openGate } from './gate.ts'
import {
  context,
  dataKey,
  expectRefused,
  expectServes,
  keyNames,
  openThrough,
  openVault,
  skip,
  startServerOnce,
  tokenWith,
} from './kit.ts'

const started = await startServerOnce()
const server = started as OpenBao
let gate: Gate

describe.skipIf(skip)('keys of the Transit engine', () => {
  beforeAll(async () => {
    gate = await openGate({ upstream: server.endpoint })
  })
  afterAll(async () => {
    await gate?.close()
    await started?.stop()
  })

  describe('wraps', () => {
    it('holds the bytes behind vault:vN:, so that vault itself can open it', async () => {
      const wrapped = await openVault(server).wrapKey(dataKey, context)
      expect(wrapped).toMatchObject({ provider: 'vault', algorithm: 'aes256-gcm96', masterKeyVersion: '1' })
      const { data } = await server.call('POST', `transit/decrypt/${wrapped.masterKeyId}`, {
        ciphertext: `vault:v1:${Buffer.from(wrapped.ciphertext).toString('base64')}`,
        associated_data: Buffer.from(context.bytes).toString('base64'),
      })
      expect(sameBytes(Buffer.from(String(data?.['plaintext']), 'base64'), dataKey)).toBe(true)
    })

    it.each(['0', '00', '01', '-1', '1.0', ' 1', '1\n', 'v1', 'latest', '', '1:x', '9999999999'])(
      'does not open under the version label "%s"',
      async (masterKeyVersion) => {
        const provider = openVault(server)
        const wrapped = await provider.wrapKey(dataKey, context)
        const unwrap = () => provider.unwrapKey({ ...wrapped, masterKeyVersion }, context)
        await expectRefused(provider, unwrap, 'ERR_UNWRAP_FAILED')
      },
    )

    it('opens again whatever is wrapped, and under no other context', async () => {
      const provider = openVault(server)
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ minLength: 1, maxLength: 200 }),
          fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.string({ unit: 'binary' }), { minKeys: 1 }),
          async (key, entries) => {
            const bound = { entries, bytes: Buffer.from(JSON.stringify(entries)) }
            const wrapped = await provider.wrapKey(key, bound)
            expect(sameBytes(await provider.unwrapKey(wrapped, bound), key)).toBe(true)
            const unwrap = () => provider.unwrapKey(wrapped, wrapContext({ keyring: 'another' }))
            await expectRefused(provider, unwrap, 'ERR_UNWRAP_FAILED')
          },
        ),
        { numRuns: 25 },
      )
    })

    it('refuses versions that the key has retired, or does not have', async () => {
      const { keyId } = await server.createMasterKey()
      const provider = openVault(server, { keyId })
      const old = await provider.wrapKey(dataKey, context)
      await provider.rotateMasterKey?.()
      const retire = { min_decryption_version: 2, min_encryption_version: 2 }
      await server.call('POST', `transit/keys/${keyId}/config`, retire)
      await expectRefused(
        provider,
        () => provider.unwrapKey(old, context),
        'ERR_MASTER_KEY_DISABLED',
        'min_decryption_version',
      )
      await expectServes(provider)
      const first = openVault(server, { keyId, keyVersion: 1 })
      expect(await first.describeMasterKey()).toMatchObject({ version: '1', state: 'disabled' })
      const wrap = () => first.wrapKey(dataKey, context)
      await expectRefused(first, wrap, 'ERR_MASTER_KEY_DISABLED', 'ENCRYPTION_KEY_VERSION')
      await server.call('POST', `transit/keys/${keyId}/config`, { min_encryption_version: 0 })
      await expectRefused(first, wrap, 'ERR_MASTER_KEY_DISABLED', 'ENCRYPTION_KEY_VERSION')
      const ninth = openVault(server, { keyId, keyVersion: '9' })
      const wrapNinth = () => ninth.wrapKey(dataKey, context)
      await expectRefused(ninth, wrapNinth, 'ERR_MASTER_KEY_NOT_FOUND', 'ENCRYPTION_KEY_VERSION')
      expect((await ninth.describeMasterKey()).state).toBe('unavailable')
    })

    it('a pinned provider does not rotate, and warns when it lags', async () => {
      const { keyId } = await server.createMasterKey()
      await openVault(server, { keyId }).rotateMasterKey?.()
      const pinned = openVault(server, { keyId, keyVersion: 1 })
      expect(pinned.rotateMasterKey).toBeUndefined()
      expect((await pinned.describeMasterKey()).warnings?.join()).toContain('ENCRYPTION_KEY_VERSION')
    })

    it('a soft-deleted key has its code, and serves again when it is restored', async () => {
      const { keyId } = await server.createMasterKey()
      const provider = openVault(server, { keyId })
      await expectServes(provider)
      await server.call('DELETE', `transit/keys/${keyId}/soft-delete`)
      const wrap = () => provider.wrapKey(dataKey, context)
      await expectRefused(provider, wrap, 'ERR_MASTER_KEY_DELETED', 'soft-delete-restore')
      await expectRefused(
        provider,
        () => provider.rotateMasterKey?.() as Promise<unknown>,
        'ERR_MASTER_KEY_DELETED',
      )
      expect((await provider.describeMasterKey()).state).toBe('pending-deletion')
      await server.call('POST', `transit/keys/${keyId}/soft-delete-restore`)
      await expectServes(provider)
    })
  })

  describe('derived keys', () => {
    it('serve with the option, and bind the context twice', async () => {
      await server.call('POST', 'transit/keys/derived', { derived: true })
      const provider = openVault(server, { keyId: 'derived', derived: true })
      await expectServes(provider)
      const wrapped = await provider.wrapKey(dataKey, context)
      const unwrap = () => provider.unwrapKey(wrapped, wrapContext({ keyring: 'another' }))
      await expectRefused(provider, unwrap, 'ERR_UNWRAP_FAILED')
    })

    it.each([
      ['a derived key without the option', { keyId: 'derived' }, 'ENCRYPTION_VAULT_DERIVED=true'],
      ['a plain key with it', { derived: true }, 'unset ENCRYPTION_VAULT_DERIVED'],
    ])('refuses %s', async (_, options, hint) => {
      const provider = openVault(server, options)
      const calls = [() => provider.wrapKey(dataKey, context), () => provider.describeMasterKey()]
      for (const call of calls) await expectRefused(provider, call, 'ERR_MASTER_KEY_UNSUITABLE', hint)
    })
  })

  describe('the key', () => {
    it.each(['rsa-2048', 'ecdsa-p256', 'hmac', 'ed25519', 'aes128-gcm96'])(
      'must not be of type %s',
      async (type) => {
        await server.call('POST', `transit/keys/of-${type}`, {
          type,
          ...(type === 'hmac' ? { key_size: 32 } : {}),
        })
        const provider = openVault(server, { keyId: `of-${type}` })
        const wrap = () => provider.wrapKey(dataKey, context)
        await expectRefused(provider, wrap, 'ERR_MASTER_KEY_UNSUITABLE', 'aes256-gcm96')
      },
    )

    it.each(['aes256-gcm96', 'chacha20-poly1305', 'xchacha20-poly1305'])(
      'may be of type %s',
      async (type) => {
        await server.call('POST', `transit/keys/of-${type}`, { type })
        const provider = openVault(server, { keyId: `of-${type}` })
        await expectServes(provider)
        expect((await provider.describeMasterKey()).algorithm).toBe(type)
      },
    )

    it('must not be convergent', async () => {
      await server.call('POST', 'transit/keys/convergent', { derived: true, convergent_encryption: true })
      const provider = openVault(server, { keyId: 'convergent', derived: true })
      await expectRefused(provider, () => provider.wrapKey(dataKey, context), 'ERR_MASTER_KEY_UNSUITABLE')
    })

    it('is described with dates, what the server shows of itself, and what is dangerous', async () => {
      await server.call('POST', 'transit/keys/risky', { exportable: true, auto_rotate_period: '24h' })
      await server.call('POST', 'transit/keys/risky/config', { deletion_allowed: true })
      const {
        createdAt = 0,
        rotatesAt = 0,
        ...rest
      } = await openVault(server, { keyId: 'risky' }).describeMasterKey()
      expect(rest).toMatchObject({ id: 'risky', version: '1', state: 'enabled', server: { tls: false } })
      expect(rotatesAt - createdAt).toBe(86_400_000)
      expect(Math.abs(createdAt - Date.now())).toBeLessThan(60_000)
      expect(Math.abs((rest.server?.time ?? 0) - Date.now())).toBeLessThan(60_000)
      expect(rest.warnings?.join()).toMatch(/exported.*deletion_allowed/)
    })
  })

  describe('making keys', () => {
    it('encryption makes none, even where the token could and the server would', async () => {
      const before = await keyNames(server)
      const provider = openThrough(gate, server, { keyId: 'phantom', token: server.rootToken })
      for (const call of [
        () => provider.wrapKey(dataKey, context),
        () => provider.describeMasterKey(),
        () => provider.rotateMasterKey?.() as Promise<unknown>,
      ]) {
        await expectRefused(provider, call, 'ERR_MASTER_KEY_NOT_FOUND', 'ENCRYPTION_KEY_ID')
      }
      expect(await keyNames(server)).toEqual(before)
    })

    it('… nor where the key is deleted between looking and encrypting', async () => {
      const { keyId } = await server.createMasterKey()
      const provider = openVault(server, { keyId, token: server.rootToken })
      const wrapped = await provider.wrapKey(dataKey, context)
      await server.call('POST', `transit/keys/${keyId}/config`, { deletion_allowed: true })
      await server.call('DELETE', `transit/keys/${keyId}`)
      const wrap = () => provider.wrapKey(dataKey, context)
      const unwrap = () => provider.unwrapKey(wrapped, context)
      for (const call of [wrap, unwrap, wrap]) await expectRefused(provider, call, 'ERR_MASTER_KEY_NOT_FOUND')
      expect(await keyNames(server)).not.toContain(keyId)
    })

    it.each([{}, { derived: true }])('create: true makes one key for eight providers %j', async (options) => {
      const keyId = `made-${JSON.stringify(options).length}`
      const providers = Array.from({ length: 8 }, () =>
        openVault(server, { keyId, create: true, token: server.rootToken, ...options }),
      )
      const wraps = await Promise.all(providers.map((provider) => provider.wrapKey(dataKey, context)))
      const [reader] = providers
      expect(new Set(wraps.map(({ masterKeyVersion }) => masterKeyVersion))).toEqual(new Set(['1']))
      for (const wrapped of wraps)
        expect(sameBytes((await reader?.unwrapKey(wrapped, context)) ?? dataKey, dataKey)).toBe(true)
    })

    it('looks once, then encrypts with one call each', async () => {
      const provider = openThrough(gate, server)
      gate.faults.clear()
      gate.seen.length = 0
      for (let calls = 0; calls < 3; calls++) await provider.wrapKey(dataKey, context)
      expect(gate.paths().map((path) => path.replace(/[^/]+$/, ''))).toEqual([
        'auth/token/',
        'transit/keys/',
        'transit/encrypt/',
        'transit/encrypt/',
        'transit/encrypt/',
      ])
    })
  })

  describe('mounts and policies', () => {
    it.each(['kv', 'cubbyhole'])(
      'a mount of type %s is refused, and nothing is written there',
      async (type) => {
        const mount = `not-transit-${type}`
        if (type === 'kv') await server.call('POST', `sys/mounts/${mount}`, { type })
        const provider = openVault(server, {
          mount: type === 'kv' ? mount : type,
          create: true,
          token: server.rootToken,
        })
        for (const call of [() => provider.wrapKey(dataKey, context), () => provider.describeMasterKey()]) {
          await expectRefused(provider, call, 'ERR_CONFIG_INVALID', 'ENCRYPTION_VAULT_MOUNT')
        }
        expect(await keyNames(server, type === 'kv' ? mount : type)).toEqual([])
      },
    )

    it('a secret where the key should be is no key', async () => {
      await server.call('POST', 'not-transit-kv/keys/secret', { value: 'x' })
      const provider = openVault(server, {
        mount: 'not-transit-kv',
        keyId: 'secret',
        token: server.rootToken,
      })
      await expectRefused(provider, () => provider.describeMasterKey(), 'ERR_CONFIG_INVALID', '_MOUNT')
    })

    it('a mount that is not there is refused', async () => {
      const provider = openVault(server, { mount: 'a/b/nowhere', token: server.rootToken })
      await expectRefused(provider, () => provider.describeMasterKey(), 'ERR_CONFIG_INVALID', '_MOUNT')
    })

    it('works on a nested mount with the least privilege that it prints, and not without', async () => {
      await server.call('POST', 'sys/mounts/team/a/keys', { type: 'transit' })
      await server.call('POST', 'team/a/keys/keys/app.key-1', {})
      const options = { mount: '/team/a/keys/', keyId: 'app.key-1' }
      const { text } = leastPrivilege({ name: 'vault', options, production: true, create: false })
      await server.call('PUT', 'sys/policies/acl/least', { policy: text })
      const token = await tokenWith(server, ['least'], { no_default_policy: true })
      const provider = openVault(server, { ...options, token })
      await expectServes(provider)
      expect((await provider.rotateMasterKey?.())?.version).toBe('2')
      const other = openVault(server, { token })
      await expectRefused(other, () => other.wrapKey(dataKey, context), 'ERR_PROVIDER_DENIED', '_MOUNT')
      // Without "create" on encrypt the server itself refuses to make a key.
      const body = { plaintext: '' }
      await expect(
        server.call('POST', 'team/a/keys/encrypt/app.key-2', body, { 'X-Vault-Token': token }),
      ).rejects.toThrow('403')
    })
  })
})
