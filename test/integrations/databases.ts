/** Databases for the tests of the object-relational mappers. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { type PostgresServer, postgres } from '../../src/testing/native/postgres.ts'
import { serverFor } from '../kit/servers.ts'

const server = await serverFor(postgres)

/** Why the tests on PostgreSQL are skipped; undefined when there is a server. */
export const skip = server.skip

export interface PostgresDatabase {
  /** A pool on a schema that nobody has used; ended after the file. */
  pool(): Promise<pg.Pool>
  readonly url: string
}

/** One PostgreSQL for the whole test file. Call it once, at the top level. */
export function postgresDatabase(): PostgresDatabase {
  let running: PostgresServer | undefined
  const pools: pg.Pool[] = []
  let schemas = 0
  beforeAll(async () => {
    if (skip === undefined) running = await postgres.start()
  })
  afterAll(async () => {
    for (const pool of pools) await pool.end()
    await running?.stop()
  })
  const database: PostgresDatabase = {
    get url() {
      return running?.env['ENCRYPTION_KEY_STORE_URL'] ?? ''
    },
    async pool() {
      const schema = `app${++schemas}`
      const admin = new pg.Client({ connectionString: database.url })
      await admin.connect()
      await admin.query(`CREATE SCHEMA ${schema}`)
      await admin.end()
      const pool = new pg.Pool({
        connectionString: database.url,
        max: 3,
        options: `-c search_path=${schema}`,
      })
      pool.on('error', () => undefined) // the server may stop before the last connection has closed
      pools.push(pool)
      return pool
    },
  }
  return database
}

/** What Kysely's SqliteDialect asks of a database, on node:sqlite. */
export function sqliteForKysely() {
  const database = new DatabaseSync(':memory:')
  return {
    close: () => database.close(),
    prepare(sql: string) {
      const statement = database.prepare(sql)
      return {
        reader: statement.columns().length > 0,
        all: (parameters: readonly unknown[]) => statement.all(...(parameters as SQLInputValue[])),
        run: (parameters: readonly unknown[]) => {
          const { changes, lastInsertRowid } = statement.run(...(parameters as SQLInputValue[]))
          return { changes, lastInsertRowid }
        },
        iterate: (parameters: readonly unknown[]) => statement.iterate(...(parameters as SQLInputValue[])),
      }
    },
  }
}
