/**
 * What PostgreSQL and its client report, as errors of ours. Their own text may quote data, hosts and users: only the
 * code stays.
 */
import { KeywrightError } from '../../src/store.ts'

type StoreErrorCode = Extract<KeywrightError['code'], `ERR_STORE_${string}`>

const ADVICE: Readonly<Partial<Record<StoreErrorCode, readonly [says: string, hint: string]>>> = {
  ERR_STORE_MISSING: [
    'is not there',
    'check ENCRYPTION_KEY_STORE_URL; only "create: true" (keywright init) makes a new store in a database that exists',
  ],
  ERR_STORE_UNAVAILABLE: [
    'cannot be reached',
    'check that the server runs, takes connections from here and has some left (max_connections), then try again',
  ],
  ERR_STORE_DENIED: [
    'refuses this user, or is not trusted',
    'check user, password and certificates (sslrootcert) in ENCRYPTION_KEY_STORE_URL, and the rights of the role',
  ],
  ERR_STORE_BUSY: ['is busy: the call was given up', 'try again; look for long transactions and locks'],
  ERR_STORE_FULL: [
    'cannot grow: the disk is full',
    'free some space on the server; nothing was written in part',
  ],
  ERR_STORE_READ_ONLY: [
    'cannot be written: the server or the session is read-only',
    'connect to the primary server (target the writable one in ENCRYPTION_KEY_STORE_URL)',
  ],
  ERR_STORE_CORRUPT: ['is damaged', 'look at the log of the server; restore the database from a backup'],
  ERR_STORE_FAILED: ['failed', 'look at the log of the server for the code that is given here'],
}

/** SQLSTATE → code of ours, after postgresql.org/docs/current/errcodes-appendix.html. */
const STATES: Readonly<Record<string, StoreErrorCode>> = {
  '25006': 'ERR_STORE_READ_ONLY', // read_only_sql_transaction, on a standby too
  '25P03': 'ERR_STORE_UNAVAILABLE', // idle_in_transaction_session_timeout
  '25P04': 'ERR_STORE_BUSY', // transaction_timeout
  '3D000': 'ERR_STORE_MISSING', // invalid_catalog_name: no such database
  '3F000': 'ERR_STORE_MISSING', // invalid_schema_name
  '40001': 'ERR_STORE_BUSY', // serialization_failure
  '40P01': 'ERR_STORE_BUSY', // deadlock_detected
  '42501': 'ERR_STORE_DENIED', // insufficient_privilege
  '42P01': 'ERR_STORE_CORRUPT', // undefined_table
  '42P07': 'ERR_STORE_CORRUPT', // duplicate_table: there before its step
  '42703': 'ERR_STORE_CORRUPT', // undefined_column
  '53100': 'ERR_STORE_FULL', // disk_full
  '53300': 'ERR_STORE_UNAVAILABLE', // too_many_connections
  '55P03': 'ERR_STORE_BUSY', // lock_not_available
  '57014': 'ERR_STORE_BUSY', // query_canceled: statement_timeout
  XX001: 'ERR_STORE_CORRUPT', // data_corrupted
  XX002: 'ERR_STORE_CORRUPT', // index_corrupted
}

/** What PgBouncer answers to settings at the start of a connection (pgbouncer.org/config.html). */
const PROTOCOL_VIOLATION = '08P01'

/** Classes of SQLSTATE, where the table above has no row. */
const CLASSES: Readonly<Record<string, StoreErrorCode>> = {
  '08': 'ERR_STORE_UNAVAILABLE', // connection exception
  '28': 'ERR_STORE_DENIED', // invalid authorization
  '53': 'ERR_STORE_UNAVAILABLE', // insufficient resources
  '57': 'ERR_STORE_UNAVAILABLE', // operator intervention: shutdown, starting up
}

