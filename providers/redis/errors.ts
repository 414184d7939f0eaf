/** What Redis and the connection report, as errors of a provider, each with what to do. */

import { type RedisFailureKind, toRedisFailure } from '../../clients/redis/failure.ts'
import { type ErrorCode, KeywrightError, type ProviderErrorCode } from '../../src/provider.ts'
import { localErrorCode } from '../local/call.ts'

interface Row {
  readonly code: ProviderErrorCode
  readonly says: string
  readonly hint: string
}

const ROWS: Readonly<Record<RedisFailureKind, Row>> = {
  unreachable: {
    code: 'ERR_PROVIDER_UNAVAILABLE',
    says: 'cannot be reached',
    hint: 'is the server running, and is ENCRYPTION_REDIS_URL right (rediss:// for TLS, with ENCRYPTION_REDIS_CERT_FILE where it asks for one)? then try again',
  },
  tls: {
    code: 'ERR_PROVIDER_FAILED',
    says: 'cannot be trusted: TLS failed',
    hint: 'set ENCRYPTION_REDIS_CA_FILE to the authority of its certificate, use its name in the URL, and set ENCRYPTION_REDIS_CERT_FILE where it asks for one',
  },
  unauthenticated: {
    code: 'ERR_PROVIDER_UNAUTHENTICATED',
    says: 'refused user or password',
    hint: 'correct user and password in ENCRYPTION_REDIS_URL, or in ENCRYPTION_REDIS_PASSWORD or its _FILE',
  },
  denied: {
    code: 'ERR_PROVIDER_DENIED',
    says: 'does not permit this to the ACL user',
    hint: 'the commands and keys that it needs are in docs/providers/redis.md, under "Least privilege"',
  },
  replica: {
    code: 'ERR_PROVIDER_STANDBY',
    says: 'is a replica, which takes no writes',
    hint: 'let ENCRYPTION_REDIS_URL name the master, or set ENCRYPTION_REDIS_SENTINEL_NAME',
  },
  full: {
    code: 'ERR_PROVIDER_FAILED',
    says: 'takes no writes: its memory or its disk is full',
    hint: 'raise maxmemory or free space for its append-only file; nothing was changed',
  },
  busy: {
    code: 'ERR_PROVIDER_UNAVAILABLE',
    says: 'cannot answer yet',
    hint: 'it loads its data, runs a long script or lost the majority of its cluster: try again',
  },
  throttled: {
    code: 'ERR_PROVIDER_THROTTLED',
    says: 'has too many connections',
    hint: 'raise maxclients of the server, or let fewer processes connect',
  },
  'wrong-type': {
    code: 'ERR_PROVIDER_FAILED',
    says: 'holds something else under the name of the master key',
    hint: 'another program uses this name: change ENCRYPTION_REDIS_NAMESPACE or ENCRYPTION_KEY_ID',
  },
  'is-cluster': {
    code: 'ERR_PROVIDER_FAILED',
    says: 'is a node of a cluster',
    hint: 'set ENCRYPTION_REDIS_CLUSTER=true',
  },
  settings: {
    code: 'ERR_PROVIDER_FAILED',
    says: 'cannot be used with these settings',
    hint: 'check the files that ENCRYPTION_REDIS_…_FILE name, the database number in ENCRYPTION_REDIS_URL, and ENCRYPTION_REDIS_CLUSTER',
  },
  refused: {
    code: 'ERR_PROVIDER_FAILED',
    says: 'refused the command',
    hint: 'Redis 6.2 or later is needed; its log may tell more',
  },
}

/** A failure at `location` as an error of ours; an error of ours stays as it is. */
export function redisError(error: unknown, location: string): KeywrightError {
  if (error instanceof KeywrightError) return error
  const { kind, reason } = toRedisFailure(error)
  const { code, says, hint } = ROWS[kind]
  return new KeywrightError(code, `${location} ${says} (${reason})`, { hint, details: { location } })
}

/** The code of anything that a call threw. */
export function redisErrorCode(error: unknown): ProviderErrorCode {
  if (error instanceof KeywrightError) return isProviderCode(error.code) ? error.code : localErrorCode(error)
  const { kind, reason } = toRedisFailure(error)
  // ioredis too calls an error of a lost connection AbortError, so its own words are looked at first.
  return kind === 'refused' && reason === 'unknown' ? localErrorCode(error) : ROWS[kind].code
}

function isProviderCode(code: ErrorCode): code is ProviderErrorCode {
  return /^ERR_(PROVIDER|MASTER_KEY)_/.test(code) && code !== 'ERR_PROVIDER_UNKNOWN'
}
