import { appendFile, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fileAuditSink } from '../../src/audit/file-sink.ts'
import { AuditLog, noAudit } from '../../src/audit/log.ts'
import type { AuditSink } from '../../src/audit/sink.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import {
  DAY,
  event,
  linesOf,
  newLog,
  newPath,
  recordOf,
  removeFolders,
  START,
  testClock,
  writeLines,
} from './audit-helpers.ts'

afterAll(removeFolders)

const seqs = (records: readonly { seq: number }[]) => records.map(({ seq }) => seq)

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

/** A sink that counts how often it is locked, written and read from its start. */
function counting(sink: AuditSink) {
  const counts = { exclusive: 0, lines: [] as number[] }
  const counted: AuditSink = {
    exclusive: (critical) =>
      sink.exclusive((writer) => {
        counts.exclusive += 1
        return critical({
          last: writer.last,
          torn: writer.torn,
          head: writer.head,
          dropStart: (count, line) => writer.dropStart(count, line),
          append(lines, head) {
            counts.lines.push(lines.length)
            return writer.append(lines, head)
          },
        })
      }),
    read: () => sink.read(),
    head: () => sink.head(),
  }
  return { counted, counts }
}

describe('AuditLog.append', () => {
  it('resolves to the records that are in the file, and sets modes and head', async () => {
    const path = join(await newPath(), 'sub', 'audit.jsonl')
    const log = new AuditLog({ sink: fileAuditSink({ path }), clock: testClock(), actor: 'tester' })
    const [record] = await log.append(event(1))
    const [line] = await linesOf(path)
    expect(record).toEqual(recordOf(line))
    expect(record).toMatchObject({
      v: 1,
      seq: 1,
      actor: 'tester',
      prev: '0'.repeat(64),
      time: '2026-01-01T00:00:00.000Z',
    })
    expect(JSON.parse(await readFile(`${path}.head`, 'utf8'))).toEqual({ v: 1, seq: 1, hash: record?.hash })
    const mode = async (name: string) => (await stat(name)).mode & 0o777
    expect([await mode(path), await mode(`${path}.head`), await mode(dirname(path))]).toEqual([
      0o600, 0o600, 0o700,
    ])
  })

  it('goes on in another instance', async () => {
    const { path, sink } = await newLog(3)
    const log = new AuditLog({ sink: fileAuditSink({ path }), clock: testClock() })
    expect(seqs(await log.append([event(4), event(5)]))).toEqual([4, 5])
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, records: 5 })
  })

  it('notices what another instance wrote, though it knows an end of its own', async () => {
    const { path, log } = await newLog(2)
    const other = new AuditLog({ sink: fileAuditSink({ path }), clock: testClock() })
    await other.append(event(3))
    expect(seqs(await log.append(event(4)))).toEqual([4])
    expect(seqs(await other.append(event(5)))).toEqual([5])
  })

  it('writes the calls that came meanwhile together, each with its own records', async () => {
    const { counted, counts } = counting(fileAuditSink({ path: await newPath() }))
    const log = new AuditLog({ sink: counted, clock: testClock() })
    const calls = Array.from({ length: 50 }, (_, n) =>
      log.append(n % 2 === 0 ? event(n + 1) : [event(n), event(n)]),
    )
    const results = await Promise.all(calls)
    expect(results.flatMap(seqs)).toEqual(Array.from({ length: 75 }, (_, n) => n + 1))
    expect(results.map((records) => records.length).slice(0, 3)).toEqual([1, 2, 1])
    expect(counts).toEqual({ exclusive: 2, lines: [1, 74] })
  })

  it('bounds a group, but takes a larger call whole', async () => {
    const { counted, counts } = counting(fileAuditSink({ path: await newPath() }))
    const log = new AuditLog({ sink: counted, clock: testClock() })
    const batch = (count: number) => log.append(Array.from({ length: count }, () => event(1)))
    await Promise.all([batch(1500), batch(600), batch(600)])
    expect(counts.lines).toEqual([1500, 600, 600])
  })

  it('bounds what waits', async () => {
    const log = new AuditLog({
      sink: fileAuditSink({ path: await newPath() }),
      clock: testClock(),
      maxWaiting: 2,
    })
    const calls = [1, 2, 3, 4].map((n) => log.append(event(n)))
    const results = await Promise.allSettled(calls)
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected'])
    expect(results[3]).toMatchObject({
      reason: { code: 'ERR_AUDIT_FAILED', hint: expect.stringContaining('batches') },
    })
    expect(seqs(await log.append(event(5)))).toEqual([4])
  })

  it('writes nothing for no events and for a call with one bad event', async () => {
    const { path, log } = await newLog(1)
    expect(await log.append([])).toEqual([])
    await expect(log.append([event(2), { event: 'audit.prune' }])).rejects.toMatchObject({
      code: 'ERR_ARGUMENT_INVALID',
    })
    expect(await linesOf(path)).toHaveLength(1)
  })

  it('refuses an actor that may not stand in an event', async () => {
    const sink = fileAuditSink({ path: await newPath() })
    expect(() => new AuditLog({ sink, clock: testClock(), actor: 'x'.repeat(1001) })).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT_INVALID' }),
    )
  })

  it('keeps the largest records readable', async () => {
    const { sink, log } = await newLog(1)
    const details = Object.fromEntries(Array.from({ length: 31 }, (_, n) => [`n${n}`, 'é'.repeat(1000)]))
    for (let n = 0; n < 4; n += 1) await log.append({ event: 'policy.change', details })
    expect(await verifyAudit(sink)).toMatchObject({ ok: true, records: 5 })
    const other = new AuditLog({ sink, clock: testClock() })
    expect(seqs(await other.append(event(1)))).toEqual([6])
  })
})

