import { appendFile, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeRecord } from '../../src/audit/chain.ts'
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import { CASES, COUNT, falsified, PLACES } from './audit-changes.ts'
import {
  forgedAfter,
  linesOf,
  newLog,
  newPath,
  recordOf,
  removeFolders,
  rewritten,
  writeLines,
} from './audit-helpers.ts'

/** The lines of a sound log, its head, and a place for changed copies. */
let good: string[]
let head: string
let path: string

beforeAll(async () => {
  const { path: source } = await newLog(COUNT)
  good = await linesOf(source)
  head = await readFile(`${source}.head`, 'utf8')
  path = await newPath()
})
afterAll(removeFolders)

const verify = () => verifyAudit(fileAuditSink({ path }))

async function verifyLines(lines: readonly string[], headText = head) {
  await writeLines(path, lines)
  await writeFile(`${path}.head`, headText)
  return verify()
}

describe('verifyAudit', () => {
  it('accepts a sound log', async () => {
    const report = await verifyLines(good)
    expect(report).toEqual({
      ok: true,
      records: COUNT,
      firstSeq: 1,
      lastSeq: COUNT,
      firstTime: '2026-01-01T00:00:00.000Z',
      lastTime: '2026-01-12T00:00:00.000Z',
      head: { seq: COUNT, hash: recordOf(good.at(-1)).hash },
      problems: [],
      more: 0,
    })
  })

  it.each(CASES)('finds $what ($place)', async ({ place, change, expected }) => {
    const at = PLACES[place]
    const report = await verifyLines(change([...good], at))
    expect(report.ok).toBe(false)
    expect(
      report.problems.map(({ kind, line, seq }) => (seq === undefined ? [kind, line] : [kind, line, seq])),
    ).toEqual(expected(at))
  })

  it('finds a swap of records that stand apart', async () => {
    const report = await verifyLines(good.with(2, good[8] ?? '').with(8, good[2] ?? ''))
    expect(report.problems).toMatchObject([{ kind: 'reordered', line: 3, seq: 3 }])
  })

  it('tells records that are missing from records that were moved', async () => {
    const report = await verifyLines([...good.toSpliced(3, 3), good[4] ?? ''])
    expect(report.problems).toMatchObject([
      { kind: 'removed', line: 4, seq: 4 },
      { kind: 'reordered', line: 10 },
    ])
  })

  it('tells a record that was moved from a false one with its number', async () => {
    const forged = rewritten(good[7], { reason: 'nothing happened' })
    const early = await verifyLines([...good.slice(0, 3), forged, ...good.slice(3, 7), ...good.slice(8)])
    expect(early.problems).toMatchObject([
      { kind: 'inserted', line: 4, seq: 8 },
      { kind: 'removed', line: 9, seq: 8 },
    ])
    const late = await verifyLines([...good.toSpliced(7, 1), forged])
    expect(late.problems).toMatchObject([
      { kind: 'removed', line: 8, seq: 8 },
      { kind: 'duplicate', line: 12, seq: 8 },
    ])
  })

  it('finds several problems, in the order of their lines', async () => {
    const report = await verifyLines([...good.with(1, falsified(good[1] ?? '')).toSpliced(6, 1), 'garbage'])
    expect(report.problems.map(({ kind, line }) => [kind, line])).toEqual([
      ['edited', 2],
      ['removed', 7],
      ['inserted', 12],
    ])
  })

  it('counts the problems beyond the limit', async () => {
    await verifyLines(good.map(falsified))
    const report = await verifyAudit(fileAuditSink({ path }), { limit: 3 })
    expect([report.ok, report.problems.length, report.more]).toEqual([false, 3, COUNT - 3])
  })

  it('accepts an empty log, and one that is not there', async () => {
    expect(await verifyAudit(fileAuditSink({ path: await newPath() }))).toEqual({
      ok: true,
      records: 0,
      problems: [],
      more: 0,
    })
  })

  it('finds a log that was emptied or removed', async () => {
    expect((await verifyLines([])).problems).toMatchObject([{ kind: 'cut-end', line: 1, seq: 1 }])
    await rm(path)
    expect((await verify()).problems).toMatchObject([{ kind: 'cut-end', line: 1, seq: 1 }])
  })

  it('accepts a head that is behind: a crash between log and head', async () => {
    const { seq, hash } = recordOf(good[COUNT - 3])
    expect((await verifyLines(good, `${`{"hash":"${hash}","seq":${seq},"v":1}`}\n`)).ok).toBe(true)
  })

  it.each([
    ['an empty head', ''],
    ['garbage', 'garbage\n'],
    ['a number that is too large', `{"hash":"${'a'.repeat(64)}","seq":9999999999999999,"v":1}\n`],
  ])('finds a malformed head: %s', async (_, text) => {
    expect((await verifyLines(good, text)).problems).toMatchObject([{ kind: 'head', line: 0 }])
  })

  it('finds a head that was removed', async () => {
    await verifyLines(good)
    await rm(`${path}.head`)
    expect((await verify()).problems).toMatchObject([{ kind: 'head', line: 0 }])
  })

  it('finds a checkpoint that stands for nothing', async () => {
    const checkpoint = rewritten(good[4], { event: 'audit.checkpoint', prev: '0'.repeat(64) })
    expect((await verifyLines([checkpoint, ...good])).problems).toMatchObject([{ kind: 'inserted', line: 1 }])
    expect((await verifyLines(good.toSpliced(7, 0, checkpoint))).problems).toMatchObject([
      { kind: 'duplicate', line: 8 },
    ])
  })

  it('finds a cut start behind a forged checkpoint', async () => {
    const last = recordOf(good[4])
    const details = {
      fromSeq: 1,
      toSeq: 5,
      dropped: 5,
      fromTime: last.time,
      toTime: last.time,
      lastHash: last.hash,
    }
    const forged = rewritten(good[4], { event: 'audit.checkpoint', prev: '0'.repeat(64), details })
    expect((await verifyLines([forged, ...good.slice(5)])).problems).toMatchObject([
      { kind: 'checkpoint', line: 1 },
    ])
    const crooked = rewritten(forged, { details: { ...details, dropped: 1 } })
    expect((await verifyLines([crooked, ...good.slice(5)])).problems).toMatchObject([
      { kind: 'checkpoint', line: 1 },
    ])
  })

  it('reports an unfinished last line, which is no problem by itself', async () => {
    await verifyLines(good)
    await appendFile(path, '{"actor":"t')
    expect(await verify()).toMatchObject({ ok: true, torn: COUNT + 1, records: COUNT })
  })

  it('finds a cut within the last line', async () => {
    await verifyLines(good)
    await truncate(path, (await readFile(path)).length - 1)
    expect(await verify()).toMatchObject({
      ok: false,
      torn: COUNT,
      problems: [{ kind: 'cut-end', seq: COUNT }],
    })
  })

  it('reports what it cannot read', async () => {
    const folder = fileAuditSink({ path: (await newPath()).replace(/\/[^/]*$/, '') })
    await expect(verifyAudit(folder)).rejects.toMatchObject({
      code: 'ERR_AUDIT_FAILED',
      hint: expect.any(String),
    })
  })

  it('refuses a limit of 0', async () => {
    await expect(verifyAudit(fileAuditSink({ path }), { limit: 0 })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT_INVALID',
    })
  })
})

it('the helper forges what holds together by itself', () => {
  const line = rewritten(good[3], {})
  expect(line).toBe(good[3])
  expect(encodeRecord(recordOf(forgedAfter(good[3])))).toBe(forgedAfter(good[3]))
})
