import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import vaultProvider from '../../providers/vault.ts'
import { open } from '../../src/compose.ts'
import type { OpenBao } from '../../src/testing/native/openbao.ts'
import { runProviderConformance } from '../conformance/provider.ts'
import { type Gate, openGate } from './vault/gate.ts'
import {
  closeLater,
  context,
  dataKey,
  expectRefused,
  expectServes,
  openThrough,
  openVault,
  skip,
  startServerOnce,
  tokenWith,
} from './vault/kit.ts'

const started = await startServerOnce()
const server = started as OpenBao
let gate: Gate
let approle: { roleId: string; secretId: string }
afterAll(async () => {
  await gate?.close()
  await started?.stop()
})

describe.skipIf(skip)(`Vault provider on ${started?.server ?? skip}`, () => {
  beforeAll(async () => {
    gate = await openGate({ upstream: server.endpoint })
    await server.call('POST', 'sys/auth/approle', { type: 'approle' })
    await server.call('POST', 'auth/approle/role/app', { token_policies: ['keywright'], token_ttl: '1h' })
    const role = await server.call('GET', 'auth/approle/role/app/role-id')
    const secret = await server.call('POST', 'auth/approle/role/app/secret-id')
    approle = { roleId: String(role.data?.['role_id']), secretId: String(secret.data?.['secret_id']) }
  })

  let keyId = ''
  runProviderConformance(
    'vault',
    {
      async open() {
        const [one, two] = [await server.createMasterKey(), await server.createMasterKey()]
        keyId = one.keyId
        return [openVault(server, { keyId }), openVault(server, { keyId: two.keyId })]
      },
      reopen: async () => openVault(server, { keyId }),
      async openBroken() {
        const name = `late-${keyId}`
        return {
          provider: openVault(server, { keyId: name }),
          repair: async () => void (await server.createMasterKey(name)),
        }
      },
      delete: async () => void (await server.call('DELETE', `transit/keys/${keyId}/soft-delete`)),
      openPinned: async (version) => openVault(server, { keyId, keyVersion: version }),
      openUnknown: async () => openVault(server, { keyId: 'nobody-made-it', token: server.rootToken }),
      openDenied: async () => openVault(server, { keyId, token: await tokenWith(server, ['default']) }),
      async openUnreachable() {
        const gone = await openGate()
        await gone.close()
        return openThrough(gone, server, { keyId })
      },
      async openHanging() {
        gate.faults.clear()
        gate.faults.inject('hang', { calls: Number.POSITIVE_INFINITY })
        return openThrough(gate, server, { keyId })
      },
      async openThrottled() {
        gate.faults.clear()
        gate.faults.inject('throttle')
        return openThrough(gate, server, { keyId })
      },
      async openExpiring() {
        const provider = openVault(server, { keyId, ...approle })
        return { provider, expire: () => revokeLogins(server) }
      },
      secrets: () => [server.env['ENCRYPTION_VAULT_TOKEN'] ?? '', server.rootToken, approle.secretId],
    },
    [
      {
        reason: 'Transit cannot disable a key, only retire versions of it and (OpenBao) soft-delete it',
        tests: ['a disabled master key refuses, an enabled one serves again'],
      },
    ],
  )

  describe('namespaces', () => {
    beforeAll(async () => {
      const inside = { 'X-Vault-Namespace': 'team/a' }
      await server.call('PUT', 'sys/namespaces/team')
      await server.call('PUT', 'sys/namespaces/a', {}, { 'X-Vault-Namespace': 'team' })
      await server.call('POST', 'sys/mounts/transit', { type: 'transit' }, inside)
      await server.call('POST', 'transit/keys/inner', {}, inside)
    })

    it('are where keys and logins are', async () => {
      const provider = openVault(server, { namespace: '/team/a/', keyId: 'inner', token: server.rootToken })
      await expectServes(provider)
      const outside = openVault(server, { keyId: 'inner', token: server.rootToken })
      await expectRefused(
        outside,
        () => outside.describeMasterKey(),
        'ERR_MASTER_KEY_NOT_FOUND',
        '_NAMESPACE',
      )
    })

    it('that are not there have a message of their own', async () => {
      const provider = openVault(server, { namespace: 'nobody', token: server.rootToken })
      await expectRefused(provider, () => provider.describeMasterKey(), 'ERR_CONFIG_INVALID', '_NAMESPACE')
    })

    it('do not take a token of another', async () => {
      const token = server.env['ENCRYPTION_VAULT_TOKEN'] ?? ''
      const provider = openVault(server, { namespace: 'team/a', keyId: 'inner', token })
      const wrap = () => provider.wrapKey(dataKey, context)
      await expectRefused(provider, wrap, 'ERR_PROVIDER_DENIED', '_NAMESPACE', [token])
    })
  })

  it('refuses calls after it was closed', async () => {
    const provider = openVault(server)
    await expectServes(provider)
    await provider.close?.()
    await expectRefused(provider, () => provider.describeMasterKey(), 'ERR_CLOSED')
  })

  it('makes no request before the first call', async () => {
    gate.seen.length = 0
    closeLater(vaultProvider({ url: gate.endpoint, keyId: 'k', token: 't' }))
    expect(gate.seen).toEqual([])
  })

  it('encrypts and decrypts for the library by environment alone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keywright-vault-'))
    const environment = { ...server.env, ENCRYPTION_KEY_STORE_URL: `sqlite:${join(folder, 'keys.db')}` }
    const options = { environment, config: {}, audit: false } as const
    try {
      const first = await open({ ...options, create: true })
      const token = await first.encrypt('pii', 'a@example.org')
      await first.close()
      const second = await open(options)
      expect(await second.decrypt(token)).toBe('a@example.org')
      await second.close()
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

/** Ends the tokens of all logins at once, as the end of their lease does. */
async function revokeLogins(bao: OpenBao): Promise<void> {
  await bao.call('PUT', 'sys/leases/revoke-prefix/auth/approle/login')
}
