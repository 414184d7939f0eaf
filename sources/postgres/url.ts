/** The URL of a PostgreSQL source: that of pg with a parameter of ours. Nothing of it is ever repeated but names. */
import { sourceError } from '../shared/errors.ts'

/** What pg takes from a URL (pg-connection-string), without passwords. */
const OF_PG = [
  ...['host', 'port', 'user', 'application_name', 'options', 'ssl', 'sslmode', 'sslrootcert', 'sslcert'],
  ...['sslkey', 'sslnegotiation', 'uselibpqcompat'],
]

const EXAMPLE = 'write postgres://user:password@host:5432/database?sslmode=verify-full'

export interface UrlSettings {
  /** Without the parameter of ours. */
  readonly connectionString: string
  readonly pgbouncer: boolean
}

/** Throws ERR_CONFIG_INVALID. A misspelt parameter must not switch TLS off in silence. */
export function parseUrl(name: string, url: string): UrlSettings {
  const bad = (says: string, hint: string) => sourceError('ERR_CONFIG_INVALID', name, { says, hint })
  if (!URL.canParse(url)) {
    throw bad('has a URL that cannot be read', `${EXAMPLE}; special characters of the password are %-encoded`)
  }
  const parsed = new URL(url)
  // A stray "#" cuts the URL off, mostly in the middle of a password.
  if (!/^postgres(?:ql)?:\/\//.test(url) || parsed.hash !== '') {
    throw bad('has a URL that is none of PostgreSQL', `${EXAMPLE}; a "#" is %23`)
  }
  const { searchParams } = parsed
  const known = [...OF_PG, 'pgbouncer']
  if ([...searchParams.keys()].some((parameter) => !known.includes(parameter))) {
    throw bad('has a URL with an unknown parameter', `known are ${known.join(', ')}`)
  }
  const pgbouncer = searchParams.get('pgbouncer') ?? 'false'
  searchParams.delete('pgbouncer')
  if (pgbouncer !== 'true' && pgbouncer !== 'false') {
    throw bad('has a URL with a bad "pgbouncer"', 'write pgbouncer=true or leave it out')
  }
  return { connectionString: parsed.href, pgbouncer: pgbouncer === 'true' }
}
