/** News from other processes: rotation and revocation arrive within the refresh period, unknown ids cost one look. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { type PolicyChanges, policyWith, World } from '../../kit/world.ts'

const PERIOD = 60_000
let world = new World()
afterEach(() => world.end())

async function pair(changes: PolicyChanges = {}) {
  world = new World({ policy: policyWith(changes) })
  const manager = world.open()
  const worker = world.open()
  const sealed = await manager.encrypt('pii', 'x')
  const id = (await manager.keys.active('pii'))?.id ?? 0
  await worker.ready(['pii'])
  await worker.decrypt(sealed)
  return { manager, worker, sealed, id }
}

/** After how many seconds `news` reaches the calls of `worker`. */
async function secondsUntil(news: () => boolean | Promise<boolean>): Promise<number> {
  for (let second = 0; second <= 300; second++) {
    if (await news()) return second
    await world.clock.pass(1000)
  }
  return Number.POSITIVE_INFINITY
}

const failsSync = (run: () => unknown): boolean => {
  try {
    run()
    return false
  } catch {
    return true
  }
}
const fails = async (run: () => Promise<unknown>): Promise<boolean> =>
  run().then(
    () => false,
    () => true,
  )

describe('what another process did reaches this one within the refresh period', () => {
  it.each<[string, (kw: Keywright, sealed: string) => boolean | Promise<boolean>]>([
    ['encryptSync', (kw) => failsSync(() => kw.encryptSync('pii', 'x'))],
    ['decryptSync', (kw, sealed) => failsSync(() => kw.decryptSync(sealed))],
    ['encrypt', (kw) => fails(() => kw.encrypt('pii', 'x'))],
    ['decrypt', (kw, sealed) => fails(() => kw.decrypt(sealed))],
  ])('a suspension: %s', async (_, news) => {
    const { manager, worker, sealed, id } = await pair()
    await manager.keys.suspend(id, 'test')
    await expectCode(manager.encrypt('pii', 'x'), 'ERR_KEY_SUSPENDED') // at once where it was done
    await expectCode(manager.decrypt(sealed), 'ERR_KEY_SUSPENDED')
    expect(await secondsUntil(() => news(worker, sealed))).toBeLessThanOrEqual(PERIOD / 1000)
    await expectCode(() => worker.encryptSync('pii', 'x'), 'ERR_KEY_SUSPENDED')
    await expectCode(worker.decrypt(sealed), 'ERR_KEY_SUSPENDED')
    await manager.keys.resume(id)
    expect(await manager.decrypt(sealed)).toBe('x')
    await world.clock.pass(PERIOD)
    expect(worker.decryptSync(worker.encryptSync('pii', 'y'))).toBe('y')
    expect(await worker.decrypt(sealed)).toBe('x')
  })

  it('a revocation where the policy refuses compromised keys', async () => {
    const { manager, worker, sealed, id } = await pair({ pii: { compromised: 'refuse' } })
    const report = await manager.keys.revoke(id, 'leaked')
    expect(report).toMatchObject({ replaced: true, key: { state: 'compromised' } })
    await expectCode(manager.decrypt(sealed), 'ERR_KEY_COMPROMISED')
    expect(await secondsUntil(() => failsSync(() => worker.decryptSync(sealed)))).toBeLessThanOrEqual(
      PERIOD / 1000,
    )
    await expectCode(() => worker.decryptSync(sealed), 'ERR_KEY_COMPROMISED')
    const fresh = worker.encryptSync('pii', 'new')
    expect(await manager.decrypt(fresh)).toBe('new')
  })

  it('a revocation where compromised keys may read: nothing is written under it any more', async () => {
    const { manager, worker, sealed, id } = await pair()
    await manager.keys.revoke(id, 'leaked')
    await world.clock.pass(PERIOD)
    expect(worker.decryptSync(sealed)).toBe('x')
    const before = (await manager.keys.describe(id)).usage.messages
    for (let n = 0; n < 10; n++) worker.encryptSync('pii', 'y')
    expect((await manager.keys.describe(id)).usage.messages).toBeLessThanOrEqual(before)
    expect((await manager.keys.active('pii'))?.version).toBe(2)
  })

  it('with a short period beside a long one: the timer follows the shortest', async () => {
    const { manager, worker, id } = await pair({
      pii: { cache: { refreshMs: 600_000 } },
      quick: { cache: { refreshMs: 5_000 } },
    })
    await manager.encrypt('quick', 'x')
    await worker.ready(['quick']) // the timer was set for pii when this keyring came
    const quick = (await manager.keys.active('quick'))?.id ?? 0
    await manager.keys.suspend(quick, 'test')
    expect(await secondsUntil(() => failsSync(() => worker.encryptSync('quick', 'x')))).toBeLessThanOrEqual(5)
    expect((await manager.keys.describe(id)).state).toBe('active')
  })
})

