/** The contract of a source for reading: pages, lookups, values, ranges. */
import assert from 'node:assert/strict'
import type { SourceValue } from '../../source.ts'
import {
  assertRefused,
  assertValues,
  CANARY,
  type Check,
  idOf,
  readAll,
  rowOf,
  rowsOf,
  type SourceBed,
} from './source-kit.ts'

const REFUSED = ['ERR_ARGUMENT_INVALID'] as const

const TEXTS: readonly string[] = [
  'kw1.AQIDBA',
  '',
  ' ',
  'é\u{1F511}€\u2028',
  'e\u0301',
  `'"\\{}%_$1?,`,
  'NULL',
  'line\r\nline\ttab',
  'x'.repeat(100_000),
]

const BYTES: readonly Uint8Array[] = [
  Uint8Array.of(),
  Uint8Array.of(0),
  Uint8Array.of(1, 0, 255, 128, 39, 34, 92),
  Uint8Array.from({ length: 4096 }, (_, at) => (at * 7) % 256),
]

export function checkReading(check: Check): void {
  check('tells where it is and what it has', async ({ columns, put, source }) => {
    await put(rowsOf(3))
    const about = await source.describe()
    assert.ok(about.location !== '' && !/:\/\/[^/]*@/.test(about.location), 'the location has credentials')
    assert.ok(Array.isArray(about.warnings))
    if (about.rows !== undefined) assert.equal(about.rows, 3)
    const known = new Map(about.columns?.map(({ kind, name }) => [name, kind]))
    if (about.columns === undefined) return
    assert.equal(known.get(columns.text), 'text')
    if (columns.bytes !== undefined) assert.equal(known.get(columns.bytes), 'bytes')
  })

  check('has no rows when it is empty', async ({ columns, source }) => {
    assert.deepEqual(await readAll(source, { columns: [columns.text], limit: 10 }), [])
    assert.deepEqual(await source.read({ columns: [columns.text], keys: [] }), { rows: [] })
  })

  for (const limit of [1, 7, 100, 1000]) {
    check(`gives each row once in pages of ${limit}`, async ({ columns, put, source }) => {
      const count = limit === 1 ? 12 : 250
      await put(rowsOf(count))
      const rows = await readAll(source, { columns: [columns.id, columns.text], limit })
      assert.equal(new Set(rows.map(({ key }) => key)).size, rows.length, 'a key came twice')
      const ids = rows.map(({ values }) => Number(idOf(values[0]))).sort((a, b) => a - b)
      assert.deepEqual(
        ids,
        Array.from({ length: count }, (_, at) => at + 1),
      )
      for (const { values } of rows) assert.equal(values[1], `value ${idOf(values[0])}`)
    })
  }

  check('gives each row that stays while others come, change and go', async (bed) => {
    const { columns, put, remove, source } = bed
    await put(rowsOf(300))
    const rows = await readAll(source, { columns: [columns.id], limit: 20 }, async (page) => {
      if (page > 10) return
      await remove([String(301 - page), String(page * 3)])
      await put([
        { id: String(1000 + page), text: 'new' },
        { id: String(page * 5 + 101), text: 'changed' },
      ])
    })
    const gone = new Set(
      Array.from({ length: 10 }, (_, at) => [String(300 - at), String((at + 1) * 3)]).flat(),
    )
    const seen = rows.map(({ values }) => idOf(values[0]))
    const stayed = rowsOf(300)
      .map(({ id }) => id)
      .filter((id) => !gone.has(id))
    assert.deepEqual(
      stayed.filter((id) => !seen.includes(id)),
      [],
      'rows that were left out',
    )
    if (bed.repeats !== true) assert.equal(new Set(seen).size, seen.length, 'a row came twice')
  })

  check('goes on from where another client was', async ({ columns, put, reopen, source }, skip) => {
    if (reopen === undefined) return skip('no second client on the same place')
    await put(rowsOf(3000))
    const first = await source.read({ columns: [columns.id], limit: 100 })
    assert.ok(first.next !== undefined, 'there is no second page')
    const second = await reopen()
    const rest = await readAll(second, { columns: [columns.id], limit: 100, after: first.next })
    const ids = [...first.rows, ...rest].map(({ values }) => idOf(values[0]))
    assert.equal(new Set(ids).size, 3000)
    assert.equal(ids.length, 3000)
  })

  check('gives rows by key, and leaves out those that are gone', async ({ columns, put, remove, source }) => {
    await put(rowsOf(10))
    const rows = await readAll(source, { columns: [columns.id], limit: 100 })
    await remove(['2', '9'])
    const keys = rows.map(({ key }) => key)
    const found = await source.read({ columns: [columns.id, columns.text], keys })
    assert.deepEqual(
      found.rows.map(({ values }) => Number(idOf(values[0]))).sort((a, b) => a - b),
      [1, 3, 4, 5, 6, 7, 8, 10],
    )
    for (const { key, values } of found.rows) {
      assert.equal(idOf(rows.find((row) => row.key === key)?.values[0]), idOf(values[0]))
    }
  })

  check('gives back text exactly', async ({ columns, put, source }) => {
    const texts: SourceValue[] = [...TEXTS]
    await put(texts.map((text, at) => ({ id: String(at + 1), text })))
    const rows = await readAll(source, { columns: [columns.id, columns.text], limit: 100 })
    for (const { values } of rows) {
      const id = Number(idOf(values[0]))
      assertValues([values[1] ?? null], [texts[id - 1] ?? null], `text ${id}`)
    }
    assert.equal(rows.length, texts.length)
  })

  check('tells no value from an empty one', async (bed, skip) => {
    if (bed.nulls === false) return skip('the place has a value in every row')
    await bed.put([
      { id: '1', text: null },
      { id: '2', text: '' },
    ])
    assertValues((await rowOf(bed.source, bed, '1')).values.slice(0, 1), [null], 'null')
    assertValues((await rowOf(bed.source, bed, '2')).values.slice(0, 1), [''], 'empty')
  })

  check('gives back bytes exactly', async (bed, skip) => {
    if (bed.columns.bytes === undefined) return skip('the place keeps no bytes')
    await bed.put(BYTES.map((bytes, at) => ({ id: String(at + 1), text: 'x', bytes })))
    for (const [at, bytes] of BYTES.entries()) {
      const found = (await rowOf(bed.source, bed, String(at + 1))).values[1]
      // Where one column may hold either, nothing tells no bytes from no text.
      if (bytes.length === 0 && found === '') continue
      if (bytes.length === 1 && found === '\0') continue
      assertValues([found ?? null], [bytes], `bytes ${at + 1}`)
    }
  })

  check('refuses what cannot be asked', async ({ columns, put, source }) => {
    await put(rowsOf(2, () => CANARY))
    for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40]) {
      await assertRefused(() => source.read({ columns: [columns.text], limit }), REFUSED, `limit ${limit}`)
    }
    const twice = [columns.text, columns.text]
    await assertRefused(() => source.read({ columns: twice, limit: 1 }), REFUSED, 'a column twice')
    const about = await source.describe()
    if (about.columns === undefined) return
    for (const column of ['no such column', `${columns.text}"; --`, '*', `${columns.text}::int`]) {
      const invalid = ['ERR_SOURCE_INVALID'] as const
      await assertRefused(() => source.read({ columns: [column], limit: 1 }), invalid, column)
    }
    await readAll(source, { columns: [columns.text], limit: 10 })
  })
}

