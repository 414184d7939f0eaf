/** A new version that somebody else made: synchronous callers go on while nothing is leased of it yet. */
import { afterEach, describe, expect, it } from 'vitest'
import { keyIdOf, parseCiphertext } from '../../../src/crypto/ciphertext.ts'
import { expectCode } from '../../kit/failures.ts'
import { TestStore } from '../../kit/store.ts'
import { type PolicyChanges, policyWith, World } from '../../kit/world.ts'

let world = new World()
afterEach(() => world.end())

const keyOf = (sealed: string): number => keyIdOf(parseCiphertext(sealed))

/** The worker has opened the new version by decrypting a value of it, and has not maintained its keyring since. */
async function behind(
  leasesSync: boolean,
  changes: PolicyChanges = {},
  rotated: (store: TestStore) => void = () => undefined,
) {
  const store = new TestStore()
  store.leasesSync = leasesSync
  world = new World({ store, policy: policyWith(changes) })
  const manager = world.open()
  const worker = world.open()
  await manager.encrypt('pii', 'x')
  await worker.ready(['pii'])
  const { key } = await manager.keys.rotate('pii', { force: true, now: true })
  const sealed = await manager.encrypt('pii', 'new')
  rotated(store)
  expect(await worker.decrypt(sealed)).toBe('new')
  return { manager, worker, after: key.id, store }
}

describe('where the store leases without waiting', () => {
  it('the new version is leased at once', async () => {
    const { worker, after } = await behind(true)
    expect(keyOf(worker.encryptSync('pii', 'y'))).toBe(after)
  })
})

describe('where it does not', () => {
  it('the new version is leased before it is opened', async () => {
    const { worker, after } = await behind(false)
    expect(keyOf(worker.encryptSync('pii', 'y'))).toBe(after)
  })

  it('a lease that fails keeps nobody from decrypting, and the next asynchronous call makes up for it', async () => {
    const { worker, after, store } = await behind(false, {}, (one) => one.failing.add('addUsage'))
    await expectCode(() => worker.encryptSync('pii', 'y'), 'ERR_KEY_LEASE_EXHAUSTED')
    store.failing.clear()
    await worker.encrypt('pii', 'y')
    expect(keyOf(worker.encryptSync('pii', 'y'))).toBe(after)
  })

  it('keys that are held open for reading are no exception', async () => {
    const { worker, manager, store } = await behind(false)
    await worker.ready(['pii'], { all: true })
    const { key } = await manager.keys.rotate('pii', { force: true, now: true })
    const slow = Promise.withResolvers<void>()
    store.before = (call) => (call === 'addUsage' ? slow.promise : undefined)
    for (let n = 0; n < 70; n++) {
      await world.clock.pass(1000) // the timer reads of the new version on the way
      worker.encryptSync('pii', 'y')
    }
    slow.resolve()
    await world.clock.pass(60_000)
    expect(keyOf(worker.encryptSync('pii', 'y'))).toBe(key.id)
  })

  it('a process that only decrypts leases nothing', async () => {
    const { manager, worker, store } = await behind(false)
    const sealed = await manager.encrypt('pii', 'x')
    world.crash(manager)
    world.crash(worker)
    const reader = world.open()
    store.resetCounts()
    expect(await reader.decrypt(sealed)).toBe('x')
    await world.clock.pass(60_000)
    expect(store.counts.addUsage).toBe(0)
  })
})

it('a key that is too old to encrypt, and has no successor, stays open for synchronous readers', async () => {
  const day = 86_400_000
  const rotation = { auto: false, ageMs: day }
  world = new World({ policy: policyWith({ pii: { rotation, maxAgeMs: day, afterMaxAge: 'decrypt' } }) })
  const kw = world.open()
  const sealed = await kw.encrypt('pii', 'x')
  for (let hour = 0; hour < 48; hour++) {
    await world.clock.pass(3_600_000)
    expect(kw.decryptSync(sealed)).toBe('x')
  }
  await expectCode(() => kw.encryptSync('pii', 'y'), 'ERR_KEY_EXPIRED')
})
