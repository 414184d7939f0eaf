/** Wrong settings for master keys in Redis, tried on real servers. */
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { type RedisServer, redis, startRedis } from '../../src/testing/native/redis.ts'
import { serverFor } from '../kit/servers.ts'
import {
  type BadInput,
  closedPort,
  type Env,
  expectRefused,
  expectUntouched,
  failing,
  installOn,
  type Listener,
  selfSignedListener,
} from './bad-input-kit.ts'
import type { Workplace } from './cli-kit.ts'

const available = await serverFor(redis)

const KEY = 'ENCRYPTION_KEY_ID'
const VERSION = 'ENCRYPTION_KEY_VERSION'
const ADDR = 'ENCRYPTION_REDIS_URL'
const NAMESPACE = 'ENCRYPTION_REDIS_NAMESPACE'
const PASSWORD = 'ENCRYPTION_REDIS_PASSWORD'
const CA_FILE = 'ENCRYPTION_REDIS_CA_FILE'
const ROOT = 'ENCRYPTION_MASTER_KEY'

const malformed = failing('ERR_CONFIG_INVALID')
const notFound = failing('ERR_MASTER_KEY_NOT_FOUND')
const unauthenticated = failing('ERR_PROVIDER_UNAUTHENTICATED')
const unavailable = failing('ERR_PROVIDER_UNAVAILABLE')

const NAME = /ENCRYPTION_KEY_ID: use letters/
const PINNED = /ENCRYPTION_KEY_VERSION: pass a whole number/
const FORM = /ENCRYPTION_REDIS_URL: write redis:\/\//
const LOGIN = /correct user and password in ENCRYPTION_REDIS_URL/

/** Refused before anything is contacted. */
const MALFORMED: readonly BadInput[] = [
  malformed('a key that climbs', { [KEY]: '../master' }, ['keyId', KEY], NAME),
  malformed('a key with a slash', { [KEY]: 'team/master' }, ['keyId', KEY], NAME),
  malformed('a key that leaves its hash tag', { [KEY]: 'a}:{other' }, ['keyId', KEY], NAME),
  malformed('a key with a line feed', { [KEY]: 'master\r\nFLUSHALL' }, ['keyId', KEY], NAME),
  malformed('a version that is a word', { [VERSION]: 'latest' }, ['keyVersion', VERSION], PINNED),
  malformed('version 0', { [VERSION]: '0' }, ['keyVersion', VERSION], PINNED),
  malformed('no address', { [ADDR]: undefined }, ['URL', ADDR], FORM),
  malformed('another scheme', { [ADDR]: 'http://127.0.0.1:6379' }, ['URL', ADDR], FORM),
  malformed('no scheme', { [ADDR]: '127.0.0.1:6379' }, ['URL', ADDR], FORM),
  malformed(
    'a port that there is not',
    { [ADDR]: 'redis://:hunter2-pw@127.0.0.1:99999' },
    ['url', ADDR],
    FORM,
  ),
  malformed(
    'TLS, perhaps',
    { ENCRYPTION_REDIS_TLS: 'maybe so!' },
    ['tls'],
    /ENCRYPTION_REDIS_TLS: pass true or false/,
  ),
  malformed(
    'a time in words',
    { ENCRYPTION_REDIS_CONNECT_TIMEOUT_MS: '5 s' },
    ['connectTimeoutMs'],
    /whole number/,
  ),
  failing('ERR_ROOT_SECRET_MISSING')(
    'no root secret',
    { [ROOT]: undefined },
    [ROOT],
    /make a key with: openssl/,
  ),
  failing('ERR_ROOT_SECRET_INVALID')(
    'a root secret too short',
    { [ROOT]: 'aHVudGVyMi1wdw==' },
    ['32'],
    /32 random/,
  ),
]

