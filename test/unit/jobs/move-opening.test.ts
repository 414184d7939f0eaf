/** A process whose records are older than a move: it reads them again before it fails, and only then. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { HOUR, MoveWorld } from './move-kit.ts'

const AT_ONCE = { from: 'file', to: 'vault', windowMs: 0 }
/** Records are not read again by themselves in these tests; keys are fetched anew after a minute. */
const CACHE = { refreshMs: 100 * HOUR, ttlMs: 60_000 }

let world: MoveWorld
let kw: Keywright
let sealed: string

beforeEach(async () => {
  world = new MoveWorld({ pii: { cache: CACHE, serveStaleMs: 0 } })
  kw = world.open()
  sealed = await kw.encrypt('pii', 'x')
  await kw.decrypt(sealed)
})
afterEach(() => world.end())

const moveAndStop = async (): Promise<void> => {
  await world.open('vault').jobs.move(AT_ONCE)
  world.file.mode = 'down'
  world.store.resetCounts()
}

it('opens by the wraps that have taken the place of those it knew', async () => {
  await moveAndStop()
  world.clock.advance(61_000)
  expect(await kw.decrypt(sealed)).toBe('x')
  expect(await kw.decrypt(await kw.encrypt('pii', 'y'))).toBe('y')
  expect(kw.decryptSync(sealed)).toBe('x')
  expect(world.store.reads).toBe(1)
})

it('knows them from then on: the old provider is not asked again', async () => {
  await moveAndStop()
  world.clock.advance(61_000)
  await kw.decrypt(sealed)
  world.file.resetCounts()
  world.clock.advance(61_000)
  expect(await kw.decrypt(sealed)).toBe('x')
  expect([world.file.calls, world.store.reads]).toEqual([0, 1])
})

it('of many callers at once reads once', async () => {
  await moveAndStop()
  world.clock.advance(61_000)
  const opened = await Promise.all(Array.from({ length: 50 }, () => kw.decrypt(sealed)))
  expect(new Set(opened)).toEqual(new Set(['x']))
  expect([world.store.reads, world.vault.unwraps]).toEqual([1, 4])
})

it('does so too where the old provider refuses for good, as one without its master key does', async () => {
  await moveAndStop()
  world.file.mode = 'denied'
  world.clock.advance(61_000)
  expect(await kw.decrypt(sealed)).toBe('x')
})

it('fails with what the provider failed with when nothing has changed, and does not storm the store', async () => {
  world.file.mode = 'down'
  world.store.resetCounts()
  world.clock.advance(61_000)
  for (let n = 0; n < 20; n++) await expectCode(kw.decrypt(sealed), 'ERR_PROVIDER_UNAVAILABLE')
  expect(world.store.reads).toBe(1)
  world.clock.advance(1000)
  await expectCode(kw.decrypt(sealed), 'ERR_PROVIDER_UNAVAILABLE')
  expect(world.store.reads).toBe(2)
})

it('fails with what the provider failed with when the store is down as well', async () => {
  await moveAndStop()
  world.store.down = true
  world.clock.advance(61_000)
  await expectCode(kw.decrypt(sealed), 'ERR_PROVIDER_UNAVAILABLE')
  world.store.down = false
  world.clock.advance(1000)
  expect(await kw.decrypt(sealed)).toBe('x')
})

it('reads nothing while keys open', async () => {
  world.store.resetCounts()
  for (let n = 0; n < 10; n++) {
    world.clock.advance(61_000)
    expect(await kw.decrypt(sealed)).toBe('x')
  }
  expect(world.store.reads).toBe(0)
})

it('learns from the same read that the key was destroyed', async () => {
  const [record] = await world.records()
  await world.tamper(record?.id ?? 0, () => ({ status: 'destroyed', wraps: [] }))
  world.file.mode = 'down'
  world.clock.advance(61_000)
  await expectCode(kw.decrypt(sealed), 'ERR_PROVIDER_UNAVAILABLE', 'ERR_KEY_DESTROYED')
  await expectCode(kw.decrypt(sealed), 'ERR_KEY_DESTROYED')
})
