import { appendFile, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeRecord } from '../../src/audit/chain.ts'
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
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

const COUNT = 12

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

type Change = (lines: string[], at: number) => string[]
/** kind, line, seq of each problem; `at` is the index of the line that is touched, from 0. */
type Expected = (at: number) => (readonly [string, number, number?])[]

const falsified = (line: string): string => line.replace('"due":true', '"due":false')
const PLACES = { start: 0, middle: 5, end: COUNT - 1 } as const

/** Changes of one line. What the chain permits to say is the same at start, middle and end, unless stated. */
const CHANGES: Record<string, { change: Change; expected: Expected; places?: (keyof typeof PLACES)[] }> = {
  'an edited value': {
    change: (lines, at) => lines.with(at, falsified(lines[at] ?? '')),
    expected: (at) => [['edited', at + 1, at + 1]],
  },
  'an edited seq': {
    change: (lines, at) => lines.with(at, (lines[at] ?? '').replace(/"seq":\d+/, '"seq":99')),
    expected: (at) => [['edited', at + 1, at + 1]],
  },
  'a line made into garbage': {
    change: (lines, at) => lines.with(at, 'garbage'),
    expected: (at) => [['edited', at + 1, at + 1]],
  },
  'a record rewritten with a new hash': {
    change: (lines, at) => lines.with(at, rewritten(lines[at], { reason: 'nothing happened' })),
    expected: (at) => [['edited', at + 1, at + 1]],
  },
  'a record rewritten with another prev and a new hash': {
    change: (lines, at) => lines.with(at, rewritten(lines[at], { prev: 'a'.repeat(64) })),
    expected: (at) => [['edited', at + 1, at + 1]],
  },
  'a removed record, middle': {
    change: (lines, at) => lines.toSpliced(at, 1),
    expected: (at) => [['removed', at + 1, at + 1]],
    places: ['middle'],
  },
  'a removed record, start': {
    change: (lines, at) => lines.toSpliced(at, 1),
    expected: () => [['cut-start', 1, 1]],
    places: ['start'],
  },
  'a removed record, end': {
    change: (lines, at) => lines.toSpliced(at, 1),
    expected: () => [['cut-end', COUNT, COUNT]],
    places: ['end'],
  },
  'three removed records': {
    change: (lines, at) => lines.toSpliced(at, 3),
    expected: (at) => [['removed', at + 1, at + 1]],
    places: ['middle'],
  },
  'an inserted foreign line': {
    change: (lines, at) => lines.toSpliced(at, 0, '{"event":"key.create"}'),
    expected: (at) => [['inserted', at + 1]],
  },
  'an inserted foreign line behind': {
    change: (lines, at) => lines.toSpliced(at + 1, 0, 'garbage'),
    expected: (at) => [['inserted', at + 2]],
  },
  'an empty line': {
    change: (lines, at) => lines.toSpliced(at, 0, ''),
    expected: (at) => [['inserted', at + 1]],
  },
  'an inserted forged record that goes on from the line before': {
    change: (lines, at) => lines.toSpliced(at, 0, forgedAfter(lines[at - 1])),
    expected: (at) => [['inserted', at + 1, at + 1]],
  },
  'an inserted forged record of an unknown chain': {
    change: (lines, at) =>
      lines.toSpliced(at, 0, rewritten(forgedAfter(lines[at - 1]), { prev: 'b'.repeat(64) })),
    expected: (at) => [['inserted', at + 1, at + 1]],
  },
  'a duplicate beside its original': {
    change: (lines, at) => lines.toSpliced(at + 1, 0, lines[at] ?? ''),
    expected: (at) => [['duplicate', at + 2, at + 1]],
  },
  'a duplicate at the end': {
    change: (lines, at) => [...lines, lines[at] ?? ''],
    expected: (at) => [['duplicate', COUNT + 1, at + 1]],
  },
  'a duplicate at the start': {
    change: (lines, at) => [lines[at] ?? '', ...lines],
    expected: (at) => (at === 0 ? [['duplicate', 2, 1]] : [['inserted', 1, at + 1]]),
  },
  'two records swapped': {
    change: (lines, at) => {
      const first = Math.min(at, COUNT - 2)
      return lines.with(first, lines[first + 1] ?? '').with(first + 1, lines[first] ?? '')
    },
    expected: (at) => [['reordered', Math.min(at, COUNT - 2) + 1, Math.min(at, COUNT - 2) + 2]],
  },
  'a record moved to the end': {
    change: (lines, at) => [...lines.toSpliced(at, 1), lines[at] ?? ''],
    expected: (at) => [['reordered', at + 1, at + 1]],
    places: ['start', 'middle'],
  },
  'a record moved to the start': {
    change: (lines, at) => [lines[at] ?? '', ...lines.toSpliced(at, 1)],
    expected: (at) => [['reordered', 1, at + 1]],
    places: ['middle', 'end'],
  },
  'a cut end': {
    change: (lines, at) => lines.slice(0, at),
    expected: (at) => [['cut-end', at + 1, at + 1]],
  },
  'a cut start': {
    change: (lines, at) => lines.slice(at),
    expected: () => [['cut-start', 1, 1]],
    places: ['middle', 'end'],
  },
}

