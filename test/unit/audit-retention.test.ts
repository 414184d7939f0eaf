import { createHmac, timingSafeEqual } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { AuditMac } from '../../src/audit/checkpoint.ts'
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { AuditLog } from '../../src/audit/log.ts'
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

const SECRET = Buffer.alloc(32, 7)
const macOf = (bytes: Uint8Array) => createHmac('sha256', SECRET).update(bytes).digest('hex')
const sign = async (bytes: Uint8Array): Promise<AuditMac> => ({ keyId: 5, mac: macOf(bytes) })
const checkMac = async (bytes: Uint8Array, { keyId, mac }: AuditMac) =>
  keyId === 5 && mac.length === 64 && timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(bytes)))

/** Drops what is older than the day `days` of the log, i.e. records 1 to `days`. */
const prune = (sink: AuditSink, clock: Clock, days: number, more: object = {}) =>
  pruneAudit(sink, { before: START + days * DAY, reason: 'retention', actor: 'ops', clock, ...more })

describe('pruneAudit', () => {
  it('puts a checkpoint in the place of the last record dropped', async () => {
    const { path, sink, clock } = await newLog(6)
    const dropped = recordOf((await linesOf(path))[3])
    const result = await prune(sink, clock, 4)
    const lines = await linesOf(path)
    expect(result).toEqual({ dropped: 4, checkpoint: recordOf(lines[0]) })
    expect(result.checkpoint).toMatchObject({
      event: 'audit.checkpoint',
      seq: 4,
      prev: '0'.repeat(64),
      actor: 'ops',
      reason: 'retention',
      details: {
        fromSeq: 1,
        toSeq: 4,
        dropped: 4,
        fromTime: '2026-01-01T00:00:00.000Z',
        toTime: '2026-01-04T00:00:00.000Z',
        lastHash: dropped.hash,
      },
    })
    expect(recordOf(lines[1]).prev).toBe(dropped.hash)
    expect(lines.map((line) => recordOf(line).seq)).toEqual([4, 5, 6, 7])
    expect(recordOf(lines[3])).toMatchObject({ event: 'audit.prune', actor: 'ops', reason: 'retention' })
    expect(await readdir(dirname(path))).toEqual(['audit.jsonl', 'audit.jsonl.head', 'audit.jsonl.lock'])
  })

  it('leaves a log that verifies, and goes on', async () => {
    const { sink, clock, log } = await newLog(6)
    await prune(sink, clock, 4)
    expect((await log.append([event(7), event(8)])).map(({ seq }) => seq)).toEqual([8, 9])
    expect(await verifyAudit(sink)).toMatchObject({
      ok: true,
      records: 6,
      firstSeq: 4,
      lastSeq: 9,
      checkpoint: { toSeq: 4, signed: false, toTime: '2026-01-04T00:00:00.000Z' },
    })
  })

  it('is noticed by a writer that knows the end of the old file', async () => {
    const { path, sink, clock, log } = await newLog(6)
    await prune(fileAuditSink({ path }), clock, 6)
    expect((await log.append(event(7))).map(({ seq }) => seq)).toEqual([8])
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, records: 3 })
  })

  it('folds earlier checkpoints into the new one', async () => {
    const { path, sink, clock } = await newLog(6)
    await prune(sink, clock, 2)
    clock.advance(DAY)
    const result = await prune(sink, clock, 5)
    expect(result.dropped).toBe(3)
    expect(result.checkpoint).toMatchObject({
      seq: 5,
      details: { fromSeq: 1, toSeq: 5, dropped: 5, fromTime: '2026-01-01T00:00:00.000Z' },
    })
    expect((await linesOf(path)).map((line) => recordOf(line).seq)).toEqual([5, 6, 7, 8])
    expect(await verifyAudit(sink)).toMatchObject({ ok: true })
  })

  it('may drop all records there are: the one that announces it stays', async () => {
    const { sink, clock } = await newLog(3)
    expect((await prune(sink, clock, 3)).dropped).toBe(3)
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, records: 2, firstSeq: 3, lastSeq: 4 })
  })

  it('stops at the first record that is not older, though older ones follow', async () => {
    const { sink, clock, log } = await newLog(3)
    clock.advance(-3 * DAY)
    await log.append(event(4))
    clock.advance(5 * DAY)
    expect((await prune(sink, clock, 2)).dropped).toBe(2)
  })

  it('writes nothing when nothing is old enough', async () => {
    const { path, sink, clock } = await newLog(3)
    const before = await readFile(path)
    expect(await prune(sink, clock, 0)).toEqual({ dropped: 0 })
    expect(await readFile(path)).toEqual(before)
    await prune(sink, clock, 2)
    expect(await prune(sink, clock, 2)).toEqual({ dropped: 0 })
  })

  it('leaves the log whole when it cannot be replaced', async () => {
    const { path, sink, clock } = await newLog(4)
    const broken: AuditSink = {
      read: () => sink.read(),
      head: () => sink.head(),
      exclusive: (critical) =>
        sink.exclusive((writer) =>
          critical({
            last: writer.last,
            torn: writer.torn,
            head: writer.head,
            append: (lines, head) => writer.append(lines, head),
            dropStart: () =>
              Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' })),
          }),
        ),
    }
    await expect(prune(broken, clock, 2)).rejects.toMatchObject({
      code: 'ERR_AUDIT_FAILED',
      hint: expect.any(String),
    })
    expect(await linesOf(path)).toHaveLength(5)
    expect(await verifyAudit(sink)).toMatchObject({ ok: true })
    expect((await prune(sink, clock, 2)).dropped).toBe(2)
  })

  it('writes over what a crash left', async () => {
    const { path, sink, clock } = await newLog(4)
    await writeFile(`${path}.prune.tmp`, 'x'.repeat(100_000))
    await prune(sink, clock, 2)
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, records: 4 })
  })

  it('refuses when somebody else pruned meanwhile', async () => {
    const { path, sink, clock } = await newLog(6)
    const late = async (bytes: Uint8Array) => {
      await prune(fileAuditSink({ path }), clock, 3)
      return sign(bytes)
    }
    await expect(prune(sink, clock, 4, { sign: late })).rejects.toMatchObject({
      code: 'ERR_AUDIT_FAILED',
      hint: 'prune again',
    })
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, firstSeq: 3, lastSeq: 7 })
  })

  it('refuses to destroy the evidence of a change', async () => {
    const { path, sink, clock } = await newLog(6)
    const lines = await linesOf(path)
    const changed = lines.with(1, rewritten(lines[1], { reason: 'nothing happened' }))
    await writeLines(path, changed)
    await expect(prune(sink, clock, 4)).rejects.toMatchObject({
      code: 'ERR_AUDIT_TAMPERED',
      details: { kind: 'edited', line: 2 },
      hint: expect.stringContaining('evidence'),
    })
    expect(await linesOf(path)).toEqual(changed)
  })

  it.each([
    ['a time in the future', { before: START + 90 * DAY }],
    ['no time', { before: Number.NaN }],
    ['no reason', { reason: ' ' }],
    ['no actor', { actor: '' }],
    ['an actor that is too long', { actor: 'x'.repeat(1001) }],
  ])('refuses %s', async (_, options) => {
    const { path, sink, clock } = await newLog(3)
    await expect(prune(sink, clock, 2, options)).rejects.toMatchObject({
      code: 'ERR_ARGUMENT_INVALID',
      hint: expect.any(String),
    })
    expect(await linesOf(path)).toHaveLength(3)
  })
})

