/**
 * A re-encryption by three worker processes while an application writes: one worker is killed with -9 in the middle of
 * a range, one is held up until another has taken its range over, and wakes. No update is lost, no row is missed, and
 * what the report counts is what the database has counted.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspect } from '../../src/index.ts'
import { fillTable, firstValue, type Lab, readTable, skip, startLab } from './queue/lab.ts'
import { Child, endChildren, isEvent } from './queue/process.ts'
import { fieldOf, KEY_TYPE, REFRESH_MS } from './queue/world.ts'

const ROWS = 100_000
const RANGE_ROWS = 4_000
const BATCH = 250
/** Short, so that nobody waits long for a worker that is gone. */
const LOCKS = { lockMs: 2_000, stalledMs: 500 }

let lab: Lab
beforeAll(async () => {
  if (skip === undefined) lab = await startLab()
})
afterAll(async () => {
  await endChildren()
  await lab?.stop()
})

/** What the application has written last, by row. */
function lastWrites(writer: Child): Map<number, string> {
  const batches = writer.lines.filter((line) => Array.isArray(line)) as [number, string][][]
  return new Map(batches.flat())
}

describe.skipIf(skip)(`a re-encryption of ${ROWS} rows by three workers ${skip ?? ''}`, () => {
  it('survives a kill and a pause while an application writes', { timeout: 180_000 }, async () => {
    const { keywright, world } = lab
    await fillTable(lab, ROWS)
    const before = await keywright.keys.active(KEY_TYPE)
    const writer = new Child('writer.ts', world, ROWS)
    const workers = [0, 1, 2].map(
      (number) => new Child('worker.ts', world, { name: `w${number}`, concurrency: 1, ...LOCKS }),
    )
    const [killed, held, steady] = workers as [Child, Child, Child]
    await Promise.all([
      writer.until((line) => line === 'ready'),
      ...workers.map((one) => one.until(isEvent('ready'))),
    ])
    await keywright.keys.rotate(KEY_TYPE, { force: true })
    await delay(REFRESH_MS * 2)
    const after = await keywright.keys.active(KEY_TYPE)
    expect(after?.id).not.toBe(before?.id)

    await using queue = closing(await keywright.jobs.queue({ redis: world.redis, prefix: world.prefix }))
    const id = await queue.reencrypt({ keyType: KEY_TYPE, batch: BATCH, rangeRows: RANGE_ROWS })
    const over = queue.wait(id)
    // In the middle of a range: it has begun and is not done.
    await killed.until(isEvent('begun'))
    await delay(40)
    killed.kill('SIGKILL')
    await held.until(isEvent('begun'), 3)
    await delay(25)
    held.kill('SIGSTOP')
    await steady.until(isEvent('taken-over'))
    await delay(LOCKS.lockMs + LOCKS.stalledMs)
    held.kill('SIGCONT')
    // On a fast machine all is over by now; whoever wakes notices it all the same.
    await held.until(isEvent('lost'))
    const report = await over
    writer.kill('SIGTERM')
    await writer.ended
    for (const one of [held, steady]) one.kill('SIGTERM')
    expect(await Promise.all([held.ended, steady.ended])).toEqual([
      { code: 0, signal: null },
      { code: 0, signal: null },
    ])

    const takenOver = workers.flatMap(({ lines }) => lines.filter(isEvent('taken-over')))
    expect(takenOver.length).toBeGreaterThanOrEqual(2) // both were in the middle of a range
    expect(killed.lines.some(isEvent('done'))).toBe(false)
    expect(held.lines.some(isEvent('lost'))).toBe(true)

    const rows = await readTable(lab)
    const written = lastWrites(writer)
    const field = fieldOf(keywright)
    await field.ready({ all: true })
    expect(written.size).toBeGreaterThan(100)
    const lost = rows.filter(
      ({ id: row, ssn }) =>
        field.decryptSync(ssn, { row: String(row) }) !== (written.get(row) ?? firstValue(row)),
    )
    expect(lost).toEqual([])
    expect(rows.filter(({ ssn }) => keyIdOf(ssn) !== after?.id)).toEqual([])
    const touched = rows.reduce((sum, row) => sum + row.touched, 0)
    expect(report).toMatchObject({ outcome: 'finished', left: 0, failedRanges: [] })
    const { columns, written: counted } = report.counts
    expect(report.counts).toMatchObject({ rows: ROWS, gone: 0, changed: 0 })
    const { current = 0, done = 0, failed } = columns['ssn'] ?? {}
    expect({ done, sum: done + current, failed }).toEqual({ done: counted, sum: ROWS, failed: 0 })
    // Who was killed cannot tell any more that the application had been faster with a row of its last page.
    expect(counted - touched).toBeGreaterThanOrEqual(0)
    expect(counted - touched).toBeLessThanOrEqual(2)
    expect(rows.filter((row) => row.touched > 1)).toEqual([])
    expect(await lab.sql.query('SELECT * FROM keywright_checkpoints')).toMatchObject({ rowCount: 0 })
  })
})

const keyIdOf = (ssn: string): number | undefined => {
  const seen = inspect(ssn)
  return seen.kind === 'value' ? seen.keyId : undefined
}

/** With `await using`. */
const closing = <T extends { close(): Promise<void> }>(one: T): T & AsyncDisposable =>
  Object.assign(one, { [Symbol.asyncDispose]: () => one.close() })
