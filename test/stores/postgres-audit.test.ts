/** The audit log in PostgreSQL, under the log of core: appending, reading, pruning, and edits that it must notice. */
import { describe, expect, it } from 'vitest'
import { AuditLog } from '../../src/audit/log.ts'
import { pruneAudit } from '../../src/audit/retention.ts'
import type { AuditSink } from '../../src/audit/sink.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import type { KeyStore } from '../../src/store.ts'
import { DAY, event, START, testClock } from '../unit/audit-helpers.ts'
import { postgresLab, skip } from './postgres-kit.ts'

const lab = postgresLab()
const HASH = 'ab'.repeat(32)

interface Lab {
  readonly schema: string
  readonly store: KeyStore
  readonly sink: AuditSink
  readonly log: AuditLog
}

/** A log with `count` records, one a day. */
async function logOf(count: number): Promise<Lab> {
  const schema = lab.newSchema()
  const store = await lab.open({ schema, create: true })
  const sink = sinkOf(store)
  const clock = testClock()
  const log = new AuditLog({ sink, clock, actor: 'tester' })
  for (let n = 1; n <= count; n += 1) {
    await log.append(event(n))
    clock.advance(DAY)
  }
  return { schema, store, sink, log }
}

function sinkOf(store: KeyStore): AuditSink {
  const sink = store.auditSink?.()
  if (sink === undefined) throw new Error('the store has no audit sink')
  return lab.keep(sink)
}

const linesOf = async (sink: AuditSink): Promise<string[]> =>
  (await Array.fromAsync(sink.read())).map(({ bytes }) => Buffer.from(bytes).toString())

