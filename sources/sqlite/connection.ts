/** The open file: prepared statements, one transaction at a time, one attempt after another while others write. */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { KeywrightError } from '../../src/source.ts'
import { sourceClosed } from '../shared/errors.ts'
import { assertGoesOn } from '../shared/requests.ts'
import { isBusy, isStale, toSourceError } from './failure.ts'
import { type Layout, readLayout } from './layout.ts'
import type { SqliteRow, SqliteValue } from './values.ts'

/** No waiting inside SQLite: it would block the event loop. What is overwritten is gone: it may have been plain text. */
const SETTINGS = `
  PRAGMA busy_timeout = 0;
  PRAGMA synchronous = FULL;
  PRAGMA fullfsync = ON;
  PRAGMA secure_delete = ON;
`
const LONGEST_PAUSE_MS = 20

export interface ConnectionOptions {
  readonly name: string
  readonly path: string
  readonly table: string
  readonly key: readonly string[] | undefined
  readonly busyTimeoutMs: number
}

/** A database with its layout and prepared statements. */
export interface Session {
  readonly database: DatabaseSync
  readonly layout: Layout
  /** The statement for `sql`, prepared once. */
  statement(sql: string): StatementSync
  /** All rows of a query. */
  all(sql: string, values?: readonly SqliteValue[]): readonly SqliteRow[]
  /** The first row of a query. */
  get(sql: string, values?: readonly SqliteValue[]): SqliteRow | undefined
  /** From now on integers come as bigint. False when they do already. */
  useBigInts(): boolean
}

export class Connection {
  readonly #options: ConnectionOptions
  #sqlite: typeof DatabaseSync | undefined
  #session: Session | undefined
  #closed = false

  /** Opens nothing yet. */
  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  /** Runs `work` in one turn, so on one state of the file if it asks once. */
  run<T>(work: (session: Session) => T, signal?: AbortSignal): Promise<T> {
    return this.#patiently(work, signal)
  }

  /** Runs `work` as one transaction, durable when it resolves. */
  transaction<T>(work: (session: Session) => T, signal?: AbortSignal): Promise<T> {
    return this.#patiently((session) => {
      const { database } = session
      database.exec('BEGIN IMMEDIATE')
      try {
        const result = work(session)
        database.exec('COMMIT')
        return result
      } catch (error) {
        rollBack(database)
        throw error
      }
    }, signal)
  }

  /** Reads the layout anew with the next call. */
  forget(): void {
    this.#session?.database.close()
    this.#session = undefined
  }

  /** Twice is harmless. */
  close(): void {
    this.#closed = true
    this.forget()
  }

  async #patiently<T>(work: (session: Session) => T, signal: AbortSignal | undefined): Promise<T> {
    const { busyTimeoutMs, name } = this.#options
    const sqlite = this.#sqlite ?? (await this.#load())
    await turn() // nothing below waits: page after page, timers and signals would not get their turn
    const deadline = performance.now() + busyTimeoutMs
    for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      if (this.#closed) throw sourceClosed(name)
      assertGoesOn(name, signal)
      try {
        this.#session ??= this.#open(sqlite)
        return work(this.#session)
      } catch (error) {
        if (isTooLarge(error) && this.#session?.useBigInts() === true) continue
        // What was prepared may not fit the table any more.
        if (isStale(error) || isLost(error)) this.forget()
        if (!isBusy(error) || performance.now() >= deadline) throw toSourceError(error, name)
      }
      await sleep(pause * (0.5 + Math.random()))
    }
  }

  /** Once: what an import() for each page leaves behind keeps the pages themselves from being collected early. */
  async #load(): Promise<typeof DatabaseSync> {
    const { DatabaseSync } = await import('node:sqlite')
    this.#sqlite = DatabaseSync
    return DatabaseSync
  }

  #open(Database: typeof DatabaseSync): Session {
    const { path } = this.#options
    // Without mode=rw an empty file would be made where there is none.
    const database = new Database(`${pathToFileURL(path).href}?mode=rw`)
    try {
      database.exec(SETTINGS)
      return { database, layout: readLayout(database, this.#options), ...prepared(database) }
    } catch (error) {
      database.close()
      throw error
    }
  }
}

/** The layout that was read is not the table's any more. */
const isLost = (error: unknown): boolean =>
  error instanceof KeywrightError && error.code === 'ERR_SOURCE_INVALID'

/** node:sqlite gives no integer as a number that is not exactly that number. */
const isTooLarge = (error: unknown): boolean =>
  error instanceof RangeError && (error as { code?: unknown }).code === 'ERR_OUT_OF_RANGE'

/** Some failures, a full disk among them, have rolled back already. */
function rollBack(database: DatabaseSync): void {
  try {
    database.exec('ROLLBACK')
  } catch {
    // there is no transaction any more
  }
}

/** A row that came as an array, or as an object with members in the order of the columns. */
const rowOf = (row: unknown): SqliteRow =>
  Array.isArray(row) ? row : Object.values(row as Record<string, SqliteValue>)

/** Integers beyond 2^53 are only given as bigint, which is slower: when there is one, everything is. */
function prepared(database: DatabaseSync): Pick<Session, 'statement' | 'all' | 'get' | 'useBigInts'> {
  const statements = new Map<string, StatementSync>()
  let bigInts = false
  const prepare = (sql: string): StatementSync => {
    const made = database.prepare(sql)
    if (bigInts) made.setReadBigInts(true)
    made.setReturnArrays?.(true) // since Node 22.16 and 24.0: an object for each row is slower
    statements.set(sql, made)
    return made
  }
  const statement = (sql: string): StatementSync => statements.get(sql) ?? prepare(sql)
  return {
    statement,
    all(sql, values = []) {
      const rows: readonly unknown[] = statement(sql).all(...(values as SQLInputValue[]))
      return Array.isArray(rows[0]) ? (rows as SqliteRow[]) : rows.map(rowOf)
    },
    get(sql, values = []) {
      const row: unknown = statement(sql).get(...(values as SQLInputValue[]))
      return row === undefined ? undefined : rowOf(row)
    },
    useBigInts() {
      if (bigInts) return false
      bigInts = true
      statements.clear()
      return true
    },
  }
}
