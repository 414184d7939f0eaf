/** `status` on a real server: rotations of the service, wraps that are missing, a provider that is gone. */
import { writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type OpenBao, openbao, startOpenBao } from '../../src/testing/native/openbao.ts'
import { serverFor } from '../kit/servers.ts'
import { closedPort } from './bad-input-kit.ts'
import { type Result, Workplace } from './cli-kit.ts'

const server = await serverFor(openbao)

interface WrapRow {
  readonly provider: string
  readonly masterKey?: { readonly id: string; readonly version: string; readonly state: string }
  readonly code?: string
  readonly wraps: number
  readonly stale?: number
  readonly missing: number
  readonly only: number
}

describe.skipIf(server.skip)(`status ${server.skip ?? ''}`, () => {
  let bao: OpenBao
  let place: Workplace
  let url = ''

  beforeAll(async () => {
    bao = await startOpenBao()
  })
  afterAll(() => bao.stop())

  /** Each test has an installation with both providers, and a transit key of its own. */
  beforeEach(async () => {
    url = bao.endpoint
    place = new Workplace()
    await place.init()
    const { keyId } = await bao.createMasterKey()
    configure({ vault: { ...VAULT, keyId }, file: FILE }, { provider: 'vault' })
    await run(['encrypt', '--key-type', 'pii'])
    await run(['encrypt', '--key-type', 'session'])
  })
  afterEach(() => place.leave())

  const VAULT = { type: 'vault' }
  const FILE = { type: 'file', path: '.keywright/master.keys' }
  let keyId = ''

  function configure(providers: Readonly<Record<string, object>>, more: object = {}): void {
    keyId = (providers['vault'] as { keyId?: string } | undefined)?.keyId ?? keyId
    writeFileSync('config/encryption.json', JSON.stringify({ version: 1, providers, ...more }))
  }

  function run(argv: readonly string[]): Promise<Result> {
    const token = bao.env['ENCRYPTION_VAULT_TOKEN']
    const env = { ENCRYPTION_VAULT_URL: url, ENCRYPTION_VAULT_TOKEN: token }
    return place.keywright(argv, { env, stdin: 'ada@example.com' })
  }

  /** The rows by provider. Standard error is silent with --json, but for warnings. */
  async function status(
    exit: number,
  ): Promise<{ state: string; rows: Record<string, WrapRow>; err: string }> {
    const { code, err, out } = await run(['status', '--json'])
    expect({ code, err }).toMatchObject({ code: exit })
    expect(out + err).not.toContain(bao.env['ENCRYPTION_VAULT_TOKEN'])
    const { state, wraps } = JSON.parse(out) as { state: string; wraps: readonly WrapRow[] }
    return { state, rows: Object.fromEntries(wraps.map((row) => [row.provider, row])), err }
  }

  const rotateInService = (): Promise<unknown> => bao.call('POST', `transit/keys/${keyId}/rotate`, {})

  it('all is well: exit code 0, every wrap current', async () => {
    const { err, rows, state } = await status(0)
    expect([state, err]).toEqual(['ok', ''])
    const master = { id: keyId, version: '1', state: 'enabled' }
    expect(rows['vault']).toEqual({
      provider: 'vault',
      masterKey: master,
      wraps: 2,
      stale: 0,
      missing: 0,
      only: 2,
    })
    expect(rows['file']).toMatchObject({ provider: 'file', wraps: 0, stale: 0, missing: 0, only: 0 })
    const told = await run(['status'])
    expect(told).toMatchObject({ code: 0, err: '' })
    expect(told.out).toMatch(/^vault +1 +2 +0 +0 +2$/m)
  })

  it('a rotation in the service makes wraps stale, `rewrap` renews them', async () => {
    await rotateInService()
    const { rows } = await status(0)
    expect(rows['vault']).toMatchObject({ masterKey: { version: '2' }, wraps: 2, stale: 2 })
    const told = await run(['status'])
    expect(told.err).toBe('keywright: 2 wraps under an older master key version: keywright rewrap\n')
    await run(['encrypt', '--key-type', 'api_keys'])
    expect((await status(0)).rows['vault']).toMatchObject({ wraps: 3, stale: 2 })
    expect(await run(['rewrap'])).toMatchObject({ code: 0 })
    expect((await status(0)).rows['vault']).toMatchObject({ wraps: 3, stale: 0 })
    expect((await run(['status'])).err).toBe('')
  })

  it('a policy that wants one wrap more: missing, `repair` adds it', async () => {
    const both = { provider: 'vault', keyTypes: { pii: { furtherProviders: ['file'] } } }
    configure({ vault: { ...VAULT, keyId }, file: FILE }, both)
    expect((await status(0)).rows['file']).toMatchObject({ wraps: 0, missing: 1 })
    const told = await run(['status'])
    expect(told.err).toBe('keywright: 1 wrap that the policy wants and nobody made: keywright repair\n')
    expect(await run(['repair'])).toMatchObject({ code: 0 })
    const { rows } = await status(0)
    expect(rows['file']).toMatchObject({ wraps: 1, missing: 0, only: 0 })
    expect(rows['vault']).toMatchObject({ wraps: 2, only: 1 })
  })

  it('a provider that is down: exit code 1, the others and the counts are told all the same', async () => {
    url = `http://127.0.0.1:${await closedPort()}`
    const { rows, state } = await status(1)
    expect(state).toBe('failed')
    expect(rows['vault']).toEqual({
      provider: 'vault',
      code: 'ERR_PROVIDER_UNAVAILABLE',
      wraps: 2,
      missing: 0,
      only: 2,
    })
    expect(rows['file']).toMatchObject({ masterKey: { state: 'enabled' }, wraps: 0 })
    const told = await run(['status'])
    expect(told.out).toMatch(/^failed +provider +vault .*ENCRYPTION_VAULT_URL/m)
    expect(told.out).toMatch(/^vault +ERR_PROVIDER_UNAVAILABLE +2 +\? +0 +2$/m)
    expect(told.err).toContain(
      '2 keys can be opened by vault alone, which fails now (ERR_PROVIDER_UNAVAILABLE)',
    )
  })

  it('a master key that is out of use: exit code 1', async () => {
    await bao.call('DELETE', `transit/keys/${keyId}/soft-delete`)
    const { rows, state } = await status(1)
    expect(state).toBe('failed')
    expect(rows['vault']).toMatchObject({ masterKey: { state: 'pending-deletion' }, wraps: 2 })
  })

  it('keys of a provider that is no longer configured: exit code 1, and which it is', async () => {
    configure({ file: FILE })
    const { err, rows } = await status(1)
    expect(rows['vault']).toEqual({
      provider: 'vault',
      code: 'ERR_PROVIDER_UNKNOWN',
      wraps: 2,
      missing: 0,
      only: 2,
    })
    expect(JSON.parse(err)).toMatchObject({
      warning: { message: expect.stringContaining('"vault"'), hint: expect.stringContaining('"providers"') },
    })
  })

  it('changes nothing', async () => {
    await rotateInService()
    const before = place.fingerprint()
    await run(['status'])
    await run(['doctor'])
    expect(place.fingerprint()).toBe(before)
  })
})
