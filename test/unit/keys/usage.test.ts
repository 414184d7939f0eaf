/** Budgets of keys: leases, exact counts after a clean end, hard limits for the whole fleet. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import { leaseBlock } from '../../../src/keys/usage.ts'
import openSqliteStore from '../../../stores/sqlite.ts'
import { codeOf, expectCode } from '../../kit/failures.ts'
import { TestStore } from '../../kit/store.ts'
import { policyWith, World } from '../../kit/world.ts'
import { testFolders } from '../../stores/support/folder.ts'

const folder = testFolders()
let world = new World()
afterEach(() => world.end())

const limited = (maxMessages: number) =>
  policyWith({ pii: { maxMessages, rotation: { auto: false, messages: maxMessages } } })

const usage = async (kw: Keywright) => (await kw.keys.list({ keyType: 'pii' })).map((key) => key.usage)

describe('leaseBlock', () => {
  it.each([
    [1, 1],
    [63, 1],
    [64, 1],
    [128, 2],
    [6400, 100],
    [2 ** 32, 2 ** 20],
    [2 ** 48, 2 ** 20],
    [Number.POSITIVE_INFINITY, 2 ** 20],
  ])('of a limit of %d is %d', (limit, block) => {
    expect(leaseBlock(limit)).toBe(block)
  })
})

describe('counts', () => {
  it('are exact after a clean end, messages and bytes', async () => {
    world = new World()
    for (let round = 1; round <= 3; round++) {
      const kw = world.open()
      for (let n = 0; n < 10; n++) await kw.encrypt('pii', 'x'.repeat(n))
      for (let n = 0; n < 5; n++) kw.encryptSync('pii', Buffer.alloc(100))
      await kw.close()
      expect(await usage(world.open())).toEqual([{ messages: 15 * round, bytes: 545 * round }])
    }
  })

  it('are too high by one block at most after a crash', async () => {
    world = new World({ policy: limited(6400) }) // blocks of 100
    for (let crash = 1; crash <= 5; crash++) {
      const kw = world.open()
      for (let n = 0; n < 10; n++) await kw.encrypt('pii', 'x')
      world.crash(kw)
    }
    const [used] = await usage(world.open())
    expect(used?.messages).toBeGreaterThanOrEqual(50)
    expect(used?.messages).toBeLessThanOrEqual(5 * 100)
  })

  it('forget nothing when a lease could not be had: bytes are reported with the next one', async () => {
    world = new World({ policy: limited(640) }) // blocks of 10
    const kw = world.open()
    await kw.ready(['pii'])
    world.store.down = true
    for (let n = 0; n < 10; n++) await kw.encrypt('pii', 'x')
    await expectCode(kw.encrypt('pii', 'x'), 'ERR_STORE_BUSY')
    await expectCode(() => kw.encryptSync('pii', 'x'), 'ERR_STORE_BUSY')
    world.store.down = false
    await kw.encrypt('pii', 'x')
    await kw.close()
    expect(await usage(world.open())).toEqual([{ messages: 11, bytes: 11 }])
  })

  it('of a replaced key are settled: what it no longer needs goes back', async () => {
    world = new World()
    const kw = world.open()
    for (let n = 0; n < 7; n++) await kw.encrypt('pii', 'x')
    await kw.keys.rotate('pii', { force: true, now: true })
    await kw.encrypt('pii', 'x')
    await world.clock.pass(60_000)
    expect((await usage(kw))[0]).toEqual({ messages: 7, bytes: 7 })
  })

  it('cost the store few writes', async () => {
    world = new World()
    const kw = world.open()
    const ring = await kw.keyring('pii')
    world.store.resetCounts()
    for (let n = 0; n < 20_000; n++) ring.encryptSync('x')
    expect(world.store.counts.addUsage).toBe(0)
  })
})

describe('the limit', () => {
  /** Encrypts until it is refused; how often it went well, and the code. */
  async function encryptAll(kw: Keywright, sync: boolean): Promise<[number, string]> {
    for (let n = 0; n < 100_000; n++) {
      try {
        if (sync) kw.encryptSync('pii', 'x')
        else await kw.encrypt('pii', 'x')
      } catch (error) {
        return [n, codeOf(error)]
      }
    }
    return [100_000, 'none']
  }

  it.each([
    [1, false],
    [2, false],
    [100, false],
    [1000, false],
    [1000, true],
  ])('of %i messages is used to the last and never passed (sync: %s)', async (limit, sync) => {
    world = new World({ policy: limited(limit) })
    const kw = world.open()
    await kw.ready(['pii'])
    expect(await encryptAll(kw, sync)).toEqual([limit, 'ERR_KEY_EXHAUSTED'])
    await expectCode(kw.encrypt('pii', 'x'), 'ERR_KEY_EXHAUSTED')
    await expectCode(() => kw.encryptSync('pii', 'x'), 'ERR_KEY_EXHAUSTED')
    expect((await usage(kw))[0]?.messages).toBe(limit)
  })

  it('holds for three processes together, one of them crashing', async () => {
    const limit = 1280 // blocks of 20
    world = new World({ policy: limited(limit) })
    const processes = [world.open(), world.open(), world.open()]
    for (const kw of processes) await kw.ready(['pii'])
    let done = 0
    for (let n = 0; n < 500; n++) {
      if (n === 100) world.crash(processes[0] as Keywright)
      for (const kw of n < 100 ? processes : processes.slice(1)) {
        if (n % 2 === 0) kw.encryptSync('pii', 'x')
        else await kw.encrypt('pii', 'x')
        done++
      }
    }
    const ends = await Promise.all(processes.slice(1).map((kw) => encryptAll(kw, false)))
    done += ends.reduce((sum, [n]) => sum + n, 0)
    expect(ends.map(([, code]) => code)).toEqual(['ERR_KEY_EXHAUSTED', 'ERR_KEY_EXHAUSTED'])
    expect(done).toBeLessThanOrEqual(limit)
    expect(done).toBeGreaterThanOrEqual(limit - 20) // all but what the crash lost
  })

  it('is not met with automatic rotation on: the next key takes over', async () => {
    world = new World({ policy: policyWith({ pii: { maxMessages: 100, rotation: { messages: 50 } } }) })
    const kw = world.open()
    const sealed: string[] = []
    for (let n = 0; n < 450; n++) sealed.push(await kw.encrypt('pii', `${n}`))
    for (const [n, text] of sealed.entries()) expect(await kw.decrypt(text)).toBe(`${n}`)
    const used = await usage(kw)
    expect(used.length).toBeGreaterThanOrEqual(5)
    for (const { messages } of used) expect(messages).toBeLessThanOrEqual(100)
  })

  it('is not passed by 200 callers at the same time', async () => {
    world = new World({ policy: limited(128) })
    const kw = world.open()
    const calls = Array.from({ length: 200 }, () => kw.encrypt('pii', 'x').then(() => 'ok', codeOf))
    const results = await Promise.all(calls)
    expect(results.filter((result) => result === 'ok').length).toBe(128)
    expect(new Set(results)).toEqual(new Set(['ok', 'ERR_KEY_EXHAUSTED']))
  })

  it('gives leases to 100 callers at the same time on a store that leases asynchronously', async () => {
    const store = new TestStore()
    store.leasesSync = false
    world = new World({ policy: limited(128), store })
    const kw = world.open()
    const made = await Promise.all(Array.from({ length: 100 }, () => kw.encrypt('pii', 'x')))
    expect(new Set(made).size).toBe(100)
  })
})

