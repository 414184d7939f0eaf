/** What would be lost if a provider were gone, by really opening every key with the others. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { MoveWorld, spoilt } from './move-kit.ts'

let world: MoveWorld
let kw: Keywright

/** pii is wrapped by file and vault, session by file and aws, blind_index by file alone. */
beforeEach(async () => {
  world = new MoveWorld({ pii: { furtherProviders: ['vault'] }, session: { furtherProviders: ['aws'] } })
  kw = world.open()
  await world.fill(kw)
})
afterEach(() => world.end())

const lostIn = async (options: Parameters<Keywright['jobs']['drill']>[0]): Promise<string[]> =>
  (await kw.jobs.drill(options)).lost.map(({ keyring, version }) => `${keyring} ${version}`)

describe('a drill', () => {
  it('tells which keys nobody else opens', async () => {
    const report = await kw.jobs.drill({ without: ['file'] })
    expect(report).toMatchObject({
      job: 'drill',
      outcome: 'lost',
      without: ['file'],
      keys: 6,
      openedBy: { vault: 3, aws: 2 },
      lost: [{ keyring: 'blind_index', version: 1, status: 'enabled', tried: [] }],
    })
    expect(await kw.jobs.drill({ without: ['vault'] })).toMatchObject({ outcome: 'all open', lost: [] })
  })

  it('really opens: a wrap that is spoilt, and a provider that is down, save nothing', async () => {
    const victim = (await world.records()).find(({ keyring }) => keyring === 'pii')
    await world.tamper(victim?.id ?? 0, spoilt('vault'))
    world.aws.mode = 'down'
    const { lost } = await kw.jobs.drill({ without: ['file'] })
    expect(lost.map(({ keyring, version, tried }) => [keyring, version, tried])).toEqual([
      ['blind_index', 1, []],
      ['pii', 1, [{ provider: 'vault', code: 'ERR_UNWRAP_FAILED' }]],
      ['session', 1, [{ provider: 'aws', code: 'ERR_PROVIDER_UNAVAILABLE' }]],
      ['session', 2, [{ provider: 'aws', code: 'ERR_PROVIDER_UNAVAILABLE' }]],
    ])
  })

  it('never asks a provider that is taken to be gone', async () => {
    world.file.resetCounts()
    await kw.jobs.drill({ without: ['file'] })
    expect(world.file.calls).toBe(0)
  })

  it('goes through with several gone, and with one that is all that is left', async () => {
    expect(await lostIn({ without: ['file', 'aws'] })).toEqual(['blind_index 1', 'session 1', 'session 2'])
    expect(await lostIn({ only: ['vault'] })).toEqual(['blind_index 1', 'session 1', 'session 2'])
    expect(await lostIn({ only: ['vault', 'aws'] })).toEqual(['blind_index 1'])
    expect(await lostIn({ only: ['file'] })).toEqual([])
    expect((await kw.jobs.drill({ only: ['vault'] })).without).toEqual(['aws', 'file'])
  })

  it.each([
    [{ keyType: 'session' }, ['session 1', 'session 2']],
    [{ tenant: 'acme' }, ['pii/acme 1']],
    [{ keyring: 'blind_index' }, ['blind_index 1']],
  ])('of %o looks at nothing else', async (selection, lost) => {
    expect(await lostIn({ without: ['file', 'vault', 'aws'], ...selection })).toEqual(lost)
  })

  it('passes over destroyed keys', async () => {
    const [first] = await world.records()
    await world.tamper(first?.id ?? 0, () => ({ status: 'destroyed', wraps: [] }))
    expect(await kw.jobs.drill({ without: ['file'] })).toMatchObject({ outcome: 'all open', keys: 5 })
  })

  it('goes on to the end of the store however many keys are lost', async () => {
    for (let n = 0; n < 30; n++) await kw.keys.create('pii', { tenant: `t${n}` })
    world.vault.mode = 'down'
    expect(await lostIn({ without: ['file'], keyType: 'pii' })).toHaveLength(33)
  })

  it('knows a provider that is gone from the configuration by the wraps it left', async () => {
    await kw.jobs.drill({ without: ['aws'] })
    const less = world.world.open({ policy: kw.policy, providers: [world.vault, world.aws] })
    expect(await less.jobs.drill({ without: ['aws'] })).toMatchObject({ outcome: 'all open' })
  })

  it('changes nothing but the audit log', async () => {
    const updates = world.store.counts.update
    const { digest } = await kw.jobs.drill({ without: ['file'] })
    expect(world.store.counts.update).toBe(updates)
    const finish = world.sink.records.find(({ event }) => event === 'job.finish')
    expect(finish?.details).toEqual({ job: 'drill', without: 'file', outcome: 'lost', digest })
  })

  it('needs names, of one kind, that exist', async () => {
    for (const options of [{}, { without: [] }, { without: ['file'], only: ['vault'] }])
      await expectCode(kw.jobs.drill(options), 'ERR_ARGUMENT_INVALID')
    for (const name of ['nosuch', 'no such name'])
      await expectCode(kw.jobs.drill({ without: [name] }), 'ERR_PROVIDER_UNKNOWN')
  })
})