export function checkRanges(check: Check): void {
  check('cuts its rows into ranges that have all of them', async (bed, skip) => {
    const { columns, put, source } = bed
    if (source.split === undefined) return skip('the source cannot be split')
    await put(rowsOf(400))
    for (const parts of [1, 2, 3, 7]) await assertRanges(bed, parts, 400)
    const most = await source.split(5000)
    assert.ok(most.length <= 400, 'more positions than rows')
    const ranges = [undefined, ...most.slice(0, 50)].map((after, at) => ({ after, until: most[at] }))
    for (const range of ranges) await readAll(source, { columns: [columns.id], limit: 100, ...range })
  })

  check('cuts an empty place into one range', async ({ source }, skip) => {
    if (source.split === undefined) return skip('the source cannot be split')
    assert.deepEqual(await source.split(4), [])
  })
}

async function assertRanges({ columns, source }: SourceBed, parts: number, count: number): Promise<void> {
  const positions = (await source.split?.(parts)) ?? []
  assert.ok(positions.length <= parts - 1, `${positions.length} positions for ${parts} parts`)
  const sizes: number[] = []
  const seen: string[] = []
  for (const at of [...positions.keys(), positions.length]) {
    const range = { after: positions[at - 1], until: positions[at] }
    const rows = await readAll(source, { columns: [columns.id], limit: 30, ...range })
    sizes.push(rows.length)
    seen.push(...rows.map(({ values }) => idOf(values[0])))
  }
  assert.equal(seen.length, count, `${parts} parts: how many rows`)
  assert.equal(new Set(seen).size, count, `${parts} parts: a row is in two`)
  assert.ok(Math.max(...sizes) <= (2 * count) / parts, `${parts} parts: sizes ${sizes.join(', ')}`)
}
