/**
 * Attempts at one range of rows that overlap in every order: one is killed, one is held up and wakes while another has
 * taken over, and an application writes in between.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeywrightError } from '../../../src/errors.ts'
import type { PlannedRange, RangeOutcome } from '../../../src/jobs/queue/messages.ts'
import { type RangeWork, rangeTotal, runRange } from '../../../src/jobs/queue/range.ts'
import { Checkpoints } from '../../../src/jobs/values/checkpoint.ts'
import { Pace } from '../../../src/jobs/values/pace.ts'
import type { ValueTask } from '../../../src/jobs/values/task.ts'
import type { KeysQuery, PageQuery, Source, SourcePage, WriteRequest } from '../../../src/source.ts'
import { FakeClock } from '../../kit/clock.ts'
import { expectCode } from '../../kit/failures.ts'

const DIGEST = 'ab'.repeat(32)
const FLOW = 'pii-0'

/** Old values become new ones. */
const task: ValueTask = {
  kind: 'reencrypt',
  reads: ['ssn'],
  writes: ['ssn'],
  counts: ['ssn'],
  digest: DIGEST,
  mayStore: (value) => String(value).startsWith('new '),
  async transform(rows) {
    return rows.map(({ values: [value] }) => {
      const text = String(value)
      return text.startsWith('new ') ? { outcomes: ['current'] } : { to: [`new ${text}`], outcomes: ['done'] }
    })
  },
}

/** Rows in memory that are written by compare-and-set, with checkpoints in the same step. */
class Rows {
  readonly values = new Map<string, string>()
  readonly checkpoints = new Map<string, string>()
  /** Rows that attempts have written. */
  written = 0

  constructor(count: number) {
    for (let id = 0; id < count; id++) this.values.set(String(id).padStart(3, '0'), `value ${id}`)
  }

  /** As one process has it: each call waits for its turn first. */
  source(turn: () => Promise<void>): Source {
    const page = (query: PageQuery | KeysQuery): SourcePage => {
      const all = [...this.values].map(([key, value]) => ({ key, values: [value] }))
      if ('keys' in query) return { rows: all.filter(({ key }) => query.keys.includes(key)) }
      const { after = '', limit, until = '~' } = query
      const rows = all.filter(({ key }) => key > after && key <= until).slice(0, limit)
      const last = rows[limit - 1]
      return last === undefined || last.key === until ? { rows } : { rows, next: last.key }
    }
    return {
      name: 'rows',
      describe: async () => ({ location: 'memory', warnings: [] }),
      read: async (query: PageQuery | KeysQuery) => {
        await turn()
        return page(query)
      },
      write: async (request) => {
        await turn()
        return this.#write(request)
      },
      checkpoints: {
        read: async (name) => {
          await turn()
          return this.checkpoints.get(name)
        },
        remove: async (name) => {
          this.checkpoints.delete(name)
        },
      },
    }
  }

  #write({ checkpoint, rows }: WriteRequest) {
    if (checkpoint !== undefined) this.checkpoints.set(checkpoint.name, checkpoint.text)
    return rows.map(({ from, key, to }) => {
      if (this.values.get(key) !== from[0]) return 'changed' as const
      this.values.set(key, String(to[0]))
      this.written++
      return 'written' as const
    })
  }
}

/** The fourth call: two look for checkpoints, one reads the page. */
const FIRST_WRITE = 4

const range: PlannedRange = { place: 'rows', number: 0, digest: DIGEST }

const workOn = (
  source: Source,
  attempt: number,
  batch: number,
  more: Partial<RangeWork> = {},
): RangeWork => ({
  source,
  task,
  documents: undefined,
  flow: FLOW,
  range,
  attempt,
  batch,
  pace: new Pace(new FakeClock(), {}),
  signal: new AbortController().signal,
  onPage: () => undefined,
  ...more,
})

const now = async (): Promise<void> => undefined
const totalOf = (rows: Rows, attempts: number) => {
  const checkpoints = Checkpoints.of(rows.source(now), undefined)
  return rangeTotal(checkpoints, task, FLOW, 0, attempts)
}

/** An attempt that lives until it is told otherwise. */
interface Attempt {
  readonly result: Promise<RangeOutcome | undefined>
  readonly lost: AbortController
  dead: boolean
}

function begin(rows: Rows, scheduler: fc.Scheduler, attempt: number, batch: number): Attempt {
  const lost = new AbortController()
  const begun = { lost, dead: false }
  const turn = async (): Promise<void> => {
    await scheduler.schedule(Promise.resolve(), `attempt ${attempt}`)
    if (begun.dead) await new Promise(() => undefined)
  }
  const result = runRange(workOn(rows.source(turn), attempt, batch, { signal: lost.signal })).catch(
    (error) => {
      if (error instanceof KeywrightError && error.code === 'ERR_ABORTED') return undefined
      throw error
    },
  )
  return Object.assign(begun, { result })
}

