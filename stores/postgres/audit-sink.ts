/**
 * The audit log in two tables: its lines in their order, and the head. Lines and head are written in one transaction,
 * so no line is ever torn and the head is never behind.
 *
 * Writers are kept apart by an advisory lock that belongs to a transaction, which stays open on one connection while
 * another one writes: the lock ends with its connection, however that ends, and it works behind PgBouncer. A writer
 * whose lock was lost cannot do harm: every write requires the head that the writer knows.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AuditHead,
  type AuditLine,
  type AuditSink,
  type AuditWriter,
  KeywrightError,
} from '../../src/store.ts'
import { storeClosed } from '../shared/record.ts'
import type { Database, Run } from './database.ts'
import { storeError } from './errors.ts'
import type { TextRow } from './lib.ts'
import { lockKey, quoted } from './schema.ts'

/** How long a writer waits for others. */
const LOCK_MS = 30_000
const LONGEST_PAUSE_MS = 50
/** How long whoever reads the log may think about a page, and a writer about what to write. */
const THINKING_MS = 600_000
const PAGE_LINES = 200
/** As far as a reader needs a line: one byte more than the longest record. */
const LONGEST_LINE = 65_537

/** Callers of one pool wait for each other here, so that they never hold all of its connections while they wait. */
type Queue = { last: Promise<unknown> }

/** The log in the store's schema. `queue` is shared by all sinks of a pool. */
export function postgresAuditSink(database: Database, schema: string, queue: Queue): AuditSink {
  const sink = new PostgresAuditSink(database, schema, queue)
  return {
    exclusive: (critical) => sink.exclusive(critical),
    read: () => sink.read(),
    head: () => sink.head(),
    close: () => sink.close(),
  }
}

class PostgresAuditSink {
  readonly #database: Database
  readonly #schema: string
  readonly #queue: Queue
  #closed = false

  constructor(database: Database, schema: string, queue: Queue) {
    this.#database = database
    this.#schema = schema
    this.#queue = queue
    database.join()
  }

  exclusive<T>(critical: (writer: AuditWriter) => Promise<T>): Promise<T> {
    const mine = this.#queue.last.then(() => this.#locked(critical))
    this.#queue.last = mine.catch(() => undefined)
    return mine
  }

  /** Asks for the lock again and again: who waits inside the server would hold a connection that the holder needs. */
  async #locked<T>(critical: (writer: AuditWriter) => Promise<T>): Promise<T> {
    const deadline = performance.now() + LOCK_MS
    for (let pause = 2; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      this.#assertOpen()
      this.#database.assertWritable()
      const outcome = await this.#attempt(critical)
      if (outcome !== undefined && 'value' in outcome) return outcome.value
      if (outcome !== undefined) throw outcome.error
      if (performance.now() >= deadline) throw busy(this.#database.location)
      await sleep(pause * (0.5 + Math.random()))
    }
  }

  /** What became of `critical`; undefined when somebody else holds the lock. */
  async #attempt<T>(critical: (writer: AuditWriter) => Promise<T>): Promise<Outcome<T> | undefined> {
    let outcome: Outcome<T> | undefined
    try {
      await this.#database.transaction(async (run) => {
        if (!(await isLocked(run, this.#schema))) return
        await settings(run, { idle_in_transaction_session_timeout: THINKING_MS })
        const writer = await this.#writer()
        outcome = await critical(writer).then(
          (value) => ({ value }),
          (error: unknown) => ({ error }),
        )
      })
    } catch (error) {
      // Losing the lock at the end changes nothing: what was written was written under the right head.
      if (outcome === undefined) throw error
    }
    return outcome
  }

  async #writer(): Promise<AuditWriter> {
    const table = `${quoted(this.#schema)}.audit_lines`
    const [last] = await this.#database.query(
      `SELECT position, text FROM ${table} ORDER BY position DESC LIMIT 1`,
    )
    return new PostgresWriter(this.#database, quoted(this.#schema), await this.head(), last)
  }

  async *read(): AsyncGenerator<AuditLine> {
    this.#assertOpen()
    const { run, end } = await this.#database.snapshot()
    try {
      await settings(run, { idle_in_transaction_session_timeout: THINKING_MS })
      const page = `SELECT position, substr(text, 1, ${LONGEST_LINE}) AS text
        FROM ${quoted(this.#schema)}.audit_lines WHERE position > $1 ORDER BY position LIMIT ${PAGE_LINES}`
      let line = 0
      for (let after = '0'; ; ) {
        const rows = await run(page, [after])
        for (const { position, text } of rows) {
          line++
          after = position ?? after
          yield { line, bytes: Buffer.from(text ?? '').subarray(0, LONGEST_LINE), torn: false }
        }
        if (rows.length < PAGE_LINES) return
      }
    } finally {
      await end()
    }
  }

  async head(): Promise<AuditHead | undefined> {
    this.#assertOpen()
    const [row] = await this.#database.query(`SELECT seq, hash FROM ${quoted(this.#schema)}.audit_head`)
    if (row === undefined) return undefined
    const seq = Number(row['seq'])
    const hash = row['hash'] ?? ''
    if (Number.isSafeInteger(seq) && seq >= 0 && /^[0-9a-f]{64}$/.test(hash)) return { seq, hash }
    throw new KeywrightError(
      'ERR_AUDIT_TAMPERED',
      `the head of the audit log in ${this.#database.location} is malformed`,
      {
        hint: 'verify the log, and keep a copy of both tables as evidence',
      },
    )
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#database.leave()
  }

  #assertOpen(): void {
    if (this.#closed) throw storeClosed(this.#database.location)
  }
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown }

