/** Giving keys the wraps that their policy wants, and taking away what it does not. */
import { afterEach, describe, expect, it } from 'vitest'
import type { KeyTypePolicy, Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { MoveWorld, spoilt } from './move-kit.ts'

let world: MoveWorld
afterEach(() => world.end())

/** Keys that were made while `vault`, which pii and session want as well, was down. */
async function lacking(): Promise<Keywright> {
  const wanted = { furtherProviders: ['vault'], minWraps: 1 }
  world = new MoveWorld({ pii: wanted, session: wanted })
  const kw = world.open()
  world.vault.mode = 'down'
  await world.fill(kw)
  world.vault.mode = 'up'
  await world.expectWraps('file')
  return kw
}

describe('repair', () => {
  it('adds the wraps that are missing, each opened and compared', async () => {
    const kw = await lacking()
    expect(await kw.jobs.repair({ dryRun: true })).toMatchObject({
      outcome: 'planned',
      missing: { vault: 5 },
    })
    await world.expectWraps('file')
    world.vault.resetCounts()
    const report = await kw.jobs.repair()
    expect(report).toMatchObject({ job: 'repair', outcome: 'finished', missing: {}, unwanted: {}, failed: 0 })
    expect([report.done, world.vault.wraps, world.vault.unwraps]).toEqual([{ added: 5, removed: 0 }, 5, 5])
    expect(await world.wraps()).toEqual(['file', ...Array(5).fill('file,vault')])
    expect(await kw.jobs.repair()).toMatchObject({ outcome: 'finished', keys: [] })
    expect(await kw.jobs.drill({ without: ['file'], keyType: 'pii' })).toMatchObject({ outcome: 'all open' })
    world.file.mode = 'down'
    await world.expectAllOpen()
  })

  it('puts a new wrap where the policy ranks it', async () => {
    const kw = await lacking()
    await kw.jobs.repair()
    const policies = { vault: 'vault,file', aws: 'aws,vault,file' }
    for (const [provider, wraps] of Object.entries(policies)) {
      await world.open(provider).jobs.repair({ keyring: 'pii' })
      const found = (await world.records()).filter(({ keyring }) => keyring === 'pii')
      // A wrap that is there already keeps its place: vault was behind file.
      const expected = provider === 'vault' ? 'file,vault' : wraps.replace('vault,file', 'file,vault')
      expect(found.map((record) => record.wraps.map((wrap) => wrap.provider).join())).toEqual([
        expected,
        expected,
      ])
    }
  })

  it('goes on with the other providers when one is down, and is completed later', async () => {
    const wanted = { furtherProviders: ['vault', 'aws'], minWraps: 1 }
    world = new MoveWorld({ pii: wanted })
    const kw = world.open()
    world.vault.mode = 'down'
    world.aws.mode = 'down'
    await world.fill(kw)
    world.aws.mode = 'up'
    const report = await kw.jobs.repair()
    expect(report).toMatchObject({
      outcome: 'incomplete',
      missing: { vault: 3 },
      failed: 3,
      done: { added: 3 },
    })
    expect(report.keys.map(({ failure }) => failure)).toEqual(Array(3).fill('ERR_PROVIDER_UNAVAILABLE'))
    world.vault.mode = 'up'
    expect(await kw.jobs.repair()).toMatchObject({ outcome: 'finished', done: { added: 3 } })
    expect((await world.wraps()).filter((wraps) => wraps === 'file,vault,aws')).toHaveLength(3)
  })

  it('goes on to the end of the store however long a provider is down', async () => {
    world = new MoveWorld({ pii: { furtherProviders: ['vault', 'aws'], minWraps: 1 } })
    const kw = world.open()
    world.vault.mode = 'down'
    world.aws.mode = 'down'
    for (let n = 0; n < 30; n++) await kw.keys.create('pii', { tenant: `t${n}` })
    world.aws.mode = 'up'
    expect(await kw.jobs.repair()).toMatchObject({ outcome: 'incomplete', failed: 30, done: { added: 30 } })
    await world.expectWraps('file,aws')
  })

  it('opens a key through whatever wrap does', async () => {
    const kw = await lacking()
    await kw.jobs.repair()
    for (const { id } of await world.records()) await world.tamper(id, spoilt('file'))
    const pii = { ...kw.policy.keyTypes['pii'], furtherProviders: ['vault', 'aws'] } as KeyTypePolicy
    const policy = { ...kw.policy, keyTypes: { ...kw.policy.keyTypes, pii } }
    const other = world.open('file', { policy })
    expect(await other.jobs.repair({ keyType: 'pii' })).toMatchObject({
      outcome: 'finished',
      done: { added: 3 },
    })
  })

  it('passes over destroyed keys and key types that are gone', async () => {
    const kw = await lacking()
    const [, first, second] = await world.records()
    await world.tamper(first?.id ?? 0, () => ({ status: 'destroyed', wraps: [] }))
    const { session, ...keyTypes } = kw.policy.keyTypes
    expect(session).toBeDefined()
    const less = world.world.open({ policy: { ...kw.policy, keyTypes }, providers: [world.vault, world.aws] })
    expect(await less.jobs.repair()).toMatchObject({ outcome: 'finished', done: { added: 2 } })
    expect(second?.keyring).toBe('pii')
  })

  it('leaves a key alone that does not open, and tells of it', async () => {
    const kw = await lacking()
    const [, victim] = await world.records()
    await world.tamper(victim?.id ?? 0, spoilt('file'))
    const { outcome, failed, missing } = await kw.jobs.repair()
    expect({ outcome, failed, missing }).toEqual({ outcome: 'incomplete', failed: 1, missing: { vault: 1 } })
  })
})

describe('prune', () => {
  it('removes what no policy wants, once every wanted wrap has opened the key', async () => {
    const kw = await lacking()
    await kw.jobs.repair()
    const single = world.open('file', { policy: { ...kw.policy, keyTypes: withProvider(kw, 'file') } })
    expect(await single.jobs.repair()).toMatchObject({
      outcome: 'finished',
      unwanted: { vault: 5 },
      keys: [],
    })
    world.file.resetCounts()
    const report = await single.jobs.repair({ prune: true })
    expect(report).toMatchObject({ outcome: 'finished', unwanted: {}, done: { removed: 5 } })
    expect(world.file.unwraps).toBe(5)
    await world.expectWraps('file')
    expect(world.events('key.remove-wrap')).toHaveLength(5)
    await world.expectAllOpen()
  })

  it('removes nothing of a key that a wanted provider does not open, or does not wrap', async () => {
    const kw = await lacking()
    await kw.jobs.repair()
    const [, spoiltOne] = await world.records()
    await world.tamper(spoiltOne?.id ?? 0, spoilt('file'))
    world.aws.mode = 'down'
    const toAws = world.open('aws', { policy: { ...kw.policy, keyTypes: withProvider(kw, 'aws') } })
    expect(await toAws.jobs.repair({ prune: true })).toMatchObject({
      outcome: 'incomplete',
      done: { removed: 0 },
    })
    world.aws.mode = 'up'
    const single = world.open('file', { policy: { ...kw.policy, keyTypes: withProvider(kw, 'file') } })
    const report = await single.jobs.repair({ prune: true })
    expect(report).toMatchObject({
      outcome: 'incomplete',
      unwanted: { vault: 1 },
      failed: 1,
      done: { removed: 4 },
    })
    await world.expectAllOpen()
  })

  it('is refused while a move is under way', async () => {
    const kw = await lacking()
    await world.open('aws').jobs.move({ from: 'file', to: 'aws', step: 'prefer' })
    const error = await expectCode(kw.jobs.repair({ prune: true }), 'ERR_JOB_REFUSED')
    expect(error.message).toContain('from file to aws')
    expect(await kw.jobs.repair({ prune: true, dryRun: true })).toMatchObject({
      outcome: 'planned',
      unwanted: { aws: 6 },
    })
    await kw.jobs.rollbackMove({ from: 'file', to: 'aws' })
    expect(await kw.jobs.repair({ prune: true })).toMatchObject({ outcome: 'finished' })
  })
})

/** Every key type under `provider` alone. */
function withProvider(kw: Keywright, provider: string): Keywright['policy']['keyTypes'] {
  const entries = Object.entries(kw.policy.keyTypes)
  return Object.fromEntries(
    entries.map(([name, type]) => [name, { ...type, provider, furtherProviders: [] }]),
  )
}
