/** The pool of a store: the one that was passed in, or one made of the connection string. */
import { KeywrightError } from '../../src/store.ts'
import type { DatabaseOptions } from './database.ts'
import { toStoreError } from './errors.ts'
import { loadPg, type PgClient, type PgClientConstructor, type PgLib, type PgPool } from './lib.ts'

/** What is needed of the options of a store. */
export interface PoolOptions {
  readonly connectionString?: string
  readonly pool?: PgPool
  readonly lib?: PgLib
  readonly pgbouncer?: boolean
  readonly maxConnections?: number
  readonly connectTimeoutMs?: number
  readonly statementTimeoutMs?: number
  readonly lockTimeoutMs?: number
}

export interface Connections extends Omit<DatabaseOptions, 'readOnly'> {
  /** The server is on another machine, as far as its name tells. */
  readonly isRemote: boolean
  /** In which the writers of an audit log wait for each other. */
  readonly queue: { last: Promise<unknown> }
}

/** The server has this long to report that it gave up, before the client does. */
const SPARE_MS = 2000
const LONGEST_MS = 3_600_000
const QUEUES = new WeakMap<PgPool, Connections['queue']>()

/** Connects to nothing yet. Throws ERR_ARGUMENT_INVALID, ERR_CONFIG_INVALID and ERR_DEPENDENCY_MISSING. */
export async function connectionsOf(options: PoolOptions, schema: string): Promise<Connections> {
  const connectTimeoutMs = span('connectTimeoutMs', options.connectTimeoutMs ?? 5000)
  const statementTimeoutMs = span('statementTimeoutMs', options.statementTimeoutMs ?? 10_000)
  const lockTimeoutMs = span('lockTimeoutMs', options.lockTimeoutMs ?? 5000)
  const answerMs = statementTimeoutMs + SPARE_MS
  if ((options.pool === undefined) === (options.connectionString === undefined)) {
    throw invalid('the store needs either "connectionString" or "pool"', 'pass one of them')
  }
  if (options.pool !== undefined) return ofPool(options.pool, schema, answerMs, options.pgbouncer === true)
  const max = options.maxConnections ?? 5
  if (!Number.isSafeInteger(max) || max < 2) {
    throw invalid('"maxConnections" expected a whole number from 2', 'leave it out for 5')
  }
  const { Pool, Client } = await loadPg(options.lib)
  const config = {
    connectionString: options.connectionString,
    fallback_application_name: 'keywright',
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    ...(options.pgbouncer === true
      ? {}
      : {
          statement_timeout: statementTimeoutMs,
          lock_timeout: lockTimeoutMs,
          idle_in_transaction_session_timeout: answerMs,
        }),
  }
  const newClient = (): PgClient => new Client(config as never)
  const { host, port, database } = attempt(newClient)
  const pool = new Pool({ ...config, max, allowExitOnIdle: true } as never)
  return {
    pool,
    ownsPool: true,
    location: locationOf(host, port, database, schema),
    answerMs,
    newClient: options.pgbouncer === true ? undefined : newClient,
    isRemote: isRemote(host),
    queue: { last: Promise.resolve() },
  }
}

function ofPool(pool: PgPool, schema: string, answerMs: number, pgbouncer: boolean): Connections {
  if (pool.options?.max !== undefined && pool.options.max < 2) {
    throw invalid('the pool has one connection only', 'pass a pool with "max" of 2 or more')
  }
  // Every pool of pg knows the class of its connections and what they are made of.
  const { Client, options } = pool as PgPool & { readonly Client?: PgClientConstructor }
  const newClient = Client === undefined ? undefined : (): PgClient => new Client(options as never)
  const { host, port, database } = newClient === undefined ? {} : attempt(newClient)
  const queue = QUEUES.get(pool) ?? { last: Promise.resolve() }
  QUEUES.set(pool, queue)
  return {
    pool,
    ownsPool: false,
    location: locationOf(host, port, database, schema),
    answerMs,
    newClient: pgbouncer ? undefined : newClient,
    isRemote: isRemote(host),
    queue,
  }
}

/** pg reads the connection string, and the files it names, when a client is made. What it throws may quote them. */
function attempt(newClient: () => PgClient): Pick<PgClient, 'host' | 'port' | 'database'> {
  try {
    return newClient()
  } catch (error) {
    if ((error as { syscall?: unknown } | undefined)?.syscall === 'open')
      throw toStoreError(error, 'postgres')
    throw new KeywrightError('ERR_CONFIG_INVALID', 'pg does not understand the connection string', {
      hint: 'check ENCRYPTION_KEY_STORE_URL: postgres://user:password@host:5432/database?sslmode=verify-full',
    })
  }
}

/** For people, without credentials. */
function locationOf(host = 'localhost', port = 5432, database = '', schema: string): string {
  const place = host.startsWith('/') ? encodeURIComponent(host) : host.includes(':') ? `[${host}]` : host
  const base = `postgres://${place}:${port}/${encodeURIComponent(database)}`
  return schema === 'keywright' ? base : `${base}?schema=${schema}`
}

function isRemote(host = 'localhost'): boolean {
  return !(host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\./.test(host))
}

function span(name: string, ms: number): number {
  if (Number.isSafeInteger(ms) && ms >= 1 && ms <= LONGEST_MS) return ms
  throw invalid(`"${name}" expected milliseconds from 1 to ${LONGEST_MS}`, 'leave it out for the default')
}

function invalid(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', message, { hint })
}