describe.skipIf(available.skip)(`bad input for Redis ${available.skip ?? ''}`, () => {
  let server: RedisServer
  let forgetful: RedisServer
  let client: Redis
  let place: Workplace
  let env: Env
  let tls: Listener

  beforeAll(async () => {
    const lru = { settings: ['maxmemory 100mb', 'maxmemory-policy allkeys-lru'] }
    ;[server, forgetful, tls] = await Promise.all([startRedis(), startRedis(lru), selfSignedListener()])
    env = { ...server.env, ENCRYPTION_KEY_STORE_URL: undefined }
    await server.createMasterKey('first')
    client = new Redis({ port: server.port, password: server.password })
    place = await installOn(env)
  })
  afterAll(async () => {
    place.leave()
    client.disconnect()
    await Promise.all([server.stop(), forgetful.stop(), tls.close()])
  })

  const census = async (): Promise<unknown> => {
    const names = (await client.keys('*')).sort()
    return Promise.all(names.map(async (name) => [name, (await client.dumpBuffer(name))?.toString('hex')]))
  }
  const refused = (bad: BadInput): Promise<void> => expectRefused({ place, env, census }, bad)
  const url = (changes: { scheme?: string; host?: string; port?: number; login?: string; db?: string }) => {
    const {
      scheme = 'redis',
      host = '127.0.0.1',
      port = server.port,
      login = `:${server.password}@`,
      db = '0',
    } = changes
    return { [ADDR]: `${scheme}://${login}${host}:${port}/${db}` }
  }

  it.each([
    ...MALFORMED,
    notFound('an unknown key', { [KEY]: 'no-such-key' }, [KEY, ADDR, NAMESPACE], /check ENCRYPTION_KEY_ID/),
    notFound('an unknown version', { [VERSION]: '99' }, [KEY, ADDR, NAMESPACE], /ENCRYPTION_KEY_ID/),
    notFound(
      'another namespace',
      { [NAMESPACE]: 'other' },
      [KEY, ADDR, NAMESPACE],
      /check ENCRYPTION_KEY_ID/,
    ),
    failing('ERR_ROOT_SECRET_WRONG')(
      'another root secret',
      { [ROOT]: Buffer.from('another root secret, 32 bytes ok').toString('base64') },
      ['root'],
      /ENCRYPTION_MASTER_KEY/,
    ),
  ])('$what: $code', refused)

  it('no password', () =>
    refused(unauthenticated('no password', url({ login: '' }), [ADDR, PASSWORD], LOGIN)))

  it('a wrong password in the URL', () =>
    refused(unauthenticated('wrong', url({ login: ':hunter2-pw@' }), [ADDR, PASSWORD], LOGIN)))

  it('a wrong password beside the URL', () =>
    refused(
      unauthenticated('wrong', { ...url({ login: '' }), [PASSWORD]: 'hunter2-pw' }, [ADDR, PASSWORD], LOGIN),
    ))

  it('a user that there is not', () =>
    refused(unauthenticated('user', url({ login: `nobody:${server.password}@` }), [ADDR, PASSWORD], LOGIN)))

  it('a database that there is not', () =>
    refused(failing('ERR_PROVIDER_FAILED')('db', url({ db: '99' }), [ADDR], /database number/)))

  it('an unknown host', () =>
    refused(unavailable('host', url({ host: 'no-such-redis.invalid' }), [ADDR], /is the server/)))

  it('a port where nobody listens', async () =>
    refused(unavailable('port', url({ port: await closedPort() }), [ADDR], /is the server running/)))

  it('rediss to a server that speaks no TLS', () => {
    const inTime = { ENCRYPTION_REDIS_CONNECT_TIMEOUT_MS: '300' }
    return refused(
      unavailable('rediss', { ...url({ scheme: 'rediss' }), ...inTime }, [ADDR], /rediss:\/\/ for TLS/),
    )
  })

  it('a certificate that nobody vouches for: nothing gets through', async () => {
    const env_ = url({ scheme: 'rediss', host: 'localhost', port: tls.port })
    await refused(
      failing('ERR_PROVIDER_FAILED')('TLS', env_, [CA_FILE, 'trusted'], /set ENCRYPTION_REDIS_CA_FILE/),
    )
    expectUntouched(tls)
  })

  it('a server that drops keys when its memory is short', () => {
    const { [ADDR]: address } = forgetful.env
    const allow = 'ENCRYPTION_REDIS_ALLOW_EVICTION'
    return refused(
      failing('ERR_MASTER_KEY_UNSUITABLE')('lru', { [ADDR]: address }, ['allkeys-lru', allow], /noeviction/),
    )
  })
})