describe('a signed checkpoint', () => {
  it('is checked, and folded only when it is right', async () => {
    const { sink, clock } = await newLog(6)
    await prune(sink, clock, 2, { sign, checkMac: undefined })
    expect(await verifyAudit(sink, { checkMac })).toMatchObject({ ok: true, checkpoint: { signed: true } })
    await prune(sink, clock, 4, { sign, checkMac })
    expect(await verifyAudit(sink, { checkMac })).toMatchObject({
      ok: true,
      checkpoint: { signed: true, toSeq: 4 },
    })
    const never = async () => false
    await expect(prune(sink, clock, 5, { sign, checkMac: never })).rejects.toMatchObject({
      details: { kind: 'mac' },
    })
  })

  it('without a MAC is a problem where MACs are checked', async () => {
    const { sink, clock } = await newLog(6)
    await prune(sink, clock, 2)
    expect((await verifyAudit(sink, { checkMac })).problems).toMatchObject([{ kind: 'mac', line: 1, seq: 2 }])
    expect(await verifyAudit(sink)).toMatchObject({ ok: true })
  })

  it.each([
    ['another number of records', { reason: 'other' }],
    ['another time', { time: '2026-06-01T00:00:00.000Z' }],
  ])('with %s has a wrong MAC, though its hash is right', async (_, change) => {
    const { path, sink, clock } = await newLog(6)
    await prune(sink, clock, 3, { sign })
    const lines = await linesOf(path)
    await writeLines(path, lines.with(0, rewritten(lines[0], change)))
    expect(await verifyAudit(sink)).toMatchObject({ ok: true })
    expect((await verifyAudit(sink, { checkMac })).problems).toMatchObject([{ kind: 'mac', line: 1 }])
  })

  it('is not written when it cannot be signed', async () => {
    const { path, sink, clock } = await newLog(4)
    const before = await readFile(path)
    const refuse = () => Promise.reject(new Error('provider down'))
    await expect(prune(sink, clock, 2, { sign: refuse })).rejects.toThrow('provider down')
    expect(await readFile(path)).toEqual(before)
  })
})

it('a log that is pruned and written by turns stays whole', { timeout: 60_000 }, async () => {
  const { path, sink, clock } = await newLog(3)
  const logs = [1, 2, 3].map(() => new AuditLog({ sink: fileAuditSink({ path }), clock }))
  for (let round = 0; round < 10; round += 1) {
    await Promise.all([
      ...logs.map((log, n) => log.append([event(n + 1), event(n + 1)])),
      pruneAudit(fileAuditSink({ path }), {
        before: clock.now() - DAY,
        reason: 'turns',
        actor: 'ops',
        clock,
      }),
    ])
    clock.advance(DAY)
  }
  const report = await verifyAudit(sink)
  expect(report).toMatchObject({ ok: true, problems: [] })
  expect(report.lastSeq).toBe(3 + 60 + 10)
})
