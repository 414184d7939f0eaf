/** The work queue on a real Redis: what it holds, how it is stopped, and what happens when the server is away or wrong. */
import { setTimeout as delay } from 'node:timers/promises'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import type { Keywright } from '../../src/index.ts'
import type { WorkQueue } from '../../src/jobs/queue/queue.ts'
import type { QueueWorker } from '../../src/jobs/queue/worker.ts'
import type { WorkerEvent, WorkerOptions } from '../../src/jobs/queue/worker-options.ts'
import type { Source } from '../../src/source.ts'
import { startRedis } from '../../src/testing/native/redis.ts'
import { expectCode, failureOf } from '../kit/failures.ts'
import { World } from '../kit/world.ts'
import { fillTable, firstValue, type Lab, readTable, skip, startLab } from './queue/lab.ts'
import { fieldOf, KEY_TYPE, openWorld, TABLE } from './queue/world.ts'

const ROWS = 1_000
const REQUEST = { keyType: KEY_TYPE, batch: 50, rangeRows: 100 }
/** Short, so that nobody waits long. */
const FAST = { lockMs: 1_000, stalledMs: 200 }

let lab: Lab
let redis: Redis
let prefixes = 0
let prefix = ''
const opened: { close(): Promise<void> }[] = []
const keep = <T extends { close(): Promise<void> }>(one: T): T => {
  opened.push(one)
  return one
}

beforeAll(async () => {
  if (skip !== undefined) return
  lab = await startLab()
  redis = new Redis(lab.world.redis)
  redis.on('error', () => undefined) // it is killed in one of the tests
})
afterAll(async () => {
  redis?.disconnect()
  await lab?.stop()
})
beforeEach(() => {
  prefix = `t${++prefixes}`
})
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

const open = async (keywright: Keywright = lab.keywright): Promise<WorkQueue> =>
  keep(await keywright.jobs.queue({ redis: lab.world.redis, prefix }))

interface Working {
  readonly worker: QueueWorker
  readonly events: WorkerEvent[]
}

/** A worker in this process, with what it tells. */
async function work(options: Partial<WorkerOptions> = {}, keywright = lab.keywright): Promise<Working> {
  const events: WorkerEvent[] = []
  const told = { onEvent: (event: WorkerEvent) => void events.push(event) }
  const worker = await keywright.jobs.work({ redis: lab.world.redis, prefix, ...FAST, ...told, ...options })
  keep(worker)
  return { worker, events }
}

/** Another process's Keywright, whose table is seen through `wrap`. */
const openWrapped = async (wrap: (source: Source) => Source): Promise<Keywright> =>
  keep(await openWorld(lab.world, wrap))

async function expectAllDone(): Promise<void> {
  const rows = await readTable(lab)
  const active = await lab.keywright.keys.active(KEY_TYPE)
  const field = fieldOf(lab.keywright)
  for (const { id, ssn } of rows) {
    expect(Buffer.from(ssn.slice(4), 'base64url').readUInt32BE(1)).toBe(active?.id)
    expect(await field.decrypt(ssn, { row: String(id) })).toBe(firstValue(id))
  }
  expect(await lab.sql.query('SELECT * FROM keywright_checkpoints')).toMatchObject({ rowCount: 0 })
}

