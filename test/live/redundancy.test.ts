/**
 * Keys wrapped by a Vault and by Cloud KMS, and one of the two away: new keys as the policy allows, no waiting for the
 * one that is known to be away, the truth in a drill, and the missing wraps afterwards.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Keywright, open } from '../../src/index.ts'
import type { Emulator } from '../../src/testing/emulator.ts'
import { gcpKmsFake } from '../../src/testing/fakes/gcp-kms.ts'
import { type OpenBao, openbao, startOpenBao } from '../../src/testing/native/openbao.ts'
import { expectCode } from '../kit/failures.ts'
import { serverFor } from '../kit/servers.ts'

const TIMEOUT_MS = 800
const BREAK_AFTER = 2
const KEYS = 60
const TENANTS = Array.from({ length: KEYS }, (_, n) => `t${n}`)
const PATIENT = { timeout: 30_000, interval: 250 }

const servers = [await serverFor(openbao), await serverFor(gcpKmsFake)]
const skip = servers.flatMap((server) => server.skip ?? []).join('; ')

describe.skipIf(skip)(`Vault and Cloud KMS ${skip}`, () => {
  let folder: string
  let vault: OpenBao
  let gcp: Emulator | undefined
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keywright-redundancy-'))
    vault = await startOpenBao()
    gcp = await servers[1]?.start?.()
  })
  afterAll(async () => {
    vault?.resume()
    await vault?.stop()
    await gcp?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const start = (create = false): Promise<Keywright> =>
    open({
      environment: { ...gcp?.env, ...vault.env, ENCRYPTION_KEY_STORAGE_BACKEND: 'vault' },
      config: {
        providers: {
          vault: { type: 'vault' },
          gcp: { type: 'gcp-kms', keyId: gcp?.env['ENCRYPTION_KEY_ID'] },
        },
        keyTypes: {
          pii: { furtherProviders: ['gcp'], minWraps: 1 },
          financial_data: { furtherProviders: ['gcp'], minWraps: 'all' },
        },
      },
      storeUrl: `sqlite:${join(folder, 'keys.db')}`,
      audit: false,
      create,
      providerTimeoutMs: TIMEOUT_MS,
      resilience: { attempts: 1, breakAfter: BREAK_AFTER, breakMs: 1000 },
    })

  const wrappers = async (kw: Keywright, tenant: string): Promise<string[]> => {
    const [key] = await kw.keys.list({ keyring: `pii/${tenant}` })
    return (key?.wraps ?? []).map(({ provider }) => provider)
  }

  it('go on with one of them, tell what that means, and mend it', { timeout: 60_000 }, async () => {
    const sealed = new Map<string, string>()
    {
      await using before = await start(true)
      for (const tenant of TENANTS) sealed.set(tenant, await before.encrypt('pii', tenant, { tenant }))
      expect(await wrappers(before, 't0')).toEqual(['vault', 'gcp'])
    }
    await using kw = await start()
    const queue = sealed.entries()
    const decryptNext = async (): Promise<void> => {
      const { value } = queue.next()
      if (value === undefined) throw new Error('no keyring is left that is not open')
      expect(await kw.decrypt(value[1])).toBe(value[0])
    }
    const asked = (): number => kw.counters()['vault']?.unwraps ?? 0

    vault.suspend()
    for (let n = 0; n < BREAK_AFTER; n++) await decryptNext() // these wait for it in vain, and are served
    expect(asked()).toBe(BREAK_AFTER)
    for (let n = 0; n < 20; n++) await decryptNext()
    expect(asked(), 'asked though it is known to be away').toBe(BREAK_AFTER)
    expect(kw.counters()['gcp']).toMatchObject({ failures: 0, unwraps: BREAK_AFTER + 20 })

    expect(await kw.decrypt(await kw.encrypt('pii', 'new', { tenant: 'new' }))).toBe('new')
    expect(await wrappers(kw, 'new')).toEqual(['gcp'])
    const error = await expectCode(kw.encrypt('financial_data', '1'), 'ERR_WRAPS_TOO_FEW')
    expect(error.message).toMatch(/vault: ERR_PROVIDER_(CIRCUIT_OPEN|TIMEOUT)/)
    expect(await kw.keys.list({ keyType: 'financial_data' })).toEqual([])

    const withoutVault = await kw.jobs.drill({ without: ['vault'] })
    expect(withoutVault).toMatchObject({
      keys: KEYS + 1,
      lost: [],
      openedBy: { gcp: KEYS + 1 },
      outcome: 'all open',
    })
    const withoutBoth = await kw.jobs.drill({ without: ['gcp'] }) // the other one does not answer now
    expect(withoutBoth).toMatchObject({ keys: KEYS + 1, openedBy: {}, outcome: 'lost' })
    expect(withoutBoth.lost).toHaveLength(KEYS + 1)
    expect((await kw.jobs.repair()).outcome).toBe('incomplete')

    vault.resume()
    // By using keys alone, and nobody tells that it is back.
    await vi.waitUntil(async () => {
      const before = asked()
      await decryptNext()
      return asked() > before
    }, PATIENT)
    const drill = await kw.jobs.drill({ without: ['gcp'] })
    expect(drill).toMatchObject({ keys: KEYS + 1, openedBy: { vault: KEYS }, outcome: 'lost' })
    expect(drill.lost).toMatchObject([{ keyring: 'pii/new', tried: [] }])
    const repair = await kw.jobs.repair()
    expect(repair).toMatchObject({
      done: { added: 1, removed: 0 },
      failed: 0,
      missing: {},
      outcome: 'finished',
    })
    expect(await wrappers(kw, 'new')).toEqual(['vault', 'gcp'])
    expect((await kw.jobs.drill({ without: ['gcp'] })).outcome).toBe('all open')

    await gcp?.stop()
    await using left = await start()
    for (const [tenant, value] of sealed) expect(await left.decrypt(value)).toBe(tenant)
    expect(left.counters()['gcp']).toMatchObject({ unwraps: 0 })
  })
})
