/** Suspending, revoking, destroying: guarded, announced before they take effect, and for good where they are. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { MemorySink } from '../../kit/sink.ts'
import { type PolicyChanges, policyWith, World } from '../../kit/world.ts'

const DAY = 86_400_000
const OVERRIDE = { override: { reason: 'counted by hand' } }
let sink = new MemorySink()
let world = new World()
afterEach(() => world.end())

/** A keyring of two versions; the first is deactivated. */
async function twoVersions(changes: PolicyChanges = {}) {
  sink = new MemorySink()
  world = new World({ policy: policyWith(changes), audit: sink })
  const kw = world.open()
  const old = await kw.encrypt('pii', 'old')
  await kw.keys.rotate('pii', { force: true, now: true })
  const current = await kw.encrypt('pii', 'current')
  const [first, second] = (await kw.keys.list()).map((key) => key.id)
  return { kw, old, current, first: first ?? 0, second: second ?? 0 }
}

const stateOf = async (kw: Keywright, id: number) => (await kw.keys.describe(id)).state

describe('destroy', () => {
  it('refuses the active key, a key within grace, and without a reason', async () => {
    const { kw, first, second } = await twoVersions()
    const active = await expectCode(kw.keys.destroy(second, OVERRIDE), 'ERR_DESTROY_REFUSED')
    expect(active.message).toContain('active')
    const grace = await expectCode(kw.keys.destroy(first, OVERRIDE), 'ERR_DESTROY_REFUSED')
    expect(grace.message).toContain('2026-01-31')
    await world.clock.jump(30 * DAY)
    await expectCode(kw.keys.destroy(first), 'ERR_DESTROY_REFUSED')
    await expectCode(kw.keys.destroy(first, { override: { reason: '  ' } }), 'ERR_DESTROY_REFUSED')
    expect(await stateOf(kw, first)).toBe('deactivated')
    expect(sink.events).not.toContain('key.destroy')
  })

  it('removes the wraps, leaves a tombstone, and says so to whoever decrypts', async () => {
    const { kw, old, current, first } = await twoVersions()
    await world.clock.jump(30 * DAY)
    expect((await kw.keys.destroy(first, OVERRIDE)).state).toBe('destroyed')
    for (const reader of [kw, world.open()]) {
      await expectCode(reader.decrypt(old), 'ERR_KEY_DESTROYED')
      await reader.ready(['pii'], { all: true })
      await expectCode(() => reader.decryptSync(old), 'ERR_KEY_DESTROYED')
      expect(await reader.decrypt(current)).toBe('current')
    }
    const record = await world.store.inner.get(first)
    expect([record?.status, record?.wraps.length, record?.version]).toEqual(['destroyed', 0, 1])
    expect(await kw.keys.describe(first)).toMatchObject({
      state: 'destroyed',
      statusReason: 'counted by hand',
    })
    for (const change of [
      () => kw.keys.resume(first),
      () => kw.keys.suspend(first, 'x'),
      () => kw.keys.revoke(first, 'x'),
      () => kw.keys.destroy(first, OVERRIDE),
    ]) {
      await expectCode(change, 'ERR_KEY_STATE')
    }
  })

  it('is refused for a pending key: other processes may hold it already', async () => {
    const { kw } = await twoVersions()
    const { key } = await kw.keys.rotate('pii', { force: true })
    expect(key.state).toBe('pending')
    await expectCode(kw.keys.destroy(key.id, OVERRIDE), 'ERR_DESTROY_REFUSED')
  })

  it('does not know a key that is not there', async () => {
    const { kw } = await twoVersions()
    await expectCode(kw.keys.destroy(1, OVERRIDE), 'ERR_KEY_UNKNOWN')
    for (const id of [0, -1, 1.5, 2 ** 32, Number.NaN]) {
      await expectCode(kw.keys.suspend(id, 'x'), 'ERR_ARGUMENT_INVALID')
      await expectCode(kw.keys.describe(id), 'ERR_ARGUMENT_INVALID')
    }
  })

  it('counts the grace of a key from when its successor took over, a suspended successor included', async () => {
    const { kw, second } = await twoVersions()
    const { key } = await kw.keys.rotate('pii', { force: true })
    await kw.keys.suspend(key.id, 'wait')
    await world.clock.jump(60 * DAY)
    await kw.encrypt('pii', 'x')
    await kw.keys.resume(key.id)
    await expectCode(kw.keys.destroy(second, OVERRIDE), 'ERR_DESTROY_REFUSED')
  })
})

