/** The lifecycle on a schedule, in virtual time: dates, missed ones, election, and what becomes of it when one dies. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeywrightError } from '../../../src/errors.ts'
import type { Keywright } from '../../../src/index.ts'
import { parseSchedule } from '../../../src/jobs/lifecycle/schedule.ts'
import type { WatchEvent, WatchLifecycleOptions } from '../../../src/jobs/lifecycle/watch-options.ts'
import { settle } from '../../kit/clock.ts'
import { expectCode } from '../../kit/failures.ts'
import { TestStore } from '../../kit/store.ts'
import { World } from '../../kit/world.ts'
import { DocumentedStore } from './move-kit.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
/** At minutes 10, 20, 30 … */
const SCHEDULES = { report: '*/10 * * * *' }

// Virtual time does not wait for files: what is loaded when it is needed is loaded before.
await Promise.all([import('../../../src/jobs/lifecycle/watch.ts'), import('../../../src/keys/manager.ts')])

let store: DocumentedStore
let world: World
beforeEach(() => {
  store = new DocumentedStore()
  world = new World({ store })
})
afterEach(async () => {
  for (const one of watching.splice(0)) one.stop()
  await settle()
  await world.end()
})

interface Watching {
  readonly keywright: Keywright
  readonly events: WatchEvent[]
  readonly over: Promise<void>
  stop(): void
}
const watching: Watching[] = []

/** Resolves when it leads or stands by. */
async function watch(options: WatchLifecycleOptions = {}, keywright = world.open()): Promise<Watching> {
  const events: WatchEvent[] = []
  const controller = new AbortController()
  const over = keywright.jobs.watchLifecycle({
    schedules: SCHEDULES,
    signal: controller.signal,
    ...options,
    onEvent: (event) => {
      options.onEvent?.(event)
      if (event.event !== 'step') events.push(event)
    },
  })
  over.catch(() => undefined)
  const one = { keywright, events, over, stop: () => controller.abort() }
  watching.push(one)
  while (events.length === 0) await settle()
  return one
}

const pass = (ms: number): Promise<void> => world.clock.pass(ms)
const names = ({ events }: Watching): string[] => events.map(({ event }) => event)
const runs = ({ events }: Watching) => events.filter((event) => event.event === 'started')

describe('dates', () => {
  it.each([
    ['0 3 * * *', 'UTC', '2026-01-01T03:00:00Z', '2026-01-02T03:00:00.000Z'],
    ['0 3 * * *', 'Europe/Vienna', '2026-07-01T00:00:00Z', '2026-07-01T01:00:00.000Z'],
    // The clock goes forward: the hour that is not there is not waited for until the next day.
    ['30 2 * * *', 'Europe/Vienna', '2026-03-28T12:00:00Z', '2026-03-29T01:00:00.000Z'],
    ['@weekly', 'UTC', '2026-01-01T00:00:00Z', '2026-01-04T00:00:00.000Z'],
    ['*/5 * * * * *', 'UTC', '2026-01-01T00:00:00Z', '2026-01-01T00:00:05.000Z'],
  ])('%s in %s: after %s comes %s', (expression, zone, after, next) => {
    const at = parseSchedule('report', expression, zone).next(Date.parse(after)) ?? Number.NaN
    expect(new Date(at).toISOString()).toBe(next)
  })

  it.each(['0 3 * *', '61 3 * * *', 'daily', '2026-01-01T00:00:00', ''])('refuses %j', async (expression) => {
    const error = await expectCode(() => parseSchedule('report', expression, 'UTC'), 'ERR_ARGUMENT_INVALID')
    expect(error.hint).toContain('--schedule')
  })

  it('refuses a time zone that does not exist', async () => {
    await expectCode(() => parseSchedule('report', '0 3 * * *', 'Mars/Olympus'), 'ERR_ARGUMENT_INVALID')
  })

  it.each(['rotate', 'rotate-all', 'run:pii', 'rotate:', 'rotate:pii:x', ''])(
    'refuses to schedule %j',
    async (task) => {
      const keywright = world.open()
      const error = await expectCode(
        keywright.jobs.watchLifecycle({ schedules: { [task]: '0 3 * * *' } }),
        'ERR_ARGUMENT_INVALID',
      )
      expect(error.hint).toContain('--schedule')
    },
  )
})

