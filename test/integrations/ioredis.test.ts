import fc from 'fast-check'
import { Redis, type RedisOptions } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { KeywrightError } from '../../src/errors.ts'
import { type EncryptedRedis, encryptedRedis } from '../../src/integrations/ioredis.ts'
import type { Keywright } from '../../src/keywright.ts'
import type { RedisServer } from '../../src/testing/native/redis.ts'
import { expectCode } from '../kit/failures.ts'
import { policyWith, World } from '../kit/world.ts'
import { duringOutage, redisFor, revokeActive, SECRET } from './storage-kit.ts'

const available = await redisFor()

describe.skipIf(available.skip)('the encrypted Redis cache', () => {
  let server: RedisServer
  let redis: Redis
  let world: World
  let kw: Keywright
  let cache: EncryptedRedis<string>
  let told: KeywrightError[]

  const connect = (more: RedisOptions = {}): Redis => {
    const { port, password } = server
    return new Redis({ host: '127.0.0.1', port, password, ...(more as object) })
  }

  beforeAll(async () => {
    server = (await available.start?.()) as RedisServer
    redis = connect()
  })
  afterAll(async () => {
    redis?.disconnect()
    await server?.stop()
  })
  beforeEach(async () => {
    await redis.flushall()
    world = new World({ policy: policyWith({ session: { compromised: 'refuse' } }) })
    kw = world.open()
    told = []
    cache = encryptedRedis(kw, redis, { onError: (error) => told.push(error) })
  })
  afterEach(() => world.end())

  const raw = async (key: string): Promise<string> => (await redis.get(key)) ?? ''

  it('keeps values as ciphertext, and their TTL', async () => {
    expect(await cache.set('k', SECRET, 'EX', 60)).toBe('OK')
    expect(await raw('k')).toMatch(/^kw1\./)
    expect(await redis.ttl('k')).toBe(60)
    expect(await cache.get('k')).toBe(SECRET)
    expect(await cache.get('none')).toBeNull()
    expect(await cache.set('k', 'other', 'KEEPTTL')).toBe('OK')
    expect(await cache.ttl('k')).toBe(60)
    expect(await cache.set('k', 'b', 'PX', 9_000, 'XX', 'GET')).toBe('other')
    expect(await cache.pttl('k')).toBeLessThanOrEqual(9_000)
    expect(await cache.set('k', 'c', 'NX')).toBeNull()
    expect(await cache.set('new', 'c', 'EXAT', 9_999_999_999, 'GET')).toBeNull()
    expect(await cache.expiretime('new')).toBe(9_999_999_999)
    expect(await cache.set('none', 'c', 'XX')).toBeNull()
  })

  it('knows the older ways to set and get', async () => {
    await cache.setex('a', 50, '1')
    await cache.psetex('b', 50_000, '2')
    expect(await cache.setnx('a', 'x')).toBe(0)
    expect(await cache.setnx('c', '3')).toBe(1)
    expect(await cache.getset('a', '4')).toBe('1')
    expect(await cache.ttl('b')).toBe(50)
    expect(await cache.getex('b', 'PERSIST')).toBe('2')
    expect(await cache.ttl('b')).toBe(-1)
    expect(await cache.getdel('b')).toBe('2')
    expect(await cache.exists('a', 'b', 'c')).toBe(2)
    expect(await cache.expire('a', 30)).toBe(1)
    expect(await cache.persist('a')).toBe(1)
    expect(await cache.type('a')).toBe('string')
    expect(await cache.unlink('a', 'c')).toBe(2)
  })

  it('sets and gets many', async () => {
    expect(await cache.mset({ a: '1', b: '2' })).toBe('OK')
    expect(await cache.mset(new Map([['c', '3']]))).toBe('OK')
    expect(await cache.mset('d', '4', 'e', '5')).toBe('OK')
    expect(await cache.msetnx({ a: 'x', z: 'x' })).toBe(0)
    expect(await cache.mget('a', 'none', 'c')).toEqual(['1', null, '3'])
    expect(await cache.mget(['d', 'e'])).toEqual(['4', '5'])
    expect((await cache.keys('*')).sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect((await cache.scan(0, 'MATCH', 'a*'))[1]).toEqual(['a'])
    expect(await cache.del(['a', 'b'])).toBe(2)
  })

  it('binds the values of a hash to key and field', async () => {
    expect(await cache.hset('h', { a: SECRET, b: '2' })).toBe(2)
    expect(await cache.hset('h', 'c', '3', 'd', '4')).toBe(2)
    expect(await cache.hsetnx('h', 'a', 'x')).toBe(0)
    expect(await redis.hget('h', 'a')).toMatch(/^kw1\./)
    expect(await cache.hget('h', 'a')).toBe(SECRET)
    expect(await cache.hmget('h', 'b', 'none')).toEqual(['2', null])
    expect(await cache.hgetall('h')).toEqual({ a: SECRET, b: '2', c: '3', d: '4' })
    expect(await cache.hgetall('none')).toEqual({})
    expect([await cache.hlen('h'), await cache.hexists('h', 'a'), (await cache.hkeys('h')).sort()]).toEqual([
      4,
      1,
      ['a', 'b', 'c', 'd'],
    ])
    expect(await cache.hdel('h', 'c', 'd')).toBe(2)
    await redis.hset('h', 'b', (await redis.hget('h', 'a')) ?? '')
    await redis.hset('h2', 'a', (await redis.hget('h', 'a')) ?? '')
    await redis.set('plain', (await redis.hget('h', 'a')) ?? '')
    expect(await cache.hgetall('h')).toEqual({ a: SECRET })
    expect([await cache.hget('h2', 'a'), await cache.get('plain')]).toEqual([null, null])
    expect(told.map(({ code }) => code)).toEqual(Array(3).fill('ERR_DECRYPTION_FAILED'))
  })

  it.each([
    { protocol: 3 as const },
    { protocol: 3 as const, replyMapping: 'resp3' as const },
    { enableAutoPipelining: true },
  ])('works with the client as %o', async (options) => {
    const other = connect(options)
    const same = encryptedRedis(kw, other)
    await Promise.all([same.set('a', '1', 'EX', 60), same.hset('h', { x: '2', y: '3' })])
    expect(
      await Promise.all([same.get('a'), same.mget('a', 'b'), same.hmget('h', 'x'), same.hgetall('h')]),
    ).toEqual(['1', ['1', null], ['2'], { x: '2', y: '3' }])
    expect(await same.pipeline().hgetall('h').exec()).toEqual([[null, { x: '2', y: '3' }]])
    other.disconnect()
  })

  it('takes names like __proto__ for names', async () => {
    await cache.hset('h', '__proto__', 'x', 'constructor', 'y')
    const all = await cache.hgetall('h')
    expect(Object.entries(all).sort()).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ])
  })

  it('keeps JSON and bytes', async () => {
    const json = encryptedRedis(kw, redis, { as: 'json' })
    const value = { user: SECRET, list: [1, null, true] }
    await json.set('j', value)
    await json.mset({ a: [1], b: null })
    await json.hset('h', { x: { deep: 1 } })
    expect([await json.get('j'), await json.mget('a', 'b'), await json.hget('h', 'x')]).toEqual([
      value,
      [[1], null],
      { deep: 1 },
    ])
    const bytes = encryptedRedis(kw, redis, { as: 'bytes' })
    await bytes.set('b', Buffer.from([0, 255, 1]))
    expect(Buffer.from((await bytes.get('b')) ?? [])).toEqual(Buffer.from([0, 255, 1]))
    await expectCode(json.set('j', { at: new Date() } as never), 'ERR_VALUE_TYPE')
    await expectCode(cache.set('s', 5 as never), 'ERR_VALUE_TYPE')
  })

  it('values swapped between keys count as none, or throw', async () => {
    await cache.mset({ 'user:1': 'Ada', 'user:2': 'Bob' })
    const [one, two] = await redis.mget('user:1', 'user:2')
    await redis.mset({ 'user:1': two ?? '', 'user:2': one ?? '' })
    expect(await cache.mget('user:1', 'user:2')).toEqual([null, null])
    const strict = encryptedRedis(kw, redis, { onUnreadable: 'throw' })
    await expectCode(strict.get('user:1'), 'ERR_DECRYPTION_FAILED')
    expect(told[0]?.details).toMatchObject({ key: 'user:1' })
  })

  it.each([
    ['in clear', 'admin', 'ERR_NOT_CIPHERTEXT'],
    ['empty', '', 'ERR_CIPHERTEXT_EMPTY'],
    ['cut', 'kw1.AQ', 'ERR_CIPHERTEXT_MALFORMED'],
    ['of an unknown key', `kw1.${Buffer.alloc(40, 1).toString('base64url')}`, 'ERR_KEY_UNKNOWN'],
  ])('a value %s counts as none', async (_, text, code) => {
    await redis.set('k', text)
    expect(await cache.get('k')).toBeNull()
    expect(told.map((error) => error.code)).toEqual([code])
  })

  it('keeps key types, tenants, contexts and prefixes apart', async () => {
    await cache.set('k', 'v')
    await kw.ready(['pii'])
    for (const options of [{ keyType: 'pii' }, { tenant: 'acme' }, { context: { app: 'b' } }])
      expect(await encryptedRedis(kw, redis, options).get('k')).toBeNull()
    const prefixed = connect({ keyPrefix: 'app:' })
    const other = encryptedRedis(kw, prefixed)
    await other.mset({ a: 'x', b: 'y' })
    expect(await other.mget('a', 'b')).toEqual(['x', 'y'])
    expect(await redis.exists('app:a')).toBe(1)
    expect(await cache.get('app:a')).toBe('x')
    await redis.copy('k', 'app:k')
    expect(await other.get('k')).toBeNull()
    expect(await other.del('a', 'b')).toBe(2)
    prefixed.disconnect()
  })

  it('sends commands together', async () => {
    const results = await cache
      .pipeline()
      .set('a', SECRET, 'EX', 60)
      .get('a')
      .hset('h', { x: '1' })
      .hgetall('h')
      .mget('a', 'none')
      .set('a', 'new', 'GET')
      .ttl('h')
      .exec()
    expect(results).toEqual([
      [null, 'OK'],
      [null, SECRET],
      [null, 1],
      [null, { x: '1' }],
      [null, [SECRET, null]],
      [null, SECRET],
      [null, -1],
    ])
    expect(await cache.multi().set('m', '1').get('m').exec()).toEqual([
      [null, 'OK'],
      [null, '1'],
    ])
    expect(await raw('m')).toMatch(/^kw1\./)
    expect(await cache.pipeline().exec()).toEqual([])
    await expectCode(
      cache
        .pipeline()
        .set('p', 'x')
        .set('q', 5 as never)
        .exec(),
      'ERR_VALUE_TYPE',
    )
    expect(await redis.exists('p')).toBe(0)
    await redis.set('list', 'x')
    const [first] = (await cache.pipeline().hget('list', 'a').exec()) ?? []
    expect(first?.[0]?.message).toContain('WRONGTYPE')
  })

  it.each([
    ['incr', 'counters'],
    ['incrbyfloat', 'counters'],
    ['hincrby', 'counters'],
    ['append', 'ciphertext'],
    ['strlen', 'ciphertext'],
    ['setrange', 'ciphertext'],
    ['bitcount', 'ciphertext'],
    ['rename', 'bound'],
    ['copy', 'bound'],
    ['hvals', 'bound'],
    ['lpush', 'client itself'],
    ['eval', 'client itself'],
    ['getBuffer', 'client itself'],
    ['quit', 'client itself'],
  ])('refuses %s', async (command, hint) => {
    const call = (cache as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[command]
    const error = await expectCode(async () => call?.(SECRET, SECRET), 'ERR_ARGUMENT_INVALID')
    expect(error.hint).toContain(hint)
    expect(JSON.stringify([error, error.message])).not.toContain(SECRET)
    const batch = cache.pipeline() as unknown as Record<string, () => unknown>
    expect(() => batch[command]?.()).toThrow(command)
  })

  it.each<[string, (c: EncryptedRedis<string>) => Promise<unknown>]>([
    ['an unknown option', (c) => c.set('k', 'v', 'IFEQ', 'x')],
    ['a value where an option belongs', (c) => c.set('k', 'v', SECRET)],
    ['a key that is a Buffer', (c) => c.get(Buffer.from('k') as never)],
    ['a key that is no text', (c) => c.get('\ud800')],
    ['an odd list', (c) => c.mset('a')],
    ['no list', (c) => c.hset('h')],
    ['a field that is no string', (c) => c.hset('h', 5 as never, 'x')],
  ])('refuses %s', async (_, call) => {
    const error = await expectCode(call(cache), 'ERR_ARGUMENT_INVALID')
    expect(JSON.stringify([error, error.message])).not.toContain(SECRET)
    expect(await redis.dbsize()).toBe(0)
  })

  it('refuses wrong options', async () => {
    await expectCode(() => encryptedRedis(kw, redis, { as: 'number' as never }), 'ERR_ARGUMENT_INVALID')
    await expectCode(() => encryptedRedis(kw, redis, { onUnreadable: 'x' as never }), 'ERR_ARGUMENT_INVALID')
    await expectCode(() => encryptedRedis(kw, redis, { keyType: 'x' }), 'ERR_KEY_TYPE_UNKNOWN')
    expect(await Promise.resolve(cache)).toBe(cache)
  })

  it('after a rotation old values open, after a revocation they are misses', async () => {
    await cache.set('k', 'v')
    await kw.keys.rotate('session', { force: true, now: true })
    expect(await cache.get('k')).toBe('v')
    await cache.set('k', 'w')
    await revokeActive(kw)
    expect(await cache.get('k')).toBeNull()
    expect(told.map(({ code }) => code)).toEqual(['ERR_KEY_COMPROMISED'])
    await cache.set('k', 'x')
    expect(await cache.get('k')).toBe('x')
  })

  it('an outage throws, whatever onUnreadable says', async () => {
    await cache.set('k', 'v')
    const started = duringOutage(world)
    const broken = encryptedRedis(started, redis, { onUnreadable: 'miss' })
    await expectCode(broken.get('k'), 'ERR_PROVIDER_UNAVAILABLE')
    await expectCode(broken.mget('k', 'k'), 'ERR_PROVIDER_UNAVAILABLE')
    await expectCode(broken.set('k', 'x'), 'ERR_PROVIDER_UNAVAILABLE')
    const [first] = (await broken.pipeline().get('k').exec()) ?? []
    expect(first?.[0]).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE' })
    await started.close()
    expect(await cache.get('k')).toBe('v')
    const closed = connect({ lazyConnect: true, retryStrategy: () => null, port: 1 })
    closed.on('error', () => undefined)
    await expect(encryptedRedis(kw, closed).get('k')).rejects.toThrow()
  })

  it('serves two processes, and many callers at once', async () => {
    const other = encryptedRedis(world.open(), redis)
    const keys = Array.from({ length: 200 }, (_, at) => `k${at}`)
    await Promise.all(keys.map((key, at) => (at % 2 ? cache : other).set(key, `v${at}`, 'EX', 60)))
    expect(await other.mget(keys)).toEqual(keys.map((_, at) => `v${at}`))
    expect(await cache.mget(keys)).toEqual(keys.map((_, at) => `v${at}`))
  })

  it.each([{ hashKeys: false }, { hashKeys: true }])('is a map of names to values (%o)', async (options) => {
    const name = fc.constantFrom('a', 'b', 'c:d', 'é')
    const value = fc.string({ unit: 'grapheme', maxLength: 20 })
    const step = fc.oneof(
      fc.record({ do: fc.constant('set' as const), name, value }),
      fc.record({ do: fc.constant('mset' as const), pairs: fc.dictionary(name, value, { minKeys: 1 }) }),
      fc.record({ do: fc.constant('hset' as const), name, field: name, value }),
      fc.record({ do: fc.constant('del' as const), name }),
      fc.record({ do: fc.constant('getdel' as const), name }),
    )
    const map = encryptedRedis(kw, redis, { ...options, onUnreadable: 'throw' })
    const run = async (steps: (typeof step extends fc.Arbitrary<infer S> ? S : never)[]): Promise<void> => {
      await redis.flushall()
      const values = new Map<string, string>()
      const hashes = new Map<string, Record<string, string>>()
      for (const one of steps) {
        if (one.do === 'set') values.set(one.name, one.value) && (await map.set(one.name, one.value))
        if (one.do === 'mset') await map.mset(one.pairs)
        for (const [key, text] of one.do === 'mset' ? Object.entries(one.pairs) : []) values.set(key, text)
        if (one.do === 'hset') {
          const key = `h:${one.name}`
          await map.hset(key, one.field, one.value)
          hashes.set(key, { ...hashes.get(key), [one.field]: one.value })
        }
        if (one.do === 'del') expect(await map.del(one.name)).toBe(values.delete(one.name) ? 1 : 0)
        if (one.do === 'getdel') {
          expect(await map.getdel(one.name)).toBe(values.get(one.name) ?? null)
          values.delete(one.name)
        }
      }
      const names = ['a', 'b', 'c:d', 'é']
      expect(await map.mget(names)).toEqual(names.map((key) => values.get(key) ?? null))
      for (const [key, hash] of hashes) expect(await map.hgetall(key)).toEqual(hash)
    }
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 12 }), run), { numRuns: 40 })
  })

  describe('with hashed key names', () => {
    let hashed: EncryptedRedis<string>
    beforeEach(() => {
      hashed = encryptedRedis(kw, redis, { hashKeys: true, onError: (error) => told.push(error) })
    })

    it('shows no name in Redis', async () => {
      await hashed.mset({ [SECRET]: '1', b: '2' })
      await hashed.set(SECRET, 'v', 'EX', 60)
      await hashed.hset('h', { field: 'x' })
      for (const name of await redis.keys('*')) expect(name).toMatch(/^kwi1\.[\w-]+$/)
      expect(await hashed.mget(SECRET, 'b', 'c')).toEqual(['v', '2', null])
      expect([await hashed.ttl(SECRET), await hashed.exists(SECRET), await hashed.hkeys('h')]).toEqual([
        60,
        1,
        ['field'],
      ])
      expect(await hashed.del(SECRET, 'b')).toBe(2)
      await hashed.set('\u00e9', 'composed')
      await hashed.set('e\u0301', 'decomposed')
      expect(await hashed.mget('\u00e9', 'e\u0301')).toEqual(['composed', 'decomposed'])
    })

    it('gives equal names in every process, and does not go through them', async () => {
      await hashed.set('k', 'v')
      const other = encryptedRedis(world.open(), redis, { hashKeys: true })
      expect(await other.get('k')).toBe('v')
      await expectCode(hashed.keys('*'), 'ERR_ARGUMENT_INVALID')
      await expectCode(hashed.scan(0), 'ERR_ARGUMENT_INVALID')
    })

    it('does not tell names of values that do not open', async () => {
      await hashed.mset({ a: '1', [SECRET]: '2' })
      const [one = '', two = ''] = await redis.keys('*')
      await redis.copy(one, two, 'REPLACE')
      await hashed.mget('a', SECRET)
      expect(told).toHaveLength(1)
      expect(JSON.stringify([told[0], told[0]?.message])).not.toContain(SECRET)
    })

    it('deletes under every name after the index key was rotated', async () => {
      await hashed.set('k', 'v')
      await kw.keys.rotate('blind_index', { force: true, now: true })
      expect(await hashed.get('k')).toBeNull()
      await hashed.set('k', 'w')
      expect(await redis.dbsize()).toBe(2)
      expect(await hashed.del('k')).toBe(2)
      expect(await redis.dbsize()).toBe(0)
    })
  })
})
