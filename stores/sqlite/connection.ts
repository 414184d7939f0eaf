/** The open database of a store: one attempt after another while others hold it, and reading from read-only media. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { storeClosed } from '../shared/record.ts'
import { isBusy, sqliteCode, storeError, toStoreError } from './errors.ts'
import { fileFingerprint, fileIdentity, hasLog } from './file.ts'
import {
  identify,
  migrate,
  OLDEST_READABLE,
  SCHEMA_VERSION,
  schemaVersion,
  transaction,
  verify,
} from './schema.ts'

type Sqlite = typeof import('node:sqlite')

const SQLITE_ERROR = 1
const SQLITE_READONLY = 8
const SQLITE_CANTOPEN = 14
const LONGEST_PAUSE_MS = 20
const LONGEST_BLOCK_MS = 500
const NEVER_WOKEN = new Int32Array(new SharedArrayBuffer(4))

/** A database with its prepared statements. */
export interface Session {
  readonly database: DatabaseSync
  /** The statement for `sql`, prepared once. Integers come as bigint, so that a damaged one is no RangeError. */
  statement(sql: string): StatementSync
}

export interface ConnectionOptions {
  readonly path: string
  readonly readOnly: boolean
  readonly busyTimeoutMs: number
}

/** What was read may mix two states of the file, because somebody wrote it meanwhile. */
class ChangedMeanwhile extends Error {}

/** Settings of every connection. No waiting inside SQLite: it would block the event loop. */
const SETTINGS = `
  PRAGMA busy_timeout = 0;
  PRAGMA synchronous = FULL;
  PRAGMA fullfsync = ON; -- macOS: through the disk's own cache
  PRAGMA secure_delete = ON; -- a destroyed wrap is overwritten
  PRAGMA trusted_schema = OFF;
  PRAGMA cell_size_check = ON; -- find damaged pages when they are read
`

export class Connection {
  readonly #sqlite: Sqlite
  readonly #options: ConnectionOptions
  /** Absent on read-only media without a log: there each read opens the file anew. */
  #kept: Session | undefined
  /** Which file `#kept` is. */
  #identity = ''
  #closed = false

  private constructor(sqlite: Sqlite, options: ConnectionOptions) {
    this.#sqlite = sqlite
    this.#options = options
  }

  /** Opens an existing file, checks that it is a store and brings its schema forward. Throws ERR_STORE_ errors. */
  static async open(sqlite: Sqlite, options: ConnectionOptions): Promise<Connection> {
    const connection = new Connection(sqlite, options)
    await connection.read(() => undefined)
    return connection
  }

