/** The tables in a schema of their own, how older ones become newer, and how a schema of ours is told from others. */
import { createHash } from 'node:crypto'
import { KeywrightError } from '../../src/store.ts'
import { isInstallation } from '../shared/installation.ts'
import { COLUMNS } from '../shared/rows.ts'
import type { Database, Run } from './database.ts'
import { sqlState, storeError } from './errors.ts'

/** One step forward: statements for the schema of that (quoted) name. Runs inside a transaction. */
export type Migration = (schema: string) => string

const APPLICATION = 'keywright'
/** How long another process may take to make or migrate the tables. */
const MIGRATION_MS = 60_000

/**
 * Row n makes version n + 1 out of version n. A released row is never edited.
 *
 * Names sort by their bytes, whatever the order of the database is. Numbers stay below 2^53, where JavaScript is exact.
 */
const MIGRATIONS: readonly Migration[] = [
  (schema) => `
    CREATE TABLE ${schema}.key_records (
      id bigint PRIMARY KEY CHECK (id BETWEEN 1 AND 4294967295),
      keyring text COLLATE "C" NOT NULL CHECK (keyring <> ''),
      version bigint NOT NULL CHECK (version BETWEEN 1 AND 9007199254740991),
      algorithm text NOT NULL,
      created_at bigint NOT NULL CHECK (created_at BETWEEN 0 AND 9007199254740991),
      activates_at bigint NOT NULL CHECK (activates_at BETWEEN 0 AND 9007199254740991),
      status text NOT NULL,
      status_at bigint NOT NULL CHECK (status_at BETWEEN 0 AND 9007199254740991),
      status_reason text NOT NULL,
      wraps text NOT NULL,
      commitment bytea NOT NULL CHECK (octet_length(commitment) = 32),
      mac bytea NOT NULL CHECK (octet_length(mac) = 32),
      messages bigint NOT NULL CHECK (messages BETWEEN 0 AND 9007199254740991),
      bytes bigint NOT NULL CHECK (bytes BETWEEN 0 AND 9007199254740991),
      revision bigint NOT NULL CHECK (revision BETWEEN 1 AND 9007199254740991),
      UNIQUE (keyring, version) -- also the order of listings
    );
    CREATE TABLE ${schema}.documents (
      name text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
      text text NOT NULL,
      revision bigint NOT NULL CHECK (revision BETWEEN 1 AND 9007199254740991)
    );
    CREATE TABLE ${schema}.audit_lines (
      position bigint PRIMARY KEY CHECK (position > 0),
      text text NOT NULL
    );
    CREATE TABLE ${schema}.audit_head (
      single boolean PRIMARY KEY DEFAULT true CHECK (single), -- one row, no more
      seq bigint NOT NULL,
      hash text NOT NULL
    );`,
]

/** The version that this program writes. */
export const SCHEMA_VERSION = MIGRATIONS.length

const TABLES = ['audit_head', 'audit_lines', 'documents', 'key_records']

/** What is known of a store once it is open. */
export interface StoreFacts {
  readonly installation: string
  readonly version: number
}

/** What is at the place of a store. */
type Found =
  | { readonly kind: 'nothing'; readonly hasSchema: boolean }
  | ({ readonly kind: 'store' } & StoreFacts)

export interface OpenSchemaOptions {
  readonly schema: string
  readonly create: boolean
  /** For a store that is made now. */
  readonly installation: string
  /** Steps to take, for tests of steps that fail. */
  readonly migrations?: readonly Migration[]
}

/** Throws ERR_ARGUMENT_INVALID unless `schema` may be the name of the store's schema. It is never repeated. */
export function assertSchemaName(schema: string): void {
  const sound = typeof schema === 'string' && /^[a-z_][a-z0-9_]{0,62}$/.test(schema)
  if (sound && !schema.startsWith('pg_') && schema !== 'information_schema') return
  throw new KeywrightError('ERR_ARGUMENT_INVALID', 'the name of the schema cannot be', {
    hint: 'pass [a-z_][a-z0-9_]{0,62} that does not begin with pg_, as the "schema" option or parameter of the URL',
  })
}

/** The schema's name for statements. */
export const quoted = (schema: string): string => `"${schema}"`

/** A number for advisory locks, the same in every process: `purpose` tells the locks of a schema apart. */
export function lockKey(schema: string, purpose: string): string {
  const digest = createHash('sha256').update(`keywright/${purpose}/${schema}`).digest()
  return digest.readBigInt64BE().toString()
}

/**
 * Makes sure that there is a store that this program understands, making or migrating it where it may.
 * Throws ERR_STORE_MISSING, _FOREIGN, _NEWER, _CORRUPT, _DENIED, _READ_ONLY.
 */
export async function openSchema(database: Database, options: OpenSchemaOptions): Promise<StoreFacts> {
  const { migrations = MIGRATIONS, schema, create } = options
  let found = await inspect(database.query, database.location, options)
  const isOld = found.kind === 'store' && found.version < migrations.length
  if (found.kind === 'nothing' && !create) throw storeError('ERR_STORE_MISSING', database.location)
  if (found.kind === 'nothing' || isOld) {
    if (database.readOnly) {
      throw storeError('ERR_STORE_READ_ONLY', database.location, { says: 'has to be brought forward first' })
    }
    found = await migrate(database, options)
  }
  if (found.kind === 'nothing') throw storeError('ERR_STORE_MISSING', database.location)
  await verify(database, schema)
  return found
}

