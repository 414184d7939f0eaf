/** Connections of a source: a pool of its own, or what the application passed in. */
import { createHash } from 'node:crypto'
import { KeywrightError } from '../../src/source.ts'
import { invalid, sourceAborted, sourceClosed, sourceError } from '../shared/errors.ts'
import { assertGoesOn } from '../shared/requests.ts'
import { isUsableAfter, sqlState, toSourceError } from './failure.ts'
import {
  loadPg,
  type PgClient,
  type PgClientConstructor,
  type PgConnection,
  type PgLib,
  type PgPool,
  type PgPoolClient,
  type TextRow,
} from './lib.ts'
import { parseUrl } from './url.ts'

export interface ConnectionOptions {
  readonly name: string
  readonly url?: string | undefined
  readonly pool?: PgPool | undefined
  readonly client?: PgConnection | undefined
  readonly lib?: PgLib | undefined
  readonly pgbouncer?: boolean | undefined
  readonly maxConnections: number
  readonly connectTimeoutMs: number
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
}

/** One statement, prepared once per connection where that can be. */
export interface Statement {
  readonly text: string
  /** Out of the text, so that two never share one. */
  readonly name: string
  /** It changes nothing. */
  readonly reads: boolean
}

/** A statement out of its text. */
export function statement(text: string, reads: boolean): Statement {
  return { text, name: `kw_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`, reads }
}

/** How calls reach the server. */
interface Route {
  /** A pool, of which each call takes a connection. */
  readonly pool?: PgPool
  readonly ownsPool: boolean
  /** The one connection of the application. */
  readonly client?: PgConnection
  /** Makes a connection beside those, for cancelling. */
  readonly newClient?: () => PgClient
  readonly pgbouncer: boolean
  readonly location: string
}

/** The server has this long to report that it gave up, before the client does. */
const SPARE_MS = 2000
const TEXT_TYPES = { getTypeParser: () => (value: string) => value }
const ignore = (): void => undefined

export class Connections {
  readonly #options: ConnectionOptions
  #route: Promise<Route> | undefined
  #closed = false

  /** Connects to nothing yet. Throws ERR_ARGUMENT_INVALID. */
  constructor(options: ConnectionOptions) {
    const given = [options.url, options.pool, options.client].filter((one) => one !== undefined)
    if (given.length !== 1) {
      throw invalid('a PostgreSQL source needs "url", "pool" or "client"', 'pass exactly one of them')
    }
    this.#options = options
  }

  /** Where it is, without credentials. */
  async location(): Promise<string> {
    return (await this.#start()).location
  }

  /** Runs a statement, a transaction of its own unless the application's connection is in one. */
  async run(
    { name, reads, text }: Statement,
    values: readonly (string | null)[] = [],
    signal?: AbortSignal,
  ): Promise<readonly TextRow[]> {
    const { name: source, statementTimeoutMs } = this.#options
    const route = await this.#start()
    const query = {
      text,
      values,
      rowMode: 'array',
      query_timeout: statementTimeoutMs + SPARE_MS,
      types: TEXT_TYPES,
      ...(route.pgbouncer ? {} : { name }),
    } as const
    try {
      const { rows } = await this.#withConnection(route, (connection) =>
        cancellable(route, connection, signal, () => {
          assertGoesOn(source, signal) // it may have taken long to get the connection
          return connection.query(query)
        }),
      )
      return rows as readonly TextRow[]
    } catch (error) {
      if (signal?.aborted === true && sqlState(error) === '57014') throw sourceAborted(source)
      throw toSourceError(error, source, reads)
    }
  }

  /** Twice is harmless. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const route = await this.#route?.catch(() => undefined)
    if (route?.ownsPool === true) await route.pool?.end()
    else route?.pool?.removeListener('error', ignore)
  }

  /** Throws ERR_CLOSED. */
  assertOpen(): void {
    if (this.#closed) throw sourceClosed(this.#options.name)
  }

  /** Made once; a failure is forgotten. */
  #start(): Promise<Route> {
    this.assertOpen()
    this.#route ??= routeOf(this.#options).catch((error: unknown) => {
      this.#route = undefined
      throw error
    })
    return this.#route
  }

  async #withConnection<T>(
    { client, pool }: Route,
    work: (connection: PgConnection) => Promise<T>,
  ): Promise<T> {
    if (pool === undefined) return work(client as PgConnection)
    const taken = await pool.connect()
    taken.on('error', ignore) // the call under way fails with it, too
    let isSound = false
    try {
      const result = await work(taken)
      isSound = true
      return result
    } catch (error) {
      isSound = isUsableAfter(error)
      throw error
    } finally {
      giveBack(taken, isSound)
    }
  }
}

