/** The contract of a source for writing: compare-and-set, outcomes, races. */
import assert from 'node:assert/strict'
import type { Source, SourceRow, SourceValue } from '../../source.ts'
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

const TEN = Array.from({ length: 10 }, (_, at) => at)

/** The rows by id, with their text alone. */
async function textsById({ columns }: SourceBed, source: Source): Promise<Map<string, SourceRow>> {
  const rows = await readAll(source, { columns: [columns.id, columns.text], limit: 1000 })
  return new Map(rows.map(({ key, values }) => [idOf(values[0]), { key, values: values.slice(1) }]))
}

const keyOf = (rows: ReadonlyMap<string, SourceRow>, id: number): string => {
  const key = rows.get(String(id))?.key
  assert.ok(key !== undefined, `row ${id} is not there`)
  return key
}

export function checkWriting(check: Check): void {
  check('writes what is as it was read, and tells the rest apart', async (bed) => {
    const { columns, put, remove, source } = bed
    await put(rowsOf(6))
    const before = await textsById(bed, source)
    await put([{ id: '2', text: 'by the application' }])
    await remove(['4'])
    const rows = [1, 2, 3, 4, 5, 6].map((id) => ({
      key: keyOf(before, id),
      from: [`value ${id}`],
      to: [`new ${id}`],
    }))
    const outcomes = await source.write({ columns: [columns.text], rows })
    assert.deepEqual(outcomes, ['written', 'changed', 'written', 'gone', 'written', 'written'])
    const after = await textsById(bed, source)
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6].map((id) => after.get(String(id))?.values[0]),
      ['new 1', 'by the application', 'new 3', undefined, 'new 5', 'new 6'],
    )
  })

  check('compares byte by byte', async (bed) => {
    const { columns, put, source } = bed
    const pairs = [
      ['abc', 'ABC'],
      ['é', 'e\u0301'],
      ['a', 'a '],
      ['a', 'a\u200b'],
      ['straße', 'strasse'],
      ['1', '1.0'],
      ['', ' '],
    ] as const
    await put(pairs.map(([text], at) => ({ id: String(at + 1), text })))
    const before = await textsById(bed, source)
    const rows = pairs.map(([, from], at) => ({ key: keyOf(before, at + 1), from: [from], to: ['no'] }))
    const outcomes = await source.write({ columns: [columns.text], rows })
    assert.deepEqual(
      outcomes,
      pairs.map(() => 'changed'),
    )
  })

  check('keeps any text that it wrote', async (bed) => {
    const { columns, put, source } = bed
    const texts = [
      '',
      'kw1.AQID',
      `{"a,b"}\\'"NULL%`,
      '\u{1F511}é',
      'x'.repeat(70_000),
      'a\r\n\tb',
      '$1 ? :a',
    ]
    await put(rowsOf(texts.length))
    const before = await textsById(bed, source)
    const rows = texts.map((to, at) => ({ key: keyOf(before, at + 1), from: [`value ${at + 1}`], to: [to] }))
    assert.deepEqual(
      await source.write({ columns: [columns.text], rows }),
      texts.map(() => 'written'),
    )
    const after = await textsById(bed, source)
    for (const [at, text] of texts.entries()) {
      assertValues(after.get(String(at + 1))?.values ?? [], [text], `text ${at + 1}`)
    }
  })

  check('tells no value from an empty one when it compares', async (bed, skip) => {
    if (bed.nulls === false) return skip('the place has a value in every row')
    const { columns, put, source } = bed
    await put([1, 2, 3, 4].map((id) => ({ id: String(id), text: id % 2 === 0 ? '' : null })))
    const before = await textsById(bed, source)
    const row = (id: number, from: SourceValue, to: SourceValue) => ({
      key: keyOf(before, id),
      from: [from],
      to: [to],
    })
    const rows = [row(1, '', 'no'), row(2, null, 'no'), row(3, null, 'yes'), row(4, '', null)]
    assert.deepEqual(await source.write({ columns: [columns.text], rows }), [
      'changed',
      'changed',
      'written',
      'written',
    ])
    const after = await textsById(bed, source)
    assert.deepEqual(
      [1, 2, 3, 4].map((id) => after.get(String(id))?.values[0]),
      [null, '', 'yes', null],
    )
  })

  check('writes the columns of a row together or not at all', async (bed, skip) => {
    const { bytes, text } = bed.columns
    if (bytes === undefined) return skip('the place keeps one column only')
    const [one, two] = [Uint8Array.of(255, 1), Uint8Array.of(255, 2)]
    await bed.put([1, 2, 3].map((id) => ({ id: String(id), text: 'a', bytes: one })))
    const keys = await textsById(bed, bed.source)
    const rows = [
      { key: keyOf(keys, 1), from: ['a', one], to: ['b', two] },
      { key: keyOf(keys, 2), from: ['a', two], to: ['b', two] },
      { key: keyOf(keys, 3), from: ['x', one], to: ['b', two] },
    ]
    const outcomes = await bed.source.write({ columns: [text, bytes], rows })
    assert.deepEqual(outcomes, ['written', 'changed', 'changed'])
    assertValues((await rowOf(bed.source, bed, '1')).values, ['b', two], 'row 1')
    for (const id of ['2', '3']) {
      assertValues((await rowOf(bed.source, bed, id)).values, ['a', one], `row ${id}`)
    }
  })

  check('does nothing when there is nothing to write', async ({ columns, source }) => {
    assert.deepEqual(await source.write({ columns: [columns.text], rows: [] }), [])
  })

  check('writes a thousand rows at once', async (bed) => {
    const { columns, put, source } = bed
    await put(rowsOf(1000))
    const before = await textsById(bed, source)
    const rows = [...before.values()].map(({ key, values }) => ({ key, from: values, to: [`${values[0]}!`] }))
    const outcomes = await source.write({ columns: [columns.text], rows })
    assert.equal(outcomes.filter((outcome) => outcome === 'written').length, 1000)
    const after = await textsById(bed, source)
    for (const id of [1, 500, 1000]) assert.equal(after.get(String(id))?.values[0], `value ${id}!`)
  })

  check('lets one of many writers win each row', async (bed, skip) => {
    if (bed.reopen === undefined) return skip('no second client on the same place')
    const { columns, put, source } = bed
    await put(rowsOf(20))
    const clients = [source, await bed.reopen()]
    const before = await textsById(bed, source)
    const results = await Promise.all(
      TEN.map((writer) =>
        clients[writer % 2]?.write({
          columns: [columns.text],
          rows: [...before].map(([, { key, values }]) => ({ key, from: values, to: [`by ${writer}`] })),
        }),
      ),
    )
    const after = await textsById(bed, source)
    for (const [at, [id]] of [...before].entries()) {
      const winners = TEN.filter((writer) => results[writer]?.[at] === 'written')
      assert.equal(winners.length, 1, `row ${id}: writers that won`)
      assert.equal(after.get(id)?.values[0], `by ${winners[0]}`)
    }
  })
}

