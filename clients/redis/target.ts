/**
 * Where a Redis server is and how to reach it, out of a URL and options. Nothing is contacted here.
 */

import { flag, isFlag, list, milliseconds, RedisTargetError, text } from './values.ts'

/** How to reach Redis. Every member may stand in the query of the URL too; an option wins over it. */
export interface RedisTargetOptions {
  /**
   * `redis://user:password@host:6379/0`, or `rediss://` for TLS. Several hosts are separated by commas. User and
   * password are percent-encoded.
   */
  readonly url?: string
  /** ACL user. @default the server's default user */
  readonly username?: string
  readonly password?: string
  /** A file with the password, read again for every connection, so that a renewed one is taken up. */
  readonly passwordFile?: string
  /** Use TLS also where the URL does not say so. @default the scheme is rediss */
  readonly tls?: boolean
  /** PEM file with the certificates of the authorities to trust in place of those that Node trusts. */
  readonly caFile?: string
  /** PEM file with the client's own certificate, for servers that ask for one. */
  readonly certFile?: string
  /** PEM file with the private key of that certificate. */
  readonly keyFile?: string
  /** `host:port` of each Sentinel, in place of the hosts in the URL. */
  readonly sentinels?: readonly string[]
  /** Name of the master group. The hosts are Sentinels then. */
  readonly sentinelName?: string
  readonly sentinelUsername?: string
  readonly sentinelPassword?: string
  /** Redis Cluster: true, or `host:port` of some of its nodes in place of the hosts in the URL. @default false */
  readonly cluster?: boolean | readonly string[]
  /** Time for making a connection, in milliseconds. @default 5_000 */
  readonly connectTimeoutMs?: number
  /** A connection on which an answer takes longer is given up, in milliseconds. @default 10_000 */
  readonly replyTimeoutMs?: number
}

export interface RedisNode {
  readonly host: string
  readonly port: number
}

/** Checked options with all defaults. */
export interface RedisTarget extends Omit<RedisTargetOptions, 'url' | 'sentinels' | 'cluster' | 'tls'> {
  readonly kind: 'server' | 'sentinel' | 'cluster'
  readonly nodes: readonly RedisNode[]
  readonly db: number
  readonly tls: boolean
  readonly connectTimeoutMs: number
  readonly replyTimeoutMs: number
  /** The URL without user, password and query, for messages. */
  readonly location: string
}

type Raw = Readonly<Record<string, unknown>>

const KINDS = {
  username: text,
  password: text,
  passwordFile: text,
  tls: flag,
  caFile: text,
  certFile: text,
  keyFile: text,
  sentinels: list,
  sentinelName: text,
  sentinelUsername: text,
  sentinelPassword: text,
  cluster: (option: string, value: unknown) => (isFlag(value) ? flag(option, value) : list(option, value)),
  connectTimeoutMs: milliseconds,
  replyTimeoutMs: milliseconds,
} as const

const TEXTS = [
  'username',
  'password',
  'passwordFile',
  'caFile',
  'certFile',
  'keyFile',
  'sentinelName',
  'sentinelUsername',
  'sentinelPassword',
] as const

/** Names of all options beside `url`. */
export const TARGET_OPTIONS: readonly string[] = Object.keys(KINDS)

const PORT = 6379
const SENTINEL_PORT = 26_379
const URL_FORM = 'write redis://user:password@host:6379/0 or rediss://…, user and password percent-encoded'
const URL_PARTS = /^(rediss?):\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i
const NODE = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/

/**
 * Options with those that stand in the query of `url`; `known` are the names that may stand there.
 *
 * @throws RedisTargetError naming no parameter: what is unknown may be the end of a password that was not encoded.
 */
export function withQuery(options: Raw, known: readonly string[]): Raw {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const pairs = [...new URLSearchParams(splitUrl(options['url']).query)]
  if (pairs.every(([name]) => known.includes(name))) return { ...Object.fromEntries(pairs), ...given }
  throw new RedisTargetError(
    'url',
    'the URL of Redis has a parameter that does not exist',
    `known: ${known.join(', ')}`,
  )
}

/**
 * Checks options that may come from anywhere: numbers, flags and lists may be text ('true', '5000', 'a:1,b:2').
 *
 * @throws RedisTargetError naming the option, never its value.
 */
export function parseRedisTarget(options: Raw): RedisTarget {
  const url = splitUrl(options['url'])
  const given: Raw = { ...parseLogin(url.login), ...options }
  const read = <K extends keyof typeof KINDS>(option: K) =>
    given[option] === undefined
      ? undefined
      : (KINDS[option](option, given[option]) as ReturnType<(typeof KINDS)[K]>)
  const cluster = read('cluster')
  const sentinels = read('sentinels')
  const kind = kindOf(cluster, sentinels, read('sentinelName'))
  const nodes = nodesOf(kind, Array.isArray(cluster) ? cluster : sentinels, url.hosts)
  const tls = read('tls') ?? url.tls
  const texts = Object.fromEntries(
    TEXTS.map((option) => [option, read(option)] as const).filter(([, value]) => value !== undefined),
  )
  assertTogether({ ...texts, kind, tls, db: url.db })
  return {
    ...texts,
    kind,
    nodes,
    tls,
    db: url.db,
    connectTimeoutMs: read('connectTimeoutMs') ?? 5_000,
    replyTimeoutMs: read('replyTimeoutMs') ?? 10_000,
    location: locationOf(tls, nodes, url.db),
  }
}