describe('watchLifecycle', () => {
  it('runs each task at its dates, and ends in order', async () => {
    const one = await watch({ schedules: { report: '*/10 * * * *', 'rotate-due': '15 * * * *' } })
    await pass(31 * MINUTE)
    expect(runs(one).map(({ at, task }) => [task, at])).toEqual([
      ['report', '2026-01-01T00:10:00.000Z'],
      ['rotate-due', '2026-01-01T00:15:00.000Z'],
      ['report', '2026-01-01T00:20:00.000Z'],
      ['report', '2026-01-01T00:30:00.000Z'],
    ])
    expect(one.events.findLast(({ event }) => event === 'finished')).toMatchObject({
      outcome: 'finished',
      next: '2026-01-01T00:40:00.000Z',
    })
    one.stop()
    await one.over
    expect(names(one).at(-1)).toBe('stopped')
    expect(await store.inner.documents?.read('jobs/lease/lifecycle-watch')).toBeUndefined()
  })

  it('elects one of several; the next one takes over at once when it ends', async () => {
    const one = await watch()
    const other = await watch()
    await pass(21 * MINUTE)
    expect([runs(one).length, runs(other).length]).toEqual([2, 0])
    expect(names(other)).toEqual(['standby'])
    one.stop()
    await one.over
    await pass(10 * MINUTE)
    expect([runs(one).length, runs(other).length]).toEqual([2, 1])
    expect(names(other).slice(0, 2)).toEqual(['standby', 'leading'])
  })

  it('takes over from one that died, within 20 seconds', async () => {
    const one = await watch()
    const other = await watch()
    await pass(11 * MINUTE)
    world.crash(one.keywright)
    await pass(21 * SECOND)
    expect(names(other)).toContain('leading')
    await pass(10 * MINUTE)
    expect([runs(one).length, runs(other).length]).toEqual([1, 1])
  })

  it('makes up once for dates that nobody was there for', async () => {
    const one = await watch()
    await pass(11 * MINUTE)
    one.stop()
    await one.over
    await pass(5 * 60 * MINUTE)
    const other = await watch()
    await pass(MINUTE)
    expect(runs(other)).toMatchObject([{ task: 'report', missed: 29 }])
    await pass(10 * MINUTE)
    expect(runs(other)).toMatchObject([{ missed: 29 }, { missed: 0 }])
  })

  it('makes again what was stopped half-way', async () => {
    const schedules = { run: '*/10 * * * *' }
    const steps: string[] = []
    let stop = (): void => undefined
    const one = await watch({
      schedules,
      onEvent: (event) => {
        if (event.event !== 'step' || event.step.event === 'progress') return
        steps.push(`${event.step.event} ${event.step.task}`)
        if (event.step.task === 'rewrap') stop()
      },
    })
    stop = one.stop
    await pass(10 * MINUTE)
    await one.over
    expect(steps.slice(0, 4)).toEqual([
      'begun rotate-due',
      'ended rotate-due',
      'begun rewrap',
      'ended rewrap',
    ])
    expect(names(one)).not.toContain('finished')
    const other = await watch({ schedules })
    await pass(MINUTE)
    expect(other.events).toMatchObject([
      { event: 'leading' },
      { event: 'started', at: '2026-01-01T00:10:00.000Z' },
      { event: 'finished', outcome: 'finished' },
    ])
  })

  it('makes a run again that failed for something that passes, before its next date', async () => {
    await world.open().keys.create('pii')
    const one = await watch({ schedules: { rewrap: '0 * * * *' } })
    await pass(59 * MINUTE)
    world.provider.mode = 'down'
    await pass(2 * MINUTE)
    world.provider.mode = 'up'
    await pass(6 * MINUTE)
    const finished = one.events.filter((event) => event.event === 'finished')
    expect(finished.map(({ outcome }) => outcome)).toEqual(['incomplete', 'finished'])
    await pass(50 * MINUTE)
    expect(runs(one)).toHaveLength(2)
  })

  it('is not stopped by a key store that is away for a while', async () => {
    const one = await watch()
    await pass(MINUTE)
    world.store.down = true
    store.beforeDocument = () => {
      throw new KeywrightError('ERR_STORE_UNAVAILABLE', 'the key store is away', { hint: 'wait' })
    }
    await pass(11 * MINUTE)
    expect(one.events).toContainEqual(
      expect.objectContaining({ event: 'trouble', code: 'ERR_STORE_UNAVAILABLE' }),
    )
    expect(runs(one)).toHaveLength(0)
    world.store.down = false
    store.beforeDocument = undefined
    await pass(MINUTE)
    expect(one.events.at(-1)).toMatchObject({ event: 'finished', outcome: 'finished' })
  })

  it('does nothing more when it was held up and another one leads by now', async () => {
    const held = await watch()
    await pass(MINUTE)
    // The lease of the first one is not renewed, as if its process stood still.
    const hold = Promise.withResolvers<void>()
    let isHeld = true
    store.beforeDocument = async (name) => {
      if (isHeld && name === 'jobs/lease/lifecycle-watch') await hold.promise
    }
    await pass(16 * SECOND)
    isHeld = false
    const other = await watch()
    expect(names(other)).toEqual(['leading'])
    hold.resolve()
    await pass(20 * MINUTE)
    expect([runs(held).length, runs(other).length]).toEqual([0, 2])
    expect(names(held).at(-1)).toBe('standby')
  })

  it('needs a key store that keeps documents', async () => {
    const bare = new World({ store: new TestStore() })
    const error = await expectCode(bare.open().jobs.watchLifecycle(), 'ERR_JOB_REFUSED')
    expect(error.hint).toContain('lifecycle run')
    await bare.end()
  })

  it('tells in a report what it did last', async () => {
    const one = await watch()
    await pass(11 * MINUTE)
    const { steps } = await one.keywright.jobs.runLifecycle({ tasks: ['report'] })
    expect(steps[0]?.details).toMatchObject({
      runs: { report: { outcome: 'finished', startedAt: '2026-01-01T00:10:00.000Z' } },
    })
  })
})