export function checkRefusals(check: Check): void {
  check('refuses writes that cannot be, and shows no value', async (bed) => {
    const { columns, put, source } = bed
    await put(rowsOf(2, () => CANARY))
    const { key } = await rowOf(source, bed, '1')
    const columnsOf = [columns.text]
    const refused = ['ERR_ARGUMENT_INVALID'] as const
    const write = (from: SourceValue[], to: SourceValue[]) => () =>
      source.write({ columns: columnsOf, rows: [{ key, from, to }] })
    await assertRefused(write([CANARY], []), refused, 'too few values')
    await assertRefused(write([CANARY, CANARY], [CANARY]), refused, 'too many values')
    await assertRefused(write([CANARY], [`${CANARY}\ud800`]), refused, 'a lone surrogate')
    assertValues((await rowOf(source, bed, '1')).values.slice(0, 1), [CANARY], 'row 1')
  })

  check('stops for an aborted signal, before it does anything', async (bed) => {
    const { columns, put, source } = bed
    await put(rowsOf(3, () => CANARY))
    const { key } = await rowOf(source, bed, '1')
    const signal = AbortSignal.abort()
    const aborted = ['ERR_ABORTED'] as const
    const row = { key, from: [CANARY], to: ['no'] }
    await assertRefused(() => source.read({ columns: [columns.text], limit: 1, signal }), aborted, 'page')
    await assertRefused(() => source.read({ columns: [columns.text], keys: [key], signal }), aborted, 'keys')
    await assertRefused(
      () => source.write({ columns: [columns.text], rows: [row], signal }),
      aborted,
      'write',
    )
    await assertRefused(() => source.describe({ signal }), aborted, 'describe')
    if (source.split !== undefined) {
      await assertRefused(async () => source.split?.(2, { signal }), aborted, 'split')
    }
    assertValues((await rowOf(source, bed, '1')).values.slice(0, 1), [CANARY], 'row 1')
  })

  check('closes twice, and refuses calls after that', async ({ columns, source }, skip) => {
    if (source.close === undefined) return skip('the source has nothing to close')
    await source.describe()
    await source.close()
    await source.close()
    const closed = ['ERR_CLOSED'] as const
    await assertRefused(() => source.read({ columns: [columns.text], limit: 1 }), closed, 'read')
    await assertRefused(() => source.write({ columns: [columns.text], rows: [] }), closed, 'write')
    await assertRefused(() => source.describe(), closed, 'describe')
  })
}
