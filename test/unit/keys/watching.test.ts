/** Notices of a store: what others changed is known soon, not after the refresh period; and nothing depends on them. */
import { afterEach, describe, expect, it } from 'vitest'
import { keyIdOf, parseCiphertext } from '../../../src/crypto/ciphertext.ts'
import type { KeyStore } from '../../../src/store.ts'
import { TestStore } from '../../kit/store.ts'
import { policyWith, World } from '../../kit/world.ts'

const SECOND = 1000
/** Long enough for the subscription, which is made a moment after the first use. */
const SUBSCRIBED = 2 * SECOND
/** Within so long a notice is read. */
const SOON = 2 * SECOND

type Changed = (keyring: string | undefined) => void

/** Tells whoever watches of every write, as the stores behind a network do. */
class NoticeStore extends TestStore {
  readonly watchers = new Set<Changed>()
  /** What `watch` throws, if anything. */
  failsToWatch: Error | undefined
  failsToStop: Error | undefined
  muted = false

  tell(keyring: string | undefined): void {
    if (!this.muted) for (const changed of this.watchers) changed(keyring)
  }

  override client(): KeyStore {
    const client = super.client()
    return {
      ...client,
      insert: async (record) => {
        const result = await client.insert(record)
        this.tell(record.keyring)
        return result
      },
      update: async (record) => {
        const isDone = await client.update(record)
        this.tell(record.keyring)
        return isDone
      },
      watch: (changed) => {
        if (this.failsToWatch !== undefined) throw this.failsToWatch
        this.watchers.add(changed)
        return () => {
          this.watchers.delete(changed)
          if (this.failsToStop !== undefined) throw this.failsToStop
        }
      },
    }
  }
}

let world = new World()
afterEach(() => world.end())

/** Two processes with one keyring, both subscribed, in the middle of a refresh period of ten minutes. */
async function pair(leasesSync = true) {
  const store = new NoticeStore()
  store.leasesSync = leasesSync
  world = new World({ store, policy: policyWith({ pii: { cache: { refreshMs: 600 * SECOND } } }) })
  const manager = world.open()
  const worker = world.open()
  const sealed = await manager.encrypt('pii', 'x')
  await worker.ready(['pii'])
  expect(await worker.decrypt(sealed)).toBe('x')
  const id = (await manager.keys.active('pii'))?.id ?? 0
  await world.clock.pass(SUBSCRIBED)
  return { manager, worker, sealed, id, store }
}

const codeOf = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

