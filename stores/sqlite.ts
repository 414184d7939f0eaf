/** The embedded store: one SQLite file, shared by any number of processes on one machine. Needs no service. */
import { resolve } from 'node:path'
import {
  type KeyRecord,
  type KeyStore,
  type KeyUsage,
  KeywrightError,
  type UsageGrant,
} from '../src/store.ts'
import { newInstallation } from './shared/installation.ts'
import { parseQuery, toPage } from './shared/paging.ts'
import { assertUsage, checkedRecord, grantUsage, isKeyId } from './shared/record.ts'
import { toRow } from './shared/rows.ts'
import { formatWraps } from './shared/wraps.ts'
import { Connection, type Session } from './sqlite/connection.ts'
import { sqliteDocuments } from './sqlite/documents.ts'
import { storeError } from './sqlite/errors.ts'
import { assertNoOrphan, createFile, fileExists, fileWarnings } from './sqlite/file.ts'
import { toRecord } from './sqlite/rows.ts'
import { initialise, installationOf, SQL, schemaVersion } from './sqlite/schema.ts'

export interface SqliteStoreOptions {
  /** Path of the file, on a local file system. Relative to the working directory at the time of opening. */
  readonly path: string
  /** Make the store, and its folder, when there is none. An existing one is just opened. @default false */
  readonly create?: boolean
  /** Refuse every write. @default false */
  readonly readOnly?: boolean
  /** How long a call waits for another process that holds the file, in ms. @default 5000 */
  readonly busyTimeoutMs?: number
  /** Installation id for a store that is made now, which is to be a copy of another one. @default a random one */
  readonly installation?: string
}

/**
 * Opens the store at `path`. The file has mode 0600; beside it SQLite keeps `-wal` and `-shm`. Nothing but
 * `create: true` makes a store, and it never makes one of a file that is there: an empty one is ERR_STORE_CORRUPT.
 *
 * Throws ERR_STORE_MISSING, _UNREADABLE, _CORRUPT, _FOREIGN (a database of another program), _NEWER (written by a
 * newer version), _READ_ONLY, _FULL, _BUSY, _FAILED, and ERR_ARGUMENT_INVALID. Later calls throw the same.
 */
export default async function openSqliteStore(options: SqliteStoreOptions): Promise<KeyStore> {
  const { create = false, readOnly = false, busyTimeoutMs = 5000 } = options
  const path = checkedPath(options.path)
  if (create && readOnly) throw invalid('create and readOnly exclude each other', 'pass one of them')
  if (!Number.isFinite(busyTimeoutMs) || busyTimeoutMs < 0) {
    throw invalid('"busyTimeoutMs" expected milliseconds', 'pass 0 or more')
  }
  const installation = newInstallation(options.installation)
  const sqlite = await import('node:sqlite')
  if (!fileExists(path)) {
    if (!create) throw storeError('ERR_STORE_MISSING', path)
    assertNoOrphan(path)
    await createFile(path, (temporary) => {
      const database = new sqlite.DatabaseSync(temporary)
      try {
        initialise(database, installation)
      } finally {
        database.close()
      }
    })
    if (!fileExists(path)) {
      const says = 'cannot be created: a symbolic link to nothing is in its place'
      throw storeError('ERR_STORE_UNREADABLE', path, { says })
    }
  }
  return storeOn(await Connection.open(sqlite, { path, readOnly, busyTimeoutMs }), path)
}

/** Opens `sqlite:./path`, `sqlite:/path` or `sqlite:///path`, taken literally: no parameters, no %-escapes. */
export async function openUrl(
  url: string,
  options: Pick<SqliteStoreOptions, 'create' | 'readOnly' | 'installation'> = {},
): Promise<KeyStore> {
  const path = url.replace(/^sqlite:(?:\/\/(?=\/))?/i, '')
  if (path === '' || path.startsWith('//') || /[?#]/.test(path)) {
    throw invalid(
      'the store URL names no file',
      'write sqlite:./data/keys.db or sqlite:///var/lib/app/keys.db',
    )
  }
  return openSqliteStore({ ...options, path })
}

function storeOn(connection: Connection, path: string): KeyStore {
  return {
    async describe() {
      const found = await connection.read(({ database }) => ({
        installation: installationOf(database, path),
        schemaVersion: schemaVersion(database),
      }))
      return { ...found, location: `sqlite:${path}`, warnings: await fileWarnings(path) }
    },
    get(id) {
      return connection.read((session) => find(session, id, path))
    },
    async list(query) {
      const request = parseQuery(query)
      const { keyring, after, limit } = request
      const sql = keyring === undefined ? SQL.listAll : SQL.listKeyring
      const rows = await connection.read((session) =>
        session.statement(sql).all(after.keyring, after.version, limit + 1),
      )
      const records = rows.map((row) => toRecord(row, path))
      return toPage(records, request, path)
    },
    async insert(record) {
      const copy = checkedRecord(record)
      return connection.write((session) => {
        if (session.statement(SQL.hasVersion).get(copy.keyring, copy.version)) return 'version-taken'
        if (session.statement(SQL.hasId).get(copy.id)) return 'id-taken'
        session.statement(SQL.insert).run(...toRow(copy))
        return 'inserted'
      })
    },
    async update(record) {
      const copy = checkedRecord(record)
      const updated = await connection.write((session) => replace(session, copy))
      // The wraps of a destroyed key must not live on in the log.
      if (updated && copy.wraps.length === 0) connection.truncateLog()
      return updated
    },
    async addUsage(id, add, limit) {
      assertUsage(add, limit)
      return connection.write((session) => grant(session, id, add, limit, path))
    },
    addUsageSync(id, add, limit) {
      assertUsage(add, limit)
      return connection.writeSync((session) => grant(session, id, add, limit, path))
    },
    documents: sqliteDocuments(connection, path),
    async close() {
      connection.close()
    },
  }
}

function find(session: Session, id: number, path: string): KeyRecord | undefined {
  const row = isKeyId(id) ? session.statement(SQL.get).get(id) : undefined
  return row === undefined ? undefined : toRecord(row, path)
}

function grant(
  session: Session,
  id: number,
  add: KeyUsage,
  limit: number,
  path: string,
): UsageGrant | undefined {
  const record = find(session, id, path)
  if (record === undefined) return undefined
  const granted = grantUsage(record.usage, add, limit)
  session.statement(SQL.addUsage).run(granted.usage.messages, granted.usage.bytes, id)
  return granted
}

function replace(session: Session, record: KeyRecord): boolean {
  const { activatesAt, status, statusAt, statusReason, wraps, revision, id } = record
  const { changes } = session
    .statement(SQL.update)
    .run(activatesAt, status, statusAt, statusReason, formatWraps(wraps), revision, id, revision - 1)
  return Number(changes) === 1
}

function checkedPath(path: unknown): string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return resolve(path)
  throw invalid('"path" expected the path of a file', 'pass a string such as ./data/keys.db')
}

function invalid(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', message, { hint })
}
