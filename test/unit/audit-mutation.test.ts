import { readFile, writeFile } from 'node:fs/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import {
  forgedAfter,
  linesOf,
  newLog,
  newPath,
  recordOf,
  removeFolders,
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

  it('is found', { timeout: 60_000 }, async () => {
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

  it('of any number of lines at random never confuses the verifier', { timeout: 60_000 }, async () => {
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
