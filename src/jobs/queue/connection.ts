/** The Redis of the work queue: connected by URL or with a client of the application, and looked at before it is used. */
import { KeywrightError } from '../../errors.ts'
import { loadRedis, type RedisClient } from './library.ts'

/** How to reach the Redis of the queue. */
export interface QueueConnection {
  /** `redis://user:password@host:6379/0`, `rediss://` for TLS; or a client of ioredis, which stays yours. */
  readonly redis: string | QueueRedis
}

/** A client of ioredis, of which copies are made. */
export interface QueueRedis {
  readonly isCluster?: boolean
  duplicate(options?: object): unknown
}

/** What is known of the Redis of a queue. */
export interface QueueServer {
  /** Where it is, without credentials. */
  readonly location: string
  /** One sentence each. */
  readonly warnings: readonly string[]
}

const CONNECT_MS = 5_000
const URL_FORM = /^rediss?:\/\/\S+$/i
/** From 0.1 to 5 seconds between two attempts to connect again. */
const pauseMs = (attempt: number): number => Math.min(100 * 2 ** Math.min(attempt, 6), 5_000)

/** BullMQ repeats commands itself; one that waits for a job must not be given up. */
const ENDLESS = { maxRetriesPerRequest: null }
/** Whoever waits for an answer is told that the server is not there. */
const IMPATIENT = { maxRetriesPerRequest: 2 }
const OPTIONS = {
  lazyConnect: true,
  connectTimeout: CONNECT_MS,
  retryStrategy: pauseMs,
  connectionName: 'keywright-queue',
}

/** What an application may have set for its own calls: workers wait for jobs, and BullMQ has names of its own. */
const OF_COPIES = {
  keyPrefix: '',
  commandTimeout: undefined,
  socketTimeout: undefined,
  enableOfflineQueue: true,
}

/**
 * A connection of its own, made and tried. `endless`: commands wait for as long as the server is gone. Throws
 * ERR_ARGUMENT_INVALID, ERR_DEPENDENCY_MISSING, ERR_SOURCE_UNAVAILABLE.
 */
export async function connect({ redis }: QueueConnection, endless: boolean): Promise<RedisClient> {
  const client = await makeClient(redis, { ...OPTIONS, ...(endless ? ENDLESS : IMPATIENT) })
  let cause: unknown
  client.on('error', (error: Error) => {
    cause = error // unheard it would be thrown; and connecting fails without it
  })
  try {
    await inTime(client.connect())
    return client
  } catch (error) {
    client.disconnect()
    throw unavailable(cause ?? error)
  }
}

async function makeClient(redis: string | QueueRedis, options: object): Promise<RedisClient> {
  if (typeof redis !== 'string') {
    if (typeof redis?.duplicate !== 'function' || redis.isCluster === true) throw wrongConnection()
    return redis.duplicate({ ...options, ...OF_COPIES }) as RedisClient
  }
  if (!URL_FORM.test(redis) || !URL.canParse(redis)) throw wrongConnection()
  const { Redis } = await loadRedis()
  return new Redis(redis, options)
}

async function inTime(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('timeout')), CONNECT_MS)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

const wrongConnection = (): KeywrightError =>
  new KeywrightError(
    'ERR_ARGUMENT_INVALID',
    'the Redis of the work queue is neither a URL nor a client of ioredis',
    {
      hint: 'write redis://user:password@host:6379/0 (rediss:// for TLS) as --queue or "redis"',
    },
  )

/** What a client of Redis fails with, without its words: they may hold a command with all its arguments. */
export function unavailable(error: unknown): KeywrightError {
  const { code, message = '' } = (error ?? {}) as { code?: unknown; message?: string }
  const denied = /^(NOAUTH|WRONGPASS|NOPERM)/.exec(message)?.[1]
  if (denied !== undefined) {
    return new KeywrightError(
      'ERR_SOURCE_DENIED',
      `the Redis of the work queue refused the user (${denied})`,
      {
        hint: 'check user and password in the URL of --queue, and what the user may do',
      },
    )
  }
  const why =
    typeof code === 'string' ? code : message === 'timeout' ? 'no answer in time' : 'connection lost'
  return new KeywrightError(
    'ERR_SOURCE_UNAVAILABLE',
    `the Redis of the work queue is not reachable (${why})`,
    {
      hint: 'check --queue and the server; what has been re-encrypted stays, and workers go on when it is back',
    },
  )
}

/** Looks at a server. Throws ERR_CONFIG_INVALID when it may drop jobs, or is too old. */
export async function inspectServer(client: RedisClient, { redis }: QueueConnection): Promise<QueueServer> {
  const location = locationOf(redis)
  let info: string
  try {
    info = await client.info()
  } catch (error) {
    if (/^(NOPERM|ERR unknown command)/.test((error as Error).message)) {
      return { location, warnings: [`nobody could check whether ${location} drops jobs: allow INFO`] }
    }
    throw unavailable(error)
  }
  const facts = new Map(info.split('\r\n').map((line) => line.split(':', 2) as [string, string]))
  assertKeeps(facts, location)
  return { location, warnings: warningsOf(facts, location) }
}

function assertKeeps(facts: ReadonlyMap<string, string>, location: string): void {
  const policy = facts.get('maxmemory_policy') ?? 'noeviction'
  if (policy !== 'noeviction') {
    throw new KeywrightError(
      'ERR_CONFIG_INVALID',
      `${location} has maxmemory-policy ${policy}: it may drop jobs when memory is short`,
      { hint: 'set maxmemory-policy noeviction there, or give the work queue a Redis of its own' },
    )
  }
  if (facts.get('role') === 'slave') {
    throw new KeywrightError('ERR_CONFIG_INVALID', `${location} is a replica: nothing can be written there`, {
      hint: 'name the primary with --queue',
    })
  }
  if (facts.get('cluster_enabled') === '1') {
    throw new KeywrightError('ERR_CONFIG_INVALID', `${location} is a Redis Cluster`, {
      hint: 'give the work queue a Redis of its own: one server, or one behind Sentinels',
    })
  }
  const [major = 0, minor = 0] = (facts.get('redis_version') ?? '9').split('.').map(Number)
  if (major > 6 || (major === 6 && minor >= 2)) return
  throw new KeywrightError('ERR_CONFIG_INVALID', `${location} is older than Redis 6.2`, {
    hint: 'the work queue needs Redis 6.2 or newer',
  })
}

function warningsOf(facts: ReadonlyMap<string, string>, location: string): string[] {
  const again = 'the rows keep what has been done, and starting again goes through them once more'
  return [
    ...(facts.has('maxmemory_policy') ? [] : [`nobody could check whether ${location} drops jobs`]),
    ...(facts.get('aof_enabled') === '0'
      ? [`${location} has no append-only file: a crash of it loses jobs; ${again}`]
      : []),
  ]
}

function locationOf(redis: string | QueueRedis): string {
  if (typeof redis !== 'string') return 'the Redis of the work queue'
  const { protocol, host } = new URL(redis)
  return `${protocol}//${host}`
}
