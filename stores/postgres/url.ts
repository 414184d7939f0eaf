/** The URL of a store: that of pg with a few parameters of ours. Nothing of it is ever repeated but names. */
import { KeywrightError } from '../../src/store.ts'

export interface UrlSettings {
  /** Without the parameters of ours. */
  readonly connectionString: string
  readonly schema?: string
  readonly pgbouncer?: boolean
  readonly connectTimeoutMs?: number
  readonly statementTimeoutMs?: number
}

/** What pg itself takes from a URL (pg-connection-string), as far as a store has a use for it. */
const OF_PG = [
  ...['host', 'port', 'user', 'application_name', 'options', 'ssl', 'sslmode', 'sslrootcert', 'sslcert'],
  ...['sslkey', 'sslnegotiation', 'uselibpqcompat'],
]
const OURS = ['schema', 'pgbouncer', 'connect_timeout', 'statement_timeout']

const EXAMPLE = 'write postgres://user:password@host:5432/database?sslmode=verify-full'

/** Throws ERR_ARGUMENT_INVALID. */
export function parseUrl(url: string): UrlSettings {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw invalid(
      'the store URL cannot be read',
      `${EXAMPLE}; special characters of the password are %-encoded`,
    )
  }
  // A stray "#" cuts the URL off, mostly in the middle of a password.
  if (!/^postgres(?:ql)?:$/.test(parsed.protocol) || !url.slice(parsed.protocol.length).startsWith('//')) {
    throw invalid('the store URL is not one of PostgreSQL', EXAMPLE)
  }
  if (parsed.hash !== '') throw invalid('the store URL has a "#"', 'write it as %23')
  const { searchParams } = parsed
  assertKnown(searchParams)
  const take = (name: string): string | undefined => {
    const value = searchParams.get(name) ?? undefined
    searchParams.delete(name)
    return value
  }
  const schema = take('schema')
  const pgbouncer = take('pgbouncer')
  const connect = take('connect_timeout')
  const statement = take('statement_timeout')
  if (pgbouncer !== undefined && pgbouncer !== 'true' && pgbouncer !== 'false') {
    throw badParameter('pgbouncer', 'true or false')
  }
  return {
    connectionString: parsed.href,
    ...(schema === undefined ? {} : { schema }),
    ...(pgbouncer === undefined ? {} : { pgbouncer: pgbouncer === 'true' }),
    ...(connect === undefined
      ? {}
      : { connectTimeoutMs: count('connect_timeout', connect, 'seconds') * 1000 }),
    ...(statement === undefined ? {} : { statementTimeoutMs: count('statement_timeout', statement, 'ms') }),
  }
}

/** A misspelt parameter must not switch TLS off in silence. */
function assertKnown(parameters: URLSearchParams): void {
  const known = [...OF_PG, ...OURS]
  for (const name of parameters.keys()) {
    if (!known.includes(name)) {
      const shown = /^[a-z_]{1,40}$/i.test(name) ? ` "${name}"` : ''
      throw invalid(`the store URL has an unknown parameter${shown}`, `known are ${known.join(', ')}`)
    }
    if (parameters.getAll(name).length > 1) throw invalid(`the store URL has "${name}" twice`, 'give it once')
  }
}

function count(name: string, text: string, unit: string): number {
  if (/^[1-9][0-9]{0,6}$/.test(text)) return Number(text)
  throw badParameter(name, `${unit}, 1 or more`)
}

function badParameter(name: string, expected: string): KeywrightError {
  return invalid(`"${name}" of the store URL expected ${expected}`, 'correct ENCRYPTION_KEY_STORE_URL')
}

function invalid(message: string, hint: string): KeywrightError {
  return new KeywrightError('ERR_ARGUMENT_INVALID', message, { hint })
}
