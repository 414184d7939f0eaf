/**
 * Re-encryption against a model: any rows, an application that writes at any moment, runs that die at any call. In the
 * end every row means what the application wrote last, under the active key, and each row was counted once.
 */
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { KeywrightError } from '../../src/errors.ts'
import type { ReencryptReport } from '../../src/jobs/values/reencrypt.ts'
import type { Keywright } from '../../src/keywright.ts'
import { connectionLost } from '../kit/rows.ts'
import { App, idOf, keysIn } from '../unit/jobs/values/kit.ts'

type Kind = 'old' | 'current' | 'null' | 'plain'

interface Scenario {
  readonly rows: readonly Kind[]
  readonly batch: number
  readonly transactions: boolean
  /** The calls of the source at which the process dies, before or after they take effect. */
  readonly deaths: readonly { readonly call: number; readonly after: boolean }[]
  /** What the application writes: before which call, into which row. */
  readonly writes: readonly { readonly call: number; readonly row: number; readonly kind: Kind | 'old' }[]
}

const kind = (): fc.Arbitrary<Kind> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constant<Kind>('old') },
    fc.constantFrom<Kind>('current', 'null', 'plain'),
  )

const scenario = (mayWrite: boolean): fc.Arbitrary<Scenario> =>
  fc.record({
    rows: fc.array(kind(), { minLength: 1, maxLength: 40 }),
    batch: fc.integer({ min: 1, max: 7 }),
    transactions: fc.boolean(),
    deaths: fc.array(fc.record({ call: fc.integer({ min: 1, max: 30 }), after: fc.boolean() }), {
      maxLength: 3,
    }),
    writes: mayWrite
      ? fc.array(fc.record({ call: fc.integer({ min: 1, max: 40 }), row: fc.nat(39), kind: kind() }), {
          maxLength: 12,
        })
      : fc.constant([]),
  })

const apps: App[] = []
afterEach(async () => {
  for (const app of apps.splice(0)) await app.end()
})

class Trial {
  readonly app: App
  readonly keywright: Keywright
  /** What each row means; undefined for null. */
  readonly meaning = new Map<string, string | undefined>()
  readonly plain = new Set<string>()
  readonly scenario: Scenario
  active = 0
  #old = new Map<string, string>()
  #turn = 0

  constructor(scenario: Scenario) {
    this.scenario = scenario
    this.app = new App({ transactions: scenario.transactions })
    apps.push(this.app)
    this.keywright = this.app.open()
  }

  async set(id: string, kind: Kind): Promise<void> {
    const text = `value ${this.#turn++} of ${id}`
    const field = this.keywright.field('people.email')
    this.plain.delete(id)
    if (kind === 'plain') this.plain.add(id)
    this.meaning.set(id, kind === 'null' ? undefined : kind === 'old' ? `old ${id}` : text)
    const value =
      kind === 'null'
        ? null
        : kind === 'plain'
          ? text
          : kind === 'old'
            ? (this.#old.get(id) ?? null)
            : await field.encrypt(text, { row: id })
    this.app.table.set(id, { id, email: value })
  }

  async begin(): Promise<void> {
    const field = this.keywright.field('people.email')
    const ids = this.scenario.rows.map((_, at) => idOf(at))
    for (const id of ids) this.#old.set(id, await field.encrypt(`old ${id}`, { row: id }))
    this.active = (await this.keywright.keys.rotate('pii', { force: true, now: true })).key.id
    for (const [at, kind] of this.scenario.rows.entries()) await this.set(idOf(at), kind)
  }

  /** Runs until one comes to its end; each that dies is followed by another process. */
  async run(): Promise<ReencryptReport> {
    const { batch, deaths, rows, writes } = this.scenario
    const { table } = this.app
    for (const death of [...deaths, undefined]) {
      let calls = 0
      table.before = async () => {
        calls++
        for (const { call, row, kind } of death === undefined ? [] : writes)
          if (call === calls) await this.set(idOf(row % rows.length), kind)
        if (death?.after === false && calls === death.call) throw connectionLost()
      }
      table.after = () => {
        if (death?.after === true && calls >= death.call) throw connectionLost()
      }
      try {
        return await this.app.open().jobs.reencrypt({ batch })
      } catch (error) {
        if (!(error instanceof KeywrightError) || error.code !== 'ERR_SOURCE_UNAVAILABLE') throw error
      }
    }
    throw new Error('the last run had nothing to die of')
  }

  async expectIntact(): Promise<void> {
    const field = this.keywright.field('people.email')
    expect([...this.app.table.rows.keys()].sort()).toEqual([...this.meaning.keys()].sort())
    for (const [id, meaning] of this.meaning) {
      const stored = this.app.table.get(id)['email'] as string | null
      if (meaning === undefined) expect(stored).toBeNull()
      else if (this.plain.has(id)) expect(stored).toBe(meaning)
      else expect(await field.decrypt(stored as string, { row: id })).toBe(meaning)
    }
  }
}

describe('re-encryption', () => {
  it('without an application: every row once, however often it dies, counts exact', async () => {
    await fc.assert(
      fc.asyncProperty(scenario(false), async (one) => {
        const trial = new Trial(one)
        await trial.begin()
        const report = await trial.run()
        const of = (kind: Kind): number => one.rows.filter((row) => row === kind).length
        const { counts } = report.places[0] as ReencryptReport['places'][number]
        expect(counts).toMatchObject({ rows: one.rows.length, written: of('old'), gone: 0, changed: 0 })
        expect(counts.columns['email']).toMatchObject({
          done: of('old'),
          current: of('current'),
          empty: of('null'),
          plain: of('plain'),
          failed: 0,
        })
        await trial.expectIntact()
        expect([...keysIn(trial.app.table).keys()].every((id) => id === trial.active)).toBe(true)
        expect(trial.app.table.checkpoints.size).toBe(0)
        expect(await trial.app.store.documents?.list('jobs/')).toEqual([])
      }),
      { numRuns: 120 },
    )
  })

  it('beside an application: what it wrote last is there, under the active key after the next run', async () => {
    await fc.assert(
      fc.asyncProperty(scenario(true), async (one) => {
        const trial = new Trial(one)
        await trial.begin()
        const { counts } = (await trial.run()).places[0] as ReencryptReport['places'][number]
        expect(counts.rows + counts.gone + counts.changed).toBe(one.rows.length)
        await trial.expectIntact()
        trial.app.table.before = undefined
        trial.app.table.after = undefined
        await trial.app.open().jobs.reencrypt({ batch: 50 }) // what the application put back under the old key
        await trial.expectIntact()
        expect([...keysIn(trial.app.table).keys()].every((id) => id === trial.active)).toBe(true)
      }),
      { numRuns: 120 },
    )
  })
})
