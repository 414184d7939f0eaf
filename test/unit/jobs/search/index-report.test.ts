/** What the report says of a column of tokens, against columns whose distribution is known. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { IndexReport, Keywright } from '../../../../src/index.ts'
import type { IndexBinding, RowsPlace } from '../../../../src/jobs/places.ts'
import { expectCode } from '../../../kit/failures.ts'
import { Table } from '../../../kit/rows.ts'
import { World } from '../../../kit/world.ts'

let world: World
let table: Table
let kw: Keywright

const placeOf = (index: IndexBinding): RowsPlace => ({
  kind: 'rows',
  name: 'users',
  columns: { city: { keyType: 'pii', indexes: [index] }, note: { keyType: 'pii' } },
  open: async () => table.source('users'),
})

beforeEach(() => {
  world = new World()
  table = new Table()
  kw = world.open({ places: [placeOf({ column: 'token' })] })
})
afterEach(() => world.end())

async function report(values: readonly (string | null)[], bits?: number): Promise<IndexReport> {
  const index = kw.index('users.city', bits === undefined ? {} : { bits })
  for (const [n, value] of values.entries()) {
    table.set(String(n), { id: String(n), token: value === null ? null : await index.token(value) })
  }
  const [found] = await kw.jobs.reportIndexes({ batch: 7 })
  return found as IndexReport
}

const many = (count: number, value: string): string[] => new Array<string>(count).fill(value)

describe('the report', () => {
  it('counts without any key', async () => {
    const found = await report([...many(20, 'a'), ...many(10, 'b'), 'c', 'd', null, null])
    expect(found).toMatchObject({
      place: 'users',
      of: 'city',
      column: 'token',
      rows: 34,
      empty: 2,
      others: 0,
    })
    expect(found.keys).toEqual([
      {
        keyId: (await kw.keys.active('blind_index'))?.id,
        tokens: 32,
        distinct: 4,
        largest: 20,
        rarest: 1,
        once: 2,
        entropyBits: expect.closeTo(1.2607, 3),
        outputBytes: 32,
      },
    ])
    const calls = world.provider.calls
    expect(await kw.jobs.reportIndexes()).toHaveLength(1)
    expect(world.provider.calls).toBe(calls)
  })

  it.each<[string, readonly (string | null)[], RegExp]>([
    [
      'a frequent value',
      [...many(60, 'a'), ...Array.from({ length: 200 }, (_, n) => `v${n}`)],
      /23\.1 % of the rows/,
    ],
    ['few values', [...many(5, 'a'), ...many(5, 'b')], /only 2 different tokens/],
    ['unique values', Array.from({ length: 50 }, (_, n) => `v${n}`), /nothing more/],
    [
      'missing tokens',
      [...Array.from({ length: 30 }, (_, n) => `v${n}`), ...new Array<null>(10).fill(null)],
      /25\.0 %/,
    ],
    ['nothing', [null, null], /no token/],
  ])('says what is told by %s', async (_, values, expected) => {
    expect((await report(values)).findings.join('; ')).toMatch(expected)
  })

  it('says how rows hide behind few bits', async () => {
    const found = await report(
      Array.from({ length: 400 }, (_, n) => `value ${n}`),
      4,
    )
    expect(found.keys[0]).toMatchObject({ distinct: 16, outputBytes: 1, tokens: 400 })
    expect(found.findings.join()).toMatch(/shared by \d+ rows at least/)
  })

  it('tells the keys apart, and what is no token', async () => {
    await report(['a', 'b', 'c'])
    await kw.keys.rotate('blind_index', { force: true, now: true })
    table.set('9', { id: '9', token: 'no token' })
    table.set('10', { id: '10', token: 'kwi1.%%%' })
    table.set('11', { id: '11', token: await kw.index('users.city').token('a') })
    const [found] = await kw.jobs.reportIndexes()
    expect(found?.keys.map(({ tokens }) => tokens)).toEqual([3, 1])
    expect(found).toMatchObject({ others: 2 })
    expect(found?.findings.join('; ')).toMatch(/2 index keys.*2 values are no search tokens/)
  })

  it('needs an index', async () => {
    const place: RowsPlace = { ...placeOf({ column: 'token' }), columns: { city: { keyType: 'pii' } } }
    await expectCode(world.open({ places: [place] }).jobs.reportIndexes(), 'ERR_SOURCE_UNKNOWN')
    await expectCode(world.open().jobs.reportIndexes(), 'ERR_SOURCE_UNKNOWN')
    await expectCode(kw.jobs.reportIndexes({ place: 'nowhere' }), 'ERR_SOURCE_UNKNOWN')
  })
})