/** Takes the lock until the transaction ends, if nobody else has it. */
async function isLocked(run: Run, schema: string): Promise<boolean> {
  const [row] = await run('SELECT pg_catalog.pg_try_advisory_xact_lock($1::bigint) AS locked', [
    lockKey(schema, 'audit'),
  ])
  return row?.['locked'] === 't'
}

function busy(location: string): KeywrightError {
  return storeError('ERR_STORE_BUSY', location, {
    says: `has its audit log locked by another process for ${LOCK_MS / 1000} s`,
  })
}

/** For this transaction only. */
async function settings(run: Run, values: Readonly<Record<string, number>>): Promise<void> {
  for (const [name, value] of Object.entries(values)) {
    await run('SELECT pg_catalog.set_config($1, $2, true)', [name, String(value)])
  }
}

class PostgresWriter implements AuditWriter {
  readonly torn = 0
  readonly #database: Database
  readonly #schema: string
  #head: AuditHead | undefined
  /** Of the last line; 0 for none. */
  #position: number
  #last: string | undefined

  constructor(database: Database, schema: string, head: AuditHead | undefined, last: TextRow | undefined) {
    this.#database = database
    this.#schema = schema
    this.#head = head
    this.#position = Number(last?.['position'] ?? 0)
    this.#last = last?.['text'] ?? undefined
  }

  get last(): Uint8Array | undefined {
    return this.#last === undefined ? undefined : Buffer.from(this.#last)
  }

  get head(): AuditHead | undefined {
    return this.#head
  }

  async append(lines: readonly string[], head: AuditHead): Promise<void> {
    const from = this.#position
    await this.#database.transaction(async (run) => {
      await this.#claimHead(run, head)
      await run(
        `INSERT INTO ${this.#schema}.audit_lines (position, text)
          SELECT $1::bigint + place, line FROM unnest($2::text[]) WITH ORDINALITY AS added (line, place)`,
        [from, lines],
      )
    })
    this.#position = from + lines.length
    this.#last = lines.at(-1) ?? this.#last
    this.#head = head
  }

  async dropStart(count: number, line: string): Promise<void> {
    await this.#database.transaction(async (run) => {
      await this.#claimHead(run, this.#head)
      const dropped = await run(
        `WITH dropped AS (
          DELETE FROM ${this.#schema}.audit_lines WHERE position IN (
            SELECT position FROM ${this.#schema}.audit_lines ORDER BY position LIMIT $1
          ) RETURNING position
        ) SELECT count(*) AS lines, max(position) AS last FROM dropped`,
        [count],
      )
      const { lines, last } = dropped[0] ?? {}
      if (Number(lines) !== count) throw failed(`the audit log has fewer than ${count} lines`)
      await run(`INSERT INTO ${this.#schema}.audit_lines (position, text) VALUES ($1, $2)`, [last, line])
      if (Number(last) === this.#position) this.#last = line
    })
  }

  /** Locks the head and sets it; refuses when it is not the one this writer knows. */
  async #claimHead(run: Run, head: AuditHead | undefined): Promise<void> {
    const table = `${this.#schema}.audit_head`
    const known = this.#head
    if (head === undefined) return
    const rows =
      known === undefined
        ? await run(`INSERT INTO ${table} (seq, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1`, [
            head.seq,
            head.hash,
          ])
        : await run(`UPDATE ${table} SET seq = $1, hash = $2 WHERE seq = $3 AND hash = $4 RETURNING 1`, [
            head.seq,
            head.hash,
            known.seq,
            known.hash,
          ])
    if (rows.length !== 1) throw failed('somebody else wrote to the audit log meanwhile')
  }
}

function failed(message: string): KeywrightError {
  return new KeywrightError('ERR_AUDIT_FAILED', message, {
    hint: 'nothing was written; try again, and let nothing but Keywright write to the tables of the log',
  })
}
