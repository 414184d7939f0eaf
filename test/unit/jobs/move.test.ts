/** Moving keys from one provider to another: the steps, the window, and what is refused. */
import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import memoryProvider from '../../../providers/memory.ts'
import { type JobProgress, type Keywright, KeywrightError, type MoveOptions } from '../../../src/index.ts'
import { expectCode } from '../../kit/failures.ts'
import { TestProvider } from '../../kit/provider.ts'
import { TestStore } from '../../kit/store.ts'
import { HOUR, MoveWorld, spoilt } from './move-kit.ts'

const MOVE = { from: 'file', to: 'vault' }
const AT_ONCE = { ...MOVE, windowMs: 0 }
/** balanced: cache ttl of an hour, refresh of a minute. */
const DEFAULT_WINDOW = HOUR + 60_000

let world: MoveWorld
/** Its policy wraps new keys under file … */
let before: Keywright
/** … and this one's under vault. */
let after: Keywright

beforeEach(async () => {
  world = new MoveWorld()
  before = world.open()
  await world.fill(before)
  after = world.open('vault')
})
afterEach(() => world.end())

describe('a whole move', () => {
  it('leaves every key wrapped by the new provider alone, and everything readable there', async () => {
    const report = await after.jobs.move(AT_ONCE)
    expect(report).toMatchObject({
      job: 'move',
      outcome: 'finished',
      counts: { source: 0, added: 0, preferred: 0, moved: 6 },
      done: { added: 6, preferred: 6, removed: 6 },
      failed: 0,
    })
    await world.expectWraps('vault')
    world.file.mode = 'down'
    await world.expectAllOpen(after)
  })

  it('reports what was done to each key and what was checked, in order', async () => {
    const { keys } = await after.jobs.move(AT_ONCE)
    expect(keys.map(({ keyring, version }) => `${keyring} ${version}`)).toEqual([
      'blind_index 1',
      'pii 1',
      'pii 2',
      'pii/acme 1',
      'session 1',
      'session 2',
    ])
    const steps = ['check', 'add-wrap', 'prefer-wrap', 'check', 'check', 'remove-wrap']
    for (const key of keys) expect(key.steps.map(({ step }) => step)).toEqual(steps)
    expect(keys[0]?.steps[0]).toEqual({ step: 'check', provider: 'vault', at: '2026-01-01T00:00:00.000Z' })
  })

  it('is chained into the audit log with the digest of its report', async () => {
    const report = await after.jobs.move({ ...AT_ONCE, reason: 'leaving the file' })
    const { digest, ...rest } = report
    const sorted = (value: unknown): unknown =>
      typeof value !== 'object' || value === null || Array.isArray(value)
        ? Array.isArray(value)
          ? value.map(sorted)
          : value
        : Object.fromEntries(
            Object.entries(value)
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([name, member]) => [name, sorted(member)]),
          )
    expect(digest).toBe(
      createHash('sha256')
        .update(JSON.stringify(sorted(rest)))
        .digest('hex'),
    )
    const about = { job: 'move', from: 'file', to: 'vault', step: 'all' }
    const jobs = world.sink.records.filter(({ event }) => event.startsWith('job.'))
    expect(jobs.map(({ event, details }) => ({ event, details }))).toEqual([
      { event: 'job.start', details: about },
      { event: 'job.finish', details: { ...about, outcome: 'finished', digest } },
    ])
    for (const event of ['key.add-wrap', 'key.prefer-wrap', 'key.remove-wrap'])
      expect(world.events(event)).toHaveLength(6)
    expect(world.sink.records.find(({ event }) => event === 'key.add-wrap')?.reason).toBe('leaving the file')
    expect((await after.verifyAudit()).ok).toBe(true)
  })

  it('asks for each key once to open it, and for the checks that its plan has told', async () => {
    const { calls } = await after.jobs.planMove(AT_ONCE)
    for (const provider of [world.file, world.vault]) provider.resetCounts()
    await after.jobs.move(AT_ONCE)
    expect([world.file.unwraps, world.vault.wraps, world.vault.unwraps]).toEqual([
      calls.opens,
      calls.wraps,
      calls.checks,
    ])
    expect(calls).toEqual({ opens: 6, wraps: 6, checks: 18 })
  })

  it('is over when it is run again', async () => {
    await after.jobs.move(AT_ONCE)
    const updates = world.store.counts.update
    expect(await after.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished', keys: [] })
    expect(world.store.counts.update).toBe(updates)
    expect(await after.jobs.planMove(AT_ONCE)).toMatchObject({ phase: 'finished' })
  })

  it('goes there and back again', async () => {
    await after.jobs.move(AT_ONCE)
    expect(await before.jobs.move({ from: 'vault', to: 'file', windowMs: 0 })).toMatchObject({
      outcome: 'finished',
    })
    await world.expectWraps('file')
    expect(await after.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished', done: { removed: 6 } })
    await world.expectAllOpen(after)
  })

  it('needs the old provider for nothing where another one wraps the keys too', async () => {
    await before.jobs.move({ from: 'file', to: 'aws', step: 'add' })
    world.file.mode = 'down'
    expect(await after.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished' })
    await world.expectWraps('vault,aws')
  })

  it('works on so many keys at once, and tells how far it is', async () => {
    let [now, most] = [0, 0]
    world.vault.before = async () => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setImmediate(resolve))
      now--
    }
    const told: JobProgress[] = []
    await after.jobs.move({ ...AT_ONCE, concurrency: 3, onProgress: (progress) => told.push(progress) })
    expect(most).toBe(3)
    expect([...new Set(told.map(({ step }) => step))]).toEqual(['add', 'prefer', 'check', 'remove'])
    expect(told.filter(({ step }) => step === 'add').map(({ done }) => done)).toEqual([1, 2, 3, 4, 5, 6])
    for (const { total, rate } of told) expect([total, rate > 0]).toEqual([6, true])
  })

  it('moves suspended and compromised keys, and passes over destroyed ones', async () => {
    const [, first, second, , third] = await world.records()
    await before.keys.suspend(first?.id ?? 0, 'test')
    await before.keys.revoke(third?.id ?? 0, 'test')
    await world.tamper(second?.id ?? 0, () => ({ status: 'destroyed', wraps: [] }))
    const { outcome, counts } = await after.jobs.move(AT_ONCE)
    expect({ outcome, moved: counts.moved, destroyed: counts.destroyed }).toEqual({
      outcome: 'finished',
      moved: 5,
      destroyed: 1,
    })
    expect((await world.wraps()).filter((wraps) => wraps === 'vault')).toHaveLength(5)
  })

  it.each([
    [{ keyType: 'pii' }, 3],
    [{ keyType: 'session' }, 2],
    [{ tenant: 'acme' }, 1],
    [{ keyType: 'pii', tenant: 'acme' }, 1],
    [{ keyring: 'pii' }, 2],
    [{ keyring: 'pii/acme' }, 1],
  ])('of %o leaves the others alone', async (selection, keys) => {
    expect(await after.jobs.move({ ...AT_ONCE, ...selection })).toMatchObject({
      outcome: 'finished',
      selection,
      done: { removed: keys },
    })
    expect((await world.wraps()).filter((wraps) => wraps === 'vault')).toHaveLength(keys)
  })
})