describe.skipIf(skip)(`the work queue ${skip ?? ''}`, () => {
  beforeEach(async () => {
    await fillTable(lab, ROWS)
    await lab.keywright.keys.rotate(KEY_TYPE, { force: true, now: true })
  })

  it('re-encrypts, tells how far it is, and keeps the report', async () => {
    const queue = await open()
    const { events } = await work()
    const told: string[] = []
    const id = await queue.reencrypt(REQUEST)
    const report = await queue.wait(id, { onEvent: ({ event }) => void told.push(event) })
    expect(report).toMatchObject({
      outcome: 'finished',
      left: 0,
      census: 'complete',
      counts: { rows: ROWS, written: ROWS },
      places: [{ place: TABLE, ranges: 10, failed: 0 }],
    })
    expect(new Set(told)).toEqual(new Set(['progress', 'range']))
    expect(events.filter(({ event }) => event === 'done')).toHaveLength(10)
    expect(await queue.status()).toMatchObject({
      paused: false,
      workers: 1,
      flows: [
        { id, state: 'finished', step: 'census', done: 10, ranges: 10, report: { outcome: 'finished' } },
      ],
    })
    await expectAllDone()
    expect(await queue.wait(id)).toEqual(report)
  })

  it('holds names, ranges and counts in Redis: no value, no key, no credentials', async () => {
    const queue = await open()
    await work()
    await queue.wait(await queue.reencrypt({ ...REQUEST, reason: 'an exercise' }))
    const held: string[] = []
    for (const key of await redis.keys(`${prefix}-*`)) held.push(key, String(await redis.dump(key)))
    const text = held.join('\n')
    expect(text).toContain(TABLE)
    for (const secret of ['kw1.', firstValue(17), lab.world.rootKey, 'postgres://', lab.world.database])
      expect(text).not.toContain(secret)
  })

  it('takes a client of the application, which stays open', async () => {
    const queue = keep(await lab.keywright.jobs.queue({ redis, prefix }))
    await work({ redis })
    expect(await queue.wait(await queue.reencrypt(REQUEST))).toMatchObject({ outcome: 'finished' })
    expect(await redis.ping()).toBe('PONG')
  })

  it('does nothing while it is paused, and refuses to begin the same twice', async () => {
    const queue = await open()
    await queue.pause()
    const { events } = await work()
    const id = await queue.reencrypt(REQUEST)
    const error = await expectCode(queue.reencrypt(REQUEST), 'ERR_JOB_RUNNING')
    expect(error.hint).toContain(id)
    await delay(300)
    expect(events.filter(({ event }) => event === 'begun')).toEqual([])
    expect(await queue.status()).toMatchObject({ paused: true, flows: [{ id, state: 'waiting' }] })
    await queue.resume()
    expect(await queue.wait(id)).toMatchObject({ outcome: 'finished' })
    // What is over may be begun again: everything is current.
    expect(await queue.wait(await queue.reencrypt(REQUEST))).toMatchObject({
      counts: { rows: ROWS, written: 0 },
    })
  })

  it('is cancelled between two pages; beginning again does the rest', async () => {
    const queue = await open()
    await work({ concurrency: 1, rate: 500 })
    const id = await queue.reencrypt(REQUEST)
    const over = queue.wait(id)
    while ((await queue.flow(id)).done < 1) await delay(20)
    await queue.cancel(id)
    const report = await over
    expect(report.outcome).toBe('cancelled')
    expect(report.counts.written).toBeGreaterThan(0)
    expect(report.counts.written).toBeLessThan(ROWS)
    await work({ concurrency: 2 })
    const rest = await queue.wait(await queue.reencrypt(REQUEST))
    expect(rest.counts.written).toBe(ROWS - report.counts.written)
    await expectAllDone()
  })

  it('goes on after a crash of Redis, and counts exactly', async () => {
    const queue = await open()
    const { events } = await work({ concurrency: 1, rate: 1_000 })
    const id = await queue.reencrypt(REQUEST)
    const told: string[] = []
    const over = queue.wait(id, { onEvent: ({ event }) => void told.push(event) })
    while ((await queue.flow(id)).done < 2) await delay(20)
    await lab.redis.crash()
    await delay(1_200)
    await lab.redis.restart()
    expect(await over).toMatchObject({ outcome: 'finished', counts: { rows: ROWS, written: ROWS } })
    expect(events).toContainEqual({ event: 'unreachable' })
    expect(told).toContain('unreachable')
    await expectAllDone()
  })

  it('ends a worker while Redis is gone: another one does the rest when it is back', async () => {
    const queue = await open()
    const { events, worker } = await work({ concurrency: 1, rate: 500 })
    const id = await queue.reencrypt(REQUEST)
    while (!events.some(({ event }) => event === 'begun')) await delay(10)
    await lab.redis.crash()
    await worker.close()
    await lab.redis.restart()
    await work()
    expect(await queue.wait(id)).toMatchObject({ outcome: 'finished', counts: { rows: ROWS, written: ROWS } })
    await expectAllDone()
  })

  it('hands the rest of a range back when its worker is closed', async () => {
    const queue = await open()
    const first = await work({ concurrency: 1, rate: 500 })
    const id = await queue.reencrypt({ ...REQUEST, rangeRows: ROWS })
    const over = queue.wait(id)
    while (!first.events.some(({ event }) => event === 'begun')) await delay(10)
    await delay(100)
    await first.worker.close()
    expect(first.events.filter(({ event }) => event === 'failed')).toEqual([])
    const second = await work()
    expect(await over).toMatchObject({ outcome: 'finished', counts: { rows: ROWS, written: ROWS } })
    expect(second.events).toContainEqual(expect.objectContaining({ event: 'done', rows: ROWS }))
    await expectAllDone()
  })

  it('counts a value that does not open, and leaves it as it is', async () => {
    await lab.sql.query(`UPDATE ${TABLE} SET ssn = (SELECT ssn FROM ${TABLE} WHERE id = 8) WHERE id = 7`)
    const queue = await open()
    await work()
    const report = await queue.wait(await queue.reencrypt(REQUEST))
    expect(report).toMatchObject({
      outcome: 'incomplete',
      left: 1,
      counts: { rows: ROWS, written: ROWS - 1 },
    })
    expect(report.counts.columns['ssn']).toMatchObject({ failed: 1, failures: { ERR_DECRYPTION_FAILED: 1 } })
  })

  it('tries a range again, and tells which ones failed for good; the others are done', async () => {
    const queue = await open()
    let refusals = 0
    const broken = await openWrapped((source) => ({
      ...bound(source),
      async write(request) {
        if (request.rows.some(({ key }) => key === '1')) {
          refusals++
          throw new KeywrightError('ERR_SOURCE_FAILED', 'the first row is stuck', { hint: 'free it' })
        }
        return source.write(request)
      },
    }))
    await work({}, broken)
    const report = await queue.wait(await queue.reencrypt({ ...REQUEST, attempts: 2 }))
    expect(refusals).toBe(2)
    expect(report).toMatchObject({
      outcome: 'incomplete',
      failedRanges: [{ place: TABLE, number: 0, code: 'ERR_SOURCE_FAILED' }],
      counts: { written: ROWS - 100 },
      left: 100,
    })
  })

  it('leaves what others write into the queue alone', async () => {
    const connection = { connection: redis, prefix: (await (await open()).status()).prefix }
    const { events } = await work()
    for (const name of ['flows', 'ranges']) {
      const foreign = new Queue(name, connection)
      for (const data of [{ kind: 'range', path: '/etc/passwd' }, 'text', { kind: 'flow', step: 'census' }])
        await foreign.add('range', data)
      await foreign.close()
    }
    while (events.filter(({ event }) => event === 'failed').length < 6) await delay(10)
    expect(events.filter(({ event }) => event === 'failed')).toEqual(
      Array.from({ length: 6 }, () => expect.objectContaining({ code: 'ERR_JOB_REFUSED' })),
    )
    expect((await readTable(lab)).filter(({ touched }) => touched > 0)).toEqual([])
    const queue = await open()
    expect(await queue.wait(await queue.reencrypt(REQUEST))).toMatchObject({ outcome: 'finished' })
  })

  it('knows nothing of the jobs of another key store on the same Redis', async () => {
    const queue = await open()
    const id = await queue.reencrypt(REQUEST)
    const other = new World()
    const { events } = await work({}, other.open())
    await delay(300)
    expect(events.map(({ event }) => event)).toEqual(['ready'])
    expect((await queue.flow(id)).state).toBe('waiting')
    for (const one of opened.splice(0).reverse()) await one.close()
    await other.end()
  })

  it('stops waiting when it is told to; the workers go on', async () => {
    const queue = await open()
    const id = await queue.reencrypt(REQUEST)
    const stop = new AbortController()
    const waiting = queue.wait(id, { signal: stop.signal })
    stop.abort()
    const error = await expectCode(waiting, 'ERR_ABORTED')
    expect(error.hint).toContain(`keywright queue cancel ${id}`)
    await work()
    expect(await queue.wait(id)).toMatchObject({ outcome: 'finished' })
  })
})