describe('cleanup', () => {
  it('lists and destroys what was replaced, is past its max age and out of grace', async () => {
    const { kw, first, second } = await twoVersions({ pii: { rotation: { auto: false } } })
    await world.clock.jump(31 * DAY)
    expect(await kw.keys.cleanup({ dryRun: true })).toEqual([])
    await world.clock.jump(700 * DAY)
    const listed = await kw.keys.cleanup({ dryRun: true })
    expect(listed.map(({ id, state }) => [id, state])).toEqual([[first, 'deactivated']])
    expect((await kw.keys.statistics()).expired).toBe(1)
    await expectCode(kw.keys.cleanup(), 'ERR_DESTROY_REFUSED')
    expect(await stateOf(kw, first)).toBe('deactivated')
    const destroyed = await kw.keys.cleanup(OVERRIDE)
    expect(destroyed.map(({ id, state }) => [id, state])).toEqual([[first, 'destroyed']])
    expect(await stateOf(kw, second)).toBe('active')
    expect(await kw.keys.cleanup(OVERRIDE)).toEqual([])
  })
})

describe('suspend, resume, revoke', () => {
  it('need a reason where it goes into the log for good', async () => {
    const { kw, first } = await twoVersions()
    for (const reason of ['', '   ']) await expectCode(kw.keys.revoke(first, reason), 'ERR_ARGUMENT_INVALID')
  })

  it('revoking the active key puts a new one in its place first', async () => {
    const { kw, current, second } = await twoVersions()
    const report = await kw.keys.revoke(second, 'leaked')
    expect(report.replaced).toBe(true)
    expect((await kw.keys.list()).map(({ state }) => state)).toEqual(['deactivated', 'compromised', 'active'])
    expect(await kw.decrypt(current)).toBe('current')
    expect(await kw.decrypt(await kw.encrypt('pii', 'new'))).toBe('new')
    expect(sink.events.slice(-2)).toEqual(['key.rotate', 'key.revoke'])
  })

  it('revoking works with the provider down: then nothing encrypts until a key can be made', async () => {
    const { kw, second } = await twoVersions()
    world.provider.mode = 'down'
    const report = await kw.keys.revoke(second, 'leaked')
    expect(report.replaced).toBe(false)
    expect(report.replacementError).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE' })
    await expectCode(kw.encrypt('pii', 'x'), 'ERR_PROVIDER_UNAVAILABLE')
    await expectCode(() => kw.encryptSync('pii', 'x'), 'ERR_KEY_COMPROMISED')
    world.provider.mode = 'up'
    expect(await kw.decrypt(await kw.encrypt('pii', 'x'))).toBe('x')
  })

  it('a compromised key reads or does not, as the policy says', async () => {
    for (const compromised of ['decrypt', 'refuse'] as const) {
      const { kw, old, first } = await twoVersions({ pii: { compromised } })
      await kw.keys.revoke(first, 'leaked')
      for (const reader of [kw, world.open()]) {
        if (compromised === 'decrypt') expect(await reader.decrypt(old)).toBe('old')
        else await expectCode(reader.decrypt(old), 'ERR_KEY_COMPROMISED')
      }
      await world.end()
    }
  })

  it('a suspended key does nothing until it is resumed', async () => {
    const { kw, current, old, second } = await twoVersions()
    await kw.keys.suspend(second, 'look')
    await expectCode(kw.encrypt('pii', 'x'), 'ERR_KEY_SUSPENDED')
    await expectCode(kw.decrypt(current), 'ERR_KEY_SUSPENDED')
    expect(await kw.decrypt(old)).toBe('old')
    await kw.keys.rotate('pii', { force: true, now: true }) // what the hint says
    await kw.encrypt('pii', 'x')
    await kw.keys.resume(second)
    expect(await kw.decrypt(current)).toBe('current')
  })
})

