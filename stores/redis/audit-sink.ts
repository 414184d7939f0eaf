/**
 * The audit log in a list, with its head in a hash. Lines and head are written by one script, so no line is ever torn
 * and the head is never behind.
 *
 * Writers are kept apart by a token with a time to live, which its holder prolongs while it works: the lock ends with
 * its holder. A holder that was suspended for longer finds its token gone: the script that would append checks it, and
 * that the log still ends where the holder saw its end.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AuditHead,
  type AuditLine,
  type AuditSink,
  type AuditWriter,
  KeywrightError,
} from '../../src/store.ts'
import { storeError } from './errors.ts'
import { APPEND, DROP_START, LOCK, PROLONG, UNLOCK } from './scripts.ts'
import type { Session } from './session.ts'

export interface AuditSinkTimes {
  /** How long the lock outlives a holder that ended without a word, in ms. */
  readonly leaseMs: number
  /** How long a writer waits for others, in ms. */
  readonly lockTimeoutMs: number
}

const TIMES: AuditSinkTimes = { leaseMs: 10_000, lockTimeoutMs: 30_000 }
const PAGE_LINES = 200
const SHORTEST_PAUSE_MS = 5
const LONGEST_PAUSE_MS = 80

/** The log beside the records. `session` is the sink's own and is closed with it. */
export function redisAuditSink(session: Session, times: AuditSinkTimes = TIMES): AuditSink {
  const { audit, lines, lock, store } = session.names
  let last: Promise<unknown> = Promise.resolve()

  async function locked<T>(critical: (writer: AuditWriter) => Promise<T>): Promise<T> {
    const token = randomUUID()
    await takeLock(session, token, times)
    // A renewal that fails is found by the script that appends.
    const renew = (): unknown => session.write(PROLONG, [lock], [token, times.leaseMs]).catch(() => undefined)
    const timer = setInterval(renew, times.leaseMs / 3)
    try {
      const final = await session.ask((link) => link.bytes('LINDEX', lines, -1))
      return await critical(new RedisWriter(session, token, final, await head()))
    } finally {
      clearInterval(timer)
      await session.write(UNLOCK, [lock], [token]).catch(() => undefined) // it ends by itself
    }
  }

  async function head(): Promise<AuditHead | undefined> {
    const [reply] = await session.read(['HMGET', audit, 'seq', 'hash'])
    return toHead(reply, session.location)
  }

  return {
    exclusive(critical) {
      const mine = last.then(() => locked(critical))
      last = mine.catch(() => undefined)
      return mine
    },
    async *read() {
      const [total, prunings] = await session.read(['LLEN', lines], ['HGET', audit, 'prunings'])
      for (let from = 0; from < Number(total); from += PAGE_LINES) {
        const to = Math.min(from + PAGE_LINES, Number(total)) - 1
        const page = await session.ask((link) => link.bytes('LRANGE', lines, from, to))
        const [now] = await session.read(['HGET', audit, 'prunings'])
        if (now !== prunings) throw prunedMeanwhile(session.location)
        yield* toLines(page, from)
      }
    },
    head,
    async close() {
      session.close()
    },
  }

  function* toLines(page: unknown, from: number): Generator<AuditLine> {
    if (!Array.isArray(page)) throw storeError('ERR_STORE_CORRUPT', store, 'has no lines', 'restore Redis')
    for (const [place, bytes] of page.entries()) yield { line: from + place + 1, bytes, torn: false }
  }
}

async function takeLock(session: Session, token: string, times: AuditSinkTimes): Promise<void> {
  const deadline = performance.now() + times.lockTimeoutMs
  for (let pause = SHORTEST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    if ((await session.write(LOCK, [session.names.lock], [token, times.leaseMs])) === 'yes') return
    if (performance.now() >= deadline) {
      const says = 'has its audit log in the hands of another process'
      throw storeError('ERR_STORE_BUSY', session.location, says, 'try again when it is done')
    }
    await sleep(pause * (0.5 + Math.random()))
  }
}

class RedisWriter implements AuditWriter {
  readonly torn = 0
  readonly #session: Session
  readonly #token: string
  #last: Uint8Array | undefined
  #head: AuditHead | undefined

  constructor(session: Session, token: string, last: unknown, head: AuditHead | undefined) {
    this.#session = session
    this.#token = token
    this.#last = last instanceof Uint8Array ? last : undefined
    this.#head = head
  }

  get last(): Uint8Array | undefined {
    return this.#last
  }

  get head(): AuditHead | undefined {
    return this.#head
  }

  async append(lines: readonly string[], head: AuditHead): Promise<void> {
    await this.#run(APPEND, [head.seq, head.hash, ...lines])
    const final = lines.at(-1)
    if (final !== undefined) this.#last = Buffer.from(final)
    this.#head = head
  }

  async dropStart(count: number, line: string): Promise<void> {
    await this.#run(DROP_START, [count, line])
    const { lines } = this.#session.names
    const final = await this.#session.ask((link) => link.bytes('LINDEX', lines, -1))
    this.#last = final instanceof Uint8Array ? final : undefined
  }

  async #run(script: typeof APPEND, args: readonly (string | number)[]): Promise<void> {
    const { audit, lines, lock } = this.#session.names
    const before = this.#head?.hash ?? ''
    const outcome = await this.#session.write(script, [lock, lines, audit], [this.#token, before, ...args])
    if (outcome === 'yes') return
    const { location } = this.#session
    if (outcome === 'short') {
      throw auditFailed(
        `the audit log in ${location} has fewer lines than were to be dropped`,
        'verify the log',
      )
    }
    throw auditFailed(
      `the lock of the audit log in ${location} ended before it was written`,
      'nothing was written: this process was suspended for too long, or Redis lost the lock; try again',
    )
  }
}

function toHead(reply: unknown, location: string): AuditHead | undefined {
  const [seq, hash]: unknown[] = Array.isArray(reply) ? reply : []
  if (seq === null && hash === null) return undefined
  const number = typeof seq === 'string' && /^(0|[1-9]\d{0,15})$/.test(seq) ? Number(seq) : Number.NaN
  if (Number.isSafeInteger(number) && typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash)) {
    return { seq: number, hash }
  }
  throw new KeywrightError('ERR_AUDIT_TAMPERED', `the head of the audit log in ${location} is malformed`, {
    hint: 'verify the log, and keep a copy of it and of its head as evidence',
  })
}

function prunedMeanwhile(location: string): KeywrightError {
  return auditFailed(`the audit log in ${location} was pruned while it was read`, 'read it again')
}

function auditFailed(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_AUDIT_FAILED', message, { hint })
}