describe.skipIf(skip)('audit log in postgres', () => {
  it('is empty when it is new', async () => {
    const { sink, log } = await logOf(0)
    expect(await sink.head()).toBeUndefined()
    expect(await linesOf(sink)).toEqual([])
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, records: 0 })
    expect(await Array.fromAsync(log.list())).toEqual([])
  })

  it('keeps what was appended, in order and verified, for every client', async () => {
    const { schema, sink, log } = await logOf(3)
    await log.append(Array.from({ length: 700 }, (_, n) => event(n + 4)))
    const other = sinkOf(await lab.open({ schema }))
    expect(await verifyAudit(other)).toMatchObject({ ok: true, records: 703 })
    const read = await Array.fromAsync(other.read())
    expect(read.map(({ line }) => line)).toEqual(Array.from({ length: 703 }, (_, place) => place + 1))
    expect((await other.head())?.seq).toBe(703)
    expect(await linesOf(other)).toEqual(await linesOf(sink))
    const [last] = await Array.fromAsync(log.list({ last: 1 }))
    expect(last).toMatchObject({ seq: 703, keyId: 703, reason: 'Grund 703: „Änderung“\n\ufffd' })
  })

  it('is read as it was at one moment, beside writers and inside of them', async () => {
    const { sink, log } = await logOf(450)
    const seen: number[] = []
    for await (const { line } of sink.read()) {
      if (line === 1) await log.append([event(451), event(452)])
      seen.push(line)
    }
    expect(seen).toHaveLength(450)
    await sink.exclusive(async (writer) => {
      expect(await linesOf(sink)).toHaveLength(452)
      expect(writer.head?.seq).toBe(452)
    })
  })

  it('gives its connection back when reading is broken off', async () => {
    const { sink } = await logOf(3)
    for (let time = 0; time < 10; time++) {
      for await (const _ of sink.read()) break
    }
    expect(await linesOf(sink)).toHaveLength(3)
  })

  it('can be pruned, and goes on from there', async () => {
    const { sink, log } = await logOf(10)
    const clock = testClock(START + 20 * DAY)
    const options = { before: START + 4 * DAY, reason: 'yearly', actor: 'tester', clock }
    expect(await pruneAudit(sink, options)).toMatchObject({ dropped: 4 })
    await log.append(event(11))
    expect(await verifyAudit(sink)).toMatchObject({ ok: true })
    expect((await linesOf(sink))[0]).toContain('audit.checkpoint')
    expect(await linesOf(sink)).toHaveLength(9)
    expect(
      await pruneAudit(sink, { ...options, before: START + 30 * DAY, clock: testClock(START + 40 * DAY) }),
    ).toMatchObject({ dropped: 8 })
    expect(await verifyAudit(sink)).toMatchObject({ ok: true })
  })

  it.each([
    [
      'a line that was edited',
      "UPDATE audit_lines SET text = replace(text, 'tenant-2', 'tenant-9') WHERE position = 2",
    ],
    ['a line that was removed', 'DELETE FROM audit_lines WHERE position = 2'],
    ['a cut end', 'DELETE FROM audit_lines WHERE position = 3'],
    ['a head that was removed', 'DELETE FROM audit_head'],
    ['a head that was moved back', 'UPDATE audit_head SET seq = 2'],
    ['a head of another log', `UPDATE audit_head SET hash = '${HASH}'`],
    ['a head that cannot be', "UPDATE audit_head SET hash = 'x'"],
    ['lines in another order', 'UPDATE audit_lines SET position = 9 - position'],
    ['a line that is too long', "UPDATE audit_lines SET text = repeat('ä', 200000) WHERE position = 2"],
  ])('notices %s', async (_, sql) => {
    const { schema, sink } = await logOf(3)
    await lab.sql(`BEGIN; SET LOCAL search_path = ${schema}; ${sql}; COMMIT`)
    expect((await verifyAudit(sink)).ok).toBe(false)
  })

  it.each([
    ['a cut end', 'DELETE FROM audit_lines WHERE position = 3'],
    ['a head that was removed', 'DELETE FROM audit_head'],
    ['everything but the head', 'DELETE FROM audit_lines'],
  ])('does not go on behind %s', async (_, sql) => {
    const { schema, log } = await logOf(3)
    await lab.sql(`BEGIN; SET LOCAL search_path = ${schema}; ${sql}; COMMIT`)
    await expect(log.append(event(4))).rejects.toMatchObject({ code: 'ERR_AUDIT_TAMPERED' })
  })

  it('writes lines and head together or not at all', async () => {
    const { schema, sink, log } = await logOf(2)
    const before = await linesOf(sink)
    await lab.sql(`ALTER TABLE ${schema}.audit_lines ADD CONSTRAINT full_up CHECK (position < 3)`)
    await expect(log.append(event(3))).rejects.toMatchObject({ code: 'ERR_AUDIT_FAILED' })
    await lab.sql(`ALTER TABLE ${schema}.audit_lines DROP CONSTRAINT full_up`)
    expect(await linesOf(sink)).toEqual(before)
    expect((await sink.head())?.seq).toBe(2)
    expect(await log.append(event(3))).toMatchObject([{ seq: 3 }])
  })

  it('refuses a writer that lost its lock while another one wrote', async () => {
    const { schema, sink, log } = await logOf(2)
    const late = sink.exclusive(async (writer) => {
      await lab.sql(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'`)
      // Another process now gets the lock; inside this one the two would wait for each other.
      const other = new AuditLog({ sink: sinkOf(await lab.open({ schema })), clock: testClock() })
      await other.append(event(3))
      await writer.append(['{}'], { seq: 3, hash: HASH })
    })
    await expect(late).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_(AUDIT_FAILED|STORE_UNAVAILABLE)/),
    })
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, records: 3 })
    expect(await log.append(event(4))).toMatchObject([{ seq: 4 }])
  })

  it('lets one caller after the other write, without running out of connections', async () => {
    const { schema, sink } = await logOf(0)
    const sinks = [sink, sinkOf(await lab.open({ schema, maxConnections: 2 }))]
    await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        sinks[n % 2]?.exclusive(async (writer) => {
          const seq = (writer.head?.seq ?? 0) + 1
          await writer.append([`{"seq":${seq}}`], { seq, hash: HASH })
        }),
      ),
    )
    expect(await linesOf(sink)).toEqual(Array.from({ length: 20 }, (_, n) => `{"seq":${n + 1}}`))
  })

  it('is closed by itself, not with the store', async () => {
    const { store, sink, log } = await logOf(1)
    await store.close?.()
    await expect(store.get(1)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(await log.append(event(2))).toMatchObject([{ seq: 2 }])
    await log.close()
    await log.close()
    await expect(sink.head()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await expect(sink.exclusive(async () => 0)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await expect(Array.fromAsync(sink.read())).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await expect
      .poll(() => lab.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'keywright'"))
      .toEqual([])
  })

  it('is free again after a writer failed', async () => {
    const { sink } = await logOf(1)
    const failing = sink.exclusive(async () => {
      throw new TypeError('failed on purpose')
    })
    await expect(failing).rejects.toThrow('failed on purpose')
    expect(await linesOf(sink)).toHaveLength(1)
    await sink.exclusive(async (writer) => expect(writer.last).toBeInstanceOf(Uint8Array))
  })
})
