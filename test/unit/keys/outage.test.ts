/** Provider or store down: cached keys serve for as long as the policy says, then nothing does, then all recovers. */
import { afterEach, describe, expect, it } from 'vitest'
import { expectCode } from '../../kit/failures.ts'
import { type PolicyChanges, policyWith, World } from '../../kit/world.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
let world = new World()
afterEach(() => world.end())

async function running(changes: PolicyChanges = {}) {
  world = new World({ policy: policyWith(changes) })
  const kw = world.open()
  const sealed = await kw.encrypt('pii', 'x')
  await kw.decrypt(sealed)
  return { kw, sealed }
}

describe('provider down', () => {
  // balanced: TTL one hour, 15 minutes stale
  it('serves for TTL and stale time in both forms, then fails closed', async () => {
    const { kw, sealed } = await running()
    world.provider.mode = 'down'
    for (let minute = 0; minute < 74; minute++) {
      await world.clock.pass(MINUTE)
      expect(kw.decryptSync(sealed)).toBe('x')
      expect(await kw.decrypt(sealed)).toBe('x')
      expect(await kw.decrypt(await kw.encrypt('pii', 'y'))).toBe('y')
      kw.encryptSync('pii', 'y')
    }
    await world.clock.pass(2 * MINUTE)
    await expectCode(kw.encrypt('pii', 'y'), 'ERR_PROVIDER_UNAVAILABLE')
    await expectCode(kw.decrypt(sealed), 'ERR_PROVIDER_UNAVAILABLE')
    await expectCode(() => kw.encryptSync('pii', 'y'), 'ERR_KEY_NOT_LOADED')
    await expectCode(() => kw.decryptSync(sealed), 'ERR_KEY_NOT_LOADED')
    world.provider.mode = 'up'
    expect(await kw.decrypt(sealed)).toBe('x')
    expect(await kw.decrypt(await kw.encrypt('pii', 'y'))).toBe('y')
  })

  it('recovers by the timer alone', async () => {
    const { kw } = await running()
    world.provider.mode = 'down'
    await world.clock.pass(2 * HOUR)
    await expectCode(() => kw.encryptSync('pii', 'y'), 'ERR_KEY_NOT_LOADED')
    world.provider.mode = 'up'
    await world.clock.pass(MINUTE)
    kw.encryptSync('pii', 'y')
  })

  it('fails closed at once in security mode when the TTL is over', async () => {
    const { kw, sealed } = await running({ mode: 'security' })
    world.provider.mode = 'down'
    await world.clock.pass(5 * MINUTE - 1000)
    expect(kw.decryptSync(sealed)).toBe('x')
    await world.clock.pass(1000)
    await expectCode(kw.encrypt('pii', 'y'), 'ERR_PROVIDER_UNAVAILABLE')
    await expectCode(kw.decrypt(sealed), 'ERR_PROVIDER_UNAVAILABLE')
    await expectCode(() => kw.encryptSync('pii', 'y'), 'ERR_KEY_NOT_LOADED')
  })

  it('does not serve stale when the provider refuses for good', async () => {
    const { kw, sealed } = await running()
    world.provider.mode = 'denied'
    world.clock.advance(HOUR)
    await expectCode(kw.decrypt(sealed), 'ERR_PROVIDER_DENIED')
    await expectCode(kw.encrypt('pii', 'y'), 'ERR_PROVIDER_DENIED')
  })

  it('keeps the loop of uses going while it lasts', async () => {
    const { kw, sealed } = await running({ pii: { cache: { uses: 5 } } })
    world.provider.mode = 'down'
    for (let n = 0; n < 50; n++) expect(await kw.decrypt(sealed)).toBe('x')
  })

  it('does not stop another process that rotated: the version before goes on here until its key can be opened', async () => {
    const { kw, sealed } = await running()
    const other = world.open()
    await other.keys.rotate('pii', { force: true, now: true })
    world.provider.mode = 'down'
    await world.clock.pass(MINUTE)
    expect(await kw.decrypt(await kw.encrypt('pii', 'y'))).toBe('y')
    expect(await kw.decrypt(kw.encryptSync('pii', 'y'))).toBe('y')
    expect(await kw.decrypt(sealed)).toBe('x')
    await world.clock.pass(16 * MINUTE)
    await expectCode(() => kw.encryptSync('pii', 'y'), 'ERR_KEY_NOT_LOADED')
    await expectCode(kw.encrypt('pii', 'y'), 'ERR_PROVIDER_UNAVAILABLE')
  })

  it('makes no keyring that was not there, and leaves nothing behind', async () => {
    const { kw } = await running()
    world.provider.mode = 'down'
    await expectCode(kw.encrypt('session', 'y'), 'ERR_PROVIDER_UNAVAILABLE')
    expect((await kw.keys.list({ keyType: 'session' })).length).toBe(0)
    world.provider.mode = 'up'
    await kw.encrypt('session', 'y')
    expect((await kw.keys.list({ keyType: 'session' })).length).toBe(1)
  })
})