describe('the steps', () => {
  it('one by one come to the same', async () => {
    expect(await after.jobs.move({ ...AT_ONCE, step: 'add' })).toMatchObject({ outcome: 'added' })
    await world.expectWraps('file,vault')
    expect(await after.jobs.move({ ...AT_ONCE, step: 'add' })).toMatchObject({ done: { added: 0 } })
    expect(await after.jobs.move({ ...AT_ONCE, step: 'prefer' })).toMatchObject({ outcome: 'preferred' })
    await world.expectWraps('vault,file')
    expect(await after.jobs.move({ ...AT_ONCE, step: 'remove' })).toMatchObject({ outcome: 'finished' })
    await world.expectWraps('vault')
    await world.expectAllOpen(after)
  })

  it('put the new provider in the place of the old one, behind what others prefer', async () => {
    await before.jobs.move({ from: 'file', to: 'aws', step: 'prefer' })
    await world.expectWraps('aws,file')
    await after.jobs.move({ ...AT_ONCE, step: 'prefer' })
    await world.expectWraps('aws,vault,file')
  })

  it('never remove before they have been preferred', async () => {
    const error = await expectCode(after.jobs.move({ ...AT_ONCE, step: 'remove' }), 'ERR_JOB_REFUSED')
    expect(error.message).toContain('6 keys do not prefer vault yet')
    await after.jobs.move({ ...AT_ONCE, step: 'add' })
    await expectCode(after.jobs.move({ ...AT_ONCE, step: 'remove' }), 'ERR_JOB_REFUSED')
    await world.expectWraps('file,vault')
  })
})