describe('a store that leases', () => {
  it('synchronously (SQLite) keeps a synchronous loop going', async () => {
    const inner = await openSqliteStore({ path: `${folder()}/keys.db`, create: true })
    world = new World({ policy: limited(640), store: new TestStore(inner) })
    const kw = world.open()
    await kw.ready(['pii'])
    for (let n = 0; n < 640; n++) kw.encryptSync('pii', 'x')
    await expectCode(() => kw.encryptSync('pii', 'x'), 'ERR_KEY_EXHAUSTED')
    await world.end()
    await inner.close?.()
  })

  it('only asynchronously says what to do when a synchronous loop outruns it', async () => {
    const store = new TestStore()
    store.leasesSync = false
    world = new World({ policy: limited(640), store })
    const kw = world.open()
    await kw.ready(['pii'])
    for (let n = 0; n < 10; n++) kw.encryptSync('pii', 'x')
    const error = await expectCode(() => kw.encryptSync('pii', 'x'), 'ERR_KEY_LEASE_EXHAUSTED')
    expect(error.retryable).toBe(true)
    await kw.encrypt('pii', 'x')
    kw.encryptSync('pii', 'x')
  })

  it('and is down lets what was leased be used, and no more', async () => {
    world = new World({ policy: limited(640) })
    const kw = world.open()
    await kw.ready(['pii'])
    world.store.down = true
    for (let n = 0; n < 10; n++) await kw.encrypt('pii', 'x')
    await expectCode(kw.encrypt('pii', 'x'), 'ERR_STORE_BUSY')
    await expectCode(() => kw.encryptSync('pii', 'x'), 'ERR_STORE_BUSY')
    world.store.down = false
    await kw.encrypt('pii', 'x')
  })
})
