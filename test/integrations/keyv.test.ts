import { Redis } from 'ioredis'
import { createKeyv, Keyv } from 'keyv'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { KeywrightError } from '../../src/errors.ts'
import { type CacheOptions, encryptedKeyv } from '../../src/integrations/keyv.ts'
import type { Keywright } from '../../src/keywright.ts'
import type { RedisServer } from '../../src/testing/native/redis.ts'
import { expectCode } from '../kit/failures.ts'
import { policyWith, World } from '../kit/world.ts'
import { duringOutage, redisFor, revokeActive, SECRET } from './storage-kit.ts'

const available = await redisFor()
let server: RedisServer
let redis: Redis
let world: World
let kw: Keywright
let told: KeywrightError[]
let options: CacheOptions

beforeAll(async () => {
  if (available.start === undefined) return
  server = await available.start()
  redis = new Redis({ host: '127.0.0.1', port: server.port, password: server.password })
})
afterAll(async () => {
  redis?.disconnect()
  await server?.stop()
})
beforeEach(async () => {
  await redis?.flushall()
  world = new World({ policy: policyWith({ session: { compromised: 'refuse' } }) })
  kw = world.open()
  told = []
  options = { onError: (error) => told.push(error) }
})
afterEach(() => world.end())

/** A store for Keyv over ioredis: what a legacy adapter has, with a relative TTL. */
function redisStore() {
  return {
    get: (key: string) => redis.get(key),
    set: (key: string, value: string, ttl?: number) =>
      ttl === undefined ? redis.set(key, value) : redis.set(key, value, 'PX', Math.ceil(ttl)),
    delete: async (key: string) => (await redis.del(key)) > 0,
    clear: async () => void (await redis.flushdb()),
    has: async (key: string) => (await redis.exists(key)) > 0,
    getMany: (keys: string[]) => redis.mget(keys),
    async *iterator() {
      for (const key of await redis.keys('*')) yield [key, await redis.get(key)]
    },
  }
}

interface Place {
  readonly store: unknown
  /** All that is stored, by its name there. */
  dump(): Promise<Map<string, string>>
  put(name: string, text: string): unknown
}

const mapPlace = (): Place => {
  const map = new Map<string, { value: string }>()
  return {
    store: map,
    dump: async () => new Map([...map].map(([name, entry]) => [name, entry.value])),
    put: (name, text) => map.set(name, { ...map.get(name), value: text }),
  }
}
const redisPlace = (): Place => ({
  store: redisStore(),
  async dump() {
    const names = await redis.keys('*')
    return new Map(
      await Promise.all(names.map(async (name) => [name, (await redis.get(name)) ?? ''] as const)),
    )
  },
  put: (name, text) => redis.set(name, text),
})

const PLACES: [string, () => Place, string | undefined][] = [
  ['a Map', mapPlace, undefined],
  ['Redis', redisPlace, available.skip],
]

