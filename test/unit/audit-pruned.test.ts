import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { pruneAudit } from '../../src/audit/retention.ts'
import type { AuditSink } from '../../src/audit/sink.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import type { Clock } from '../../src/clock.ts'
import {
  DAY,
  event,
  linesOf,
  newLog,
  recordOf,
  removeFolders,
  rewritten,
  START,
  writeLines,
} from './audit-helpers.ts'

afterAll(removeFolders)

/** Drops what is older than the day `days` of the log, i.e. records 1 to `days`. */
const prune = (sink: AuditSink, clock: Clock, days: number, more: object = {}) =>
  pruneAudit(sink, { before: START + days * DAY, reason: 'retention', actor: 'ops', clock, ...more })

describe('a pruned log that was changed', () => {
  async function pruned() {
    const { path, sink, clock } = await newLog(8)
    await prune(sink, clock, 4)
    const lines = await linesOf(path) // checkpoint 4, records 5 to 8, audit.prune 9
    const check = async (changed: readonly string[]) => {
      await writeLines(path, changed)
      return (await verifyAudit(sink)).problems.map(({ kind, line }) => `${kind} ${line}`)
    }
    return { lines, check }
  }

  it('its head put back to one from before', async () => {
    const { path, sink, clock, log } = await newLog(2)
    const old = await readFile(`${path}.head`)
    await log.append([event(3), event(4)])
    clock.advance(DAY)
    await prune(sink, clock, 3)
    await writeFile(`${path}.head`, old)
    expect((await verifyAudit(sink)).problems).toMatchObject([{ kind: 'head', line: 0, seq: 2 }])
  })

  it.each<[string, (lines: string[]) => string[], string[]]>([
    ['nothing', (lines) => lines, []],
    ['the checkpoint removed', (lines) => lines.slice(1), ['cut-start 1']],
    ['a record behind the checkpoint removed', (lines) => lines.toSpliced(1, 1), ['removed 2']],
    ['the checkpoint edited', (lines) => lines.with(0, (lines[0] ?? '').replace('ops', 'pos')), ['edited 1']],
    ['the checkpoint made into garbage', (lines) => lines.with(0, 'garbage'), ['edited 1']],
    ['the checkpoint doubled', (lines) => [lines[0] ?? '', ...lines], ['duplicate 2']],
    [
      'the checkpoint moved down',
      (lines) => [lines[1] ?? '', lines[0] ?? '', ...lines.slice(2)],
      ['reordered 1'],
    ],
    ['a line before the checkpoint', (lines) => ['garbage', ...lines], ['inserted 1']],
    ['the end cut', (lines) => lines.slice(0, -1), ['checkpoint 1', 'cut-end 6']],
    ['only the checkpoint left', (lines) => lines.slice(0, 1), ['checkpoint 1', 'cut-end 2']],
    ['records swapped', (lines) => lines.with(2, lines[3] ?? '').with(3, lines[2] ?? ''), ['reordered 3']],
    [
      'more records cut behind a rewritten checkpoint',
      (lines) => {
        const { seq, hash } = recordOf(lines[2])
        const details = { ...recordOf(lines[0]).details, toSeq: seq, dropped: seq, lastHash: hash }
        return [rewritten(lines[0], { seq, details }), ...lines.slice(3)]
      },
      ['checkpoint 1'],
    ],
  ])('%s', async (_, change, expected) => {
    const { lines, check } = await pruned()
    expect(await check(change(lines))).toEqual(expected)
  })
})