describe('the window', () => {
  it('is the longest cache of the key types by default; a long one ends the run', async () => {
    const report = await after.jobs.move(MOVE)
    const removeFrom = new Date(world.clock.now() + DEFAULT_WINDOW).toISOString()
    expect(report).toMatchObject({ outcome: 'waiting', windowMs: DEFAULT_WINDOW, removeFrom, warnings: [] })
    await world.expectWraps('vault,file')
    await world.clock.jump(DEFAULT_WINDOW - 60_001)
    expect(await after.jobs.move(MOVE)).toMatchObject({ outcome: 'waiting', removeFrom, keys: [] })
    await world.clock.jump(60_001)
    expect(await after.jobs.move(MOVE)).toMatchObject({ outcome: 'finished' })
    await world.expectAllOpen(before, after)
  })

  it('is waited for when it is short, on the clock', async () => {
    const moving = after.jobs.move({ ...MOVE, windowMs: 50_000 })
    await world.waits()
    await world.clock.pass(49_999)
    await world.expectWraps('vault,file')
    await world.clock.pass(1)
    expect(await moving).toMatchObject({ outcome: 'finished' })
    expect((await moving).warnings).toEqual([
      'the window is shorter than 1 hour 1 minute, after which every process has read the new wraps',
    ])
  })

  it('begins anew when a key appears, in one run or in the next', async () => {
    await after.jobs.move(MOVE)
    await world.clock.jump(DEFAULT_WINDOW)
    await before.keys.rotate('session', { force: true, now: true })
    const removeFrom = new Date(world.clock.now() + DEFAULT_WINDOW).toISOString()
    expect(await after.jobs.move(MOVE)).toMatchObject({ outcome: 'waiting', removeFrom, done: { added: 1 } })
    const moving = after.jobs.move({ ...MOVE, windowMs: DEFAULT_WINDOW - 1 }) // the same move
    expect(await moving).toMatchObject({ outcome: 'waiting', done: { added: 0 } })
    await world.clock.jump(DEFAULT_WINDOW - 30_000)
    const last = after.jobs.move(MOVE)
    await world.waits()
    await world.clock.pass(10_000)
    await before.keys.rotate('session', { force: true, now: true })
    await world.clock.pass(20_000)
    expect(await last).toMatchObject({ outcome: 'waiting', done: { added: 1 } })
    expect(new Set(await world.wraps())).toEqual(new Set(['vault,file']))
  })

  it('can be stopped while it is waited for', async () => {
    const stop = new AbortController()
    const moving = after.jobs.move({ ...MOVE, windowMs: 50_000, signal: stop.signal })
    const stopped = expectCode(moving, 'ERR_ABORTED')
    await world.waits()
    stop.abort()
    await stopped
    await world.expectWraps('vault,file')
    await world.clock.jump(50_000)
    expect(await after.jobs.move({ ...MOVE, windowMs: 50_000 })).toMatchObject({ outcome: 'finished' })
  })
})

