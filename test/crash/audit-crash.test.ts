/** Audit logs written by real processes at once, and by processes that are killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AuditRecord } from '../../src/audit/event.ts'
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { AuditLog } from '../../src/audit/log.ts'
import { pruneAudit } from '../../src/audit/retention.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import { systemClock } from '../../src/clock.ts'

let folder: string
let path: string
const children = new Set<ChildProcess>()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audit-crash-'))
  path = join(folder, 'audit.jsonl')
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
  await rm(folder, { recursive: true, force: true })
})

/** Starts a script; `lines` are what it printed, `ended` resolves to exit code and signal. */
function start(script: string, ...args: readonly (string | number)[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  const output = createInterface({ input: child.stdout })
  const lines: number[] = []
  output.on('line', (line) => lines.push(Number(line)))
  const ended = Promise.all([once(child, 'exit'), once(output, 'close')]).then(([[code, signal]]) => {
    children.delete(child)
    return { code, signal }
  })
  /** Kills it once it printed `count` lines, wherever it is then. */
  const killAfter = async (count: number) => {
    while (lines.length < count) await once(output, 'line')
    child.kill('SIGKILL')
    return ended
  }
  return { lines, ended, killAfter }
}

async function records(): Promise<AuditRecord[]> {
  const log = new AuditLog({ sink: fileAuditSink({ path }), clock: systemClock })
  const list: AuditRecord[] = []
  for await (const record of log.list()) list.push(record)
  return list
}

describe('several processes on one log', () => {
  it('make one chain of 8 × 50 records', { timeout: 60_000 }, async () => {
    const writers = Array.from({ length: 8 }, (_, n) => start('audit-writer.ts', path, 50, 1, `writer-${n}`))
    for (const { ended } of writers) expect(await ended).toEqual({ code: 0, signal: null })
    expect(await verifyAudit(fileAuditSink({ path }))).toMatchObject({ ok: true, records: 400, lastSeq: 400 })
    const list = await records()
    expect(list.map(({ seq }) => seq)).toEqual(Array.from({ length: 400 }, (_, n) => n + 1))
    for (const [n, { lines }] of writers.entries()) {
      const own = list.filter(({ actor }) => actor === `writer-${n}`)
      expect(own.map(({ seq }) => seq)).toEqual(lines)
      expect(own.map(({ details }) => details?.['call'])).toEqual(
        Array.from({ length: 50 }, (_, at) => at + 1),
      )
    }
  })

  it('go on while another prunes', { timeout: 120_000 }, async () => {
    const writers = [1, 2].map((n) => start('audit-writer.ts', path, 0, 3, `writer-${n}`))
    const sink = fileAuditSink({ path })
    let dropped = 0
    for (let prunes = 0; prunes < 5; ) {
      const result = await pruneAudit(sink, {
        before: Date.now(),
        reason: 'test',
        actor: 'ops',
        clock: systemClock,
      })
      dropped += result.dropped
      if (result.dropped > 0) prunes += 1
      expect((await verifyAudit(sink)).problems).toEqual([])
    }
    for (const { killAfter } of writers) {
      expect(await killAfter(3)).toEqual({ code: null, signal: 'SIGKILL' })
    }
    const report = await verifyAudit(sink)
    expect(report).toMatchObject({ ok: true, problems: [], checkpoint: { toSeq: dropped } })
    const acknowledged = writers.flatMap(({ lines }) => lines)
    expect(new Set(acknowledged).size).toBe(acknowledged.length)
    const kept = new Set((await records()).map(({ seq }) => seq))
    expect(acknowledged.filter((seq) => seq > dropped && !kept.has(seq))).toEqual([])
  })
})

describe('a process that is killed', () => {
  it('leaves every acknowledged record, 15 times', { timeout: 120_000 }, async () => {
    const acknowledged: number[] = []
    for (let round = 1; round <= 15; round += 1) {
      const batch = round % 3 === 0 ? 200 : 3
      const writer = start('audit-writer.ts', path, 0, batch, `round-${round}`)
      expect(await writer.killAfter(round * 7)).toEqual({ code: null, signal: 'SIGKILL' })
      acknowledged.push(...writer.lines)
      expect((await verifyAudit(fileAuditSink({ path }))).problems).toEqual([])
    }
    const log = new AuditLog({ sink: fileAuditSink({ path }), clock: systemClock })
    acknowledged.push(...(await log.append({ event: 'audit.start' })).map(({ seq }) => seq))
    const report = await verifyAudit(fileAuditSink({ path }))
    expect(report).toMatchObject({ ok: true, problems: [] })
    expect(report.torn).toBeUndefined()
    const written = new Set((await records()).map(({ seq }) => seq))
    expect(acknowledged.filter((seq) => !written.has(seq))).toEqual([])
    expect(new Set(acknowledged).size).toBe(acknowledged.length)
    expect(acknowledged.length).toBeGreaterThan(15 * 7)
  })

  it('while it prunes leaves a log that verifies and goes on', { timeout: 60_000 }, async () => {
    for (let round = 1; round <= 6; round += 1) {
      const pruner = start('audit-pruner.ts', path)
      expect(await pruner.killAfter(round)).toEqual({ code: null, signal: 'SIGKILL' })
      const sink = fileAuditSink({ path })
      expect((await verifyAudit(sink)).problems).toEqual([])
      const [record] = await new AuditLog({ sink, clock: systemClock }).append({ event: 'audit.start' })
      expect(record?.seq).toBeGreaterThan(20)
      expect(await verifyAudit(sink)).toMatchObject({ ok: true, lastSeq: record?.seq })
    }
  })
})