function giveBack(taken: PgPoolClient, isSound: boolean): void {
  // A listener on a connection that is thrown away stays: what it still reports must not end the process.
  if (isSound) taken.removeListener('error', ignore)
  taken.release(!isSound)
}

/**
 * Asks the server to stop the statement when `signal` says so, and waits for what becomes of it: so it is always known
 * whether a write happened. Where nobody can ask, the deadline of the statement is the limit.
 */
async function cancellable<T>(
  { newClient }: Route,
  { processID }: PgConnection,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (signal === undefined || newClient === undefined || typeof processID !== 'number') return work()
  let asked: Promise<void> | undefined
  const ask = (): void => {
    asked = cancel(newClient(), processID)
  }
  signal.addEventListener('abort', ask, { once: true })
  try {
    return await work()
  } finally {
    signal.removeEventListener('abort', ask)
    await asked // or the next statement of this connection might be hit
  }
}

async function cancel(client: PgClient, processID: number): Promise<void> {
  client.on('error', ignore)
  try {
    await client.connect()
    await client.query({
      text: 'SELECT pg_catalog.pg_cancel_backend($1)',
      values: [processID],
      rowMode: 'array',
      query_timeout: SPARE_MS,
      types: TEXT_TYPES,
    })
  } catch {
    // Then the deadline of the statement ends it.
  } finally {
    await client.end().catch(ignore)
  }
}

async function routeOf(options: ConnectionOptions): Promise<Route> {
  const { client, pool, url } = options
  if (client !== undefined) {
    return { client, ownsPool: false, pgbouncer: options.pgbouncer === true, location: locationOf(client) }
  }
  return pool === undefined ? ownRoute(options, url as string) : poolRoute(options, pool)
}

async function ownRoute(options: ConnectionOptions, url: string): Promise<Route> {
  const { connectionString, ...stated } = parseUrl(options.name, url)
  const pgbouncer = options.pgbouncer ?? stated.pgbouncer
  const { Client, Pool } = await loadPg(options.lib)
  const config = {
    connectionString,
    fallback_application_name: 'keywright',
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
    ...(pgbouncer
      ? {}
      : {
          statement_timeout: options.statementTimeoutMs,
          lock_timeout: options.lockTimeoutMs,
          idle_in_transaction_session_timeout: options.statementTimeoutMs + SPARE_MS,
        }),
  }
  const newClient = (): PgClient => new Client(config as never)
  const location = locationOf(attempt(newClient, options.name))
  const pool = new Pool({ ...config, max: options.maxConnections, allowExitOnIdle: true } as never)
  pool.on('error', ignore) // an idle connection that breaks would end the process
  return { pool, ownsPool: true, pgbouncer, location, ...(pgbouncer ? {} : { newClient }) }
}

function poolRoute(options: ConnectionOptions, pool: PgPool): Route {
  const pgbouncer = options.pgbouncer === true
  // Every pool of pg knows the class of its connections and what they are made of.
  const { Client, options: config } = pool as PgPool & {
    readonly Client?: PgClientConstructor
    readonly options?: object
  }
  const newClient = Client === undefined ? undefined : (): PgClient => new Client(config as never)
  const location = newClient === undefined ? 'postgres' : locationOf(attempt(newClient, options.name))
  pool.on('error', ignore)
  const canCancel = newClient !== undefined && !pgbouncer
  return { pool, ownsPool: false, pgbouncer, location, ...(canCancel ? { newClient } : {}) }
}

/** pg reads the connection string, and the files it names, when a client is made. What it throws may quote them. */
function attempt(newClient: () => PgClient, name: string): PgClient {
  try {
    return newClient()
  } catch (error) {
    const known = toSourceError(error, name, true)
    if (known instanceof KeywrightError && known.code === 'ERR_CONFIG_INVALID') throw known
    throw sourceError('ERR_CONFIG_INVALID', name, {
      says: 'has a URL that pg does not understand',
      hint: 'write postgres://user:password@host:5432/database?sslmode=verify-full',
    })
  }
}

/** For people, without credentials. */
function locationOf({ host = 'localhost', port = 5432, database = '' }: PgConnection): string {
  const place = host.startsWith('/') ? encodeURIComponent(host) : host.includes(':') ? `[${host}]` : host
  return `postgres://${place}:${port}/${encodeURIComponent(database ?? '')}`
}