describe('a policy that still wraps new keys under the old provider', () => {
  it('is told of, and stops the move before its last step', async () => {
    const plan = await before.jobs.planMove(AT_ONCE)
    const types = Object.keys(before.policy.keyTypes)
    expect(plan.stillWrapping).toEqual(types)
    expect(plan.warnings[0]).toContain('still wraps new keys')
    expect(await before.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'blocked', stillWrapping: types })
    await world.expectWraps('vault,file')
    await expectCode(before.jobs.move({ ...AT_ONCE, step: 'remove' }), 'ERR_JOB_REFUSED')
    await world.expectWraps('vault,file')
    expect(await after.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished', done: { added: 0 } })
  })

  it('counts as a further provider too, and only for the key types that are moved', async () => {
    const both = new MoveWorld({ pii: { furtherProviders: ['file'] } })
    await both.fill(both.open())
    const kw = both.open('vault')
    expect(await kw.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'blocked', stillWrapping: ['pii'] })
    expect(await kw.jobs.move({ ...AT_ONCE, keyType: 'session' })).toMatchObject({ outcome: 'finished' })
    expect(await kw.jobs.move({ ...AT_ONCE, keyType: 'pii' })).toMatchObject({ outcome: 'blocked' })
    await both.end()
  })
})

describe('the plan', () => {
  it('counts by keyring and state, and changes nothing', async () => {
    await after.jobs.move({ ...AT_ONCE, keyring: 'pii', step: 'prefer' })
    await after.jobs.move({ ...AT_ONCE, keyring: 'pii/acme', step: 'add' })
    await after.jobs.move({ ...AT_ONCE, keyring: 'session' })
    const { wraps } = world.vault
    const events = world.sink.events.length
    const plan = await after.jobs.planMove(MOVE)
    expect(plan).toMatchObject({
      phase: 'new',
      counts: { source: 1, added: 1, preferred: 2, moved: 2, other: 0, destroyed: 0 },
      calls: { opens: 1, wraps: 1, checks: 9 },
      windowMs: DEFAULT_WINDOW,
      stillWrapping: [],
      warnings: [],
    })
    expect(plan.keyrings.map(({ keyring, counts }) => [keyring, counts.preferred])).toEqual([
      ['blind_index', 0],
      ['pii', 2],
      ['pii/acme', 0],
      ['session', 0],
    ])
    expect([world.vault.wraps, world.sink.events.length]).toEqual([wraps, events])
  })

  it('tells from when the last step may run', async () => {
    const { removeFrom } = await after.jobs.move(MOVE)
    expect(await after.jobs.planMove(MOVE)).toMatchObject({ phase: 'under way', removeFrom })
  })
})

