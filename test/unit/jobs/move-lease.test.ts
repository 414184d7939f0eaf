/** One job on the wraps of a store at a time, and what becomes of it when its holder dies. */
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { DocumentedStore, MoveWorld } from './move-kit.ts'

const AT_ONCE = { from: 'file', to: 'vault', windowMs: 0 }
const LEASE = 'jobs/wraps'

let store: DocumentedStore
let world: MoveWorld
let kw: Keywright

beforeEach(async () => {
  store = new DocumentedStore()
  world = new MoveWorld({}, store)
  await world.fill(world.open())
  kw = world.open('vault')
})
afterEach(() => world.end())

/** A move that stands still inside its first wrap until `go` is called. */
async function halted(by: Keywright): Promise<{ moving: Promise<unknown>; go: () => void }> {
  const { promise, resolve: go } = Promise.withResolvers<void>()
  const inside = Promise.withResolvers<void>()
  world.vault.before = async (call) => {
    if (call !== 'wrap') return
    inside.resolve()
    await promise
  }
  const moving = by.jobs.move(AT_ONCE)
  moving.catch(() => undefined)
  await inside.promise
  return { moving, go }
}

it('keeps a second operator out of every job that changes wraps, and tells him who is at work', async () => {
  const { moving, go } = await halted(kw)
  const other = world.open('vault')
  const error = await expectCode(other.jobs.move(AT_ONCE), 'ERR_JOB_RUNNING')
  expect(error.message).toContain('move file to vault')
  await expectCode(other.jobs.repair(), 'ERR_JOB_RUNNING')
  await expectCode(other.jobs.rollbackMove(AT_ONCE), 'ERR_JOB_RUNNING')
  expect(await other.jobs.drill({ without: ['aws'] })).toMatchObject({ outcome: 'all open' })
  expect((await other.jobs.planMove(AT_ONCE)).phase).toBe('under way')
  go()
  expect(await moving).toMatchObject({ outcome: 'finished' })
  expect(await other.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished' })
})

it('is held for as long as the job lasts', async () => {
  const { moving, go } = await halted(kw)
  const other = world.open('vault')
  for (let n = 0; n < 10; n++) {
    await world.clock.pass(6000)
    await expectCode(other.jobs.repair(), 'ERR_JOB_RUNNING')
  }
  go()
  expect(await moving).toMatchObject({ outcome: 'finished' })
  expect(await store.inner.documents?.read(LEASE)).toBeUndefined()
})

it('is free again after fifteen seconds when its holder was killed, or at once for who knows', async () => {
  for (const wait of [0, 15_001]) {
    await halted(kw)
    world.world.crash(kw)
    world.vault.before = undefined
    kw = world.open('vault')
    await expectCode(kw.jobs.move(AT_ONCE), 'ERR_JOB_RUNNING')
    await world.clock.jump(wait)
    expect(await kw.jobs.move({ ...AT_ONCE, step: 'add', takeOver: wait === 0 })).toMatchObject({
      outcome: 'added',
    })
    await world.open().jobs.rollbackMove(AT_ONCE)
  }
})

it('that was taken over stops the job that lost it; no key is harmed', async () => {
  const { moving, go } = await halted(kw)
  const other = world.open('vault')
  world.vault.before = undefined
  expect(await other.jobs.move({ ...AT_ONCE, takeOver: true })).toMatchObject({ outcome: 'finished' })
  await world.clock.pass(6000)
  await setImmediate()
  go()
  await expectCode(moving as Promise<unknown>, 'ERR_JOB_RUNNING')
  await world.expectWraps('vault')
  await world.expectAllOpen(kw)
})

it('survives that the store does not answer for a moment', async () => {
  const { moving, go } = await halted(kw)
  store.beforeDocument = () => {
    throw new Error('gone')
  }
  await world.clock.pass(6000)
  store.beforeDocument = undefined
  await world.clock.pass(6000)
  await expectCode(world.open().jobs.repair(), 'ERR_JOB_RUNNING')
  go()
  expect(await moving).toMatchObject({ outcome: 'finished' })
})

it('of two who ask at the same moment goes to one', async () => {
  const results = await Promise.allSettled([kw.jobs.move(AT_ONCE), world.open('vault').jobs.move(AT_ONCE)])
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  await world.expectWraps('vault')
})

it.each(['', 'null', '{"holder":1}', 'kw1.garbage'])(
  'that cannot be read (%j) is in nobody’s way',
  async (text) => {
    await store.inner.documents?.write({ name: LEASE, text, revision: 1 })
    expect(await kw.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished' })
  },
)
