/** The audit log in Redis, and processes that work on one store together. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { AuditLog } from '../../src/audit/log.ts'
import { pruneAudit } from '../../src/audit/retention.ts'
import { verifyAudit } from '../../src/audit/verify.ts'
import type { AuditSink, KeyStore } from '../../src/store.ts'
import { recordOf } from '../../src/testing/conformance/store-records.ts'
import { type RedisServer, redis } from '../../src/testing/native/redis.ts'
import { type AuditSinkTimes, redisAuditSink } from '../../stores/redis/audit-sink.ts'
import { storeNames } from '../../stores/redis/names.ts'
import { parseOptions } from '../../stores/redis/options.ts'
import { openStoreIn } from '../../stores/redis/schema.ts'
import { Session } from '../../stores/redis/session.ts'
import { serverFor } from '../kit/servers.ts'
import { DAY, event, START, testClock } from '../unit/audit-helpers.ts'
import { CHILD, failure, newNamespace, openStoreOn, urlOf } from './redis-kit.ts'

const native = await serverFor(redis)

describe.skipIf(native.skip)('redis store: audit log and processes', () => {
  let server: RedisServer
  let admin: Redis
  let space: string
  let store: KeyStore
  const sinks: AuditSink[] = []

  beforeAll(async () => {
    server = (await native.start?.()) as RedisServer
    admin = new Redis({ host: '127.0.0.1', password: server.password, port: server.port })
  })
  afterAll(async () => {
    admin?.disconnect()
    await server?.stop()
  })
  afterEach(async () => {
    for (const sink of sinks.splice(0)) await sink.close?.()
    await store.close?.()
  })

  const openNew = async (): Promise<AuditSink> => {
    space = newNamespace()
    store = await openStoreOn(server, { create: true, namespace: space })
    return openSink()
  }
  const openSink = (): AuditSink => {
    const sink = store.auditSink?.() as AuditSink
    sinks.push(sink)
    return sink
  }
  /** A sink with times that a test can wait for. */
  const openQuick = async (times: AuditSinkTimes): Promise<AuditSink> => {
    const settings = parseOptions({ namespace: space, url: urlOf(server) })
    const session = new Session({ library: () => import('ioredis'), readOnly: false, settings })
    await openStoreIn(session, undefined)
    const sink = redisAuditSink(session, times)
    sinks.push(sink)
    return sink
  }
  const logOn = (sink: AuditSink): AuditLog => new AuditLog({ actor: 'tester', clock: testClock(), sink })
  const seqs = async (sink: AuditSink): Promise<number[]> => {
    const found: number[] = []
    for await (const { bytes } of sink.read()) found.push(JSON.parse(Buffer.from(bytes).toString()).seq)
    return found
  }

  describe('the audit log', () => {
    it('begins empty, and keeps what is appended in order', async () => {
      const sink = await openNew()
      expect([await sink.head(), await seqs(sink)]).toEqual([undefined, []])
      const log = logOn(sink)
      await log.append([event(1), event(2)])
      await log.append(event(3))
      const listed = await Array.fromAsync(log.list())
      expect(listed.map(({ keyId }) => keyId)).toEqual([1, 2, 3])
      expect(await sink.head()).toEqual({ hash: listed[2]?.hash, seq: 3 })
      expect(await verifyAudit(sink)).toMatchObject({ ok: true, problems: [] })
      expect(await seqs(openSink())).toEqual([1, 2, 3])
    })

    it('is read in pages, as it was when the reading began', async () => {
      const sink = await openNew()
      const log = logOn(sink)
      await log.append(Array.from({ length: 450 }, (_, n) => event(n + 1)))
      const reading = sink.read()[Symbol.asyncIterator]()
      await reading.next()
      await log.append(event(451))
      let lines = 1
      for (let next = await reading.next(); next.done !== true; next = await reading.next()) {
        lines += 1
        expect(next.value).toMatchObject({ line: lines, torn: false })
      }
      expect(lines).toBe(450)
    })

    it('keeps many writers in one chain', async () => {
      const logs = [await openNew(), openSink(), openSink(), openSink()].map(logOn)
      const writes = Array.from({ length: 60 }, (_, n) => logs[n % logs.length]?.append(event(n + 1)))
      await Promise.all(writes)
      expect(await verifyAudit(openSink())).toMatchObject({ ok: true, problems: [] })
      expect((await openSink().head())?.seq).toBe(60)
    })

    it('outlives the store that gave it, and ends by itself', async () => {
      const sink = await openNew()
      await store.close?.()
      await logOn(sink).append(event(1))
      await sink.close?.()
      await sink.close?.()
      await expect(sink.head()).rejects.toEqual(failure('ERR_CLOSED'))
      await expect(sink.exclusive(async () => 1)).rejects.toEqual(failure('ERR_CLOSED'))
    })

    it('loses the start when it is pruned, and whoever reads it then is told', async () => {
      const sink = await openNew()
      const clock = testClock()
      const log = new AuditLog({ actor: 'tester', clock, sink })
      for (let day = 0; day < 5; day++) {
        await log.append(Array.from({ length: 80 }, (_, n) => event(n + 1)))
        clock.advance(DAY)
      }
      const reading = sink.read()[Symbol.asyncIterator]()
      await reading.next()
      const options = { actor: 'tester', before: START + 2.5 * DAY, clock, reason: 'old' }
      expect((await pruneAudit(sink, options)).dropped).toBe(240)
      const rest = async (): Promise<void> => {
        while ((await reading.next()).done !== true);
      }
      await expect(rest()).rejects.toEqual(failure('ERR_AUDIT_FAILED', 'again'))
      expect(await verifyAudit(sink)).toMatchObject({ ok: true, problems: [] })
      expect((await seqs(sink)).length).toBe(162)
      await log.append(event(1))
      expect(await verifyAudit(sink)).toMatchObject({ ok: true })
    })

    it.each<[what: string, tamper: (names: ReturnType<typeof storeNames>) => Promise<unknown>]>([
      ['a changed line', ({ lines }) => admin.lset(lines, 1, '{"v":1}')],
      ['a line that is no text', ({ lines }) => admin.lset(lines, 1, Buffer.from([0xff, 0xfe]))],
      ['a cut end', ({ lines }) => admin.rpop(lines)],
      ['a lost head', ({ audit }) => admin.del(audit)],
      ['lost lines', ({ lines }) => admin.del(lines)],
    ])('shows %s', async (what, tamper) => {
      const sink = await openNew()
      const log = logOn(sink)
      await log.append([event(1), event(2), event(3)])
      await tamper(storeNames(space))
      expect((await verifyAudit(sink)).ok).toBe(false)
      if (what.includes('line that') || what === 'a changed line') return // in the middle: only verifying finds it
      await expect(log.append(event(4))).rejects.toEqual(failure('ERR_AUDIT_TAMPERED'))
    })

    it.each([
      ['seq', 'soon'],
      ['seq', '-1'],
      ['hash', 'short'],
    ])('refuses a head with %s %s', async (field, value) => {
      const sink = await openNew()
      await logOn(sink).append(event(1))
      await admin.hset(storeNames(space).audit, field, value)
      await expect(sink.head()).rejects.toEqual(failure('ERR_AUDIT_TAMPERED'))
      await expect(logOn(sink).append(event(2))).rejects.toEqual(failure('ERR_AUDIT_TAMPERED'))
    })
  })

  describe('its lock', () => {
    const lines = ['{"a":1}']
    const head = { hash: 'b'.repeat(64), seq: 1 }

    it('that was lost lets nothing be written', async () => {
      const sink = await openNew()
      const { lines: list, lock } = storeNames(space)
      for (const lose of [() => admin.del(lock), () => admin.set(lock, 'somebody else')]) {
        const writing = sink.exclusive(async (writer) => {
          await lose()
          await writer.append(lines, head)
        })
        await expect(writing).rejects.toEqual(failure('ERR_AUDIT_FAILED', 'try again'))
        expect([await admin.llen(list), await sink.head()]).toEqual([0, undefined])
      }
      expect(await admin.get(lock)).toBe('somebody else') // it is not ours to give back
    })

    it('that came back after others wrote is no use either', async () => {
      const sink = await openNew()
      const other = openSink()
      const { lock } = storeNames(space)
      const writing = sink.exclusive(async (writer) => {
        const token = (await admin.get(lock)) ?? ''
        await admin.del(lock)
        await logOn(other).append(event(1))
        await admin.set(lock, token)
        await writer.append(lines, head)
      })
      await expect(writing).rejects.toEqual(failure('ERR_AUDIT_FAILED', 'try again'))
      expect(await verifyAudit(other)).toMatchObject({ ok: true, problems: [] })
    })

    it('that ended is not taken again by prolonging it', async () => {
      await openNew()
      const sink = await openQuick({ leaseMs: 60, lockTimeoutMs: 5000 })
      const { lock } = storeNames(space)
      const writing = sink.exclusive(async (writer) => {
        await admin.del(lock)
        await sleep(100)
        expect(await admin.exists(lock)).toBe(0)
        await writer.append(lines, head)
      })
      await expect(writing).rejects.toEqual(failure('ERR_AUDIT_FAILED'))
    })

    it('is prolonged while its holder works', async () => {
      await openNew()
      const sink = await openQuick({ leaseMs: 90, lockTimeoutMs: 5000 })
      const other = await openQuick({ leaseMs: 90, lockTimeoutMs: 5000 })
      const order: string[] = []
      let isHeld: () => void
      const held = new Promise<void>((resolve) => {
        isHeld = resolve
      })
      const first = sink.exclusive(async (writer) => {
        isHeld()
        await sleep(250)
        await writer.append(lines, head)
        order.push('first')
      })
      await held
      await Promise.all([
        first,
        other.exclusive(async (writer) => order.push(`second after ${writer.head?.seq}`)),
      ])
      expect(order).toEqual(['first', 'second after 1'])
    })

    it('is waited for no longer than asked', async () => {
      await openNew()
      const sink = await openQuick({ leaseMs: 90, lockTimeoutMs: 50 })
      await admin.set(storeNames(space).lock, 'somebody else')
      await expect(sink.exclusive(async () => 1)).rejects.toEqual(failure('ERR_STORE_BUSY'))
    })

    it('ends with a process that is killed', async () => {
      const sink = await openNew()
      const { lock } = storeNames(space)
      const child = spawn(process.execPath, [...CHILD, 'hold', urlOf(server, `?namespace=${space}`)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      await once(child.stdout, 'data')
      child.kill('SIGKILL')
      await once(child, 'exit')
      expect(await admin.pttl(lock)).toBeGreaterThan(0) // nobody prolongs it any more
      await admin.pexpire(lock, 100)
      await logOn(sink).append(event(1))
      expect((await sink.head())?.seq).toBe(1)
    })
  })

  describe('processes at once', () => {
    const together = (command: string): Promise<unknown[]> =>
      Promise.all(
        [1, 2, 3].map(async (worker) => {
          const args = [...CHILD, command, urlOf(server, `?namespace=${space}`), String(worker)]
          const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
          let text = ''
          for await (const chunk of child.stdout) text += String(chunk)
          return JSON.parse(text) as unknown
        }),
      )

    it('make one winner of each version', async () => {
      await openNew()
      const won = (await together('insert')) as number[][]
      const versions = Array.from({ length: 20 }, (_, n) => n + 1)
      expect(won.flat().sort((a, b) => a - b)).toEqual(versions)
      const { records } = await store.list({ keyring: 'race' })
      expect(records.map(({ version }) => version)).toEqual(versions)
    })

    it('sum usage exactly and keep to the limit', async () => {
      await openNew()
      await store.insert(recordOf())
      const granted = (await together('addUsage')) as number[]
      expect(granted.reduce((sum, one) => sum + one)).toBe(500)
      expect((await store.get(1))?.usage).toEqual({ bytes: 1500, messages: 500 })
    })

    it('write one audit log', async () => {
      const sink = await openNew()
      expect(await together('audit')).toEqual([25, 25, 25])
      expect(await verifyAudit(sink)).toMatchObject({ ok: true, problems: [] })
      expect((await sink.head())?.seq).toBe(75)
    })
  })
})
