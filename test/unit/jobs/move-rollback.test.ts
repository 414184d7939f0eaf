/** The way back of a move, and where it ends. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { MoveWorld, spoilt } from './move-kit.ts'

const MOVE = { from: 'file', to: 'vault' }
const AT_ONCE = { ...MOVE, windowMs: 0 }

let world: MoveWorld
let before: Keywright
let after: Keywright

beforeEach(async () => {
  world = new MoveWorld()
  before = world.open()
  await world.fill(before)
  after = world.open('vault')
})
afterEach(() => world.end())

describe('a rollback', () => {
  it.each(['add', 'prefer', 'all'] as const)(
    'after the step %s leaves everything as it was',
    async (step) => {
      const records = await world.records()
      await after.jobs.move({ ...MOVE, step })
      const report = await before.jobs.rollbackMove({ ...MOVE, reason: 'vault is slow' })
      expect(report).toMatchObject({ job: 'rollback', outcome: 'rolled back', failed: 0, warnings: [] })
      expect(report.done.removed).toBe(6)
      const now = await world.records()
      expect(now.map(({ wraps }) => wraps)).toEqual(records.map(({ wraps }) => wraps))
      expect(await before.jobs.planMove(MOVE)).toMatchObject({ phase: 'rolled back' })
      world.vault.mode = 'down'
      await world.expectAllOpen(before, after)
    },
  )

  it('opens each key by the old provider before a wrap goes, and needs the new one for nothing', async () => {
    await after.jobs.move(MOVE)
    world.vault.mode = 'down'
    world.file.resetCounts()
    const { keys } = await before.jobs.rollbackMove(MOVE)
    expect(world.file.unwraps).toBe(12)
    const steps = ['prefer-wrap', 'check', 'check', 'remove-wrap']
    for (const key of keys) expect(key.steps.map(({ step }) => step)).toEqual(steps)
    expect(world.events('job.')).toEqual(['job.start', 'job.finish', 'job.start', 'job.finish'])
  })

  it('can be run again, and a move after it begins anew', async () => {
    await after.jobs.move(MOVE)
    await before.jobs.rollbackMove(MOVE)
    expect(await before.jobs.rollbackMove(MOVE)).toMatchObject({ outcome: 'rolled back', keys: [] })
    await world.clock.jump(86_400_000)
    expect(await after.jobs.move(MOVE)).toMatchObject({ outcome: 'waiting', done: { added: 6 } })
  })

  it('removes nothing while one key does not open by the old provider', async () => {
    await after.jobs.move(MOVE)
    const [victim] = await world.records()
    await world.tamper(victim?.id ?? 0, spoilt('file'))
    const { outcome, keys } = await before.jobs.rollbackMove(MOVE)
    expect(outcome).toBe('incomplete')
    expect(keys.filter(({ failure }) => failure !== undefined)).toMatchObject([
      { keyId: victim?.id, failure: 'ERR_UNWRAP_FAILED' },
    ])
    await world.expectWraps('file,vault')
    await world.expectAllOpen(before, after)
  })

  it('keeps what the policy wants, says so, and takes it away once the policy has changed', async () => {
    await after.jobs.move(MOVE)
    const { warnings, counts } = await after.jobs.rollbackMove(MOVE)
    expect([warnings.length, counts.added]).toEqual([1, 6])
    await world.expectWraps('file,vault')
    await before.jobs.rollbackMove(MOVE)
    await world.expectWraps('file')
  })

  it('leaves keys alone that the new provider alone wraps, and tells of them', async () => {
    await after.jobs.move(MOVE)
    await after.keys.rotate('pii', { force: true, now: true })
    const { warnings, counts } = await before.jobs.rollbackMove(MOVE)
    expect([warnings.length, counts.moved, counts.source]).toEqual([1, 1, 6])
    expect(warnings[0]).toContain('--from vault --to file')
    expect(await before.jobs.move({ from: 'vault', to: 'file', windowMs: 0 })).toMatchObject({
      outcome: 'finished',
    })
    await world.expectWraps('file')
  })

  it('leaves wraps by others where they are', async () => {
    await before.jobs.move({ from: 'file', to: 'aws', step: 'prefer' })
    await after.jobs.move(MOVE)
    await world.expectWraps('aws,vault,file')
    await before.jobs.rollbackMove(MOVE)
    await world.expectWraps('aws,file')
  })

  it('of one keyring leaves the others on their way', async () => {
    await after.jobs.move({ ...MOVE, step: 'add' })
    await before.jobs.rollbackMove({ ...MOVE, keyring: 'pii' })
    expect((await world.wraps()).filter((wraps) => wraps === 'file')).toHaveLength(2)
  })
})

describe('is refused', () => {
  it('once the old wraps are gone', async () => {
    await after.jobs.move(AT_ONCE)
    const error = await expectCode(before.jobs.rollbackMove(MOVE), 'ERR_JOB_REFUSED')
    expect(error.message).toContain('gone already (6 of 6 keys)')
    expect(error.hint).toContain('--from vault --to file')
    await world.expectWraps('vault')
  })

  it('once some of them are, although a key made meanwhile has the old one', async () => {
    let removed = 0
    world.store.before = async (call) => {
      if (call === 'update' && ++removed === 15) world.store.down = true
    }
    await expectCode(after.jobs.move({ ...AT_ONCE, concurrency: 1 }), 'ERR_STORE_BUSY')
    world.store.before = undefined
    world.store.down = false
    const left = (await world.wraps()).filter((wraps) => wraps === 'vault,file').length
    expect(left).toBe(4)
    await expectCode(before.jobs.rollbackMove({ ...MOVE, takeOver: true }), 'ERR_JOB_REFUSED')
    expect(await before.jobs.planMove(MOVE)).toMatchObject({ phase: 'removing' })
    expect(await after.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished' })
    await world.expectAllOpen(before, after)
  })

  it('for what was never moved, a provider that nobody knows, and onto itself', async () => {
    await expectCode(before.jobs.rollbackMove({ from: 'vault', to: 'aws' }), 'ERR_JOB_REFUSED')
    await expectCode(before.jobs.rollbackMove({ from: 'nosuch', to: 'aws' }), 'ERR_PROVIDER_UNKNOWN')
    await expectCode(before.jobs.rollbackMove({ from: 'file', to: 'file' }), 'ERR_ARGUMENT_INVALID')
  })

  it('by a source that is down: nothing is removed', async () => {
    await after.jobs.move(MOVE)
    world.file.mode = 'down'
    expect(await before.jobs.rollbackMove(MOVE)).toMatchObject({ outcome: 'incomplete', failed: 6 })
    await world.expectWraps('file,vault')
    world.file.mode = 'up'
    expect(await before.jobs.rollbackMove(MOVE)).toMatchObject({ outcome: 'rolled back' })
  })
})
