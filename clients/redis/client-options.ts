/** The options of ioredis that follow from a target. */
import { readFile } from 'node:fs/promises'
import { RedisFailure } from './failure.ts'
import type { RedisTarget } from './target.ts'

/** Grows from 0.1 to 5 seconds. For subscriptions only: calls connect when they are made. */
const pauseMs = (attempt: number): number => Math.min(100 * 2 ** Math.min(attempt, 6), 5_000)

/** For a connection to one server; `reconnects` by itself, or only when it is told to. Reads password and certificates. */
export async function clientOptions(target: RedisTarget, reconnects: boolean) {
  return {
    ...(await credentials(target)),
    connectionName: 'keywright',
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: reconnects ? pauseMs : null,
    enableReadyCheck: target.kind === 'sentinel', // there it also makes sure that it is the master
    disableClientInfo: true,
    protocol: 2,
    connectTimeout: target.connectTimeoutMs,
    commandTimeout: target.replyTimeoutMs,
    socketTimeout: target.replyTimeoutMs + 500, // then ends the connection, which is dead
  }
}

async function credentials({ username, password, passwordFile, ...target }: RedisTarget) {
  const secret =
    passwordFile === undefined
      ? password
      : (await readSetting('passwordFile', passwordFile)).replace(/\r?\n$/, '')
  const [ca, cert, key] = await Promise.all(
    (['caFile', 'certFile', 'keyFile'] as const).map((option) => readOptional(option, target[option])),
  )
  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  return {
    ...(username === undefined ? {} : { username }),
    ...(secret === undefined ? {} : { password: secret }),
    ...(target.tls ? { tls: files } : {}),
  }
}

const readOptional = (option: string, path: string | undefined): Promise<string> | undefined =>
  path === undefined ? undefined : readSetting(option, path)

/** The path stays out of the error: somebody may have put the password itself in its place. */
async function readSetting(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new RedisFailure(
      'settings',
      `the file of "${option}": ${String((error as { code?: unknown }).code)}`,
    )
  }
}

/** What Sentinels need beside {@link clientOptions}. */
export function sentinelOptions(target: RedisTarget, tls: object | undefined): object {
  const { connectTimeoutMs, nodes, sentinelName, sentinelPassword, sentinelUsername } = target
  return {
    sentinels: nodes,
    name: sentinelName,
    db: target.db,
    sentinelRetryStrategy: null,
    sentinelCommandTimeout: connectTimeoutMs,
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(tls === undefined ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
  }
}

/** What a cluster needs beside {@link clientOptions}. */
export function clusterOptions(target: RedisTarget, reconnects: boolean): object {
  return {
    lazyConnect: true,
    // The first command of a node waits for its connection; without a queue the second would be refused.
    enableOfflineQueue: true,
    enableReadyCheck: false,
    clusterRetryStrategy: reconnects ? pauseMs : null,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: target.connectTimeoutMs,
    // Certificates name hosts, and a cluster that is given host names answers with them.
    ...(target.tls ? { dnsLookup: keepName } : {}),
  }
}

function keepName(name: string, found: (error: null, address: string) => void): void {
  found(null, name)
}
