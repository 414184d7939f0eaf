/** A store that lies: a record that was changed by something else than Keywright never opens and never encrypts. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KeyRecord, Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { World } from '../../kit/world.ts'

let world: World
let maker: Keywright
let sealed: string

beforeEach(async () => {
  world = new World()
  maker = world.open()
  sealed = await maker.encrypt('pii', 'x')
  await maker.encrypt('session', 'x')
})
afterEach(() => world.end())

const flip = (bytes: Uint8Array, at = 3): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
const [TAMPERED, UNWRAP] = ['ERR_KEY_RECORD_TAMPERED', 'ERR_UNWRAP_FAILED'] as const

describe('a changed record is never used', () => {
  it.each<[string, (record: KeyRecord) => Partial<KeyRecord>]>([
    ['version', () => ({ version: 2 })],
    ['createdAt', (record) => ({ createdAt: record.createdAt - 1 })],
    ['algorithm', () => ({ algorithm: 'X-AES-256-GCM' })],
    ['commitment', (record) => ({ commitment: flip(record.commitment) })],
    ['commitment at random', () => ({ commitment: randomBytes(32) })],
    ['MAC', (record) => ({ mac: flip(record.mac, 31) })],
    ['MAC of zeros', () => ({ mac: new Uint8Array(32) })],
    ['wrap', ({ wraps }) => ({ wraps: wraps.map((w) => ({ ...w, ciphertext: flip(w.ciphertext) })) })],
    [
      'cut wrap',
      ({ wraps }) => ({ wraps: wraps.map((w) => ({ ...w, ciphertext: w.ciphertext.subarray(1) })) }),
    ],
    ['no wraps', () => ({ wraps: [] })],
  ])('%s', async (_, change) => {
    world.store.reading = (record) => (record.keyring === 'pii' ? { ...record, ...change(record) } : record)
    const kw = world.open()
    for (const run of [
      () => kw.encrypt('pii', 'y'),
      () => kw.decrypt(sealed),
      () => kw.keyring('pii'),
      () => kw.exportKeyset('pii', { clear: true }),
    ]) {
      await expectCode(run, TAMPERED, UNWRAP)
    }
    await expectCode(() => kw.encryptSync('pii', 'y'), 'ERR_KEY_NOT_LOADED')
    expect((await world.store.inner.list({ keyring: 'pii' })).records.length).toBe(1)
    world.store.reading = undefined
    expect(await world.open().decrypt(sealed)).toBe('x')
  })

  it('the wrap of another key put in its place', async () => {
    const { records } = await world.store.inner.list()
    const session = records.find((record) => record.keyring === 'session')
    world.store.reading = (record) =>
      record.keyring === 'pii' ? { ...record, wraps: session?.wraps ?? [] } : record
    await expectCode(world.open().decrypt(sealed), UNWRAP)
  })

  it('everything of another key but the id', async () => {
    const { records } = await world.store.inner.list()
    const session = records.find((record) => record.keyring === 'session') as KeyRecord
    world.store.reading = (record) =>
      record.keyring === 'pii' ? { ...session, id: record.id, keyring: 'pii' } : record
    await expectCode(world.open().decrypt(sealed), UNWRAP)
    await expectCode(world.open().encrypt('pii', 'y'), UNWRAP)
  })

  it('moved to another keyring, so that a weaker policy would hold for it', async () => {
    const kw = world.open()
    const id = (await maker.keys.active('pii'))?.id
    world.store.reading = (record) =>
      record.id === id ? { ...record, keyring: 'session', version: 9 } : record
    await expectCode(kw.decrypt(sealed), TAMPERED, UNWRAP, 'ERR_KEY_UNKNOWN', 'ERR_KEYRING_MISMATCH')
  })

  it('one whose provider is another that is configured', async () => {
    world.store.reading = (record) => ({
      ...record,
      wraps: record.wraps.map((wrap) => ({ ...wrap, provider: 'nosuch' })),
    })
    await expectCode(world.open().decrypt(sealed), 'ERR_PROVIDER_UNKNOWN')
  })

  it('one that was changed while the key is open is found when it is opened again', async () => {
    world.store.reading = (record) => ({ ...record, mac: flip(record.mac) })
    await world.clock.jump(3_600_000)
    await expectCode(maker.decrypt(sealed), TAMPERED)
    await expectCode(maker.encrypt('pii', 'x'), TAMPERED)
  })
})

describe('what is not protected by the MAC', () => {
  it('a second wrap that does not open is passed over while another one does', async () => {
    world.store.reading = (record) => {
      const [wrap] = record.wraps
      if (wrap === undefined) return record
      return { ...record, wraps: [{ ...wrap, ciphertext: randomBytes(wrap.ciphertext.length) }, wrap] }
    }
    expect(await world.open().decrypt(sealed)).toBe('x')
  })

  it('a destroyed status keeps the key from being used, wraps or not', async () => {
    world.store.reading = (record) => ({ ...record, status: 'destroyed', statusAt: record.createdAt + 1 })
    await expectCode(world.open().decrypt(sealed), 'ERR_KEY_DESTROYED')
  })

  it('a version that vanished from the store is unknown, and nothing is encrypted in its place', async () => {
    const { list, get } = world.store.inner
    world.store.inner.list = async () => ({ records: [] })
    world.store.inner.get = async () => undefined
    await expectCode(world.open().decrypt(sealed), 'ERR_KEY_UNKNOWN')
    Object.assign(world.store.inner, { list, get })
    expect(await world.open().decrypt(sealed)).toBe('x')
  })
})