/** Errors of node:net and node:dns: nobody is there. */
const NETWORK = /^(E(CONN|HOST|NET|PIPE|AI_|ADDR)|ENOTFOUND$|ETIMEDOUT$|ENOENT$|EPROTO$)/
/** Errors of node:tls: somebody is there who is not trusted. */
const TRUST = /CERT|^ERR_TLS_|^ERR_SSL_|^UNABLE_TO_|^HOSTNAME_MISMATCH$/

/** What pg itself reports has no code. Its words, and ours. */
const WORDS: readonly (readonly [words: RegExp, code: StoreErrorCode])[] = [
  [/^SASL|password|does not support SSL|SSL connection/i, 'ERR_STORE_DENIED'],
  [/terminated|timeout|timed out|not queryable|Connection ended|closed|pool after/i, 'ERR_STORE_UNAVAILABLE'],
]

interface Facts {
  readonly code: string
  readonly message: string
  /** The server itself reported it. */
  readonly fromServer: boolean
  readonly severity: string
}

function factsOf(error: unknown): Facts {
  const { code, message, severity, syscall } = (error ?? {}) as Record<string, unknown>
  const text = typeof code === 'string' ? code : ''
  const fromServer = /^[0-9A-Z]{5}$/.test(text) && typeof severity === 'string' && syscall === undefined
  return {
    code: text,
    message: typeof message === 'string' ? message : '',
    fromServer,
    severity: String(severity ?? ''),
  }
}

/** Whether the connection can go on after `error`. FATAL and PANIC end it; so does whatever the server did not say. */
export function isUsableAfter(error: unknown): boolean {
  const { fromServer, severity } = factsOf(error)
  return (fromServer && severity === 'ERROR') || error instanceof KeywrightError
}

/** The SQLSTATE that the server reported; empty for other errors. */
export function sqlState(error: unknown): string {
  const { code, fromServer } = factsOf(error)
  return fromServer ? code : ''
}

/** An error about the store with the usual words. `says` replaces what is wrong, `hint` what to do. */
export function storeError(
  code: StoreErrorCode,
  location: string,
  words: { says?: string; hint?: string; reason?: string } = {},
): KeywrightError {
  const [says, hint] = ADVICE[code] ?? ['failed', '']
  const reason = words.reason === undefined ? '' : ` (${words.reason})`
  return new KeywrightError(code, `the store ${location} ${words.says ?? says}${reason}`, {
    hint: words.hint ?? hint,
    details: { location },
  })
}

/** Sorts what was thrown while working on the store. An error of ours stays as it is. */
export function toStoreError(error: unknown, location: string): KeywrightError {
  if (error instanceof KeywrightError) return error
  const facts = factsOf(error)
  if (facts.fromServer) {
    if (facts.code === PROTOCOL_VIOLATION) {
      return storeError('ERR_STORE_FAILED', location, {
        reason: `SQLSTATE ${facts.code}`,
        hint: 'behind PgBouncer in transaction mode add pgbouncer=true to ENCRYPTION_KEY_STORE_URL',
      })
    }
    const code = STATES[facts.code] ?? CLASSES[facts.code.slice(0, 2)] ?? 'ERR_STORE_FAILED'
    return storeError(code, location, { reason: `SQLSTATE ${facts.code}` })
  }
  if ((error as { syscall?: unknown } | undefined)?.syscall === 'open') {
    return new KeywrightError(
      'ERR_CONFIG_INVALID',
      `a certificate file of the store cannot be read (${facts.code})`,
      {
        hint: 'check sslrootcert, sslcert and sslkey in ENCRYPTION_KEY_STORE_URL',
      },
    )
  }
  if (TRUST.test(facts.code)) return storeError('ERR_STORE_DENIED', location, { reason: facts.code })
  if (NETWORK.test(facts.code)) return storeError('ERR_STORE_UNAVAILABLE', location, { reason: facts.code })
  const code = WORDS.find(([words]) => words.test(facts.message))?.[1] ?? 'ERR_STORE_FAILED'
  return storeError(code, location)
}