const fates = fc.record({
  /** Turns until the next attempt takes over. */
  after: fc.nat({ max: 30 }),
  fate: fc.constantFrom('killed' as const, 'held up' as const),
  /** Turns that it goes on before it hears that it was taken over. */
  deaf: fc.nat({ max: 8 }),
})

describe('a range with several attempts', () => {
  it('does every row once and counts exactly, in whatever order they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.nat({ max: 25 }),
        fc.integer({ min: 1, max: 6 }),
        fc.array(fates, { maxLength: 3 }),
        fc.array(fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 24 })), { maxLength: 6 }),
        async (scheduler, count, batch, plans, updates) => {
          const rows = new Rows(count)
          const written = new Map<string, string>()
          let turns = 0
          /** One turn of anybody; the application writes on the way. */
          const go = async (): Promise<void> => {
            for (const [at, id] of updates.filter(([when]) => when === turns)) {
              const key = String(id).padStart(3, '0')
              if (id < count) {
                written.set(key, `new by the application ${at}`)
                rows.values.set(key, `new by the application ${at}`)
              }
            }
            turns++
            if (scheduler.count() > 0) await scheduler.waitOne()
            else await new Promise((resolve) => setImmediate(resolve))
          }
          const begun: Attempt[] = []
          const heardAt: [number, Attempt][] = []
          const hear = (): void => {
            for (const [at, attempt] of heardAt) if (turns >= at) attempt.lost.abort()
          }
          for (const { after, deaf, fate } of plans) {
            const attempt = begin(rows, scheduler, begun.length + 1, batch)
            begun.push(attempt)
            for (let turn = 0; turn < after; turn++) {
              await go()
              hear()
            }
            if (fate === 'killed') attempt.dead = true
            else heardAt.push([turns + deaf, attempt])
          }
          const last = begin(rows, scheduler, begun.length + 1, batch)
          const alive = [...begun.filter((one) => !one.dead), last]
          let over = false
          void Promise.allSettled(alive.map((one) => one.result)).then(() => {
            over = true
          })
          while (!over) {
            await go()
            hear()
          }
          const outcome = await last.result
          await Promise.all(alive.map((one) => one.result))

          const { counts } = await totalOf(rows, outcome?.attempt ?? 0)
          const { current = 0, done = 0, failed = 0 } = counts.columns['ssn'] ?? {}
          expect({ rows: counts.rows, sum: done + current, failed }).toEqual({
            rows: count,
            sum: count,
            failed: 0,
          })
          // Who is killed cannot tell that the application had been faster with a row of its last page.
          const mayDiffer = begun.some((one) => one.dead) && written.size > 0
          if (!mayDiffer)
            expect({ done, written: counts.written }).toEqual({ done: rows.written, written: done })
          for (const [key, value] of rows.values)
            expect(value).toBe(written.get(key) ?? `new value ${Number(key)}`)
        },
      ),
      { numRuns: 300 },
    )
  }, 60_000)

  it('goes on where an attempt was stopped, without reading what is done', async () => {
    const rows = new Rows(10)
    const stop = new AbortController()
    const first = runRange(
      workOn(rows.source(now), 1, 3, { signal: stop.signal, onPage: () => stop.abort() }),
    )
    await expectCode(first, 'ERR_ABORTED')
    let reads = 0
    const counted = async (): Promise<void> => void reads++
    const outcome = await runRange(workOn(rows.source(counted), 2, 3))
    expect(outcome).toMatchObject({ attempt: 2, rows: 10, done: 10 })
    expect(rows.written).toBe(10)
    expect((await totalOf(rows, 2)).checkpoints).toHaveLength(2)
  })

  it('is done at once when an attempt had come to its end and could not say so', async () => {
    const rows = new Rows(5)
    await runRange(workOn(rows.source(now), 1, 2))
    expect(await runRange(workOn(rows.source(now), 2, 2))).toMatchObject({ attempt: 2, rows: 5, done: 5 })
    expect((await totalOf(rows, 2)).counts).toMatchObject({ rows: 5, written: 5 })
  })

  it('does the page again in which an attempt was killed: rows that changed under its hands are not missed', async () => {
    const rows = new Rows(6)
    // Read, write (while a process that has not heard of the new key changes a row), and killed before it looks again.
    let calls = 0
    const turn = async (): Promise<void> => {
      calls++
      if (calls === FIRST_WRITE) rows.values.set('001', 'value of a process that is behind')
      if (calls > FIRST_WRITE) await new Promise(() => undefined)
    }
    void runRange(workOn(rows.source(turn), 1, 3))
    while (calls <= FIRST_WRITE) await now()
    await runRange(workOn(rows.source(now), 2, 3))
    expect([...rows.values.values()].filter((value) => !value.startsWith('new '))).toEqual([])
    expect((await totalOf(rows, 2)).counts.rows).toBe(6)
  })

  it('refuses the work of another policy', async () => {
    const other = { ...range, digest: 'cd'.repeat(32) }
    const error = await expectCode(
      runRange(workOn(new Rows(1).source(now), 1, 1, { range: other })),
      'ERR_CHECKPOINT_FOREIGN',
    )
    expect(error.hint).toContain('policy')
  })
})
