/** One run of the lifecycle: every task in one report, and none kept from running by another that fails. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Keywright } from '../../../src/index.ts'
import type { LifecycleReport } from '../../../src/jobs/lifecycle/lifecycle.ts'
import type { LifecycleEvent, LifecycleStep, LifecycleTask } from '../../../src/jobs/lifecycle/task.ts'
import { DAY_MS } from '../../../src/policy/duration.ts'
import { expectCode } from '../../kit/failures.ts'
import { MemorySink } from '../../kit/sink.ts'
import { policyWith } from '../../kit/world.ts'
import { App, type AppOptions } from './values/kit.ts'

const ROWS = 40
const REFRESH_MS = 60_000
/** Or processes that encrypt would rotate by themselves. */
const BY_HAND = { rotation: { auto: false } } as const

let app: App
const start = (options: AppOptions = {}): Keywright => {
  app = new App(options)
  return app.open()
}
afterEach(() => app.end())

const stepOf = ({ steps }: LifecycleReport, task: LifecycleTask): LifecycleStep =>
  steps.find((step) => step.task === task) as LifecycleStep
const outcomes = ({ steps }: LifecycleReport): Record<string, string> =>
  Object.fromEntries(steps.map(({ outcome, task }) => [task, outcome]))

/** Days on which nobody looks: `jump` lets no timer run in between. */
const later = (days: number): Promise<void> => app.clock.jump(days * DAY_MS)

