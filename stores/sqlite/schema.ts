/** The tables, how older files become newer ones, and how a file of ours is told from others. */
import type { DatabaseSync } from 'node:sqlite'
import { KeywrightError } from '../../src/store.ts'
import { isInstallation, newInstallation } from '../shared/installation.ts'
import { COLUMNS as COLUMN_NAMES } from '../shared/rows.ts'
import { storeError } from './errors.ts'

/** 'KWST' in the file's header (bytes 68 to 71): this SQLite file is a Keywright store. */
export const APPLICATION_ID = 0x4b575354

/** One step forward. Runs inside a transaction. */
export type Migration = (database: DatabaseSync) => void

/**
 * Row n makes version n + 1 out of version n. A released row is never edited.
 *
 * Wraps are JSON in the row, not a table of their own: they are only ever read and written with their record, and so
 * one statement replaces a record as a whole. Damage in such text is caught when it is read.
 */
const MIGRATIONS: readonly Migration[] = [
  (database) => {
    database.exec(`
      CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE key_records (
        id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 4294967295),
        keyring TEXT NOT NULL CHECK (keyring <> ''),
        version INTEGER NOT NULL CHECK (version > 0),
        algorithm TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        activates_at INTEGER NOT NULL,
        status TEXT NOT NULL,
        status_at INTEGER NOT NULL,
        status_reason TEXT NOT NULL,
        wraps TEXT NOT NULL,
        commitment BLOB NOT NULL CHECK (length(commitment) = 32),
        mac BLOB NOT NULL CHECK (length(mac) = 32),
        messages INTEGER NOT NULL CHECK (messages >= 0),
        bytes INTEGER NOT NULL CHECK (bytes >= 0),
        revision INTEGER NOT NULL CHECK (revision > 0),
        UNIQUE (keyring, version) -- also the order of listings
      ) STRICT;
    `)
    database.prepare("INSERT INTO meta VALUES ('installation', ?)").run(newInstallation(undefined))
  },
  (database) => {
    database.exec(`
      CREATE TABLE documents (
        name TEXT PRIMARY KEY CHECK (name <> ''),
        text TEXT NOT NULL,
        revision INTEGER NOT NULL CHECK (revision > 0)
      ) STRICT, WITHOUT ROWID;
    `)
  },
]

/** The version that this program writes. */
export const SCHEMA_VERSION = MIGRATIONS.length

/** The oldest version whose records can be read without bringing the file forward. */
export const OLDEST_READABLE = 1

/** The version from which on there are documents. */
export const DOCUMENTS_SINCE = 2

const PAGE_ORDER = 'ORDER BY keyring, version LIMIT ?'
const COLUMNS = COLUMN_NAMES.join(', ')

/** Every statement that a store runs on its records. */
export const SQL = {
  get: `SELECT ${COLUMNS} FROM key_records WHERE id = ?`,
  listAll: `SELECT ${COLUMNS} FROM key_records WHERE (keyring, version) > (?, ?) ${PAGE_ORDER}`,
  listKeyring: `SELECT ${COLUMNS} FROM key_records WHERE keyring = ? AND version > ? ${PAGE_ORDER}`,
  hasVersion: 'SELECT 1 FROM key_records WHERE keyring = ? AND version = ?',
  hasId: 'SELECT 1 FROM key_records WHERE id = ?',
  insert: `INSERT INTO key_records (${COLUMNS}) VALUES (${COLUMN_NAMES.map(() => '?').join(', ')})`,
  update: `UPDATE key_records
    SET activates_at = ?, status = ?, status_at = ?, status_reason = ?, wraps = ?, revision = ?
    WHERE id = ? AND revision = ?`,
  addUsage: 'UPDATE key_records SET messages = ?, bytes = ? WHERE id = ?',
  installation: "SELECT value FROM meta WHERE name = 'installation'",
} as const satisfies Record<string, string>

/** The number that a PRAGMA of that name holds. */
function pragma(database: DatabaseSync, name: 'application_id' | 'user_version'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name])
}

/** The schema version of an open store. */
export function schemaVersion(database: DatabaseSync): number {
  return pragma(database, 'user_version')
}

/**
 * Makes sure that the file is a store, and one that this program understands. Changes nothing.
 * Throws ERR_STORE_FOREIGN, _NEWER and _CORRUPT; SQLite's own errors when it is no database.
 */
export function identify(database: DatabaseSync, path: string): void {
  database.prepare('SELECT count(*) FROM sqlite_schema').get() // a PRAGMA alone reads a damaged header as zeros
  if (pragma(database, 'application_id') !== APPLICATION_ID) {
    throw new KeywrightError(
      'ERR_STORE_FOREIGN',
      `${path} is a database of another program, not a key store`,
      {
        hint: 'pass a path of its own for the key store',
        details: { path },
      },
    )
  }
  const version = schemaVersion(database)
  if (version < 0) throw storeError('ERR_STORE_CORRUPT', path, { says: 'has a negative schema version' })
  if (version <= SCHEMA_VERSION) return
  throw new KeywrightError(
    'ERR_STORE_NEWER',
    `the store ${path} has schema version ${version}, newer than ${SCHEMA_VERSION}`,
    {
      hint: 'use the Keywright version that wrote it, or a newer one',
      details: { path, version, supported: SCHEMA_VERSION },
    },
  )
}

/** Brings an identified store forward, each step in a transaction of its own, beside other processes doing so. */
export function migrate(database: DatabaseSync, migrations: readonly Migration[] = MIGRATIONS): void {
  while (schemaVersion(database) < migrations.length) {
    transaction(database, () => {
      const version = schemaVersion(database) // again, now that nobody else can change it
      const step = migrations[version]
      if (step === undefined) return
      step(database)
      database.exec(`PRAGMA user_version = ${version + 1}`)
    })
  }
}

/** Marks a new database as a store of `installation` and makes its tables. */
export function initialise(database: DatabaseSync, installation: string): void {
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA journal_mode = WAL`)
  migrate(database)
  database.prepare("UPDATE meta SET value = ? WHERE name = 'installation'").run(installation)
}

/**
 * Makes sure that every table, column and the installation id are there; reads no record. Throws ERR_STORE_CORRUPT
 * for the id, and SQLite's own error for a table or column.
 */
export function verify(database: DatabaseSync, path: string): void {
  for (const sql of Object.values(SQL)) database.prepare(sql)
  installationOf(database, path)
}

/** The random id that was made with the store. Throws ERR_STORE_CORRUPT when there is none. */
export function installationOf(database: DatabaseSync, path: string): string {
  const value = database.prepare(SQL.installation).get()?.['value']
  if (isInstallation(value)) return value
  throw storeError('ERR_STORE_CORRUPT', path, { says: 'has lost its installation id' })
}

/** Runs `work` as one write transaction: all of it or nothing. The lock is taken first, so nothing read grows old. */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    try {
      database.exec('ROLLBACK')
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full.
    }
    throw error
  }
}
