/** Open keys in memory: how long, how often, one load for all who wait, and nothing kept of a failure. */
import { afterEach, describe, expect, it } from 'vitest'
import { expectCode } from '../../kit/failures.ts'
import { type PolicyChanges, policyWith, World } from '../../kit/world.ts'

const MINUTE = 60_000
let world = new World()
afterEach(() => world.end())

/** A world whose `pii` keyring has one key, and a process that has not loaded it. */
async function cold(pii: PolicyChanges['pii'] = {}) {
  world = new World({ policy: policyWith({ pii }) })
  const first = world.open()
  const sealed = await first.encrypt('pii', 'x')
  await first.close()
  const kw = world.open()
  world.provider.resetCounts()
  world.store.resetCounts()
  return { kw, sealed }
}

describe('loading', () => {
  it('is done once for 50 who encrypt at the same time', async () => {
    const { kw } = await cold()
    const made = await Promise.all(Array.from({ length: 50 }, (_, n) => kw.encrypt('pii', `${n}`)))
    expect([world.provider.wraps, world.provider.unwraps]).toEqual([0, 1])
    expect(world.store.reads).toBe(1)
    for (const [n, text] of made.entries()) expect(await kw.decrypt(text)).toBe(`${n}`)
  })

  it('is done once for 50 who decrypt at the same time', async () => {
    const { kw, sealed } = await cold()
    const opened = await Promise.all(Array.from({ length: 50 }, () => kw.decrypt(sealed, { keyType: 'pii' })))
    expect(new Set(opened)).toEqual(new Set(['x']))
    expect(world.provider.unwraps).toBe(1)
  })

  it('that failed is forgotten: the next call loads again', async () => {
    const { kw, sealed } = await cold()
    world.provider.mode = 'down'
    const calls = [kw.encrypt('pii', 'y'), kw.decrypt(sealed), kw.keyring('pii'), kw.ready(['pii'])]
    for (const call of calls) await expectCode(call, 'ERR_PROVIDER_UNAVAILABLE')
    world.provider.mode = 'up'
    expect(await kw.decrypt(sealed)).toBe('x')
    expect(await kw.decrypt(await kw.encrypt('pii', 'y'))).toBe('y')
  })

  it('that hangs ends at the deadline, for all who wait', async () => {
    const { sealed } = await cold()
    const kw = world.open({ providerTimeoutMs: 30 })
    world.provider.mode = 'hang'
    const failures = [kw.decrypt(sealed), kw.encrypt('pii', 'y')].map((call) =>
      expectCode(call, 'ERR_PROVIDER_TIMEOUT'),
    )
    await Promise.all(failures)
    world.provider.mode = 'up'
    expect(await kw.decrypt(sealed)).toBe('x')
  })

  it('that is refused for good says so, and is tried again the next time', async () => {
    const { kw, sealed } = await cold()
    world.provider.mode = 'denied'
    const error = await expectCode(kw.decrypt(sealed), 'ERR_PROVIDER_DENIED')
    expect(error.retryable).toBe(false)
    world.provider.mode = 'up'
    expect(await kw.decrypt(sealed)).toBe('x')
  })
})

describe('an open key', () => {
  it('is fetched anew after its TTL, and not before', async () => {
    const { kw, sealed } = await cold({ cache: { ttlMs: 10 * MINUTE } })
    await kw.decrypt(sealed)
    for (let minute = 1; minute < 10; minute++) {
      world.clock.advance(MINUTE)
      await kw.decrypt(sealed)
    }
    expect(world.provider.unwraps).toBe(1)
    world.clock.advance(MINUTE)
    await kw.decrypt(sealed)
    expect(world.provider.unwraps).toBe(2)
  })

  it('is renewed by the timer ahead of its end, so that synchronous callers never wait', async () => {
    const { kw } = await cold({ cache: { ttlMs: 10 * MINUTE }, serveStaleMs: 0 })
    await kw.ready(['pii'])
    for (let n = 0; n < 720; n++) {
      await world.clock.pass(10_000)
      expect(kw.decryptSync(kw.encryptSync('pii', 'x'))).toBe('x')
    }
    expect(world.provider.unwraps).toBeGreaterThanOrEqual(12)
    expect(world.provider.unwraps).toBeLessThanOrEqual(15)
  })

  it('is fetched anew after its uses by the asynchronous forms', async () => {
    const { kw, sealed } = await cold({ cache: { uses: 10 } })
    for (let n = 0; n < 35; n++) await kw.decrypt(sealed)
    expect(world.provider.unwraps).toBe(4)
    for (let n = 0; n < 35; n++) await kw.encrypt('pii', 'x')
    expect(world.provider.unwraps).toBe(7)
  })

  it('does not serve the synchronous forms more often than it may', async () => {
    const { kw } = await cold({ cache: { uses: 10 } })
    await kw.ready(['pii'])
    for (let n = 0; n < 10; n++) kw.encryptSync('pii', 'x')
    await expectCode(() => kw.encryptSync('pii', 'x'), 'ERR_KEY_NOT_LOADED')
    await kw.ready(['pii'])
    kw.encryptSync('pii', 'x')
  })

  it('makes at most two provider calls for 100,000 encryptions', async () => {
    world = new World()
    const kw = world.open()
    const ring = await kw.keyring('pii')
    for (let n = 0; n < 90_000; n++) ring.encryptSync('x')
    for (let n = 0; n < 10_000; n++) await ring.encrypt('x')
    expect(world.provider.calls).toBeLessThanOrEqual(2)
  })
})

it('old keys that ready({ all: true }) opened serve the synchronous form for as long as the process lives', async () => {
  world = new World()
  const kw = world.open()
  const sealed = await kw.encrypt('pii', 'old')
  await kw.keys.rotate('pii', { force: true, now: true })
  const reader = world.open()
  await reader.ready(['pii'], { all: true })
  for (let hour = 0; hour < 5; hour++) {
    await world.clock.pass(60 * MINUTE)
    expect(reader.decryptSync(sealed)).toBe('old')
  }
})
