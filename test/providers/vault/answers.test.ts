import { execFile } from 'node:child_process'
import { inspect, promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ErrorCode } from '../../../src/errors.ts'
import { type Gate, openGate, type Scripted } from './gate.ts'
import { context, dataKey, expectRefused, openAt, unknownToken as token } from './kit.ts'

let gate: Gate
beforeAll(async () => {
  gate = await openGate()
})
afterAll(() => gate.close())
beforeEach(() => gate.reset())

describe('what Vault answers', () => {
  const errors = (...texts: string[]): { errors: string[] } => ({ errors: texts })
  beforeEach(() => gate.script('/v1/auth/token/lookup-self', { status: 403, body: errors(denied) }))
  const denied = '1 error occurred:\n\t* permission denied\n\n'
  const unknown = '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n'
  const table: readonly [ErrorCode, Scripted, string?][] = [
    ['ERR_PROVIDER_SEALED', { status: 503, body: errors('Vault is sealed') }, 'unseal'],
    ['ERR_PROVIDER_UNAVAILABLE', { status: 503, body: '<html>no backend</html>' }],
    ['ERR_PROVIDER_UNAVAILABLE', { status: 502, body: errors('upstream') }],
    ['ERR_PROVIDER_UNAVAILABLE', { status: 500, body: errors('internal error') }],
    ['ERR_PROVIDER_UNAVAILABLE', { status: 412, body: errors('required index state not present') }],
    ['ERR_PROVIDER_UNAVAILABLE', { status: 599 }],
    [
      'ERR_PROVIDER_STANDBY',
      { status: 500, body: errors('local node not active but active cluster node not found') },
      'ENCRYPTION_VAULT_URL',
    ],
    ['ERR_PROVIDER_STANDBY', { status: 473, body: errors('perf standby') }],
    ['ERR_PROVIDER_THROTTLED', { status: 429, body: errors('rate limit quota exceeded') }, 'quota'],
    ['ERR_PROVIDER_DENIED', { status: 403, body: errors(denied) }, 'docs/providers/vault.md'],
    ['ERR_PROVIDER_UNAUTHENTICATED', { status: 403, body: errors(unknown) }, 'ENCRYPTION_VAULT_TOKEN'],
    ['ERR_PROVIDER_UNAUTHENTICATED', { status: 403, body: errors('permission denied') }],
    ['ERR_PROVIDER_UNAUTHENTICATED', { status: 400, body: errors('missing client token') }],
    ['ERR_MASTER_KEY_NOT_FOUND', { status: 404, body: errors() }, 'ENCRYPTION_KEY_ID'],
    ['ERR_MASTER_KEY_NOT_FOUND', { status: 400, body: errors('encryption key not found') }],
    ['ERR_MASTER_KEY_DELETED', { status: 400, body: errors('refusing to use soft-deleted key') }],
    ['ERR_MASTER_KEY_UNSUITABLE', { status: 400, body: errors("missing 'context' for key derivation") }],
    [
      'ERR_CONFIG_INVALID',
      { status: 404, body: errors('no handler for route "x". route entry not found.') },
      '_MOUNT',
    ],
    ['ERR_CONFIG_INVALID', { status: 404, body: errors('namespace not found') }, '_NAMESPACE'],
    ['ERR_CONFIG_INVALID', { status: 405, body: errors('unsupported operation') }, '_MOUNT'],
    [
      'ERR_CONFIG_INVALID',
      { status: 400, body: 'Client sent an HTTP request to an HTTPS server.\n' },
      '_URL',
    ],
    ['ERR_PROVIDER_FAILED', { status: 400, body: errors('something else') }],
    ['ERR_PROVIDER_FAILED', { status: 418, body: '{"errors":"not a list"}' }],
    ['ERR_PROVIDER_CORRUPTED', { status: 200, body: 'not JSON' }, 'ENCRYPTION_VAULT_URL'],
    ['ERR_PROVIDER_CORRUPTED', { status: 200, body: '' }],
    ['ERR_PROVIDER_CORRUPTED', { status: 200, body: [] }],
    ['ERR_PROVIDER_CORRUPTED', { status: 200, body: null }],
    ['ERR_PROVIDER_CORRUPTED', { status: 200, body: { data: { keys: {}, latest_version: '1', type: 'x' } } }],
    ['ERR_PROVIDER_CORRUPTED', { status: 200, body: 'x'.repeat(5_000_000) }],
  ]
  it.each(table)('%s for %j', async (code, answer, hint = '') => {
    gate.script('/v1/transit/keys/app', answer)
    gate.script('/v1/sys/internal', { status: 403, body: errors(denied) })
    const provider = openAt(gate.endpoint)
    await expectRefused(provider, () => provider.describeMasterKey(), code, hint, [token])
    // node-vault's own error, as its user would get it, sorts alike.
    const raw = { response: { statusCode: answer.status, body: answer.body } }
    const sorted =
      code === 'ERR_CONFIG_INVALID' || code === 'ERR_PROVIDER_CORRUPTED' ? 'ERR_PROVIDER_FAILED' : code
    expect(provider.errorCode(raw)).toBe(sorted)
  })

  it('a redirect of a standby is not followed, so that the token goes nowhere else', async () => {
    await using elsewhere = await openGate()
    const location = `${elsewhere.endpoint}/v1/transit/keys/app`
    gate.script('/v1/transit', { status: 307, headers: { location } })
    const provider = openAt(gate.endpoint)
    await expectRefused(provider, () => provider.describeMasterKey(), 'ERR_PROVIDER_STANDBY', '_URL', [token])
    expect(elsewhere.seen).toEqual([])
  })

  const key = { type: 'aes256-gcm96', latest_version: 1, keys: { 1: 1_700_000_000 } }
  const bad: readonly [string, object][] = [
    ['no ciphertext', {}],
    ['a ciphertext without version', { ciphertext: 'vault:AAAA' }],
    ['version 0', { ciphertext: 'vault:v0:AAAA' }],
    ['something that is not base64', { ciphertext: 'vault:v1:A!AA' }],
    ['another version than it says', { ciphertext: 'vault:v1:AAAA', key_version: 2 }],
    ['a number', { ciphertext: 1 }],
  ]
  it.each(bad)('a wrap with %s is corrupted', async (_, data) => {
    gate.script('/v1/transit/keys/app', { status: 200, body: { data: key } })
    gate.script('/v1/transit/encrypt/app', { status: 200, body: { data } })
    const provider = openAt(gate.endpoint)
    await expectRefused(provider, () => provider.wrapKey(dataKey, context), 'ERR_PROVIDER_CORRUPTED')
  })

  it('a wrap under another version than the pinned one is corrupted', async () => {
    gate.script('/v1/transit/keys/app', { status: 200, body: { data: { ...key, latest_version: 2 } } })
    gate.script('/v1/transit/encrypt/app', { status: 200, body: { data: { ciphertext: 'vault:v2:AAAA' } } })
    const provider = openAt(gate.endpoint, { keyVersion: 1 })
    await expectRefused(provider, () => provider.wrapKey(dataKey, context), 'ERR_PROVIDER_CORRUPTED')
  })

  it.each(['', '!', 'A', 7])('an unwrap that gives %j is corrupted', async (plaintext) => {
    gate.script('/v1/transit/decrypt/app', { status: 200, body: { data: { plaintext } } })
    const provider = openAt(gate.endpoint)
    const wrapped = {
      provider: 'vault',
      masterKeyId: 'app',
      masterKeyVersion: '1',
      algorithm: 'aes256-gcm96',
      ciphertext: new Uint8Array(92),
    }
    await expectRefused(provider, () => provider.unwrapKey(wrapped, context), 'ERR_PROVIDER_CORRUPTED')
  })

  it('sends exactly this, and takes nothing from the environment of node-vault', async () => {
    gate.script('/v1/transit/keys/app', { status: 200, body: { data: key } })
    gate.script('/v1/transit/encrypt/app', { status: 200, body: { data: { ciphertext: 'vault:v1:AAAA' } } })
    const said: unknown[] = []
    const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(text) > 0)
    vi.stubEnv('VAULT_TOKEN', 's.ambient').stubEnv('VAULT_PREFIX', '/ambient')
    vi.stubEnv('VAULT_NAMESPACE', 'ambient').stubEnv('VAULT_ADDR', 'http://127.0.0.1:9').stubEnv('DEBUG', '*')
    try {
      await openAt(gate.endpoint, { keyVersion: 1, derived: false }).wrapKey(dataKey, context)
    } finally {
      vi.unstubAllEnvs()
      stderr.mockRestore()
    }
    const sent = gate.seen.find(({ path }) => path === '/v1/transit/encrypt/app')
    expect(sent?.method).toBe('POST')
    expect(sent?.headers).toMatchObject({ 'x-vault-token': token, 'x-vault-request': 'true' })
    expect(sent?.headers).not.toHaveProperty('x-vault-namespace')
    expect(JSON.parse(sent?.body ?? '')).toEqual({
      plaintext: Buffer.from(dataKey).toString('base64'),
      associated_data: Buffer.from(context.bytes).toString('base64'),
      type: 'ecdsa-p256',
      key_version: 1,
    })
    expect(inspect(said)).not.toContain(Buffer.from(dataKey).toString('base64'))
  })

  it('without node-vault says what to install', async () => {
    const script = `
      import { registerHooks } from 'node:module'
      registerHooks({
        resolve(specifier, context, next) {
          if (specifier === 'node-vault') throw new Error('not installed')
          return next(specifier, context)
        },
      })
      const { default: vault } = await import('./providers/vault.ts')
      const provider = vault({ url: 'https://127.0.0.1:1', keyId: 'app', token: 't' })
      try {
        await provider.describeMasterKey()
      } catch (error) {
        console.log(JSON.stringify([provider.errorCode(error), error.hint]))
      }`
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    expect(JSON.parse(stdout)).toEqual([
      'ERR_DEPENDENCY_MISSING',
      expect.stringContaining('npm install node-vault'),
    ])
  })

  it('takes the node-vault it is given', async () => {
    gate.script('/v1/transit/keys/app', { status: 200, body: { data: key } })
    const given = vi.fn(async () => import('node-vault'))
    const provider = openAt(gate.endpoint, { lib: given })
    expect((await provider.describeMasterKey()).version).toBe('1')
    expect(given).toHaveBeenCalledOnce()
  })
})
