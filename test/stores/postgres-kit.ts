/** A PostgreSQL for a test file, and stores in schemas of their own in it. */
import pg from 'pg'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { KeyStore } from '../../src/store.ts'
import { type PostgresServer, postgres } from '../../src/testing/native/postgres.ts'
import postgresStore, { type PostgresStoreOptions } from '../../stores/postgres.ts'
import { serverFor } from '../kit/servers.ts'

/** Why the tests are skipped; undefined when there is a server. */
export const skip = (await serverFor(postgres)).skip

export interface PostgresLab {
  readonly server: PostgresServer
  /** The URL of the role that owns the database. */
  readonly url: string
  /** The name of a schema that nobody has used. */
  newSchema(): string
  /** Opens a store that is closed after the test. A new schema and `create` unless told otherwise. */
  open(options?: Partial<PostgresStoreOptions>): Promise<KeyStore>
  /** Runs SQL as superuser. */
  sql(text: string): Promise<Record<string, unknown>[]>
  /** Closed after the test. */
  keep<T extends { close?(): unknown }>(one: T): T
}

let schemas = 0

/** Starts a server for the whole test file. Call it once, at the top level. */
export function postgresLab(): PostgresLab {
  let server: PostgresServer | undefined
  let admin: pg.Pool | undefined
  const opened: { close?(): unknown }[] = []
  const running = (): PostgresServer => {
    if (server === undefined) throw new Error('the server is not started')
    return server
  }
  beforeAll(async () => {
    if (skip !== undefined) return
    server = await postgres.start()
    admin = new pg.Pool({ connectionString: server.adminUrl, max: 2 })
    admin.on('error', () => undefined)
  })
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close?.()
  })
  afterAll(async () => {
    await admin?.end()
    await server?.stop()
  })
  const keep = <T extends { close?(): unknown }>(one: T): T => {
    opened.push(one)
    return one
  }
  const lab: PostgresLab = {
    get server() {
      return running()
    },
    get url() {
      return running().env['ENCRYPTION_KEY_STORE_URL'] ?? ''
    },
    newSchema: () => `s${++schemas}`,
    async open(options = {}) {
      const target = options.pool === undefined ? { connectionString: lab.url } : {}
      const fresh = options.schema === undefined ? { schema: lab.newSchema(), create: true } : {}
      return keep(await postgresStore({ ...target, ...fresh, maxConnections: 3, ...options }))
    },
    async sql(text) {
      const result = await admin?.query(text)
      return (result?.rows ?? []) as Record<string, unknown>[]
    },
    keep,
  }
  return lab
}
