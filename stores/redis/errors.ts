/** What Redis and the connection report, as errors of a store, each with what to do. */

import { type RedisFailureKind, toRedisFailure } from '../../clients/redis/failure.ts'
import { KeywrightError } from '../../src/store.ts'

type Code =
  | `ERR_STORE_${'UNAVAILABLE' | 'DENIED' | 'READ_ONLY' | 'FULL' | 'BUSY' | 'FOREIGN' | 'FAILED'}`
  | `ERR_STORE_${'MISSING' | 'CORRUPT' | 'NEWER'}`
  | 'ERR_CONFIG_INVALID'

interface Row {
  readonly code: Code
  readonly says: string
  readonly hint: string
}

/** Where the settings of a store come from, for hints. */
export const STORE_URL = 'ENCRYPTION_KEY_STORE_URL'

const ROWS: Readonly<Record<RedisFailureKind, Row>> = {
  unreachable: {
    code: 'ERR_STORE_UNAVAILABLE',
    says: 'cannot be reached',
    hint: `is the server running, and is ${STORE_URL} right (rediss:// for TLS, ?certFile=<path> where it asks for one)? then try again`,
  },
  tls: {
    code: 'ERR_STORE_DENIED',
    says: 'cannot be trusted: TLS failed',
    hint: `add ?caFile=<path> to ${STORE_URL}, use the name in its certificate, and add ?certFile=<path> where it asks for one`,
  },
  unauthenticated: {
    code: 'ERR_STORE_DENIED',
    says: 'refused user or password',
    hint: `correct user and password in ${STORE_URL}, or add ?passwordFile=<path>`,
  },
  denied: {
    code: 'ERR_STORE_DENIED',
    says: 'does not permit this to the ACL user',
    hint: 'the commands and keys that it needs are in docs/stores/redis.md, under "Least privilege"',
  },
  replica: {
    code: 'ERR_STORE_READ_ONLY',
    says: 'is a replica, which takes no writes',
    hint: `let ${STORE_URL} name the master, or the Sentinels with ?sentinelName=<group>`,
  },
  full: {
    code: 'ERR_STORE_FULL',
    says: 'takes no writes: its memory or its disk is full',
    hint: 'raise maxmemory or free space for its append-only file; nothing was written in part',
  },
  busy: {
    code: 'ERR_STORE_BUSY',
    says: 'cannot answer yet',
    hint: 'it loads its data, runs a long script or lost the majority of its cluster: try again',
  },
  throttled: {
    code: 'ERR_STORE_BUSY',
    says: 'has too many connections',
    hint: 'raise maxclients of the server, or let fewer processes connect',
  },
  'wrong-type': {
    code: 'ERR_STORE_FOREIGN',
    says: 'has something else under a name of the store',
    hint: `another program uses this namespace: add ?namespace=<another> to ${STORE_URL}`,
  },
  'is-cluster': {
    code: 'ERR_CONFIG_INVALID',
    says: 'is a node of a cluster',
    hint: `add ?cluster=true to ${STORE_URL}`,
  },
  settings: {
    code: 'ERR_CONFIG_INVALID',
    says: 'cannot be used with these settings',
    hint: `check the files, the database number and "cluster" in ${STORE_URL}`,
  },
  refused: {
    code: 'ERR_STORE_FAILED',
    says: 'refused the command',
    hint: 'Redis 6.2 or later is needed; its log may tell more',
  },
}

/** An error about the store at `location`. */
export function storeError(code: Code, location: string, says: string, hint: string): KeywrightError {
  return new KeywrightError(code, `the store ${location} ${says}`, { hint, details: { location } })
}

/** A failure at `location` as an error of ours; an error of ours stays as it is. */
export function toStoreError(error: unknown, location: string): KeywrightError {
  if (error instanceof KeywrightError) return error
  const { kind, reason } = toRedisFailure(error)
  const { code, says, hint } = ROWS[kind]
  return storeError(code, location, `${says} (${reason})`, hint)
}
