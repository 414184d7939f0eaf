/** Key records in PostgreSQL, shared by any number of machines. Needs the package `pg`. */
import {
  type InsertResult,
  type KeyRecord,
  type KeyStore,
  KeywrightError,
  type StoreDescription,
  type UsageGrant,
} from '../src/store.ts'
import { postgresAuditSink } from './postgres/audit-sink.ts'
import { Database } from './postgres/database.ts'
import { postgresDocuments } from './postgres/documents.ts'
import { storeError } from './postgres/errors.ts'
import type { PgLib, PgPool } from './postgres/lib.ts'
import { type Connections, connectionsOf } from './postgres/pool.ts'
import { recordStatements, toNumber, toRecord } from './postgres/rows.ts'
import { assertSchemaName, openSchema, quoted, type StoreFacts } from './postgres/schema.ts'
import { parseUrl } from './postgres/url.ts'
import { channelOf, listen } from './postgres/watch.ts'
import { newInstallation } from './shared/installation.ts'
import { parseQuery, toPage } from './shared/paging.ts'
import { assertUsage, checkedRecord, isKeyId, storeClosed } from './shared/record.ts'
import { toRow } from './shared/rows.ts'
import { formatWraps } from './shared/wraps.ts'

export type { PgLib, PgPool } from './postgres/lib.ts'

export interface PostgresStoreOptions {
  /** As pg takes it: postgres://user:password@host:5432/database?sslmode=verify-full. Needed unless `pool` is given. */
  readonly connectionString?: string
  /** A pool of the application's own, of at least 2 connections. It is not ended by `close`. */
  readonly pool?: PgPool
  /** The module `pg`. @default the installed one */
  readonly lib?: PgLib
  /** The schema that holds the store's tables: [a-z_][a-z0-9_]*. @default 'keywright' */
  readonly schema?: string
  /** Make schema and tables when there are none; the database itself must exist. @default false */
  readonly create?: boolean
  /** Refuse every write. @default false */
  readonly readOnly?: boolean
  /** Installation id for a store that is made now, which is to be a copy of another one. @default a random one */
  readonly installation?: string
  /** The server is behind PgBouncer in transaction mode: send no settings at the start, do not listen. @default false */
  readonly pgbouncer?: boolean
  /** Size of the pool that is made, 2 or more. @default 5 */
  readonly maxConnections?: number
  /** How long a connection may take, in ms. @default 5_000 */
  readonly connectTimeoutMs?: number
  /** How long the server may work on a statement, in ms. @default 10_000 */
  readonly statementTimeoutMs?: number
  /** How long a statement waits for a lock, in ms. @default 5_000 */
  readonly lockTimeoutMs?: number
}

/**
 * Opens the store in the schema of a database.
 *
 * Throws ERR_STORE_MISSING, _FOREIGN (the schema is another program's), _NEWER, _CORRUPT, _DENIED, _UNAVAILABLE, _BUSY,
 * _FULL, _READ_ONLY, _FAILED, ERR_DEPENDENCY_MISSING, ERR_CONFIG_INVALID and ERR_ARGUMENT_INVALID. Later calls throw
 * the same. Only _UNAVAILABLE and _BUSY may go away by themselves; nothing is tried again here.
 */
export default async function postgresStore(options: PostgresStoreOptions): Promise<KeyStore> {
  const { schema = 'keywright', create = false, readOnly = false } = options
  assertSchemaName(schema)
  if (create && readOnly) {
    throw new KeywrightError('ERR_ARGUMENT_INVALID', 'create and readOnly exclude each other', {
      hint: 'pass one of them',
    })
  }
  const installation = newInstallation(options.installation)
  const connections = await connectionsOf(options, schema)
  const database = new Database({ ...connections, readOnly })
  try {
    const facts = await openSchema(database, { schema, create, installation })
    return storeOn({ database, schema, connections, facts })
  } catch (error) {
    await database.leave()
    throw error
  }
}

/**
 * Opens `postgres://user:password@host:5432/database`, with the parameters of pg (sslmode, sslrootcert, …) and
 * `schema`, `pgbouncer`, `connect_timeout` (seconds) and `statement_timeout` (ms).
 */
export async function openUrl(
  url: string,
  options: Pick<PostgresStoreOptions, 'create' | 'readOnly' | 'installation'> = {},
): Promise<KeyStore> {
  return postgresStore({ ...parseUrl(url), ...options })
}

interface Opened {
  readonly database: Database
  readonly schema: string
  readonly connections: Connections
  readonly facts: StoreFacts
}