describe('a notice', () => {
  it('brings a suspension to the synchronous forms of another process', async () => {
    const { manager, worker, sealed, id } = await pair()
    await manager.keys.suspend(id, 'test')
    expect(codeOf(() => worker.decryptSync(sealed))).toBe('x') // not heard yet
    await world.clock.pass(SOON)
    expect(codeOf(() => worker.decryptSync(sealed))).toBe('ERR_KEY_SUSPENDED')
  })

  it('brings a rotation, its key opened, so that the synchronous forms go on', async () => {
    const { manager, worker } = await pair()
    const { key } = await manager.keys.rotate('pii', { force: true, now: true })
    await world.clock.pass(SOON)
    worker.encryptSync('pii', 'y')
    const before = (await manager.keys.describe(key.id)).usage.messages
    expect(before).toBeGreaterThan(0) // the worker has leased messages of the new key
  })

  it('of a rotation never stands in the way of synchronous callers, however long the store takes', async () => {
    const { manager, worker, store } = await pair(false)
    const slow = Promise.withResolvers<void>()
    await manager.keys.rotate('pii', { force: true, now: true })
    // From here on leases take their time, as they do behind a network.
    store.before = (call) => (call === 'addUsage' ? slow.promise : undefined)
    for (let n = 0; n < 40; n++) {
      await world.clock.pass(100)
      expect(worker.encryptSync('pii', 'y')).toMatch(/^kw1\./)
    }
    slow.resolve()
    await world.clock.pass(SOON)
    const sealed = worker.encryptSync('pii', 'y')
    expect(keyIdOf(parseCiphertext(sealed))).toBe((await manager.keys.active('pii'))?.id)
  })

  it('without a keyring means all of them', async () => {
    const { manager, worker, sealed, id, store } = await pair()
    store.muted = true
    await manager.keys.suspend(id, 'test')
    store.muted = false
    store.tell(undefined)
    await world.clock.pass(SOON)
    expect(codeOf(() => worker.decryptSync(sealed))).toBe('ERR_KEY_SUSPENDED')
  })

  it('that does not come is made up for by the refresh period', async () => {
    const { manager, worker, sealed, id, store } = await pair()
    store.muted = true
    await manager.keys.suspend(id, 'test')
    await world.clock.pass(SOON)
    expect(codeOf(() => worker.decryptSync(sealed))).toBe('x')
    await world.clock.pass(600 * SECOND)
    expect(codeOf(() => worker.decryptSync(sealed))).toBe('ERR_KEY_SUSPENDED')
  })

  it('of a keyring that is not loaded reads nothing', async () => {
    const { store } = await pair()
    store.resetCounts()
    store.tell('session')
    await world.clock.pass(SOON)
    expect(store.reads).toBe(0)
  })

  it('while the store is down is forgotten, and the process goes on', async () => {
    const { worker, sealed, store } = await pair()
    store.down = true
    store.tell('pii')
    await world.clock.pass(SOON)
    expect(codeOf(() => worker.decryptSync(sealed))).toBe('x')
    store.down = false
    store.resetCounts()
    store.tell('pii')
    await world.clock.pass(SOON)
    expect(store.reads).toBeGreaterThan(0)
  })
})

describe('many notices', () => {
  it('become one read a second and process', async () => {
    const { store } = await pair()
    store.resetCounts()
    for (let at = 0; at < 600; at++) {
      for (let n = 0; n < 50; n++) store.tell('pii')
      await world.clock.pass(100)
    }
    expect(store.counts.list).toBeGreaterThan(2 * 20) // they are read
    expect(store.counts.list).toBeLessThanOrEqual(2 * 62)
  })

  it('do not keep keys and leases from being renewed in time', async () => {
    const { worker, sealed, store } = await pair()
    for (let minute = 0; minute < 150; minute++) {
      store.tell('pii')
      await world.clock.pass(60 * SECOND)
      expect(worker.decryptSync(sealed)).toBe('x')
      worker.encryptSync('pii', 'y')
    }
  })
})

describe('the subscription', () => {
  it('is not made by a process that ends at once', async () => {
    const store = new NoticeStore()
    world = new World({ store })
    const kw = world.open()
    await kw.encrypt('pii', 'x')
    expect(store.watchers.size).toBe(0)
    await kw.close()
    await world.clock.pass(SUBSCRIBED)
    expect(store.watchers.size).toBe(0)
  })

  it('is not made by a process that uses no keyring', async () => {
    const store = new NoticeStore()
    world = new World({ store })
    await world.open().keys.create('pii')
    await world.clock.pass(SUBSCRIBED)
    expect(store.watchers.size).toBe(0)
  })

  it('ends with the process, whatever was heard before', async () => {
    const { worker, manager, store } = await pair()
    expect(store.watchers.size).toBe(2)
    store.tell('pii')
    await worker.close()
    await manager.close()
    expect(store.watchers.size).toBe(0)
    store.resetCounts()
    await world.clock.pass(10 * SECOND)
    expect(store.reads).toBe(0)
  })

  it('that fails is no failure', async () => {
    const store = new NoticeStore()
    store.failsToWatch = new Error('no connection left')
    world = new World({ store })
    const kw = world.open()
    await kw.ready(['pii'])
    await world.clock.pass(SUBSCRIBED)
    expect(kw.decryptSync(kw.encryptSync('pii', 'x'))).toBe('x')
  })

  it('that does not end in order keeps nobody from closing', async () => {
    const { manager, store } = await pair()
    store.failsToStop = new Error('the connection is lost')
    await manager.close()
    expect(store.watchers.size).toBe(1)
  })
})