function kindOf(cluster: unknown, sentinels: unknown, sentinelName: unknown): RedisTarget['kind'] {
  if (cluster !== undefined && cluster !== false) {
    if ((sentinels ?? sentinelName) === undefined) return 'cluster'
    throw new RedisTargetError('cluster', '"cluster" and Sentinel exclude each other', 'pass one of them')
  }
  if (sentinels !== undefined && sentinelName === undefined) {
    throw new RedisTargetError('sentinelName', '"sentinels" without "sentinelName"', 'name the master group')
  }
  return sentinelName === undefined ? 'server' : 'sentinel'
}

/** Whether somebody on the way could read what goes over the wire: no TLS, and not to this machine. */
export function isExposed({ tls, nodes }: RedisTarget): boolean {
  return !tls && nodes.some(({ host }) => !/^(localhost|127\.\d+\.\d+\.\d+|::1)$/i.test(host))
}

interface UrlParts {
  readonly tls: boolean
  readonly login: string | undefined
  readonly hosts: string
  readonly db: number
  readonly query: string
}

function splitUrl(url: unknown): UrlParts {
  if (url === undefined) return { tls: false, login: undefined, hosts: '', db: 0, query: '' }
  const [, scheme, login, hosts = '', path = '', query = ''] =
    (typeof url === 'string' ? URL_PARTS.exec(url) : undefined) ?? []
  if (scheme === undefined) throw new RedisTargetError('url', 'the URL of Redis is malformed', URL_FORM)
  if (!/^\d{0,5}$/.test(path)) {
    throw new RedisTargetError('url', 'what follows the host in the URL of Redis is no number', URL_FORM)
  }
  return { tls: scheme.toLowerCase() === 'rediss', login, hosts, db: Number(path), query }
}

function parseLogin(login: string | undefined): Raw {
  if (login === undefined) return {}
  const colon = login.indexOf(':')
  const username = decode(colon < 0 ? login : login.slice(0, colon))
  if (colon < 0) return { username }
  const password = decode(login.slice(colon + 1))
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new RedisTargetError('url', 'user or password in the URL of Redis has a stray "%"', URL_FORM)
  }
}

function nodesOf(kind: RedisTarget['kind'], listed: readonly string[] | undefined, hosts: string) {
  const option = listed === undefined ? 'url' : kind === 'cluster' ? 'cluster' : 'sentinels'
  const names = listed ?? hosts.split(',')
  if (kind === 'server' && names.length > 1) {
    throw new RedisTargetError('url', 'the URL of Redis has several hosts', 'set "cluster" or "sentinelName"')
  }
  return names.map((name) => {
    const [, v6, host = v6, port] = NODE.exec(name.trim()) ?? []
    const number = port === undefined ? (kind === 'sentinel' ? SENTINEL_PORT : PORT) : Number(port)
    if (host !== undefined && number >= 1 && number <= 65_535) return { host, port: number }
    const hint = option === 'url' ? URL_FORM : 'write host:port, separated by commas'
    throw new RedisTargetError(option, `"${option}" has a host that is none, or a wrong port`, hint)
  })
}

function locationOf(tls: boolean, nodes: readonly RedisNode[], db: number): string {
  const hosts = nodes.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
  return `${tls ? 'rediss' : 'redis'}://${hosts.join(',')}${db === 0 ? '' : `/${db}`}`
}

function assertTogether(target: Raw): void {
  const has = (option: string): boolean => target[option] !== undefined
  const refuse = (option: string, message: string, hint: string): void => {
    throw new RedisTargetError(option, message, hint)
  }
  if (has('password') && has('passwordFile')) {
    refuse('passwordFile', '"password" and "passwordFile" are both set', 'pass one of them')
  }
  if (has('username') && !has('password') && !has('passwordFile')) {
    refuse(
      'password',
      'there is a user but no password',
      'write redis://user:password@… or redis://:password@…',
    )
  }
  if (has('certFile') !== has('keyFile')) {
    refuse('keyFile', '"certFile" and "keyFile" go together', 'pass both')
  }
  if (target['tls'] !== true && (has('caFile') || has('certFile'))) {
    refuse('caFile', 'a certificate is configured, but the URL does not ask for TLS', 'write rediss://')
  }
  if (target['kind'] === 'cluster' && target['db'] !== 0) {
    refuse('url', 'Redis Cluster has only database 0', 'leave the number out of the URL')
  }
}
