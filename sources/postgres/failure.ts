/**
 * What PostgreSQL and its client report, as errors of ours. Their own text may quote values of rows, hosts and users:
 * only the code stays, and the names of constraints and columns.
 */
import { KeywrightError } from '../../src/source.ts'
import { type SourceErrorCode, sourceError } from '../shared/errors.ts'
import { badKey } from '../shared/keys.ts'

interface Row {
  readonly code: SourceErrorCode
  readonly says: string
  readonly hint: string
}

const AGAIN: Row = {
  code: 'ERR_SOURCE_UNAVAILABLE',
  says: 'is busy: the call was given up',
  hint: 'try again; look for long transactions and locks on the table',
}
const GONE: Row = {
  code: 'ERR_SOURCE_UNAVAILABLE',
  says: 'cannot be reached',
  hint: 'check that the server runs and takes connections from here, then try again: what was not confirmed was done wholly or not at all',
}
const DENIED: Row = {
  code: 'ERR_SOURCE_DENIED',
  says: 'refuses this user, or is not trusted',
  hint: 'check user, password and certificates (sslrootcert) in the URL, and the rights of the role: SELECT on key and columns, UPDATE on the columns that are written, and the table of checkpoints (docs/sources.md)',
}
const NO_TABLE: Row = {
  code: 'ERR_SOURCE_INVALID',
  says: 'has no such database, table or column',
  hint: 'check the database in the URL, "table" and the names of the columns; was the table changed meanwhile?',
}
const UNSUITABLE: Row = {
  code: 'ERR_COLUMN_UNSUITABLE',
  says: 'has a column that cannot hold a value',
  hint: 'it is too short, generated or of another type: make it text or bytea; nothing of this chunk was written',
}
const FAILED: Row = {
  code: 'ERR_SOURCE_FAILED',
  says: 'refused a statement',
  hint: 'look at the log of the server for the code that is given here; nothing of this chunk was written',
}
const READ_ONLY: Row = {
  code: 'ERR_SOURCE_FAILED',
  says: 'cannot be written: the server or the session is read-only',
  hint: 'let the URL name the primary server',
}
const CONSTRAINT: Row = {
  code: 'ERR_SOURCE_FAILED',
  says: 'has a constraint that refuses a value',
  hint: 'a ciphertext differs each time and is longer: constraints on its form or uniqueness belong on a search token; nothing of this chunk was written',
}

/** SQLSTATE, or its class, after postgresql.org/docs/current/errcodes-appendix.html. */
const STATES: Readonly<Record<string, Row>> = {
  '0A000': AGAIN, // feature_not_supported: a prepared statement whose table was altered
  '22': UNSUITABLE, // data exception
  '23': CONSTRAINT, // integrity constraint violation
  '25006': READ_ONLY,
  '25P03': GONE, // idle_in_transaction_session_timeout
  '25P04': AGAIN, // transaction_timeout
  '26000': AGAIN, // invalid_sql_statement_name: another connection, behind a pooler
  '28': DENIED,
  '3D000': NO_TABLE,
  '3F000': NO_TABLE,
  '40': AGAIN, // transaction rollback: deadlock, serialisation
  '42501': DENIED,
  '42703': NO_TABLE,
  '42804': UNSUITABLE, // datatype_mismatch
  '428C9': UNSUITABLE, // generated_always
  '42P01': NO_TABLE,
  '42P05': AGAIN, // duplicate_prepared_statement, behind a pooler
  '53': GONE, // insufficient resources
  '53100': { ...FAILED, says: 'cannot grow: the disk of the server is full', hint: 'free some space' },
  '55P03': AGAIN, // lock_not_available
  '57': GONE, // operator intervention
  '57014': AGAIN, // query_canceled: a deadline
  '08': GONE,
  '08P01': {
    ...FAILED,
    hint: 'behind PgBouncer in transaction mode add pgbouncer=true to the URL',
  },
}

const NETWORK = /^(E(CONN|HOST|NET|PIPE|AI_|ADDR)|ENOTFOUND$|ETIMEDOUT$|ENOENT$|EPROTO$)/
const TRUST = /CERT|^ERR_TLS_|^ERR_SSL_|^UNABLE_TO_|^HOSTNAME_MISMATCH$/

/** What pg itself reports has no code. Its words, and ours. */
const WORDS: readonly (readonly [words: RegExp, row: Row])[] = [
  [/^SASL|password|does not support SSL|SSL connection/i, DENIED],
  [/terminated|timeout|timed out|not queryable|Connection ended|closed|pool after/i, GONE],
]

/** The SQLSTATE that the server reported; empty for other errors. */
export function sqlState(error: unknown): string {
  const { code, severity, syscall } = (error ?? {}) as Record<string, unknown>
  const isState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)
  return isState && typeof severity === 'string' && syscall === undefined ? code : ''
}

/** Whether the connection can go on after `error`. A plan that does not fit the table any more stays with it. */
export function isUsableAfter(error: unknown): boolean {
  if (error instanceof KeywrightError) return true
  const state = sqlState(error)
  return state !== '' && state !== '0A000' && (error as { severity?: unknown }).severity === 'ERROR'
}

/** Sorts what was thrown. `reads`: data exceptions are about a key that was passed in, not about a column. */
export function toSourceError(error: unknown, name: string, reads: boolean): KeywrightError {
  if (error instanceof KeywrightError) return error
  const state = sqlState(error)
  if (state !== '') {
    if (reads && state.startsWith('22')) return badKey()
    const row = STATES[state] ?? STATES[state.slice(0, 2)] ?? FAILED
    return withReason(row, name, `SQLSTATE ${state}`, namesIn(error))
  }
  const { code, message, syscall } = (error ?? {}) as Record<string, unknown>
  const reason = typeof code === 'string' && /^[A-Z0-9_]{2,60}$/.test(code) ? code : undefined
  if (syscall === 'open') {
    return sourceError('ERR_CONFIG_INVALID', name, {
      says: `has a certificate file that cannot be read (${reason ?? 'unknown'})`,
      hint: 'check sslrootcert, sslcert and sslkey in its URL',
    })
  }
  if (TRUST.test(reason ?? '')) return withReason(DENIED, name, reason)
  if (NETWORK.test(reason ?? '')) return withReason(GONE, name, reason)
  const row = WORDS.find(([words]) => words.test(String(message)))?.[1] ?? FAILED
  return withReason(row, name, reason)
}

function withReason(
  { code, says, hint }: Row,
  name: string,
  reason: string | undefined,
  details: Readonly<Record<string, string>> = {},
): KeywrightError {
  return sourceError(code, name, {
    says: reason === undefined ? says : `${says} (${reason})`,
    hint,
    details,
  })
}

function namesIn(error: unknown): Readonly<Record<string, string>> {
  const { column, constraint } = error as Record<string, unknown>
  return {
    ...(typeof column === 'string' ? { column } : {}),
    ...(typeof constraint === 'string' ? { constraint } : {}),
  }
}