  /** Runs `work` on one state of the store. */
  read<T>(work: (session: Session) => T): Promise<T> {
    return this.#patiently(() => {
      const session = this.#session()
      return session === undefined ? this.#onSnapshot(work) : work(session)
    })
  }

  /** Runs `work` as one transaction, durable when it resolves. Throws ERR_STORE_READ_ONLY where it cannot write. */
  write<T>(work: (session: Session) => T): Promise<T> {
    return this.#patiently(() => this.#writeOnce(work))
  }

  /** The same at once. While other processes write it blocks this one, for half a second at most. */
  writeSync<T>(work: (session: Session) => T): T {
    const deadline = performance.now() + Math.min(this.#options.busyTimeoutMs, LONGEST_BLOCK_MS)
    for (;;) {
      const result = this.#attempt(() => this.#writeOnce(work), deadline)
      if (result !== undefined) return result.value
      Atomics.wait(NEVER_WOKEN, 0, 0, 1 + 4 * Math.random())
    }
  }

  /** Empties the write-ahead log, so that what was overwritten is nowhere in the files; later if it is in use. */
  truncateLog(): void {
    try {
      this.#kept?.database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // The change itself is durable; the log is emptied at a later checkpoint or when the last process closes.
    }
  }

  /** Twice is harmless. */
  close(): void {
    this.#closed = true
    const session = this.#kept
    this.#kept = undefined
    session?.database.close()
  }

  /** Tries until nobody else holds the lock, with growing random pauses, at most `busyTimeoutMs`. */
  async #patiently<T>(work: () => T): Promise<T> {
    const deadline = performance.now() + this.#options.busyTimeoutMs
    for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      const result = this.#attempt(work, deadline)
      if (result !== undefined) return result.value
      await sleep(pause * (0.5 + Math.random()))
    }
  }

  /** What `work` returns; `undefined` when it has to be tried again. */
  #attempt<T>(work: () => T, deadline: number): { value: T } | undefined {
    const { path } = this.#options
    if (this.#closed) throw storeClosed(path)
    try {
      return { value: work() }
    } catch (error) {
      const isBusyNow = error instanceof ChangedMeanwhile || isBusy(error)
      if (!isBusyNow) throw toStoreError(error, path)
      if (performance.now() >= deadline) throw storeError('ERR_STORE_BUSY', path)
      return undefined
    }
  }

  #writeOnce<T>(work: (session: Session) => T): T {
    const { path, readOnly } = this.#options
    if (readOnly) {
      const words = { says: 'was opened read-only', hint: 'open the store without readOnly' }
      throw storeError('ERR_STORE_READ_ONLY', path, words)
    }
    const session = this.#session()
    if (session === undefined) throw storeError('ERR_STORE_READ_ONLY', path)
    return transaction(session.database, () => work(session))
  }

  /** The session to work on; `undefined` where only snapshots can be read, for as long as that is so. */
  #session(): Session | undefined {
    const { path } = this.#options
    if (this.#kept === undefined) {
      this.#identity = fileIdentity(path)
      // SQLite would make an empty file in place of one that has just been taken away.
      if (this.#identity === 'none') throw storeError('ERR_STORE_MISSING', path)
      this.#kept = this.#openKept()
    } else if (fileIdentity(path) !== this.#identity) {
      // A write into a file that has lost its name would be gone with the process.
      throw storeError('ERR_STORE_MISSING', path, {
        says: 'was moved, deleted or replaced while it was open',
        hint: 'put it back if that was a mistake, then start the program again',
      })
    }
    return this.#kept
  }

  /** A session to keep; `undefined` where SQLite cannot set up shared memory because everything is read-only. */
  #openKept(): Session | undefined {
    const { path, readOnly } = this.#options
    try {
      return this.#openSession(path, !readOnly)
    } catch (error) {
      const code = sqliteCode(error)
      if ((code !== SQLITE_READONLY && code !== SQLITE_CANTOPEN) || hasLog(path)) throw error
      return undefined
    }
  }

  /**
   * Reads a file whose folder cannot be written. SQLite then only reads what it is told never changes, and leaves out
   * the log; whether there was none and nothing changed is checked afterwards.
   */
  #onSnapshot<T>(work: (session: Session) => T): T {
    const { path } = this.#options
    const before = fileFingerprint(path)
    let result: { value: T } | { error: unknown }
    try {
      const session = this.#openSession(`${pathToFileURL(path).href}?immutable=1`, false)
      try {
        result = { value: work(session) }
      } finally {
        session.database.close()
      }
    } catch (error) {
      result = { error }
    }
    if (hasLog(path) || fileFingerprint(path) !== before) throw new ChangedMeanwhile()
    if ('error' in result) throw result.error
    return result.value
  }

  #openSession(location: string, writable: boolean): Session {
    const { path } = this.#options
    const database = new this.#sqlite.DatabaseSync(location, { readOnly: !writable })
    try {
      database.exec(SETTINGS)
      identify(database, path)
      if (writable) database.exec('PRAGMA journal_mode = WAL')
      const version = schemaVersion(database)
      if (writable && version < SCHEMA_VERSION) migrate(database)
      if (!writable && version < OLDEST_READABLE) {
        throw storeError('ERR_STORE_READ_ONLY', path, { says: 'has to be brought forward first' })
      }
      verify(database, path)
      return { database, statement: cachedStatements(database) }
    } catch (error) {
      database.close()
      if (sqliteCode(error) !== SQLITE_ERROR) throw error
      // The statements are right, so the tables are not: one is missing, or there already before its migration.
      throw storeError('ERR_STORE_CORRUPT', path, { says: 'does not have the tables of its schema version' })
    }
  }
}

function cachedStatements(database: DatabaseSync): Session['statement'] {
  const statements = new Map<string, StatementSync>()
  return (sql) => {
    let statement = statements.get(sql)
    if (statement === undefined) {
      statement = database.prepare(sql)
      statement.setReadBigInts(true)
      statements.set(sql, statement)
    }
    return statement
  }
}
