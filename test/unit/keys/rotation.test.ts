/** Making keys: one per need whatever the number of processes, published ahead, active by its date. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { type PolicyChanges, policyWith, World } from '../../kit/world.ts'

const MINUTE = 60_000
const DAY = 86_400_000
let world = new World()
afterEach(() => world.end())

function begin(changes: PolicyChanges = {}): Keywright {
  world = new World({ policy: policyWith(changes) })
  return world.open()
}
const states = async (kw: Keywright, keyring = 'pii'): Promise<string> =>
  (await kw.keys.list({ keyring })).map((key) => `v${key.version} ${key.state}`).join(', ')

describe('the first key', () => {
  it('is one, for 20 callers in 5 processes on an empty store', async () => {
    begin()
    const processes = Array.from({ length: 5 }, () => world.open())
    const calls = Array.from({ length: 20 }, (_, n) => (processes[n % 5] as Keywright).keyring('pii'))
    const rings = await Promise.all(calls)
    const sealed = await Promise.all(rings.map((ring, n) => ring.encrypt(`${n}`)))
    const kw = processes[0] as Keywright
    expect(await states(kw)).toBe('v1 active')
    for (const [n, text] of sealed.entries()) expect(await kw.decrypt(text)).toBe(`${n}`)
  })

  it('is one per tenant', async () => {
    const kw = begin()
    await Promise.all(['a', 'b', 'a', 'b'].map((tenant) => kw.encrypt('pii', 'x', { tenant })))
    expect(await kw.keys.keyrings()).toEqual(['pii/a', 'pii/b'])
    expect((await kw.keys.list()).length).toBe(2)
  })

  it('is made by create, which changes nothing where there is one', async () => {
    const kw = begin()
    const key = await kw.keys.create('pii')
    expect(key).toMatchObject({ version: 1, state: 'active' })
    expect((await kw.keys.create('pii')).id).toBe(key.id)
    await world.clock.jump(400 * DAY) // rotation is long due: that is not what was asked for
    expect((await kw.keys.create('pii')).id).toBe(key.id)
    expect(await states(kw)).toBe('v1 active')
  })

  it('is used by a process whose clock is behind', async () => {
    const kw = begin()
    const sealed = await kw.encrypt('pii', 'x')
    const late = world.open({ skewMs: -10_000 })
    expect(await late.decrypt(sealed)).toBe('x')
    expect(await kw.decrypt(await late.encrypt('pii', 'y'))).toBe('y')
    expect((await kw.keys.list()).length).toBe(1)
  })
})

describe('publish ahead', () => {
  it('a new key is pending for one refresh period, then active by its date alone', async () => {
    const kw = begin()
    const worker = world.open()
    await kw.encrypt('pii', 'x')
    await worker.ready(['pii'])
    const { rotated, key } = await kw.keys.rotate('pii', { force: true })
    expect([rotated, key.state, key.activatesAt - world.clock.now()]).toEqual([true, 'pending', MINUTE])
    expect(await states(kw)).toBe('v1 active, v2 pending')
    await world.clock.pass(MINUTE - 1)
    const before = worker.encryptSync('pii', 'x') // the worker has only its timer
    await world.clock.pass(1)
    const calls = world.provider.calls
    const after = worker.encryptSync('pii', 'x')
    expect(world.provider.calls).toBe(calls)
    expect(Buffer.from(before.slice(4), 'base64url').readUInt32BE(1)).not.toBe(key.id)
    expect(Buffer.from(after.slice(4), 'base64url').readUInt32BE(1)).toBe(key.id)
    expect(await states(kw)).toBe('v1 deactivated, v2 active')
    for (const text of [before, after]) expect(worker.decryptSync(text)).toBe('x')
  })

  it('with "now" it is active at once; a second rotation meanwhile makes no third key', async () => {
    const kw = begin()
    await kw.encrypt('pii', 'x')
    const ahead = await kw.keys.rotate('pii', { force: true })
    const again = await kw.keys.rotate('pii', { force: true })
    expect([again.rotated, again.key.id]).toEqual([false, ahead.key.id])
    const now = await kw.keys.rotate('pii', { force: true, now: true })
    expect([now.rotated, now.key.id, now.key.state]).toEqual([true, ahead.key.id, 'active'])
    expect(await states(kw)).toBe('v1 deactivated, v2 active')
  })

  it('a version withdrawn before its date is passed over, and the next one made', async () => {
    const kw = begin()
    await kw.encrypt('pii', 'x')
    const { key } = await kw.keys.rotate('pii', { force: true })
    await kw.keys.revoke(key.id, 'leaked before its turn')
    await world.clock.pass(2 * MINUTE)
    expect(await states(kw)).toBe('v1 active, v2 compromised')
    await kw.encrypt('pii', 'y')
    await kw.keys.rotate('pii', { force: true, now: true })
    expect(await states(kw)).toBe('v1 deactivated, v2 compromised, v3 active')
  })

  it('a pending version that was suspended, then revoked or destroyed after its date, stops nothing', async () => {
    const kw = begin({ pii: { rotation: { auto: false } } })
    await kw.encrypt('pii', 'x')
    const { key } = await kw.keys.rotate('pii', { force: true })
    await kw.keys.suspend(key.id, 'wait')
    await world.clock.pass(2 * MINUTE)
    await kw.keys.revoke(key.id, 'leaked')
    expect(await states(kw)).toBe('v1 active, v2 compromised')
    await expectCode(kw.keys.destroy(key.id, { override: { reason: 'never used' } }), 'ERR_DESTROY_REFUSED')
    await world.clock.pass(20 * MINUTE) // now every process has heard of it
    await kw.keys.destroy(key.id, { override: { reason: 'never used' } })
    expect(await states(kw)).toBe('v1 active, v2 destroyed')
    expect(await kw.decrypt(await kw.encrypt('pii', 'y'))).toBe('y')
  })
})

describe('rotating', () => {
  it('is done when due, and not before', async () => {
    const kw = begin()
    await kw.encrypt('pii', 'x')
    expect(await kw.keys.rotate('pii')).toMatchObject({ rotated: false, why: 'not due' })
    expect((await kw.keys.rotateDue()).length).toBe(0)
    await world.clock.jump(180 * DAY)
    const [active] = await kw.keys.list({ state: 'active' })
    expect(active).toMatchObject({ due: true, dueReasons: ['age'] })
  })

  it.each([true, false])('by two processes at the same instant makes one key (now: %s)', async (now) => {
    const kw = begin()
    const other = world.open()
    await kw.encrypt('pii', 'x')
    const reports = await Promise.all([
      kw.keys.rotate('pii', { force: true, now }),
      other.keys.rotate('pii', { force: true, now }),
      kw.keys.rotate('pii', { force: true, now }),
    ])
    expect((await kw.keys.list()).length).toBe(2)
    expect(new Set(reports.map((report) => report.key.version))).toEqual(new Set([2]))
  })

  it('with the provider down changes nothing', async () => {
    const kw = begin()
    await kw.encrypt('pii', 'x')
    world.provider.mode = 'down'
    await expectCode(kw.keys.rotate('pii', { force: true, now: true }), 'ERR_PROVIDER_UNAVAILABLE')
    expect(await states(kw)).toBe('v1 active')
    kw.encryptSync('pii', 'y')
  })

  it('with a provider that wraps garbage makes a key that nobody uses', async () => {
    const kw = begin()
    const sealed = await kw.encrypt('pii', 'x')
    world.provider.mode = 'garbage'
    await kw.keys.rotate('pii', { force: true, now: true }).catch(() => undefined)
    await expectCode(kw.encrypt('pii', 'y'), 'ERR_UNWRAP_FAILED', 'ERR_PROVIDER_FAILED')
    world.provider.mode = 'up'
    expect(await kw.decrypt(sealed)).toBe('x')
    await kw.keys.rotate('pii', { force: true, now: true })
    expect(await kw.decrypt(await kw.encrypt('pii', 'z'))).toBe('z')
  })

  it('loses to a store that always refuses, and ends', async () => {
    const kw = begin()
    await kw.encrypt('pii', 'x')
    await kw.keys.rotate('pii', { force: true })
    const { update } = world.store.inner
    world.store.inner.update = async () => false
    await expectCode(kw.keys.rotate('pii', { now: true }), 'ERR_STORE_CONFLICT')
    world.store.inner.update = update
  })
})

describe('automatic rotation', () => {
  it('goes by age, in a process that only encrypts synchronously', async () => {
    const kw = begin({ pii: { rotation: { ageMs: 10 * MINUTE } } })
    await kw.ready(['pii'])
    const sealed: string[] = []
    for (let n = 0; n < 60; n++) {
      await world.clock.pass(MINUTE)
      sealed.push(kw.encryptSync('pii', 'x'))
    }
    const count = (await kw.keys.list()).length
    expect(count).toBeGreaterThanOrEqual(5)
    expect(count).toBeLessThanOrEqual(7)
    for (const text of sealed) expect(await kw.decrypt(text)).toBe('x')
  })

  it('goes by messages that were encrypted, not by those that are only leased', async () => {
    const kw = begin({ pii: { rotation: { messages: 1000 } } })
    await kw.ready(['pii'])
    for (let n = 0; n < 60; n++) {
      await world.clock.pass(MINUTE)
      kw.encryptSync('pii', 'x')
    }
    expect((await kw.keys.list()).length).toBe(1)
    for (let n = 0; n < 1000; n++) kw.encryptSync('pii', 'x')
    await world.clock.pass(3 * MINUTE)
    expect(await states(kw)).toBe('v1 deactivated, v2 active')
  })

  it('goes by bytes', async () => {
    const kw = begin({ pii: { rotation: { bytes: 1_000_000 } } })
    await kw.ready(['pii'])
    const block = Buffer.alloc(100_000)
    for (let n = 0; n < 9; n++) kw.encryptSync('pii', block)
    await world.clock.pass(3 * MINUTE)
    expect((await kw.keys.list()).length).toBe(1)
    kw.encryptSync('pii', block)
    await world.clock.pass(3 * MINUTE)
    expect(await states(kw)).toBe('v1 deactivated, v2 active')
  })

  it('goes by age while asynchronous callers keep the records fresh', async () => {
    const kw = begin({ pii: { rotation: { ageMs: 10 * MINUTE } } })
    for (let n = 0; n < 30; n++) {
      await kw.encrypt('pii', 'x')
      await world.clock.pass(MINUTE)
    }
    expect((await kw.keys.list()).length).toBeGreaterThanOrEqual(2)
  })

  it('makes one key in ten processes whose timers run together', async () => {
    begin({ pii: { rotation: { ageMs: 10 * MINUTE } } })
    const processes = Array.from({ length: 10 }, () => world.open())
    for (const kw of processes) await kw.ready(['pii'])
    await world.clock.pass(13 * MINUTE)
    expect(await states(processes[0] as Keywright)).toBe('v1 deactivated, v2 active')
  })

  it('makes nothing in a process that only decrypts', async () => {
    const kw = begin({ pii: { rotation: { ageMs: 10 * MINUTE } } })
    const sealed = await kw.encrypt('pii', 'x')
    world.crash(kw)
    const reader = world.open()
    for (let n = 0; n < 30; n++) {
      await world.clock.pass(MINUTE)
      expect(await reader.decrypt(sealed)).toBe('x')
    }
    expect((await reader.keys.list()).length).toBe(1)
  })

  it('replaces a key past its max age before the next encryption', async () => {
    const kw = begin()
    const sealed = await kw.encrypt('pii', 'x')
    world.clock.advance(0)
    world.crash(kw)
    await world.clock.jump(731 * DAY)
    const later = world.open()
    expect(await later.decrypt(await later.encrypt('pii', 'y'))).toBe('y')
    expect(await states(later)).toBe('v1 deactivated, v2 active')
    expect(await later.decrypt(sealed)).toBe('x')
  })
})

describe('automatic rotation off', () => {
  it('refuses to encrypt past the max age, and still decrypts', async () => {
    const kw = begin({ pii: { rotation: { auto: false } } })
    const sealed = await kw.encrypt('pii', 'x')
    await world.clock.jump(730 * DAY - 1)
    expect(await kw.decrypt(await kw.encrypt('pii', 'y'))).toBe('y')
    await world.clock.jump(1)
    await expectCode(kw.encrypt('pii', 'y'), 'ERR_KEY_EXPIRED')
    await expectCode(() => kw.encryptSync('pii', 'y'), 'ERR_KEY_EXPIRED')
    expect(await kw.decrypt(sealed)).toBe('x')
    expect(kw.decryptSync(sealed)).toBe('x')
    await kw.keys.rotate('pii', { now: true })
    expect(await kw.decrypt(await kw.encrypt('pii', 'z'))).toBe('z')
  })

  it('refuses to decrypt as well where the policy says so', async () => {
    const kw = begin({ pii: { rotation: { auto: false }, afterMaxAge: 'refuse' } })
    const sealed = await kw.encrypt('pii', 'x')
    await world.clock.jump(730 * DAY)
    await expectCode(kw.decrypt(sealed), 'ERR_KEY_EXPIRED')
    await expectCode(() => kw.decryptSync(sealed), 'ERR_KEY_EXPIRED')
  })

  it('rotates nothing by itself', async () => {
    const kw = begin({ pii: { rotation: { auto: false, ageMs: 10 * MINUTE } } })
    await kw.ready(['pii'])
    await world.clock.pass(60 * MINUTE)
    kw.encryptSync('pii', 'x')
    expect(await states(kw)).toBe('v1 active')
    expect((await kw.keys.rotateDue({ now: true })).map(({ rotated }) => rotated)).toEqual([true])
    expect(await states(kw)).toBe('v1 deactivated, v2 active')
  })
})