describe.skipIf(skip)(`the work queue refuses and tells ${skip ?? ''}`, () => {
  it.each([
    ['a key type that does not exist', { keyType: 'pit' }, 'ERR_KEY_TYPE_UNKNOWN', ''],
    ['a key type without columns', { keyType: 'session' }, 'ERR_SOURCE_UNKNOWN', 'sources'],
    ['a place that does not exist', { keyType: KEY_TYPE, places: ['nowhere'] }, 'ERR_SOURCE_UNKNOWN', ''],
    ['too large a page', { keyType: KEY_TYPE, batch: 1e6 }, 'ERR_ARGUMENT_INVALID', 'batch'],
  ] as const)('refuses %s', async (_, request, code, hint) => {
    const error = await expectCode((await open()).reencrypt(request), code)
    expect(error.hint).toContain(hint)
  })

  it('knows nothing of a re-encryption that Redis has lost', async () => {
    const queue = await open()
    await expectCode(queue.wait('pii-0123456789'), 'ERR_JOB_REFUSED')
    await expectCode(queue.cancel('pii-0123456789'), 'ERR_JOB_REFUSED')
    await expectCode(queue.flow('../../etc'), 'ERR_ARGUMENT_INVALID')
  })

  it.each([
    [{ concurrency: 0 }, 'concurrency'],
    [{ concurrency: 65 }, 'concurrency'],
    [{ lockMs: 0.5 }, 'lockMs'],
    [{ ranges: { max: 0, perMs: 1_000 } }, 'ranges.max'],
    [{ prefix: 'Not a prefix' }, 'prefix'],
    [{ redis: 'http://localhost' }, 'Redis'],
    [{ redis: {} as never }, 'Redis'],
  ])('refuses a worker with %j', async (options, named) => {
    const error = await expectCode(work(options), 'ERR_ARGUMENT_INVALID')
    expect(error.message).toContain(named)
  })

  it('tells wrong credentials and a server that is not there apart, without repeating them', async () => {
    const wrong = lab.world.redis.replace(/:[^:@]*@/, ':hunter2@')
    const denied = await expectCode(lab.keywright.jobs.queue({ redis: wrong }), 'ERR_SOURCE_DENIED')
    expect(denied.hint).toContain('--queue')
    const gone = await failureOf(lab.keywright.jobs.work({ redis: 'redis://:hunter2@127.0.0.1:1/0' }))
    expect(gone).toMatchObject({ code: 'ERR_SOURCE_UNAVAILABLE', hint: expect.stringContaining('--queue') })
    expect(JSON.stringify(gone)).not.toContain('hunter2')
  })

  it('takes a client whose settings are for short calls', async () => {
    const client = new Redis(lab.world.redis, {
      keyPrefix: 'app:',
      commandTimeout: 50,
      enableOfflineQueue: true,
    })
    const queue = keep(await lab.keywright.jobs.queue({ redis: client, prefix }))
    const { events } = await work({ redis: client })
    await delay(200)
    expect(events.map(({ event }) => event)).toEqual(['ready'])
    expect(await queue.status()).toMatchObject({ workers: 1, flows: [] })
    client.disconnect()
  })

  it.each([
    ['drops keys', ['maxmemory-policy allkeys-lru'], undefined],
    ['is a cluster', ['cluster-enabled yes'], undefined],
    ['keeps nothing on disk', ['appendonly no'], 'a crash of it loses jobs'],
  ])('looks at a Redis that %s', async (_, settings, warning) => {
    await using server = await startRedis({ settings })
    const url = `redis://:${server.password}@127.0.0.1:${server.port}/0`
    if (warning === undefined) {
      const refused = await expectCode(lab.keywright.jobs.queue({ redis: url }), 'ERR_CONFIG_INVALID')
      expect(refused.hint).toContain('a Redis of its own')
      await expectCode(lab.keywright.jobs.work({ redis: url }), 'ERR_CONFIG_INVALID')
      return
    }
    const queue = keep(await lab.keywright.jobs.queue({ redis: url }))
    expect(queue.server.warnings).toEqual([expect.stringContaining(warning)])
    expect(queue.server.location).toBe(`redis://127.0.0.1:${server.port}`)
    await queue.close()
  })
})

/** The members of a source as an object that may be spread. */
function bound(source: Source): Source {
  const { checkpoints, name } = source
  return {
    name,
    describe: (options) => source.describe(options),
    read: (query: never) => source.read(query),
    write: (request) => source.write(request),
    split: async (parts, options) => (await source.split?.(parts, options)) ?? [],
    ...(checkpoints === undefined ? {} : { checkpoints }),
    close: async () => source.close?.(),
  }
}