describe('store down', () => {
  it('serves for refresh period and stale time in both forms, then fails closed', async () => {
    const { kw, sealed } = await running()
    world.store.down = true
    for (let n = 0; n < 15; n++) {
      await world.clock.pass(MINUTE)
      expect(kw.decryptSync(sealed)).toBe('x')
      expect(await kw.decrypt(await kw.encrypt('pii', 'y'))).toBe('y')
    }
    await world.clock.pass(MINUTE)
    await expectCode(kw.encrypt('pii', 'y'), 'ERR_STORE_BUSY')
    await expectCode(kw.decrypt(sealed), 'ERR_STORE_BUSY')
    await expectCode(() => kw.encryptSync('pii', 'y'), 'ERR_KEYRING_STALE')
    await expectCode(() => kw.decryptSync(sealed), 'ERR_KEYRING_STALE')
    world.store.down = false
    expect(await kw.decrypt(sealed)).toBe('x')
    expect(kw.decryptSync(kw.encryptSync('pii', 'y'))).toBe('y')
  })

  it('recovers by the timer alone', async () => {
    const { kw, sealed } = await running()
    world.store.down = true
    await world.clock.pass(HOUR)
    await expectCode(() => kw.decryptSync(sealed), 'ERR_KEYRING_STALE')
    world.store.down = false
    await world.clock.pass(MINUTE)
    expect(kw.decryptSync(kw.encryptSync('pii', 'y'))).toBe('y')
  })

  it('fails closed after the period in security mode', async () => {
    const { kw, sealed } = await running({ mode: 'security' })
    world.store.down = true
    await world.clock.pass(14_000)
    expect(kw.decryptSync(sealed)).toBe('x')
    await world.clock.pass(15_000)
    await expectCode(() => kw.decryptSync(sealed), 'ERR_KEYRING_STALE')
    await expectCode(kw.decrypt(sealed), 'ERR_STORE_BUSY')
    await expectCode(kw.encrypt('pii', 'y'), 'ERR_STORE_BUSY')
  })

  it('is not hammered by the timer while it is down', async () => {
    await running()
    world.store.resetCounts()
    world.store.down = true
    await world.clock.pass(HOUR)
    expect(world.store.reads).toBeLessThan(60 * 5)
  })

  it('says so to whoever needs it, and keeps nobody from closing', async () => {
    const { kw } = await running()
    world.store.down = true
    await expectCode(kw.encrypt('session', 'y'), 'ERR_STORE_BUSY')
    await expectCode(kw.keys.list(), 'ERR_STORE_BUSY')
    expect((await kw.check()).state).toBe('failed')
    await kw.close()
  })

  it('never encrypts under a key that could not be stored', async () => {
    const { kw } = await running()
    world.store.failing.add('insert')
    await expectCode(kw.encrypt('session', 'y'), 'ERR_STORE_BUSY')
    await expectCode(() => kw.encryptSync('session', 'y'), 'ERR_KEY_NOT_LOADED')
  })
})

it('health tells of an outage and of its end', async () => {
  const { kw } = await running()
  // The memory provider and store warn that nothing is kept, which is worth 'degraded'.
  expect((await kw.check()).checks.map((check) => check.state)).not.toContain('failed')
  world.provider.mode = 'down'
  const check = (await kw.check()).checks.find(({ component }) => component === 'provider')
  expect(check).toMatchObject({ state: 'failed', code: 'ERR_PROVIDER_UNAVAILABLE' })
  expect(JSON.stringify(check)).not.toContain('hunter2')
  world.provider.mode = 'up'
  expect((await kw.check()).checks.map(({ state }) => state)).not.toContain('failed')
})