function storeOn({ database, schema, connections, facts }: Opened): KeyStore {
  const sql = recordStatements(schema)
  const { location } = database
  const channel = channelOf(schema)
  const stops = new Set<() => void>()
  let closed = false

  /** Throws after `close`, although sinks may keep the connections. */
  const open = (): Database => {
    if (closed) throw storeClosed(location)
    return database
  }
  const { newClient } = database
  return {
    describe: async () => describe(open(), schema, facts, connections.isRemote),
    async get(id) {
      const store = open()
      if (!isKeyId(id)) return undefined
      const [row] = await store.query(sql.get, [id])
      return row === undefined ? undefined : toRecord(row, location)
    },
    async list(query) {
      const store = open()
      const request = parseQuery(query)
      const { keyring, after, limit } = request
      const text = keyring === undefined ? sql.listAll : sql.listKeyring
      const rows = await store.query(text, [after.keyring, after.version, limit + 1])
      const records = rows.map((row) => toRecord(row, location))
      return toPage(records, request, location)
    },
    async insert(record) {
      const store = open()
      const copy = checkedRecord(record)
      store.assertWritable()
      return insert(store, sql, copy, channel)
    },
    async update(record) {
      const store = open()
      const { id, revision, activatesAt, status, statusAt, statusReason, wraps } = checkedRecord(record)
      store.assertWritable()
      const changes = [activatesAt, status, statusAt, statusReason, formatWraps(wraps)]
      return (await store.query(sql.update, [id, revision - 1, ...changes, channel])).length === 1
    },
    async addUsage(id, add, limit) {
      const store = open()
      assertUsage(add, limit)
      store.assertWritable()
      if (!isKeyId(id)) return undefined
      const cap = Math.min(Math.floor(limit), Number.MAX_SAFE_INTEGER)
      const [row] = await store.query(sql.addUsage, [id, add.messages, add.bytes, cap])
      return row === undefined ? undefined : toGrant(row, location)
    },
    ...(newClient === undefined
      ? {}
      : {
          watch(changed: (keyring: string | undefined) => void) {
            open()
            const end = listen(newClient, channel, changed)
            stops.add(end)
            return () => {
              stops.delete(end)
              end()
            }
          },
        }),
    documents: postgresDocuments(open, schema),
    auditSink: () => postgresAuditSink(open(), schema, connections.queue),
    async close() {
      if (closed) return
      closed = true
      for (const stop of stops) stop()
      await database.leave()
    },
  }
}

async function insert(
  database: Database,
  sql: ReturnType<typeof recordStatements>,
  record: KeyRecord,
  channel: string,
): Promise<InsertResult> {
  const rows = await database.query(sql.insert, [...toRow(record), channel])
  if (rows.length === 1) return 'inserted'
  // Records are never removed, so what was in the way is still there, and now to be seen.
  const taken = await database.query(sql.hasVersion, [record.keyring, record.version])
  return taken.length === 1 ? 'version-taken' : 'id-taken'
}

function toGrant(row: Readonly<Record<string, unknown>>, location: string): UsageGrant {
  const [granted, messages, bytes] = ['granted', 'messages', 'bytes'].map((name) => toNumber(row[name]))
  const isSound = [granted, messages, bytes].every((value) => Number.isSafeInteger(value))
  if (!isSound) throw storeError('ERR_STORE_CORRUPT', location, { says: 'has a usage that cannot be' })
  return { granted: Number(granted), usage: { messages: Number(messages), bytes: Number(bytes) } }
}

async function describe(
  database: Database,
  schema: string,
  facts: StoreFacts,
  isRemote: boolean,
): Promise<StoreDescription> {
  const [row] = await database.query(`SELECT
    (SELECT value FROM ${quoted(schema)}.meta WHERE name = 'schema_version') AS version,
    pg_catalog.current_setting('fsync') AS fsync,
    pg_catalog.current_setting('synchronous_commit') AS commits,
    pg_catalog.pg_is_in_recovery() AS standby,
    (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS super,
    (SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()) AS tls`)
  const warnings = [
    row?.['fsync'] === 'off' && 'fsync is off on the server: a power cut may lose or damage keys',
    row?.['commits'] === 'off' &&
      'synchronous_commit is off: a crash of the server may lose keys that are in use already',
    row?.['standby'] === 't' && 'the server is a standby: nothing can be written here',
    row?.['super'] === 't' && 'the role is a superuser: a role that owns only this schema is enough',
    isRemote && row?.['tls'] !== 't' && 'the connection is not encrypted: add sslmode=verify-full to the URL',
  ].filter((warning) => typeof warning === 'string')
  const schemaVersion = Number(row?.['version'] ?? facts.version)
  return { installation: facts.installation, location: database.location, schemaVersion, warnings }
}
