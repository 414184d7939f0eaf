/**
 * What went wrong with Redis, sorted. Errors of the client hold the command that failed, the password included, so
 * nothing of them is kept but their code.
 *
 * Codes of the server: https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors and, for each,
 * the page of the command. Messages of the client: ioredis 6.
 */

/** A kind of failure. */
export type RedisFailureKind =
  /** No connection, or it ended before the answer came. */
  | 'unreachable'
  /** The certificate of the server is not trusted, or one side does not speak TLS. */
  | 'tls'
  /** A password is missing, wrong or no longer good. */
  | 'unauthenticated'
  /** The ACL user may not run the command, or not on this key. */
  | 'denied'
  /** A replica, which takes no writes. */
  | 'replica'
  /** No memory left, or the disk of the persistence is full. */
  | 'full'
  /** Loading its data, in a long script, or the cluster has no majority. */
  | 'busy'
  /** Too many connections. */
  | 'throttled'
  /** Something else has the name of one of our keys. */
  | 'wrong-type'
  /** A node of a cluster, reached as a single server. */
  | 'is-cluster'
  /** A file with a password or certificate cannot be read, or a database number that the server does not have. */
  | 'settings'
  /** Anything else that the server refused. */
  | 'refused'

/** A failure, with nothing of the client's error but its code. */
export class RedisFailure extends Error {
  override readonly name = 'RedisFailure'
  readonly kind: RedisFailureKind
  /** The server's or the system's code, for people: 'WRONGPASS', 'ECONNREFUSED'. */
  readonly reason: string

  constructor(kind: RedisFailureKind, reason: string) {
    super(`Redis: ${kind} (${reason})`)
    this.kind = kind
    this.reason = reason
  }
}

/** First words of the server's errors. */
const REPLIES: Readonly<Record<string, RedisFailureKind>> = {
  NOAUTH: 'unauthenticated',
  WRONGPASS: 'unauthenticated',
  NOPERM: 'denied',
  READONLY: 'replica',
  OOM: 'full',
  MISCONF: 'full',
  LOADING: 'busy',
  BUSY: 'busy',
  MASTERDOWN: 'busy',
  CLUSTERDOWN: 'busy',
  TRYAGAIN: 'busy',
  NOREPLICAS: 'busy',
  WRONGTYPE: 'wrong-type',
  MOVED: 'is-cluster',
  ASK: 'is-cluster',
  CROSSSLOT: 'refused',
  NOSCRIPT: 'refused',
}

/** Errors that begin with the general ERR, by their text; it may quote arguments, so it is only looked at. */
const TEXTS: readonly (readonly [text: RegExp, kind: RedisFailureKind, reason: string])[] = [
  [/max(imum)? number of clients/i, 'throttled', 'max number of clients'],
  [
    /invalid (username-)?password|AUTH.* called without any password|invalid auth/i,
    'unauthenticated',
    'AUTH',
  ],
  [/DB index is out of range|SELECT is not allowed/i, 'settings', 'SELECT'],
  [/cluster support disabled/i, 'settings', 'no cluster'],
  [/user executing the script can't/i, 'denied', 'NOPERM'],
  [/operation not permitted/i, 'unauthenticated', 'operation not permitted'],
  [/unknown (sub)?command/i, 'refused', 'unknown command'],
]

/** The reason where a connection ended in mid-call: whether the server did what it was told is not known. */
export const CONNECTION_LOST = 'connection lost'

const TIMEOUT_TEXTS = /^(Command timed out|Socket timeout)/

/** What ioredis says where it has no code. */
const CLIENT_TEXTS =
  /^(Connection is closed|Stream isn't writeable|Command aborted|Reached the max retries|None of startup nodes|Failed to refresh slots|All sentinels are unreachable|Cluster isn't ready|Cluster is ended|Redis is already connecting|Too many Cluster redirections)/

const TLS_CODE = /CERT|SELF_SIGNED|^ERR_TLS|^ERR_SSL|^ERR_OSSL|UNABLE_TO_|^EPROTO$/
const SYSTEM_CODE = /^E(?!RR_)[A-Z_]{2,20}$/

/** The code of a reply, also where ioredis (Sentinel) or Redis 6 (a script's error) put words before it. */
const REPLY_CODE =
  /^(?:All sentinels.*Last error: |ERR Error running script.*@user_script: ?\d+: -?)?([A-Z]{3,12})\b/

/** Sorts whatever the client threw. A failure is returned as it is. */
export function toRedisFailure(error: unknown): RedisFailure {
  if (error instanceof RedisFailure) return error
  const { message, code, lastNodeError } = parts(error)
  if (lastNodeError !== undefined) return toRedisFailure(lastNodeError)
  if (TLS_CODE.test(code)) return new RedisFailure('tls', code)
  if (SYSTEM_CODE.test(code)) return new RedisFailure('unreachable', code)
  const word = REPLY_CODE.exec(message)?.[1] ?? 'unknown'
  const known = Object.hasOwn(REPLIES, word) ? REPLIES[word] : undefined
  if (known !== undefined) return new RedisFailure(known, word)
  const [, kind, reason] = TEXTS.find(([text]) => text.test(message)) ?? []
  if (kind !== undefined && reason !== undefined) return new RedisFailure(kind, reason)
  if (TIMEOUT_TEXTS.test(message)) return new RedisFailure('unreachable', 'timeout')
  if (CLIENT_TEXTS.test(message)) return new RedisFailure('unreachable', CONNECTION_LOST)
  return new RedisFailure('refused', word)
}

function parts(error: unknown): { message: string; code: string; lastNodeError?: unknown } {
  if (typeof error !== 'object' || error === null) return { message: '', code: '' }
  const { message, code, lastNodeError } = error as Record<string, unknown>
  return {
    message: typeof message === 'string' ? message : '',
    code: typeof code === 'string' ? code : '',
    ...(lastNodeError === undefined || lastNodeError === null ? {} : { lastNodeError }),
  }
}
