/** What Redis and the connection report, as errors of a source, each with what to do. */
import { type RedisFailureKind, toRedisFailure } from '../../clients/redis/failure.ts'
import { KeywrightError } from '../../src/source.ts'
import { type SourceErrorCode, sourceError } from '../shared/errors.ts'

interface Row {
  readonly code: SourceErrorCode
  readonly says: string
  readonly hint: string
}

const ROWS: Readonly<Record<RedisFailureKind, Row>> = {
  unreachable: {
    code: 'ERR_SOURCE_UNAVAILABLE',
    says: 'cannot be reached',
    hint: 'is the server running, and is its URL right (rediss:// for TLS)? then try again: what was not confirmed was done wholly or not at all',
  },
  tls: {
    code: 'ERR_SOURCE_DENIED',
    says: 'cannot be trusted: TLS failed',
    hint: 'add ?caFile=<path> to its URL, and ?certFile=<path> where it asks for one',
  },
  unauthenticated: {
    code: 'ERR_SOURCE_DENIED',
    says: 'refused user or password',
    hint: 'correct user and password in its URL, or add ?passwordFile=<path>',
  },
  denied: {
    code: 'ERR_SOURCE_DENIED',
    says: 'does not permit this to the ACL user',
    hint: 'the commands and keys that it needs are in docs/sources.md, under Redis',
  },
  replica: {
    code: 'ERR_SOURCE_FAILED',
    says: 'is a replica, which takes no writes',
    hint: 'let its URL name the master, or the Sentinels with ?sentinelName=<group>',
  },
  full: {
    code: 'ERR_SOURCE_FAILED',
    says: 'takes no writes: its memory or its disk is full',
    hint: 'ciphertexts are longer than what they encrypt: raise maxmemory; nothing of this chunk was written',
  },
  busy: { code: 'ERR_SOURCE_UNAVAILABLE', says: 'cannot answer yet', hint: 'try again' },
  throttled: {
    code: 'ERR_SOURCE_UNAVAILABLE',
    says: 'has too many connections',
    hint: 'raise maxclients of the server, or let fewer processes connect',
  },
  'wrong-type': {
    code: 'ERR_SOURCE_INVALID',
    says: 'has something else under the name of its checkpoints',
    hint: 'rename the key keywright:checkpoints of the other program',
  },
  'is-cluster': {
    code: 'ERR_SOURCE_INVALID',
    says: 'is a node of a Redis Cluster, which is not supported',
    hint: 'pass each node to a source of your own: docs/sources.md tells how',
  },
  settings: {
    code: 'ERR_CONFIG_INVALID',
    says: 'cannot be used with these settings',
    hint: 'check the files and the database number in its URL',
  },
  refused: {
    code: 'ERR_SOURCE_FAILED',
    says: 'refused the command',
    hint: 'Redis 6.2 or later is needed; its log may tell more',
  },
}

/** Sorts what was thrown. */
export function toSourceError(error: unknown, name: string): KeywrightError {
  if (error instanceof KeywrightError) return error
  const { kind, reason } = toRedisFailure(error)
  const { code, hint, says } = ROWS[kind]
  return sourceError(code, name, { says: `${says} (${reason})`, hint })
}
