/** Rewrapping: the same data keys under the current master key, key by key, from wherever it was stopped. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { TestProvider } from '../../kit/provider.ts'
import { World } from '../../kit/world.ts'

let world: World
let kw: Keywright
let sealed: string[]

beforeEach(async () => {
  world = new World()
  kw = world.open()
  sealed = []
  for (const keyType of ['api_keys', 'pii', 'session']) {
    sealed.push(await kw.encrypt(keyType, 'x'))
    await kw.keys.rotate(keyType, { force: true, now: true })
    sealed.push(await kw.encrypt(keyType, 'x'))
  }
  await kw.hash('users.email', 'x')
})
afterEach(() => world.end())

const versions = async () =>
  (await kw.keys.list()).map((key) => key.wraps.map((w) => w.masterKeyVersion).join())

async function expectAllOpen(): Promise<void> {
  for (const reader of [kw, world.open()])
    for (const text of sealed) expect(await reader.decrypt(text)).toBe('x')
}

it('brings every wrap under the current version, and data stays as it is', async () => {
  expect(await kw.keys.rewrap()).toEqual({ keys: 7, rewrapped: 0, current: 7, conflicts: 0, failed: [] })
  await kw.keys.rotateMaster('memory')
  expect(await kw.keys.rewrap({ dryRun: true })).toMatchObject({ keys: 7, rewrapped: 7, current: 0 })
  expect(new Set(await versions())).toEqual(new Set(['1']))
  const progress: number[] = []
  const result = await kw.keys.rewrap({ onProgress: ({ rewrapped }) => progress.push(rewrapped) })
  expect(result).toEqual({ keys: 7, rewrapped: 7, current: 0, conflicts: 0, failed: [] })
  expect(progress).toEqual([1, 2, 3, 4, 5, 6, 7])
  expect(new Set(await versions())).toEqual(new Set(['2']))
  await expectAllOpen()
})

it('of one keyring leaves the others', async () => {
  await kw.keys.rotateMaster('memory')
  expect(await kw.keys.rewrap({ keyring: 'pii' })).toMatchObject({ keys: 2, rewrapped: 2 })
  expect((await versions()).filter((version) => version === '2').length).toBe(2)
  await expectAllOpen()
})

it.each([0, 1, 2, 3, 6])('interrupted after %i keys goes on from there', async (done) => {
  await kw.keys.rotateMaster('memory')
  let updates = 0
  world.store.before = (call) => {
    if (call === 'update' && ++updates > done) world.store.down = true
  }
  await expectCode(kw.keys.rewrap(), 'ERR_STORE_BUSY')
  world.store.before = undefined
  world.store.down = false
  await expectAllOpen()
  expect((await versions()).filter((version) => version === '2').length).toBe(done)
  expect(await kw.keys.rewrap()).toEqual({
    keys: 7,
    rewrapped: 7 - done,
    current: done,
    conflicts: 0,
    failed: [],
  })
  await expectAllOpen()
})

it("counts a key that somebody else changed meanwhile, and loses nobody's change", async () => {
  await kw.keys.rotateMaster('memory')
  const other = world.open()
  const [victim] = await kw.keys.list({ keyType: 'session' })
  const id = victim?.id ?? 0
  let raced = false
  world.store.before = async (call) => {
    if (call !== 'update' || raced) return
    raced = true
    const record = await world.store.inner.get((await kw.keys.list())[0]?.id ?? 0)
    if (record !== undefined) {
      await world.store.inner.update({ ...record, statusReason: 'raced', revision: record.revision + 1 })
    }
  }
  expect(await kw.keys.rewrap()).toEqual({ keys: 7, rewrapped: 6, current: 0, conflicts: 1, failed: [] })
  world.store.before = undefined
  expect((await kw.keys.list())[0]?.statusReason).toBe('raced')
  await expectAllOpen()
  expect(await other.keys.rewrap()).toEqual({ keys: 7, rewrapped: 1, current: 6, conflicts: 0, failed: [] })
  expect((await kw.keys.describe(id)).wraps[0]?.masterKeyVersion).toBe('2')
})

it('by two processes at once ends with every key under the current version', async () => {
  await kw.keys.rotateMaster('memory')
  const results = await Promise.all([kw.keys.rewrap(), world.open().keys.rewrap()])
  expect(results.reduce((sum, { rewrapped }) => sum + rewrapped, 0)).toBe(7)
  expect(new Set(await versions())).toEqual(new Set(['2']))
  await expectAllOpen()
})

it('passes over a key that does not open, and tells of it', async () => {
  const [broken] = await kw.keys.list()
  const id = broken?.id ?? 0
  const record = await world.store.inner.get(id)
  if (record === undefined) throw new Error('no record')
  const wraps = record.wraps.map((wrap) => ({ ...wrap, ciphertext: wrap.ciphertext.map((byte) => byte ^ 1) }))
  expect(await world.store.inner.update({ ...record, wraps, revision: record.revision + 1 })).toBe(true)
  await kw.keys.rotateMaster('memory')
  const failed = [{ keyId: id, keyring: record.keyring, code: 'ERR_UNWRAP_FAILED' }]
  expect(await kw.keys.rewrap()).toEqual({ keys: 7, rewrapped: 6, current: 0, conflicts: 0, failed })
  expect(await kw.keys.rewrap()).toEqual({ keys: 7, rewrapped: 0, current: 6, conflicts: 0, failed })
})

describe('changes nothing when the provider', () => {
  it('gives back garbage', async () => {
    await kw.keys.rotateMaster('memory')
    world.provider.mode = 'garbage'
    await expectCode(kw.keys.rewrap(), 'ERR_UNWRAP_FAILED', 'ERR_PROVIDER_FAILED')
    world.provider.mode = 'up'
    expect(new Set(await versions())).toEqual(new Set(['1']))
    await expectAllOpen()
  })

  it.each(['down', 'denied'] as const)('is %s', async (mode) => {
    await kw.keys.rotateMaster('memory')
    world.provider.mode = mode
    await expectCode(kw.keys.rewrap(), 'ERR_PROVIDER_UNAVAILABLE', 'ERR_PROVIDER_DENIED')
    world.provider.mode = 'up'
    expect(world.store.counts.update).toBe(0)
    await expectAllOpen()
  })

  it('is not configured', async () => {
    await expectCode(kw.keys.rotateMaster('nosuch'), 'ERR_PROVIDER_UNKNOWN')
    const stranger = new World({ store: world.store, provider: new TestProvider('other') })
    const lost = stranger.open({ providers: [new TestProvider()] }) // the same name, another master key
    await expectCode(lost.keys.rewrap(), 'ERR_MASTER_KEY_NOT_FOUND')
    await expectAllOpen()
  })
})

it('passes over destroyed keys', async () => {
  const [first] = await kw.keys.list({ keyType: 'pii' })
  await world.clock.jump(31 * 86_400_000)
  await kw.keys.destroy(first?.id ?? 0, { override: { reason: 'test' } })
  await kw.keys.rotateMaster('memory')
  expect(await kw.keys.rewrap({ keyring: 'pii' })).toEqual({
    keys: 2,
    rewrapped: 1,
    current: 0,
    conflicts: 0,
    failed: [],
  })
})

it('a new key is made under the new master key, and old ones open all the time', async () => {
  await kw.keys.rotateMaster('memory')
  await kw.keys.rotate('pii', { force: true, now: true })
  expect((await kw.keys.active('pii'))?.wraps[0]?.masterKeyVersion).toBe('2')
  await expectAllOpen()
})