describe.each(PLACES)('Keyv on %s', (_, makePlace, skip) => {
  const test = it.skipIf(skip)
  const opened = (place: Place, namespace?: string, keywright = kw, changes: CacheOptions = {}) =>
    encryptedKeyv(
      keywright,
      new Keyv({ store: place.store, ...(namespace === undefined ? {} : { namespace }) }),
      { ...options, ...changes },
    )

  test('keeps values of every kind as ciphertext', async () => {
    const place = makePlace()
    const cache = opened(place)
    const value = { user: SECRET, list: [1, null] }
    expect(await cache.set('k', value)).toBe(true)
    expect(await cache.get('k')).toEqual(value)
    expect(await cache.get('none')).toBeUndefined()
    expect([await cache.has('k'), await cache.has('none')]).toEqual([true, false])
    for (const text of (await place.dump()).values()) expect(text).toMatch(/^kw1\.[\w-]+$/)
    await cache.setMany<unknown>([
      { key: 'a', value: 1 },
      { key: 'b', value: 'x' },
    ])
    expect(await cache.getMany(['a', 'none', 'b'])).toEqual([1, undefined, 'x'])
    expect(await cache.hasMany(['a', 'none'])).toEqual([true, false])
    expect(await cache.delete('a')).toBe(true)
    await cache.deleteMany(['b'])
    expect((await place.dump()).size).toBe(1)
    expect(await opened(place, undefined, world.open()).get('k')).toEqual(value)
    await cache.clear()
    expect((await place.dump()).size).toBe(0)
    expect(told).toEqual([])
  })

  test('keeps TTLs', async () => {
    const place = makePlace()
    const cache = opened(place)
    await cache.set('short', 1, 20)
    await cache.set('long', 2, 60_000)
    await expect.poll(() => cache.get('short'), { timeout: 5_000 }).toBeUndefined()
    expect(await cache.get('long')).toBe(2)
    if (place.store instanceof Map) return
    expect(await redis.pttl('long')).toBeGreaterThan(50_000)
  })

  test('values swapped between keys or namespaces count as none, or throw', async () => {
    const place = makePlace()
    const one = opened(place, 'one')
    const two = opened(place, 'two')
    await one.set('k', 'a')
    await two.set('k', 'b')
    await one.set('other', 'c')
    expect([await one.get('k'), await two.get('k')]).toEqual(['a', 'b'])
    const dump = await place.dump()
    const nameOf = (namespace: string, key: string): string =>
      [...dump.keys()].find((name) => name.startsWith(namespace) && name.endsWith(`:${key}`)) ?? ''
    await place.put(nameOf('two', 'k'), dump.get(nameOf('one', 'k')) ?? '')
    await place.put(nameOf('one', 'other'), dump.get(nameOf('one', 'k')) ?? '')
    expect([await two.get('k'), await one.get('other'), await one.get('k')]).toEqual([
      undefined,
      undefined,
      'a',
    ])
    expect(told.map(({ code }) => code)).toEqual(['ERR_DECRYPTION_FAILED', 'ERR_DECRYPTION_FAILED'])
    const strict = opened(place, 'two', kw, { onUnreadable: 'throw' })
    await expectCode(strict.get('k'), 'ERR_DECRYPTION_FAILED')
    await one.clear()
    expect([...(await place.dump()).keys()].every((name) => name.startsWith('two'))).toBe(true)
  })

  test('what was stored in clear counts as none', async () => {
    const place = makePlace()
    await new Keyv({ store: place.store }).set('k', SECRET)
    const cache = opened(place)
    expect(await cache.get('k')).toBeUndefined()
    expect(told.map(({ code }) => code)).toEqual(['ERR_NOT_CIPHERTEXT'])
    expect(JSON.stringify(told)).not.toContain(SECRET)
  })

  test('goes through its entries', async () => {
    const place = makePlace()
    const cache = opened(place)
    await cache.set('a', 1)
    await cache.set('b', 2)
    const seen: unknown[] = []
    for await (const entry of cache.iterator()) seen.push(entry)
    expect(seen.sort()).toEqual([
      ['a', 1],
      ['b', 2],
    ])
  })

  test('after a revocation values are misses; an outage is an error', async () => {
    const place = makePlace()
    const cache = opened(place)
    await cache.set('k', 'v')
    const started = duringOutage(world)
    const broken = opened(place, undefined, started)
    await expectCode(broken.get('k'), 'ERR_PROVIDER_UNAVAILABLE')
    await expectCode(broken.set('k', 'w'), 'ERR_PROVIDER_UNAVAILABLE')
    const listened = opened(place, undefined, started)
    const errors: unknown[] = []
    listened.on('error', (error: KeywrightError) => errors.push(error.code))
    expect([await listened.get('k'), await listened.set('k', 'w')]).toEqual([undefined, false])
    expect(errors).toEqual(['ERR_PROVIDER_UNAVAILABLE', 'ERR_PROVIDER_UNAVAILABLE'])
    await started.close()
    expect(await cache.get('k')).toBe('v')
    await revokeActive(kw)
    expect(await cache.get('k')).toBeUndefined()
    expect(told.map(({ code }) => code)).toEqual(['ERR_KEY_COMPROMISED'])
  })
})

describe('Keyv', () => {
  it('cannot be wrapped twice, nor without serialization', async () => {
    const cache = encryptedKeyv(kw, new Keyv())
    await expectCode(() => encryptedKeyv(kw, cache), 'ERR_ARGUMENT_INVALID')
    await expectCode(() => encryptedKeyv(kw, {} as Keyv), 'ERR_ARGUMENT_INVALID')
    const map = new Map()
    const bare = encryptedKeyv(kw, createKeyv(map))
    await expectCode(bare.set('k', SECRET), 'ERR_VALUE_TYPE')
    expect(map.size).toBe(0)
  })
})