const CASES = Object.entries(CHANGES).flatMap(([what, { change, expected, places }]) =>
  (places ?? (['start', 'middle', 'end'] as const)).map((place) => ({ what, place, change, expected })),
)

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

describe('a single change anywhere', () => {
  const position = fc.nat(1_000_000)
  const mutation = fc.oneof(
    fc.record({ kind: fc.constant('byte' as const), at: position, xor: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant('drop' as const), at: position }),
    fc.record({ kind: fc.constant('swap' as const), at: position, to: position }),
    fc.record({ kind: fc.constant('copy' as const), at: position, to: position }),
    fc.record({ kind: fc.constant('move' as const), at: position, to: position }),
    fc.record({ kind: fc.constant('foreign' as const), at: position, text: fc.string({ unit: 'binary' }) }),
    fc.record({ kind: fc.constant('forged' as const), at: position }),
    fc.record({ kind: fc.constant('truncate' as const), at: position }),
  )

  /** The bytes of the log after the change; the same bytes where the change comes to nothing. */
  function mutate(
    lines: readonly string[],
    change: typeof mutation extends fc.Arbitrary<infer T> ? T : never,
  ): Buffer {
    const bytes = (list: readonly string[]) => Buffer.from(list.map((line) => `${line}\n`).join(''))
    const whole = bytes(lines)
    const at = change.at % lines.length
    const line = lines[at] ?? ''
    if (change.kind === 'byte') {
      const place = change.at % whole.length
      whole[place] = (whole[place] ?? 0) ^ change.xor
      return whole
    }
    if (change.kind === 'truncate') return whole.subarray(0, change.at % whole.length)
    if (change.kind === 'drop') return bytes(lines.toSpliced(at, 1))
    if (change.kind === 'forged') return bytes(lines.toSpliced(at, 0, forgedAfter(lines[at - 1])))
    if (change.kind === 'foreign') return bytes(lines.toSpliced(at, 0, change.text))
    const to = change.to % lines.length
    if (change.kind === 'swap') return bytes(lines.with(at, lines[to] ?? '').with(to, line))
    if (change.kind === 'copy') return bytes(lines.toSpliced(to, 0, line))
    return bytes(lines.toSpliced(at, 1).toSpliced(to, 0, line))
  }

  it('is found', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: COUNT }), mutation, async (count, change) => {
        const lines = good.slice(0, count)
        const { seq, hash } = recordOf(lines.at(-1))
        const headText = `{"hash":"${hash}","seq":${seq},"v":1}\n`
        const original = Buffer.from(lines.map((line) => `${line}\n`).join(''))
        const changed = mutate(lines, change)
        await writeFile(path, changed)
        await writeFile(`${path}.head`, headText)
        const report = await verify()
        expect(report.ok).toBe(changed.equals(original))
        if (!report.ok) expect(report.problems[0]?.message).toBeTruthy()
      }),
      { numRuns: 500 },
    )
  })

  it('of any number of lines at random never confuses the verifier', async () => {
    const line = fc.oneof(fc.nat(COUNT - 1), fc.constant(-1))
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 20 }), async (order) => {
        const report = await verifyLines(order.map((at) => good[at] ?? 'garbage'))
        expect(report.ok).toBe(order.length === COUNT && order.every((at, index) => at === index))
        expect(report.problems.every(({ line: number }) => number >= 0 && number <= order.length + 1)).toBe(
          true,
        )
      }),
      { numRuns: 300 },
    )
  })
})

it('the helper forges what holds together by itself', () => {
  const line = rewritten(good[3], {})
  expect(line).toBe(good[3])
  expect(encodeRecord(recordOf(forgedAfter(good[3])))).toBe(forgedAfter(good[3]))
})