describe('AuditLog.close', () => {
  it('waits for what was given, refuses more, and may be called twice', async () => {
    const { log } = await newLog(1)
    const pending = log.append([event(2)])
    await log.close()
    await log.close()
    expect(seqs(await pending)).toEqual([2])
    await expect(log.append(event(3))).rejects.toMatchObject({ code: 'ERR_CLOSED', hint: expect.any(String) })
    await expect(collect(log.list())).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})

describe('a failure', () => {
  it('of a client keeps its text to itself, which may hold an address with a password', async () => {
    const refuse = async (): Promise<never> => {
      throw new Error('cannot connect to redis://app:SECRET@host')
    }
    const sink: AuditSink = {
      exclusive: refuse,
      head: refuse,
      read: () => ({ [Symbol.asyncIterator]: () => ({ next: refuse }) }),
    }
    const log = new AuditLog({ sink, clock: testClock() })
    for (const attempt of [() => log.append(event(1)), () => collect(log.list()), () => verifyAudit(sink)]) {
      const error = await attempt().then(
        () => undefined,
        (reason) => reason,
      )
      expect(error).toMatchObject({ code: 'ERR_AUDIT_FAILED' })
      expect(error.cause).toBeUndefined()
      expect(JSON.stringify(error) + error.stack).not.toContain('SECRET')
    }
  })
})

describe('AuditLog.list', () => {
  it.each([
    ['all', {}, [1, 2, 3, 4, 5, 6]],
    ['an event', { event: 'key.destroy' as const }, [4]],
    ['a keyring, exactly', { keyring: 'pii/tenant-2' }, [2]],
    ['a key', { keyId: 5 }, [5]],
    ['from a time on', { since: START + 4 * DAY }, [5, 6]],
    ['before a time', { until: START + DAY }, [1]],
    ['the first', { limit: 2 }, [1, 2]],
    ['the last', { last: 2 }, [5, 6]],
    ['the last, more than there are', { last: 20 }, [1, 2, 3, 4, 5, 6]],
    ['the last of some', { last: 1, until: START + 3 * DAY }, [3]],
    ['none', { keyId: 9 }, []],
  ])('gives %s', async (_, filter, expected) => {
    const { log, clock } = await newLog(3)
    await log.append({ ...event(4), event: 'key.destroy' })
    clock.advance(DAY)
    await log.append([event(5), event(6)])
    expect(seqs(await collect(log.list(filter)))).toEqual(expected)
  })

  it.each([{ limit: 0 }, { last: -1 }, { limit: 1.5 }])('refuses %j', async (filter) => {
    const { log } = await newLog(1)
    await expect(collect(log.list(filter))).rejects.toMatchObject({ code: 'ERR_ARGUMENT_INVALID' })
  })

  it('gives the records before a line that is none, then says where it is', async () => {
    const { path, log } = await newLog(3)
    await writeLines(path, (await linesOf(path)).with(1, 'garbage'))
    const seen: number[] = []
    const reading = (async () => {
      for await (const { seq } of log.list()) seen.push(seq)
    })()
    await expect(reading).rejects.toMatchObject({
      code: 'ERR_AUDIT_TAMPERED',
      message: expect.stringContaining('line 2'),
    })
    expect(seen).toEqual([1])
  })

  it('leaves out an unfinished line', async () => {
    const { path, log } = await newLog(2)
    await appendFile(path, '{"ev')
    expect(await collect(log.list())).toHaveLength(2)
  })

  it('reads lines across blocks', async () => {
    const { log } = await newLog(0)
    await log.append(Array.from({ length: 1000 }, (_, n) => event(n + 1)))
    expect((await collect(log.list({ last: 3 }))).map(({ keyId }) => keyId)).toEqual([998, 999, 1000])
  })
})

describe('noAudit', () => {
  it('checks events, and keeps nothing', async () => {
    expect(await noAudit.append([event(1)])).toEqual([])
    expect(await collect(noAudit.list())).toEqual([])
    await expect(noAudit.append({ event: 'audit.prune' })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT_INVALID',
    })
    await noAudit.close()
  })
})
