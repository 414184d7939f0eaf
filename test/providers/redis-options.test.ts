/** The Redis provider without a server: options, failures, what users are told. */
import { describe, expect, it } from 'vitest'
import { RedisFailure, toRedisFailure } from '../../clients/redis/failure.ts'
import { isExposed, TARGET_OPTIONS } from '../../clients/redis/target.ts'
import { BACKENDS } from '../../providers/index.ts'
import { redisErrorCode } from '../../providers/redis/errors.ts'
import { parseOptions } from '../../providers/redis/options.ts'
import redisProvider, { configure, leastPrivilege, type RedisProviderOptions } from '../../providers/redis.ts'
import { KeywrightError } from '../../src/provider.ts'
import { expectNoSecret, failureOf } from '../conformance/provider.ts'
import { context, newKey, rejects, rootSecret } from './redis/kit.ts'

const url = 'redis://localhost'
const settingsOf = (options: Readonly<Record<string, unknown>>) => ({
  create: false,
  name: 'redis',
  options,
  production: true,
  rootSecret: { kind: 'key', text: Buffer.from(rootSecret.bytes).toString('base64') } as const,
})

describe('options', () => {
  it('each has its environment variable, and each variable its option', () => {
    const own = [
      'url',
      'keyId',
      'keyVersion',
      'namespace',
      'allowEviction',
      'requirePersistence',
      'checkIntervalMs',
    ]
    const rows = BACKENDS['redis']?.variables ?? []
    expect(rows.map(({ option }) => option).sort()).toEqual([...own, ...TARGET_OPTIONS].sort())
    const secrets = rows.filter(({ secret }) => secret).map(({ option }) => option)
    expect(secrets).toEqual(['url', 'password', 'sentinelPassword'])
  })

  it('are understood as text and as what they mean', () => {
    const text = {
      allowEviction: 'true',
      checkIntervalMs: '0',
      cluster: 'a:1,b:2',
      connectTimeoutMs: '9',
      keyVersion: '3',
      tls: '1',
    }
    const meant = {
      allowEviction: true,
      checkIntervalMs: 0,
      cluster: ['a:1', 'b:2'],
      connectTimeoutMs: 9,
      keyVersion: 3,
      tls: true,
    }
    const parsed = parseOptions({ ...text, url })
    expect(parsed).toEqual(parseOptions({ ...meant, url }))
    expect(parsed).toMatchObject({
      allowEviction: true,
      key: '{keywright}:master:default',
      pinnedVersion: '3',
      target: {
        connectTimeoutMs: 9,
        kind: 'cluster',
        location: 'rediss://a:1,b:2',
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
      },
    })
  })

  it.each([
    ['redis://localhost', 'redis://localhost:6379', {}],
    [
      'rediss://u%40x:p%3A%2F@h:1/2',
      'rediss://h:1/2',
      { db: 2, password: 'p:/', tls: true, username: 'u@x' },
    ],
    ['redis://:p@ss@h', 'redis://h:6379', { password: 'p@ss' }],
    ['redis://[::1]:7', 'redis://[::1]:7', { nodes: [{ host: '::1', port: 7 }] }],
    ['redis://a,b:7?sentinelName=m', 'redis://a:26379,b:7', { kind: 'sentinel', sentinelName: 'm' }],
    ['REDIS://h/?cluster=false', 'redis://h:6379', { kind: 'server' }],
  ])('the URL %s means %s', (text, location, more) => {
    expect(parseOptions({ url: text }).target).toMatchObject({ location, ...more })
  })

  it('an option wins over the same one in the URL', () => {
    const { key, target } = parseOptions({
      namespace: 'mine',
      password: 'two',
      url: 'redis://:one@h?namespace=theirs',
    })
    expect([key, target.password]).toEqual(['{mine}:master:default', 'two'])
  })

  it.each([
    ['redis://localhost', false],
    ['redis://127.0.0.1', false],
    ['redis://[::1]', false],
    ['rediss://example.com', false],
    ['redis://example.com', true],
    ['redis://localhost,example.com?cluster=true', true],
  ])('%s is exposed: %s', (text, exposed) => {
    expect(isExposed(parseOptions({ url: text }).target)).toBe(exposed)
  })

  it.each<[what: string, options: Readonly<Record<string, unknown>>, variable: string]>([
    ['no URL', {}, 'ENCRYPTION_REDIS_URL'],
    ['a URL with a typo', { url: 'reds://localhost' }, 'ENCRYPTION_REDIS_URL'],
    ['a URL that is none', { url: 7 }, 'ENCRYPTION_REDIS_URL'],
    ['a key name that leaves its place', { keyId: 'a}b' }, 'ENCRYPTION_KEY_ID'],
    ['an id of a key file as name', { keyId: `keyfile:${'0'.repeat(32)}` }, 'ENCRYPTION_KEY_ID'],
    ['an empty key name', { keyId: '' }, 'ENCRYPTION_KEY_ID'],
    ['a version that is none', { keyVersion: 'latest' }, 'ENCRYPTION_KEY_VERSION'],
    ['a version 0', { keyVersion: 0 }, 'ENCRYPTION_KEY_VERSION'],
    ['a namespace in braces', { namespace: '{x}' }, 'ENCRYPTION_REDIS_NAMESPACE'],
    ['a flag that is none', { requirePersistence: 'maybe' }, 'ENCRYPTION_REDIS_REQUIRE_PERSISTENCE'],
    ['a time below 0', { checkIntervalMs: -1 }, 'ENCRYPTION_REDIS_CHECK_INTERVAL_MS'],
    ['a time that is no number', { connectTimeoutMs: 'soon' }, 'ENCRYPTION_REDIS_CONNECT_TIMEOUT_MS'],
    ['two passwords', { password: 'sesame', passwordFile: '/x' }, 'ENCRYPTION_REDIS_PASSWORD_FILE'],
    ['an empty password', { password: '' }, 'ENCRYPTION_REDIS_PASSWORD'],
    ['a password that is no text', { password: 7 }, 'ENCRYPTION_REDIS_PASSWORD'],
    ['a user without a password', { username: 'sesame' }, 'ENCRYPTION_REDIS_PASSWORD'],
    ['nodes that are none', { cluster: 'a:b:c' }, 'ENCRYPTION_REDIS_CLUSTER'],
    ['Sentinels without a name', { sentinels: 'a:1' }, 'ENCRYPTION_REDIS_SENTINEL_NAME'],
    ['a list that is none', { sentinelName: 'm', sentinels: [] }, 'ENCRYPTION_REDIS_SENTINELS'],
    ['a certificate without its key', { certFile: 'x', tls: true }, 'ENCRYPTION_REDIS_KEY_FILE'],
    ['a CA without TLS', { caFile: 'x' }, 'ENCRYPTION_REDIS_CA_FILE'],
    ['an option that does not exist', { keyID: 'x' }, 'keyId'],
    ['an option that only code has', { kdf: {} }, 'keyId'],
  ])('%s is refused', async (what, options, variable) => {
    const given = what === 'no URL' || 'url' in options ? options : { url, ...options }
    await rejects(() => configure(settingsOf(given)), 'ERR_CONFIG_INVALID', [variable], ['sesame'])
  })

  it('a URL never shows in an error', async () => {
    for (const bad of [
      'redis://:sesame/x@h',
      'redis://:sesame@h/x',
      'redis://:sesame@h?x=1',
      'sesame',
      'redis://h?sesame=1',
    ]) {
      expectNoSecret(await failureOf(() => configure(settingsOf({ url: bad }))), ['sesame'])
    }
  })

  it('without a root secret it is refused', async () => {
    const { rootSecret: _, ...settings } = settingsOf({ url })
    await rejects(() => configure(settings), 'ERR_ROOT_SECRET_MISSING', ['ENCRYPTION_MASTER_KEY'])
    expect(() => redisProvider({ url } as unknown as RedisProviderOptions)).toThrow(KeywrightError)
  })

  it('without ioredis it says what to install', async () => {
    const lib = async (): Promise<never> => {
      throw new Error("Cannot find package 'ioredis'")
    }
    const provider = redisProvider({ lib, rootSecret, url })
    await rejects(() => provider.wrapKey(newKey(), context), 'ERR_DEPENDENCY_MISSING', [
      'npm install ioredis',
    ])
  })

  it('a pinned provider does not rotate', () => {
    const provider = redisProvider({ keyVersion: '1', rootSecret, url })
    expect([provider.rotateMasterKey, provider.capabilities.rotatesMasterKey]).toEqual([undefined, false])
  })

  it('least privilege names the key and no secret', () => {
    const { text } = leastPrivilege(
      settingsOf({ keyId: 'orders', namespace: 'app', url: 'redis://:sesame@h' }),
    )
    expect(text).toContain('{app}:master:orders')
    expect(text).not.toContain('sesame')
    expect(leastPrivilege(settingsOf({ cluster: true })).text).toContain('+cluster|slots')
  })
})