async function inspect(run: Run, location: string, options: OpenSchemaOptions): Promise<Found> {
  const { schema, migrations = MIGRATIONS } = options
  const rows = await run(
    `SELECT c.relname AS name FROM pg_catalog.pg_namespace n
      LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      WHERE n.nspname = $1`,
    [schema],
  )
  const tables = rows.map(({ name }) => name).filter((name) => name !== null)
  if (tables.length === 0) return { kind: 'nothing', hasSchema: rows.length > 0 }
  if (!tables.includes('meta')) throw foreign(location)
  const meta = await readMeta(run, schema, location)
  if (meta.get('application') !== APPLICATION) throw foreign(location)
  const version = Number(meta.get('schema_version'))
  if (!Number.isSafeInteger(version) || version < 0) {
    throw storeError('ERR_STORE_CORRUPT', location, { says: 'has no schema version' })
  }
  if (version > migrations.length) throw newer(location, version, migrations.length)
  const installation = meta.get('installation')
  if (!isInstallation(installation)) {
    throw storeError('ERR_STORE_CORRUPT', location, { says: 'has lost its installation id' })
  }
  if (version > 0 && TABLES.some((name) => !tables.includes(name))) throw lacksTables(location)
  return { kind: 'store', installation, version }
}

async function readMeta(run: Run, schema: string, location: string): Promise<Map<string, string>> {
  try {
    const rows = await run(`SELECT name, value FROM ${quoted(schema)}.meta ORDER BY name LIMIT 100`)
    return new Map(rows.map(({ name, value }) => [name ?? '', value ?? '']))
  } catch (error) {
    if (isOfTables(error)) throw foreign(location) // a table "meta" of somebody else
    throw error
  }
}

/** There is no such table or column; outside a transaction the error is one of ours already. */
const isOfTables = (error: unknown): boolean =>
  ['42P01', '42703'].includes(sqlState(error)) ||
  (error instanceof KeywrightError && error.code === 'ERR_STORE_CORRUPT')

/** All of it or nothing. One process at a time; whoever comes second finds the work done. */
function migrate(database: Database, options: OpenSchemaOptions): Promise<Found> {
  const { schema, installation, migrations = MIGRATIONS } = options
  return database.transaction(async (run) => {
    for (const name of ['lock_timeout', 'statement_timeout']) {
      await run('SELECT pg_catalog.set_config($1, $2, true)', [name, String(MIGRATION_MS)])
    }
    await run(
      'SELECT pg_catalog.pg_advisory_xact_lock($1::bigint)',
      [lockKey(schema, 'migrate')],
      MIGRATION_MS,
    )
    let found = await inspect(run, database.location, options)
    if (found.kind === 'nothing') {
      await assertUtf8(run, database.location)
      if (!found.hasSchema) await run(`CREATE SCHEMA ${quoted(schema)}`)
      await run(
        `CREATE TABLE ${quoted(schema)}.meta (name text COLLATE "C" PRIMARY KEY, value text NOT NULL)`,
      )
      await run(
        `INSERT INTO ${quoted(schema)}.meta VALUES ('application', $1), ('installation', $2), ('schema_version', '0')`,
        [APPLICATION, installation],
      )
      found = { kind: 'store', installation, version: 0 }
    }
    for (const step of migrations.slice(found.version)) {
      await run(step(quoted(schema)), [], MIGRATION_MS)
    }
    const version = migrations.length
    await run(`UPDATE ${quoted(schema)}.meta SET value = $1 WHERE name = 'schema_version'`, [String(version)])
    return { ...found, version }
  })
}

/** In another encoding names would neither all be kept nor sort by the bytes of UTF-8. */
async function assertUtf8(run: Run, location: string): Promise<void> {
  const [row] = await run("SELECT pg_catalog.current_setting('server_encoding') AS encoding")
  if (row?.['encoding'] === 'UTF8') return
  throw storeError('ERR_STORE_FAILED', location, {
    says: 'is in a database that does not keep text as UTF-8',
    hint: "make a database for it: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
  })
}

/** Makes sure that the records can be read and have every column. Reads none. */
async function verify(database: Database, schema: string): Promise<void> {
  await database.query(`SELECT ${COLUMNS.join(', ')} FROM ${quoted(schema)}.key_records LIMIT 0`)
}

function foreign(location: string): KeywrightError {
  return storeError('ERR_STORE_FOREIGN', location, {
    says: 'is a schema of another program, not a key store',
    hint: 'pass a schema of its own for the key store, as ?schema=name in ENCRYPTION_KEY_STORE_URL',
  })
}

function lacksTables(location: string): KeywrightError {
  return storeError('ERR_STORE_CORRUPT', location, { says: 'does not have the tables of its schema version' })
}

function newer(location: string, version: number, supported: number): KeywrightError {
  return new KeywrightError(
    'ERR_STORE_NEWER',
    `the store ${location} has schema version ${version}, newer than ${supported}`,
    {
      hint: 'use the Keywright version that wrote it, or a newer one',
      details: { location, version, supported },
    },
  )
}
