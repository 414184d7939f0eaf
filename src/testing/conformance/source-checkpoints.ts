/** The contract of a source that keeps checkpoints in the transaction of its rows. */
import assert from 'node:assert/strict'
import { assertRefused, CANARY, type Check, rowOf, rowsOf, type SourceBed } from './source-kit.ts'

const LARGEST = 65_536
const NAME = 'reencrypt/users:1'

type Run = (bed: SourceBed, checkpoints: NonNullable<SourceBed['source']['checkpoints']>) => Promise<void>

/** Registers the tests. A source without checkpoints skips each with that reason. */
export function checkCheckpoints(check: Check): void {
  const kept = (title: string, run: Run): void =>
    check(`checkpoints: ${title}`, async (bed, skip) => {
      if (bed.source.checkpoints === undefined) return skip('the source keeps no checkpoints')
      await run(bed, bed.source.checkpoints)
    })

  kept('has none when it is new', async (_, checkpoints) => {
    assert.equal(await checkpoints.read(NAME), undefined)
    await checkpoints.remove(NAME)
  })

  kept('are written with rows, over the one before, and removed', async (bed, checkpoints) => {
    const { columns, put, source } = bed
    await put(rowsOf(2))
    const { key } = await rowOf(source, bed, '1')
    const row = { key, from: ['value 1'], to: ['new'] }
    const write = (text: string, rows = [row]) =>
      source.write({ columns: [columns.text], rows, checkpoint: { name: NAME, text } })
    assert.deepEqual(await write('first'), ['written'])
    assert.equal(await checkpoints.read(NAME), 'first')
    assert.deepEqual(await write('second'), ['changed'])
    assert.equal(await checkpoints.read(NAME), 'second')
    assert.deepEqual(await write('third', []), [])
    assert.equal(await checkpoints.read(NAME), 'third')
    assert.equal(await checkpoints.read(`${NAME}0`), undefined)
    await checkpoints.remove(NAME)
    assert.equal(await checkpoints.read(NAME), undefined)
  })

  kept('are for the next client too', async (bed, checkpoints) => {
    const { columns, reopen, source } = bed
    const text = `'"\\ é\u{1F511} ${'x'.repeat(LARGEST - 30)}`
    await source.write({ columns: [columns.text], rows: [], checkpoint: { name: NAME, text } })
    const other = reopen === undefined ? checkpoints : (await reopen()).checkpoints
    assert.equal(await other?.read(NAME), text)
  })

  kept('are no rows', async (bed) => {
    const { columns, put, source } = bed
    await put(rowsOf(2))
    await source.write({ columns: [columns.text], rows: [], checkpoint: { name: NAME, text: 'x' } })
    const { rows } = await source.read({ columns: [columns.text], limit: 10 })
    assert.equal(rows.length, 2)
  })

  kept('are not written when the write is refused', async (bed, checkpoints) => {
    const { columns, put, source } = bed
    await put(rowsOf(1))
    const { key } = await rowOf(source, bed, '1')
    const row = { key, from: ['value 1'], to: ['new'] }
    const checkpoint = { name: NAME, text: 'x' }
    const signal = AbortSignal.abort()
    const write = () => source.write({ columns: [columns.text], rows: [row], checkpoint, signal })
    await assertRefused(write, ['ERR_ABORTED'], 'write')
    assert.equal(await checkpoints.read(NAME), undefined)
  })

  kept('are refused under names and with texts that cannot be', async ({ columns, source }, checkpoints) => {
    const refused = ['ERR_ARGUMENT_INVALID'] as const
    const write = (name: string, text: string) => () =>
      source.write({ columns: [columns.text], rows: [], checkpoint: { name, text } })
    for (const name of ['', 'A', '/a', 'a b', 'ä', "a'", 'a\0', 'z'.repeat(201)]) {
      await assertRefused(write(name, 'x'), refused, `name ${JSON.stringify(name)}`)
      await assertRefused(() => checkpoints.read(name), refused, `read of ${JSON.stringify(name)}`)
      await assertRefused(() => checkpoints.remove(name), refused, `removal of ${JSON.stringify(name)}`)
    }
    for (const text of [CANARY.padEnd(LARGEST + 1, 'x'), '€'.repeat(LARGEST / 3 + 1), 'a\0', '\ud800']) {
      await assertRefused(write(NAME, text), refused, 'a bad text')
    }
    assert.equal(await checkpoints.read(NAME), undefined)
  })
}