const coded = (code: string): Error => Object.assign(new Error('x'), { code })

describe('failures', () => {
  it.each<[error: unknown, kind: string, reason: string]>([
    [new Error('NOAUTH Authentication required.'), 'unauthenticated', 'NOAUTH'],
    [
      new Error('WRONGPASS invalid username-password pair or user is disabled.'),
      'unauthenticated',
      'WRONGPASS',
    ],
    [new Error('ERR invalid password'), 'unauthenticated', 'AUTH'],
    [new Error("NOPERM this user has no permissions to run the 'get' command"), 'denied', 'NOPERM'],
    [new Error("ERR The user executing the script can't run this command"), 'denied', 'NOPERM'],
    [new Error("READONLY You can't write against a read only replica."), 'replica', 'READONLY'],
    [new Error("OOM command not allowed when used memory > 'maxmemory'."), 'full', 'OOM'],
    [new Error('MISCONF Redis is configured to save RDB snapshots, but …'), 'full', 'MISCONF'],
    [new Error('LOADING Redis is loading the dataset in memory'), 'busy', 'LOADING'],
    [new Error('CLUSTERDOWN Hash slot not served'), 'busy', 'CLUSTERDOWN'],
    [new Error('ERR max number of clients reached'), 'throttled', 'max number of clients'],
    [new Error('WRONGTYPE Operation against a key …'), 'wrong-type', 'WRONGTYPE'],
    [
      new Error('ERR Error running script (call to f_ab): @user_script:2: WRONGTYPE Operation'),
      'wrong-type',
      'WRONGTYPE',
    ],
    [new Error('MOVED 866 10.0.0.1:6379'), 'is-cluster', 'MOVED'],
    [new Error('ERR DB index is out of range'), 'settings', 'SELECT'],
    [
      new Error("ERR unknown command 'sesame', with args beginning with: 'sesame'"),
      'refused',
      'unknown command',
    ],
    [
      new Error('All sentinels are unreachable. Last error: WRONGPASS invalid'),
      'unauthenticated',
      'WRONGPASS',
    ],
    [new Error('All sentinels are unreachable and retry is disabled.'), 'unreachable', 'connection lost'],
    [new Error('Command timed out'), 'unreachable', 'timeout'],
    [new Error('Connection is closed.'), 'unreachable', 'connection lost'],
    [
      Object.assign(new Error('Failed to refresh slots cache.'), { lastNodeError: new Error('NOAUTH x') }),
      'unauthenticated',
      'NOAUTH',
    ],
    [coded('ECONNREFUSED'), 'unreachable', 'ECONNREFUSED'],
    [coded('EAI_AGAIN'), 'unreachable', 'EAI_AGAIN'],
    [coded('DEPTH_ZERO_SELF_SIGNED_CERT'), 'tls', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [coded('ERR_TLS_CERT_ALTNAME_INVALID'), 'tls', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [coded('EPROTO'), 'tls', 'EPROTO'],
    [coded('ERR_INVALID_ARG_TYPE'), 'refused', 'unknown'],
    [new Error('constructor of something'), 'refused', 'unknown'],
    [undefined, 'refused', 'unknown'],
  ])('%s is %s', (error, kind, reason) => {
    const failure = toRedisFailure(error)
    expect([failure.kind, failure.reason]).toEqual([kind, reason])
    expectNoSecret(failure, ['sesame'])
    expect(toRedisFailure(failure)).toBe(failure)
  })

  it.each<[error: unknown, code: string]>([
    [new RedisFailure('tls', 'EPROTO'), 'ERR_PROVIDER_FAILED'],
    [new RedisFailure('replica', 'READONLY'), 'ERR_PROVIDER_STANDBY'],
    [new KeywrightError('ERR_PROVIDER_DENIED', 'x'), 'ERR_PROVIDER_DENIED'],
    [new KeywrightError('ERR_ROOT_SECRET_WRONG', 'x'), 'ERR_PROVIDER_UNAUTHENTICATED'],
    [new KeywrightError('ERR_KEY_FILE_CORRUPT', 'x'), 'ERR_PROVIDER_FAILED'],
    [AbortSignal.abort().reason, 'ERR_ABORTED'],
    [
      Object.assign(new Error('Command aborted due to connection close'), { name: 'AbortError' }),
      'ERR_PROVIDER_UNAVAILABLE',
    ],
    [new Error('NOAUTH x'), 'ERR_PROVIDER_UNAUTHENTICATED'],
    ['text', 'ERR_PROVIDER_FAILED'],
  ])('%s has the code %s', (error, code) => {
    expect(redisErrorCode(error)).toBe(code)
  })
})
