/** A PostgreSQL for a test file of sources, with tables in schemas of their own. */
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import postgresSource, { type PostgresSourceOptions } from '../../sources/postgres.ts'
import type { Source } from '../../src/source.ts'
import { type PostgresServer, postgres } from '../../src/testing/native/postgres.ts'
import { serverFor } from '../kit/servers.ts'

/** Why the tests are skipped; undefined when there is a server. */
export const skip = (await serverFor(postgres)).skip

export interface PostgresSourceLab {
  readonly server: PostgresServer
  /** The URL of the role that owns the database. */
  readonly url: string
  /** A schema that nobody has used, in which `sql` was run. */
  newSchema(sql?: string): Promise<string>
  /** A source on `table` of a schema, closed after the test. */
  open(schema: string, options?: Partial<PostgresSourceOptions>): Source
  /** Runs SQL as the owner. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** Closed after the test. */
  keep<T extends { close?(): unknown }>(one: T): T
}

export const failure = (code: string, words = '') =>
  expect.objectContaining({ code, hint: expect.stringContaining(words) })

let schemas = 0

/** Starts a server for the whole test file. Call it once, at the top level. */
export function postgresSourceLab(): PostgresSourceLab {
  let server: PostgresServer | undefined
  let owner: pg.Pool | undefined
  const opened: { close?(): unknown }[] = []
  beforeAll(async () => {
    if (skip !== undefined) return
    server = await postgres.start()
    owner = new pg.Pool({ connectionString: server.env['ENCRYPTION_KEY_STORE_URL'], max: 3 })
    owner.on('error', () => undefined)
  })
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close?.()
  })
  afterAll(async () => {
    await owner?.end()
    await server?.stop()
  })
  const lab: PostgresSourceLab = {
    get server() {
      if (server === undefined) throw new Error('the server is not started')
      return server
    },
    get url() {
      return lab.server.env['ENCRYPTION_KEY_STORE_URL'] ?? ''
    },
    async newSchema(sql = '') {
      const schema = `s${++schemas}`
      await lab.sql(`CREATE SCHEMA ${schema}; SET search_path TO ${schema}; ${sql}; RESET search_path`)
      return schema
    },
    open(schema, options = {}) {
      const target = options.pool === undefined && options.client === undefined ? { url: lab.url } : {}
      return lab.keep(
        postgresSource({ name: 'users', table: `${schema}.users`, maxConnections: 2, ...target, ...options }),
      )
    },
    async sql(text, values) {
      const result = await owner?.query(text, values)
      return (result?.rows ?? []) as Record<string, unknown>[]
    },
    keep(one) {
      opened.push(one)
      return one
    },
  }
  return lab
}