describe('the audit log', () => {
  type Change = [string, (kw: Keywright, first: number) => Promise<unknown>, string]
  const changes: Change[] = [
    ['suspend', (kw, first) => kw.keys.suspend(first, 'why'), 'key.suspend'],
    ['revoke', (kw, first) => kw.keys.revoke(first, 'why'), 'key.revoke'],
    ['destroy', (kw, first) => kw.keys.destroy(first, OVERRIDE), 'key.destroy'],
    ['rewrap', (kw) => kw.keys.rewrap(), 'key.rewrap'],
  ]

  async function ready() {
    const parts = await twoVersions()
    await world.clock.jump(31 * DAY)
    await parts.kw.keys.rotateMaster('memory')
    return parts
  }

  it.each(changes)('has %s before the store changes', async (_, change, event) => {
    const { kw, first } = await ready()
    const before = await world.store.inner.get(first)
    world.store.failing.add('update')
    await expectCode(change(kw, first), 'ERR_STORE_BUSY')
    expect(sink.records.at(-2)).toMatchObject({ event, keyId: first, keyring: 'pii' })
    expect(sink.records.at(-1)).toMatchObject({ event: 'key.abandoned', keyId: first })
    expect(await world.store.inner.get(first)).toEqual(before)
  })

  it.each(changes)('that fails lets no %s happen', async (_, change) => {
    const { kw, first } = await ready()
    const before = await kw.keys.list()
    sink.failing = true
    await expectCode(change(kw, first), 'ERR_AUDIT_FAILED')
    sink.failing = false
    expect(await kw.keys.list()).toEqual(before)
    expect(world.store.counts.update).toBe(0)
  })

  it('that fails lets no key be made or rotated, and no master key either', async () => {
    const { kw } = await ready()
    sink.failing = true
    await expectCode(kw.encrypt('session', 'x'), 'ERR_AUDIT_FAILED')
    await expectCode(kw.keys.rotate('pii', { force: true }), 'ERR_AUDIT_FAILED')
    await expectCode(kw.keys.rotateMaster('memory'), 'ERR_AUDIT_FAILED')
    sink.failing = false
    expect((await kw.keys.list()).length).toBe(2)
    expect((await world.provider.client().describeMasterKey()).version).toBe('2')
  })

  it('has a key before it is stored, and says when it came to nothing', async () => {
    const { kw } = await ready()
    const other = world.open()
    sink.written = async (records) => {
      for (const { event, keyId } of records) {
        if (event === 'key.create') expect(await world.store.inner.get(keyId ?? 0)).toBeUndefined()
      }
    }
    await Promise.all([kw.encrypt('session', 'x'), other.encrypt('session', 'x')])
    const created = sink.records.filter(({ event }) => event === 'key.create' && event !== undefined)
    const abandoned = sink.records.filter(({ event }) => event === 'key.abandoned')
    expect(created.filter(({ keyring }) => keyring === 'session').length - abandoned.length).toBe(1)
  })

  it('is whole in the end', async () => {
    const { kw } = await ready()
    expect((await kw.verifyAudit()).problems).toEqual([])
  })
})

describe('auditAccess', () => {
  it('writes each access before it happens, and refuses the forms that cannot wait', async () => {
    const { kw, old, first } = await twoVersions({ pii: { auditAccess: true } })
    await kw.ready(['pii'], { all: true })
    const from = sink.records.length
    const sealed = await kw.encrypt('pii', 'x')
    expect(await kw.decrypt(sealed)).toBe('x')
    expect(await kw.decrypt(old)).toBe('old')
    const seen = sink.records.slice(from).map(({ event, keyring, keyId }) => [event, keyring, keyId])
    const active = (await kw.keys.active('pii'))?.id
    expect(seen).toEqual([
      ['data.encrypt', 'pii', active],
      ['data.decrypt', 'pii', active],
      ['data.decrypt', 'pii', first],
    ])
    for (const run of [
      () => kw.encryptSync('pii', 'x'),
      () => kw.decryptSync(sealed),
      () => kw.field('pii').encryptSync('x'),
      () => kw.records({ fields: { a: 'pii' } }).encryptSync({ a: 'x' }),
    ]) {
      await expectCode(run, 'ERR_ARGUMENT_INVALID')
    }
  })

  it('lets nothing be encrypted or decrypted when the log fails', async () => {
    const { kw, old } = await twoVersions({ pii: { auditAccess: true } })
    sink.failing = true
    await expectCode(kw.encrypt('pii', 'x'), 'ERR_AUDIT_FAILED')
    await expectCode(kw.decrypt(old), 'ERR_AUDIT_FAILED')
    await expectCode(kw.field('users.email').encrypt('x'), 'ERR_AUDIT_FAILED')
    await expectCode(kw.encryptRecord({ email: 'x' }), 'ERR_AUDIT_FAILED')
  })
})