describe('is refused, with nothing changed:', () => {
  it.each<
    [string, Partial<MoveOptions>, 'ERR_ARGUMENT_INVALID' | 'ERR_PROVIDER_UNKNOWN' | 'ERR_JOB_REFUSED']
  >([
    ['a move onto itself', { to: 'file' }, 'ERR_ARGUMENT_INVALID'],
    ['an unknown target', { to: 'nosuch' }, 'ERR_PROVIDER_UNKNOWN'],
    ['an unknown source', { from: 'nosuch' }, 'ERR_PROVIDER_UNKNOWN'],
    ['a target that is no name', { to: 'hunter2!' }, 'ERR_PROVIDER_UNKNOWN'],
    ['a source that is no name', { from: 'hunter2!' }, 'ERR_PROVIDER_UNKNOWN'],
    ['a source that wraps nothing', { from: 'aws' }, 'ERR_JOB_REFUSED'],
    ['a selection of nothing', { keyring: 'pii/nosuch' }, 'ERR_JOB_REFUSED'],
    ['a negative window', { windowMs: -1 }, 'ERR_ARGUMENT_INVALID'],
    ['a window that is no number', { windowMs: Number.NaN }, 'ERR_ARGUMENT_INVALID'],
    ['no keys at once', { concurrency: 0 }, 'ERR_ARGUMENT_INVALID'],
    ['too many at once', { concurrency: 65 }, 'ERR_ARGUMENT_INVALID'],
    ['a keyring beside a key type', { keyring: 'pii', keyType: 'pii' }, 'ERR_ARGUMENT_INVALID'],
    ['a key type that is no name', { keyType: 'P I' }, 'ERR_ARGUMENT_INVALID'],
    ['a step that is none', { step: 'jump' as 'add' }, 'ERR_ARGUMENT_INVALID'],
  ])('%s', async (_what, options, code) => {
    const updates = world.store.counts.update
    await expectCode(after.jobs.move({ ...AT_ONCE, ...options }), code)
    expect(world.store.counts.update).toBe(updates)
    await world.expectWraps('file')
  })

  it('a tenant that is no name', async () => {
    await expectCode(after.jobs.move({ ...AT_ONCE, tenant: '../x' }), 'ERR_TENANT_INVALID')
  })

  it('a target that does not answer, or does not give back what it wrapped', async () => {
    for (const [mode, ...codes] of [
      ['down', 'ERR_PROVIDER_UNAVAILABLE'],
      ['denied', 'ERR_PROVIDER_DENIED'],
      ['garbage', 'ERR_UNWRAP_FAILED', 'ERR_PROVIDER_FAILED'],
    ] as const) {
      world.vault.mode = mode
      await expectCode(after.jobs.move(AT_ONCE), ...codes)
      await world.expectWraps('file')
    }
    world.vault.mode = 'up'
    const finishes = world.sink.records.filter(({ event }) => event === 'job.finish')
    expect(finishes.map(({ details }) => details?.['outcome'])).toEqual([
      'failed: ERR_PROVIDER_UNAVAILABLE',
      'failed: ERR_PROVIDER_DENIED',
      'failed: ERR_UNWRAP_FAILED',
    ])
    expect(await after.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished' })
  })

  it('a target that gives back another key than it was given', async () => {
    const inner = memoryProvider({ name: 'liar' })
    const liar = new TestProvider('liar', {
      ...inner,
      // The digest of the context stays: only the commitment of the record tells.
      wrapKey: (key, context, options) =>
        inner.wrapKey(Buffer.concat([randomBytes(32), key.subarray(32)]), context, options),
    })
    const kw = world.open('liar', { providers: [world.vault, liar] })
    await expectCode(kw.jobs.move({ from: 'file', to: 'liar', windowMs: 0 }), 'ERR_PROVIDER_FAILED')
    await world.expectWraps('file')
  })

  it('an audit log that cannot be written', async () => {
    world.sink.failing = true
    await expectCode(after.jobs.move(AT_ONCE), 'ERR_AUDIT_FAILED')
    world.sink.failing = false
    await world.expectWraps('file')
  })
})

describe('a key that does not open', () => {
  it('is passed over; the others get their wraps, and no old wrap goes', async () => {
    const [victim] = await world.records()
    const id = victim?.id ?? 0
    await world.tamper(id, spoilt('file'))
    const report = await after.jobs.move(AT_ONCE)
    expect(report).toMatchObject({ outcome: 'incomplete', failed: 1, done: { added: 5, removed: 0 } })
    const failures = report.keys.filter(({ failure }) => failure !== undefined)
    expect(failures).toMatchObject([{ keyId: id, failure: 'ERR_UNWRAP_FAILED', steps: [] }])
    await world.tamper(id, spoilt('file')) // once more makes it whole
    expect(await after.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished' })
  })

  it('by the new provider keeps every old wrap where it is', async () => {
    await after.jobs.move({ ...AT_ONCE, step: 'prefer' })
    const [, victim] = await world.records()
    const id = victim?.id ?? 0
    await world.tamper(id, spoilt('vault'))
    for (const step of ['all', 'remove'] as const) {
      const { outcome, keys } = await after.jobs.move({ ...AT_ONCE, step })
      expect(outcome).toBe('incomplete')
      expect(keys.filter(({ failure }) => failure !== undefined)).toMatchObject([
        { keyId: id, failure: 'ERR_UNWRAP_FAILED' },
      ])
      await world.expectWraps('vault,file')
    }
    await world.expectAllOpen(after)
    await before.jobs.rollbackMove(MOVE)
    expect(await after.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished' })
  })

  it('by the new provider at the very moment of removing keeps its old wrap', async () => {
    const [victim] = await world.records()
    let checks = 0
    world.vault.before = async (call) => {
      // Six checks after adding, six before the last step; the next one is right before a removal.
      if (call === 'unwrap' && ++checks === 13) await world.tamper(victim?.id ?? 0, spoilt('vault'))
    }
    const { outcome, counts } = await after.jobs.move({ ...AT_ONCE, concurrency: 1 })
    expect({ outcome, left: counts.preferred }).toEqual({ outcome: 'incomplete', left: 1 })
    expect((await world.wraps())[0]).toBe('vault,file')
    await world.expectAllOpen(after)
  })

  it('by a source that is down ends the move when so many in a row fail, and is tried again later', async () => {
    for (let n = 0; n < 30; n++) world.sealed.push(await before.encrypt('pii', 'x', { tenant: `t${n}` }))
    world.file.mode = 'down'
    await expectCode(after.jobs.move(AT_ONCE), 'ERR_PROVIDER_UNAVAILABLE')
    await world.expectWraps('file')
    world.file.mode = 'up'
    expect(await after.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished', done: { removed: 36 } })
    await world.expectAllOpen(after)
  })
})

describe('others at work at the same time', () => {
  const updatesOf = (run: (at: number) => Promise<void>): void => {
    let updates = 0
    let inside = false
    world.store.before = async (call) => {
      if (call !== 'update' || inside) return
      inside = true
      await run(++updates)
      inside = false
    }
  }

  it('rotate: the new keys are moved too', async () => {
    updatesOf(async (at) => {
      if (at % 3 === 0 && at < 12) await before.keys.rotate('pii', { force: true, now: true })
    })
    const report = await after.jobs.move({ ...AT_ONCE, concurrency: 2 })
    expect(report).toMatchObject({ outcome: 'finished', counts: { source: 0, moved: 9 } })
    await world.expectWraps('vault')
    await world.expectAllOpen(after)
  })

  it('suspend and revoke: nobody loses his change', async () => {
    const [, first, second] = await world.records()
    const ids = [first?.id ?? 0, second?.id ?? 0]
    updatesOf(async (at) => {
      if (at === 2)
        await world.tamper(ids[0] ?? 0, () => ({ status: 'suspended', statusReason: 'meanwhile' }))
      if (at === 8) await world.tamper(ids[1] ?? 0, () => ({ statusReason: 'meanwhile' }))
    })
    expect(await after.jobs.move({ ...AT_ONCE, concurrency: 1 })).toMatchObject({ outcome: 'finished' })
    const records = await world.records()
    expect(records.filter(({ statusReason }) => statusReason === 'meanwhile')).toHaveLength(2)
    expect(records[1]?.status).toBe('suspended')
    await world.expectWraps('vault')
  })

  it('destroy: the key is left alone, before and after each step', async () => {
    const records = await world.records()
    for (const [at, index] of [
      [1, 0],
      [8, 1],
      [14, 2],
    ] as const) {
      updatesOf(async (now) => {
        if (now === at)
          await world.tamper(records[index]?.id ?? 0, () => ({ status: 'destroyed', wraps: [] }))
      })
    }
    expect(await after.jobs.move({ ...AT_ONCE, concurrency: 1 })).toMatchObject({ outcome: 'finished' })
    expect((await world.wraps()).filter((wraps) => wraps === '')).toHaveLength(1)
  })

  it('rewrap: every key ends under the new provider', async () => {
    await before.keys.rotateMaster('file')
    await Promise.all([after.jobs.move(AT_ONCE), before.keys.rewrap(), world.open().keys.rewrap()])
    expect(await after.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished' })
    await world.expectWraps('vault')
    await world.expectAllOpen(after)
  })

  it('change one key without end: it is told, and is moved by the next run', async () => {
    const [victim] = await world.records()
    const id = victim?.id ?? 0
    let busy = true
    world.store.before = async (call) => {
      if (call === 'update' && busy) await world.tamper(id, () => ({ statusReason: `${Math.random()}` }))
    }
    const { outcome, keys } = await after.jobs.move({ ...AT_ONCE, keyring: 'blind_index' })
    expect([outcome, keys[0]?.failure]).toEqual(['incomplete', 'ERR_STORE_CONFLICT'])
    busy = false
    expect(await after.jobs.move({ ...AT_ONCE, keyring: 'blind_index' })).toMatchObject({
      outcome: 'finished',
    })
    expect(world.events('key.abandoned')).toHaveLength(10)
  })
})

describe('a service that throttles', () => {
  const throttled = (times: number): void => {
    let calls = 0
    world.vault.before = (call) => {
      if (call !== 'wrap' || ++calls > times) return
      throw new KeywrightError('ERR_PROVIDER_THROTTLED', 'too many calls', { hint: 'later' })
    }
  }

  it('is given time, and the move goes on', async () => {
    throttled(2)
    const moving = after.jobs.move({ ...AT_ONCE, concurrency: 1 })
    await world.waits()
    await world.clock.pass(999)
    await world.expectWraps('file')
    await world.clock.pass(1)
    await vi.waitUntil(() => world.vault.wraps === 2, { interval: 5 })
    await world.clock.pass(2000)
    expect(await moving).toMatchObject({ outcome: 'finished', failed: 0 })
  })

  it('for too long ends the move, and it goes on later', async () => {
    throttled(6)
    const moving = after.jobs.move({ ...AT_ONCE, concurrency: 1 })
    const ended = expectCode(moving, 'ERR_PROVIDER_THROTTLED')
    await world.waits()
    for (let waited = 0; waited < 5; waited++) {
      await vi.waitUntil(() => world.vault.wraps === waited + 1, { interval: 5 })
      await world.clock.pass(1000 * 2 ** waited)
    }
    await ended
    expect(await after.jobs.move(AT_ONCE)).toMatchObject({ outcome: 'finished' })
  })

  it('can be stopped meanwhile', async () => {
    throttled(6)
    const stop = new AbortController()
    const moving = after.jobs.move({ ...AT_ONCE, signal: stop.signal })
    const ended = expectCode(moving, 'ERR_ABORTED')
    await vi.waitUntil(() => world.vault.wraps > 0, { interval: 5 })
    stop.abort()
    await ended
  })
})

describe('a run that is killed', () => {
  it('between a late key and the note of it makes the window begin anew', async () => {
    await after.jobs.move(MOVE)
    await world.clock.jump(DEFAULT_WINDOW)
    await before.keys.rotate('session', { force: true, now: true })
    let updates = 0
    world.store.before = (call) => {
      // The late key gets its wrap, comes to prefer it, and then the process is gone.
      if (call === 'list' && updates === 2)
        throw new KeywrightError('ERR_STORE_BUSY', 'killed', { hint: 'none' })
      if (call === 'update') updates++
    }
    await expectCode(after.jobs.move(MOVE), 'ERR_STORE_BUSY')
    world.store.before = undefined
    await world.expectWraps('vault,file')
    const removeFrom = new Date(world.clock.now() + DEFAULT_WINDOW).toISOString()
    expect(await after.jobs.move(MOVE)).toMatchObject({ outcome: 'waiting', removeFrom })
  })
})

it.each(['preferredAt', 'removingSince', 'startedAt'])(
  'a memo with a bad %s counts for nothing',
  async (member) => {
    await after.jobs.move(MOVE)
    const { documents } = world.store.inner
    const [memo] = (await documents?.list('jobs/move/')) ?? []
    if (memo === undefined) throw new Error('no memo')
    const text = JSON.stringify({ ...JSON.parse(memo.text), [member]: 'soon' })
    await documents?.write({ ...memo, text, revision: memo.revision + 1 })
    await world.clock.jump(DEFAULT_WINDOW)
    expect(await after.jobs.move(MOVE)).toMatchObject({ outcome: 'waiting' })
  },
)

describe('a store without documents', () => {
  it('moves all the same: the steps are told by the wraps', async () => {
    const plain = new MoveWorld({}, new TestStore())
    await plain.fill(plain.open())
    const kw = plain.open('vault')
    expect(await kw.jobs.planMove(MOVE)).toMatchObject({ phase: 'unknown' })
    const { outcome, warnings } = await kw.jobs.move(MOVE)
    expect([outcome, warnings.length]).toEqual(['waiting', 1])
    await plain.clock.jump(DEFAULT_WINDOW)
    await expectCode(kw.jobs.move({ ...MOVE, step: 'remove' }), 'ERR_JOB_REFUSED')
    expect(await kw.jobs.move({ ...AT_ONCE, step: 'remove' })).toMatchObject({ outcome: 'finished' })
    await plain.expectWraps('vault')
    await plain.end()
  })
})