describe('runLifecycle', () => {
  it('takes a key through its whole life: due, replaced, re-encrypted, counted, destroyed', async () => {
    const policy = policyWith({ pii: { maxAgeMs: 200 * DAY_MS, graceMs: 30 * DAY_MS, ...BY_HAND } })
    const kw = start({ policy })
    await app.fill(kw, ROWS)
    const first = (await kw.keys.active('pii'))?.id as number
    expect(outcomes(await kw.jobs.runLifecycle())).toEqual({
      'rotate-due': 'nothing due',
      rewrap: 'nothing due',
      reencrypt: 'nothing due',
      census: 'done',
      cleanup: 'nothing due',
      report: 'done',
    })

    await later(181)
    const rotated = await kw.jobs.runLifecycle()
    expect(outcomes(rotated)).toMatchObject({ 'rotate-due': 'done', reencrypt: 'nothing due' })
    expect(stepOf(rotated, 'rotate-due').details).toMatchObject({ rotated: [{ keyring: 'pii', why: 'age' }] })

    await later(1)
    const done = await kw.jobs.runLifecycle()
    expect(done.outcome).toBe('finished')
    expect(outcomes(done)).toMatchObject({
      'rotate-due': 'nothing due',
      reencrypt: 'done',
      cleanup: 'nothing due',
    })
    expect(stepOf(done, 'reencrypt').summary).toBe(`${ROWS} values in ${ROWS} rows re-encrypted (pii)`)
    // What has been found empty is not gone through again.
    expect(outcomes(await kw.jobs.runLifecycle())).toMatchObject({ reencrypt: 'nothing due' })

    await later(20)
    const kept = await kw.jobs.runLifecycle()
    expect(stepOf(kept, 'cleanup')).toMatchObject({ outcome: 'nothing due' })
    expect((await kw.keys.describe(first)).state).toBe('deactivated')

    await later(20)
    const over = await kw.jobs.runLifecycle()
    expect(stepOf(over, 'cleanup').details).toMatchObject({
      destroyed: [{ id: first, state: 'destroyed' }],
      kept: [],
    })
    expect(over.outcome).toBe('finished')
    const field = kw.field('people.email')
    for (const [row, { email }] of app.table.rows)
      expect(await field.decrypt(email as string, { row })).toContain('@')
  })

  it('keeps an expired key under which something is left, and says what', async () => {
    const policy = policyWith({ pii: { maxAgeMs: 2 * DAY_MS, graceMs: DAY_MS } })
    const kw = start({ policy })
    await app.fill(kw, 2)
    await kw.keys.rotate('pii', { force: true, now: true })
    await later(3)
    const report = await kw.jobs.runLifecycle({ tasks: ['census', 'cleanup'] })
    expect(stepOf(report, 'cleanup')).toMatchObject({ outcome: 'nothing due', summary: '1 expired key kept' })
    expect(stepOf(report, 'cleanup').details).toMatchObject({
      kept: [{ keyring: 'pii', why: expect.stringContaining('2 values under it') }],
    })
  })

  it('goes on when a task fails, and the outcome says so', async () => {
    const kw = start({ policy: policyWith({ pii: BY_HAND }) })
    await app.fill(kw, ROWS)
    await later(200)
    app.provider.mode = 'down'
    const report = await kw.jobs.runLifecycle()
    expect(report.outcome).toBe('incomplete')
    expect(outcomes(report)).toMatchObject({
      'rotate-due': 'incomplete',
      rewrap: 'failed',
      census: 'done',
      report: 'done',
    })
    expect(stepOf(report, 'rotate-due').failures).toEqual([
      expect.objectContaining({ what: 'pii', code: 'ERR_PROVIDER_UNAVAILABLE', retryable: true }),
    ])
    expect(JSON.stringify(report)).not.toContain('hunter2')

    app.provider.mode = 'up'
    expect(await kw.jobs.runLifecycle()).toMatchObject({ outcome: 'finished' })
  })

  it('rotates the other keyrings when one cannot be', async () => {
    const kw = start({ policy: policyWith({ pii: { tenants: 'optional' } }) })
    for (const tenant of ['a', 'b', 'c']) await kw.keys.create('pii', { tenant })
    await later(200)
    let wraps = 0
    app.provider.before = (call) => {
      if (call === 'wrap' && ++wraps === 2) throw new Error('out of order')
    }
    const step = stepOf(await kw.jobs.runLifecycle({ tasks: ['rotate-due'] }), 'rotate-due')
    expect(step).toMatchObject({ outcome: 'incomplete', failures: [{ what: 'pii/b' }] })
    expect(step.details).toMatchObject({ rotated: [{ keyring: 'pii/a' }, { keyring: 'pii/c' }] })
  })

  it('does one task for one key type', async () => {
    const kw = start()
    await app.fill(kw, ROWS)
    await kw.keys.create('session')
    const rotate = { tasks: ['rotate'], keyType: 'pii' } as const
    expect(outcomes(await kw.jobs.runLifecycle(rotate))).toEqual({ rotate: 'nothing due' })
    const forced = await kw.jobs.runLifecycle({ ...rotate, force: true, reason: 'an exercise' })
    expect(stepOf(forced, 'rotate').details).toMatchObject({ rotated: [{ keyring: 'pii', why: 'forced' }] })
    expect(await kw.keys.list({ keyType: 'session' })).toHaveLength(1)
    await app.clock.pass(REFRESH_MS * 2)
    const events: LifecycleEvent[] = []
    const report = await kw.jobs.runLifecycle({
      tasks: ['reencrypt'],
      keyType: 'pii',
      batch: 10,
      onEvent: (event) => events.push(event),
    })
    expect(stepOf(report, 'reencrypt').details).toMatchObject({
      keyTypes: ['pii'],
      report: { outcome: 'finished' },
    })
    expect(events.filter(({ event }) => event === 'progress')).toContainEqual(
      expect.objectContaining({ task: 'reencrypt', place: 'people', done: 10, total: ROWS }),
    )
  })

  it('stops by its signal between two pages; the next run goes on', async () => {
    const kw = start()
    await app.fill(kw, ROWS)
    await kw.keys.rotate('pii', { force: true, now: true })
    const stop = new AbortController()
    const report = await kw.jobs.runLifecycle({
      batch: 10,
      signal: stop.signal,
      onEvent: ({ event }) => {
        if (event === 'progress') stop.abort()
      },
    })
    expect(report.outcome).toBe('stopped')
    expect(outcomes(report)).toMatchObject({
      'rotate-due': 'nothing due',
      reencrypt: 'stopped',
      census: 'stopped',
    })
    const rest = await kw.jobs.runLifecycle()
    expect(rest.outcome).toBe('finished')
    expect(stepOf(rest, 'reencrypt').details).toMatchObject({
      report: { places: [{ resumed: true, counts: { rows: ROWS } }] },
    })
  })

  it('is not run twice at once', async () => {
    const kw = start()
    await kw.keys.create('pii')
    const inside = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    app.provider.before = async (call) => {
      if (call !== 'describe') return
      inside.resolve()
      await go.promise
    }
    const first = kw.jobs.runLifecycle()
    await inside.promise
    const error = await expectCode(app.open().jobs.runLifecycle(), 'ERR_JOB_RUNNING')
    expect(error.message).toContain('the lifecycle of this key store')
    go.resolve()
    expect(await first).toMatchObject({ outcome: 'finished' })
    expect(await kw.jobs.runLifecycle()).toMatchObject({ outcome: 'finished' })
  })

  it('stands in the audit log with the digest of its report', async () => {
    const sink = new MemorySink()
    const kw = start({ audit: sink })
    const { digest } = await kw.jobs.runLifecycle({ tasks: ['report'], reason: 'the audit is near' })
    const [begun, ended] = sink.records.filter(({ event }) => event === 'job.start' || event === 'job.finish')
    expect(begun).toMatchObject({
      reason: 'the audit is near',
      details: { job: 'lifecycle', tasks: 'report' },
    })
    expect(ended).toMatchObject({ details: { outcome: 'finished', digest } })
  })

  it.each([
    ['a task that does not exist', { tasks: ['rotate-all'] }, 'rotate-due'],
    ['no task at all', { tasks: [] }, 'rotate-due'],
    ['the rotation of nothing in particular', { tasks: ['rotate'] }, '--key-type'],
  ])('refuses %s', async (_, options, hint) => {
    const kw = start()
    const error = await expectCode(kw.jobs.runLifecycle(options as never), 'ERR_ARGUMENT_INVALID')
    expect(error.hint).toContain(hint)
  })

  it('tells a key type that does not exist as a failure of its task', async () => {
    const report = await start().jobs.runLifecycle({ tasks: ['rotate'], keyType: 'pit' })
    expect(stepOf(report, 'rotate').failures).toMatchObject([{ code: 'ERR_KEY_TYPE_UNKNOWN' }])
  })
})
