/** `init` with wrong settings of a server: it makes nothing, and asks for no secret that nobody needs. */
import { existsSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type OpenBao, openbao, startOpenBao } from '../../src/testing/native/openbao.ts'
import { serverFor } from '../kit/servers.ts'
import { type Env, errorsIn } from './bad-input-kit.ts'
import { Workplace } from './cli-kit.ts'

const server = await serverFor(openbao)

describe.skipIf(server.skip)(`init on Vault ${server.skip ?? ''}`, () => {
  let bao: OpenBao
  let place: Workplace
  beforeAll(async () => {
    bao = await startOpenBao()
    await bao.call('POST', 'transit/keys/gone', {})
    await bao.call('DELETE', 'transit/keys/gone/soft-delete')
    await bao.call('POST', 'transit/keys/rsa', { type: 'rsa-2048' })
  })
  afterAll(() => bao.stop())
  beforeEach(() => {
    place = new Workplace()
  })
  afterEach(() => place.leave())

  const keys = async (): Promise<unknown> => (await bao.call('GET', 'transit/keys?list=true')).data?.['keys']
  const init = (env: Env) =>
    place.keywright(['init', '--json'], { env: { ...bao.env, ENCRYPTION_MASTER_KEY: undefined, ...env } })

  it.each<[string, Env, string, string]>([
    [
      'a key that may not be made',
      { ENCRYPTION_KEY_ID: 'new-key' },
      'ERR_PROVIDER_DENIED',
      'ENCRYPTION_KEY_ID',
    ],
    ['a deleted key', { ENCRYPTION_KEY_ID: 'gone' }, 'ERR_MASTER_KEY_DELETED', 'ENCRYPTION_KEY_ID'],
    ['an RSA key', { ENCRYPTION_KEY_ID: 'rsa' }, 'ERR_MASTER_KEY_UNSUITABLE', 'aes256-gcm96'],
    [
      'a version that there is not',
      { ENCRYPTION_KEY_VERSION: '9' },
      'ERR_MASTER_KEY_DISABLED',
      'ENCRYPTION_KEY_VERSION',
    ],
    [
      'a token that is unknown',
      { ENCRYPTION_VAULT_TOKEN: 's.unknown' },
      'ERR_PROVIDER_UNAUTHENTICATED',
      'ENCRYPTION_VAULT_TOKEN',
    ],
    [
      'an address with a typo',
      { ENCRYPTION_VAULT_URL: 'http://no-such-vault.invalid' },
      'ERR_CONFIG_INVALID',
      'ENCRYPTION_VAULT_URL',
    ],
  ])('%s: no store, no document, no key', async (_, env, code, named) => {
    const before = await keys()
    const { err, out } = await init(env)
    const [error] = errorsIn(err)
    expect([error?.code, out]).toEqual([code, ''])
    expect(error?.hint).toContain(named)
    expect(await keys()).toEqual(before)
    expect(existsSync('config/encryption.json')).toBe(false)
    expect(existsSync('.keywright/keys.db')).toBe(false)
  })

  it('makes the key where it may, without a root secret', async () => {
    const { code, err, out } = await init({
      ENCRYPTION_KEY_ID: 'new-key',
      ENCRYPTION_VAULT_TOKEN: bao.rootToken,
    })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(JSON.parse(out)).toMatchObject({
      made: [{ what: 'master key' }, { what: 'key store' }, { what: 'policy document' }],
    })
    expect(await keys()).toContain('new-key')
  })

  it('a store with keys under another master key is no new installation', async () => {
    expect((await init({})).code).toBe(0)
    await place.keywright(['encrypt', '--key-type', 'pii'], { env: bao.env, stdin: 'ada' })
    const before = [place.fingerprint(), await keys()]
    const { err } = await init({ ENCRYPTION_KEY_ID: 'no-such-key', ENCRYPTION_VAULT_TOKEN: bao.rootToken })
    const [error] = errorsIn(err)
    expect(error).toMatchObject({
      code: 'ERR_MASTER_KEY_NOT_FOUND',
      message: expect.stringContaining('vault does not have the master key'),
      hint: expect.stringMatching(/correct ENCRYPTION_KEY_ID.*nothing was changed/),
    })
    expect([place.fingerprint(), await keys()]).toEqual(before)
  })
})