describe('in security mode, where nothing is served stale', () => {
  it('synchronous callers never meet the end of the period', async () => {
    world = new World({ policy: policyWith({ mode: 'security' }) })
    const kw = world.open()
    await kw.ready(['pii'])
    for (let second = 0; second < 600; second++) {
      await world.clock.pass(1000)
      expect(kw.decryptSync(kw.encryptSync('pii', 'x'))).toBe('x')
    }
    expect(world.store.counts.list).toBeLessThan(80) // one per 15 s and little more
  })

  it('nor do they when asynchronous callers read in between', async () => {
    world = new World({ policy: policyWith({ mode: 'security' }) })
    const kw = world.open()
    await kw.ready(['pii'])
    for (let second = 0; second < 200; second++) {
      await world.clock.pass(1300)
      kw.encryptSync('pii', 'x')
      if (second % 9 === 0) await kw.encrypt('pii', 'x')
      if (second % 20 === 0) await kw.ready(['session'])
    }
  })
})

describe('a key id that is not known', () => {
  it('of a newer key is looked up and found at once', async () => {
    const { manager, worker } = await pair()
    await manager.keys.rotate('pii', { force: true, now: true })
    const sealed = await manager.encrypt('pii', 'new')
    world.store.resetCounts()
    expect(await worker.decrypt(sealed)).toBe('new')
    expect(await (await worker.keyring('pii')).decrypt(sealed)).toBe('new')
    expect(world.store.reads).toBeLessThanOrEqual(3)
  })

  it('of nobody costs one look in five seconds', async () => {
    const { worker } = await pair()
    const unknown = Buffer.concat([Buffer.from([1, 1, 2, 3, 4]), Buffer.alloc(40)])
    const field = worker.field('pii')
    world.store.resetCounts()
    for (let n = 0; n < 100; n++) {
      await expectCode(worker.decrypt(unknown), 'ERR_KEY_UNKNOWN')
      await expectCode(field.decrypt(unknown), 'ERR_KEY_UNKNOWN')
    }
    expect(world.store.reads).toBe(1)
    world.clock.advance(5_000)
    for (let n = 0; n < 100; n++) await expectCode(worker.decrypt(unknown), 'ERR_KEY_UNKNOWN')
    expect(world.store.reads).toBe(2)
  })

  it('does not turn a flood at the same time into as many looks', async () => {
    const { worker } = await pair()
    const unknown = Buffer.concat([Buffer.from([1, 1, 2, 3, 5]), Buffer.alloc(40)])
    world.store.resetCounts()
    await Promise.all(
      Array.from({ length: 50 }, () => expectCode(worker.decrypt(unknown), 'ERR_KEY_UNKNOWN')),
    )
    expect(world.store.reads).toBe(1)
  })

  it('zero is no key', async () => {
    const { worker } = await pair()
    await expectCode(worker.decrypt(Buffer.concat([Buffer.from([1]), Buffer.alloc(50)])), 'ERR_KEY_UNKNOWN')
  })
})
