/**
 * What matters about a Redis that keys are entrusted to: does it forget them when memory is short, does it keep them
 * over a restart, and is it the one that takes writes.
 *
 * INFO and CONFIG GET: https://redis.io/docs/latest/commands/info/ and …/config-get/. Managed services refuse the
 * latter, some the former too; then it is said that nobody looked.
 */
import { RedisFailure } from './failure.ts'
import type { RedisLink } from './link.ts'
import { isExposed } from './target.ts'

export interface RedisFindings {
  /** Name and version: 'Redis 7.0.15'. */
  readonly version: string | undefined
  readonly isReplica: boolean
  /** `maxmemory-policy` where it is another than noeviction, the only one that never drops a key. */
  readonly eviction: string | undefined
  /** How data outlives a restart. Snapshots lose what was written since the last one. */
  readonly persistence: 'append-only' | 'snapshots' | 'none' | 'unknown'
  /** `appendfsync`, where there is an append-only file. */
  readonly fsync: string | undefined
  /** Nobody could tell the eviction policy. */
  readonly isBlind: boolean
}

type Values = ReadonlyMap<string, string>

/** From the safest on. */
const PERSISTENCE = ['append-only', 'snapshots', 'unknown', 'none'] as const

/** Looks at each server that holds keys; of several, what is worst. Rejects when the server cannot be reached. */
export async function inspectRedis(link: RedisLink): Promise<RedisFindings> {
  const infos = await link.everywhere(['INFO'])
  const settings = await Promise.all(
    ['maxmemory-policy', 'save', 'appendfsync'].map((name) => link.everywhere(['CONFIG', 'GET', name])),
  )
  const found = infos.map((info, server) =>
    findingsOf(
      parseInfo(passable(info)),
      new Map(settings.flatMap((replies) => parsePair(passable(replies[server])))),
    ),
  )
  if (found.length === 0) throw new RedisFailure('unreachable', 'no master')
  const order = (one: RedisFindings): number => PERSISTENCE.indexOf(one.persistence)
  return found.reduce((worst, next) => ({
    version: worst.version ?? next.version,
    isReplica: worst.isReplica || next.isReplica,
    eviction: worst.eviction ?? next.eviction,
    persistence: order(next) > order(worst) ? next.persistence : worst.persistence,
    fsync: worst.fsync === 'no' ? worst.fsync : (next.fsync ?? worst.fsync),
    isBlind: worst.isBlind || next.isBlind,
  }))
}

/** What a person should know, one sentence each. */
export function redisWarnings(link: RedisLink, found: RedisFindings): string[] {
  const { location } = link.target
  const warnings: string[] = []
  if (found.eviction !== undefined) warnings.push(`${location} ${evicts(found.eviction)}`)
  if (found.isBlind) {
    warnings.push(`nobody could check whether ${location} drops keys when memory is short: allow INFO`)
  }
  const persistence = PERSISTENCE_WARNINGS[found.persistence]
  if (persistence !== undefined) warnings.push(`${location} ${persistence}`)
  if (found.fsync === 'no') {
    warnings.push(`${location} has appendfsync no: a power failure may lose half a minute of keys`)
  }
  if (found.isReplica) warnings.push(`${location} is a replica: nothing can be written there`)
  if (isExposed(link.target)) {
    warnings.push(`the connection to ${location} is not encrypted: its password and answers can be read`)
  }
  return warnings
}

/** Why keys must not be entrusted to it, for a sentence that begins with its name. */
export function evicts(policy: string): string {
  return `has maxmemory-policy ${policy}: it may drop keys when memory is short`
}

const PERSISTENCE_WARNINGS: Readonly<Record<RedisFindings['persistence'], string | undefined>> = {
  'append-only': undefined,
  snapshots: 'has no append-only file: a crash loses what was written since the last snapshot',
  unknown: 'has no append-only file, and nobody could check whether it makes snapshots',
  none: 'keeps nothing on disk: all keys are lost with its next restart',
}

/** A refusal is no information; anything else means that the server is not there. */
function passable(reply: unknown): unknown {
  if (!(reply instanceof RedisFailure)) return reply
  if (reply.kind === 'denied' || reply.kind === 'refused') return undefined
  throw reply
}

function findingsOf(info: Values, config: Values): RedisFindings {
  const policy = config.get('maxmemory-policy') ?? info.get('maxmemory_policy')
  const appends = info.get('aof_enabled')
  const save = config.get('save')
  const snapshots = save === undefined ? 'unknown' : save === '' ? 'none' : 'snapshots'
  return {
    version: versionOf(info),
    isReplica: info.get('role') === 'slave',
    eviction: policy === 'noeviction' ? undefined : policy,
    persistence: appends === '1' ? 'append-only' : appends === '0' ? snapshots : 'unknown',
    fsync: appends === '1' ? config.get('appendfsync') : undefined,
    isBlind: policy === undefined,
  }
}

/** Valkey gives the Redis version that it is compatible with, and its own. */
function versionOf(info: Values): string | undefined {
  const valkey = info.get('valkey_version')
  const redis = info.get('redis_version')
  if (valkey !== undefined) return `Valkey ${valkey}`
  return redis === undefined ? undefined : `Redis ${redis}`
}

function parseInfo(info: unknown): Values {
  if (typeof info !== 'string') return new Map()
  return new Map(
    info.split('\r\n').flatMap((line) => {
      const colon = line.indexOf(':')
      return colon < 1 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const]
    }),
  )
}

function parsePair(reply: unknown): (readonly [string, string])[] {
  const [name, value] = Array.isArray(reply) ? reply : []
  return typeof name === 'string' && typeof value === 'string' ? [[name, value]] : []
}
