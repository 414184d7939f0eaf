/** The Redis store on a real server: the contract, opening, and what the server does to it. */
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { KeyStore } from '../../src/store.ts'
import { listAll, recordOf, wrapOf } from '../../src/testing/conformance/store-records.ts'
import { freePort } from '../../src/testing/native/process.ts'
import { type RedisServer, redis } from '../../src/testing/native/redis.ts'
import { openStore } from '../../stores/index.ts'
import { storeNames } from '../../stores/redis/names.ts'
import redisStore, { openUrl, type RedisStoreOptions } from '../../stores/redis.ts'
import { expectNoSecret, failureOf } from '../conformance/provider.ts'
import { runStoreConformance } from '../conformance/store.ts'
import { serverFor } from '../kit/servers.ts'
import { failure, fill, newNamespace, openStoreOn, urlOf } from './redis-kit.ts'

const native = await serverFor(redis)

describe.skipIf(native.skip)('redis store', () => {
  let server: RedisServer
  let admin: Redis
  const opened: KeyStore[] = []

  beforeAll(async () => {
    server = (await native.start?.()) as RedisServer
    admin = new Redis({ host: '127.0.0.1', password: server.password, port: server.port })
  })
  afterAll(async () => {
    admin?.disconnect()
    await server?.stop()
  })
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close?.()
  })

  const open = async (namespace: string, options: Partial<RedisStoreOptions> = {}): Promise<KeyStore> => {
    const store = await openStoreOn(server, { namespace, ...options })
    opened.push(store)
    return store
  }
  const create = (namespace = newNamespace()): Promise<KeyStore> => open(namespace, { create: true })

  let namespace = ''
  runStoreConformance('redis', {
    async open() {
      namespace = newNamespace()
      return openStoreOn(server, { create: true, namespace })
    },
    reopen: () => openStoreOn(server, { namespace }),
  })

  describe('making', () => {
    it('opens what is there instead of making it anew', async () => {
      const space = newNamespace()
      const first = await create(space)
      await first.insert(recordOf())
      const again = await create(space)
      expect(await again.get(1)).toEqual(recordOf())
      expect((await again.describe()).installation).toBe((await first.describe()).installation)
    })

    it('makes one store when many start together', async () => {
      const space = newNamespace()
      const stores = await Promise.all(Array.from({ length: 8 }, () => create(space)))
      const descriptions = await Promise.all(stores.map((store) => store.describe()))
      expect(new Set(descriptions.map(({ installation }) => installation)).size).toBe(1)
    })

    it('takes the installation of the store that it is to copy', async () => {
      const installation = 'b7bf4e36-58f4-4ad5-8a8a-6a2e12b43f4e'
      const store = await open(newNamespace(), { create: true, installation })
      expect((await store.describe()).installation).toBe(installation)
      const bad = open(newNamespace(), { create: true, installation: 'x' })
      await expect(bad).rejects.toEqual(failure('ERR_ARGUMENT_INVALID'))
    })

    it('keeps namespaces apart', async () => {
      const [one, two] = [await create('app'), await create('app.2')]
      await one.insert(recordOf())
      expect(await two.list()).toEqual({ records: [] })
      expect(await two.insert(recordOf())).toBe('inserted')
    })

    const contents: [
      what: string,
      code: string,
      make: (names: ReturnType<typeof storeNames>) => Promise<unknown>,
    ][] = [
      ['nothing', 'ERR_STORE_MISSING', async () => undefined],
      ['a text', 'ERR_STORE_FOREIGN', ({ store }) => admin.set(store, 'hello')],
      ['another hash', 'ERR_STORE_FOREIGN', ({ store }) => admin.hset(store, 'hello', 'world')],
      ['records without a store', 'ERR_STORE_CORRUPT', ({ index }) => admin.zadd(index, 0, 'x')],
      [
        'a newer store',
        'ERR_STORE_NEWER',
        ({ store }) => admin.hset(store, 'format', 'keywright-store', 'schema', '2', 'installation', 'x'),
      ],
      [
        'a store without its id',
        'ERR_STORE_CORRUPT',
        ({ store }) => admin.hset(store, 'format', 'keywright-store', 'schema', '1'),
      ],
    ]
    it.each(contents)('refuses %s with %s, and makes nothing of it', async (what, code, make) => {
      const space = newNamespace()
      const { store } = storeNames(space)
      await make(storeNames(space))
      const before = await admin.dump(store)
      await expect(open(space)).rejects.toEqual(failure(code))
      if (what !== 'nothing') await expect(create(space)).rejects.toEqual(failure(code))
      expect(await admin.dump(store)).toEqual(before)
    })

    it('writes nothing when it was opened read-only', async () => {
      const space = newNamespace()
      await (await create(space)).insert(recordOf())
      const store = await open(space, { readOnly: true })
      const refused = failure('ERR_STORE_READ_ONLY')
      expect(await store.get(1)).toEqual(recordOf())
      await expect(store.insert(recordOf({ id: 2 }))).rejects.toEqual(refused)
      await expect(store.update(recordOf({ revision: 2 }))).rejects.toEqual(refused)
      await expect(store.addUsage(1, { messages: 1, bytes: 1 }, 9)).rejects.toEqual(refused)
      await expect(store.documents?.write({ name: 'a', revision: 1, text: '' })).rejects.toEqual(refused)
      await expect(store.auditSink?.().exclusive(async () => 1)).rejects.toEqual(refused)
      expect((await store.list()).records).toEqual([recordOf()])
      await expect(open(space, { create: true, readOnly: true })).rejects.toEqual(
        failure('ERR_ARGUMENT_INVALID'),
      )
    })
  })

  describe('the URL', () => {
    it('opens through the table of stores, with options in its query', async () => {
      const space = newNamespace()
      const url = urlOf(server, `?namespace=${space}&requirePersistence=true&replyTimeoutMs=4000`)
      const store = await openStore(url, { create: true })
      opened.push(store)
      await store.insert(recordOf())
      expect(await admin.hget(storeNames(space).key(1), 'keyring')).toBe('pii')
      const { location } = await store.describe()
      expect(location).toBe(`redis://127.0.0.1:${server.port} (namespace ${space})`)
    })

    it.each([
      ['no host', 'redis://'],
      ['no scheme', 'localhost:6379'],
      ['another scheme', 'http://localhost'],
      ['a port that is none', 'redis://localhost:99999'],
      ['a database that is no number', 'redis://localhost/abc'],
      ['a password that was not encoded', 'redis://:sesame/street@localhost'],
      ['a stray per cent', 'redis://:sesame%zz@localhost'],
      ['a user without a password', 'redis://sesame@localhost'],
      ['an unknown parameter', 'redis://localhost?sesame=1'],
      ['a fragment', 'redis://:a#sesame@localhost'],
      ['a bad namespace', 'redis://localhost?namespace=a%7Bb'],
      ['a flag that is none', 'redis://localhost?allowEviction=perhaps'],
      ['a time that is none', 'redis://localhost?replyTimeoutMs=soon'],
      ['several hosts of one server', 'redis://a,b'],
      ['a cluster with Sentinels', 'redis://a,b?cluster=true&sentinelName=main'],
      ['a cluster with a database', 'redis://a,b/1?cluster=true'],
      ['Sentinels without a name', 'redis://a?sentinels=b:26379'],
      ['a CA without TLS', 'redis://localhost?caFile=ca.pem'],
      ['a certificate without its key', 'rediss://localhost?certFile=c.pem'],
      ['two passwords', 'redis://:sesame@localhost?passwordFile=/tmp/x'],
    ])('is refused with %s', async (_, url) => {
      const error = await failureOf(() => openUrl(url))
      expect(error).toEqual(failure('ERR_CONFIG_INVALID', 'ENCRYPTION_KEY_STORE_URL'))
      expectNoSecret(error, ['sesame'])
    })

    it('options of code are checked too', async () => {
      const options = { nameSpace: 'x', url: urlOf(server) } as RedisStoreOptions
      await expect(redisStore(options)).rejects.toEqual(failure('ERR_CONFIG_INVALID', 'namespace'))
    })

    it('without ioredis it says what to install', async () => {
      const lib = async () => {
        throw new Error('not installed')
      }
      await expect(open('x', { lib })).rejects.toEqual(
        failure('ERR_DEPENDENCY_MISSING', 'npm install ioredis'),
      )
    })
  })

  describe('at work', () => {
    it('pages over 10^5 records in order', { timeout: 60_000 }, async () => {
      const space = newNamespace()
      const store = await create(space)
      await fill(admin, space, 100_000)
      const { pages, records } = await listAll(store, { limit: 5000 })
      expect([records.length, pages]).toEqual([100_000, 20])
      const places = records.map(({ keyring, version }) =>
        Buffer.from(`${keyring}\0${String(version).padStart(3, '0')}`),
      )
      expect(
        places.every((place, at) => at === 0 || Buffer.compare(places[at - 1] as Buffer, place) < 0),
      ).toBe(true)
      expect(new Set(records.map(({ id }) => id)).size).toBe(100_000)
      const tenant = await listAll(store, { keyring: 'pii/tenant-42', limit: 30 })
      expect([tenant.records.length, tenant.pages]).toEqual([100, 4])
      expect(await store.insert(recordOf({ id: 200_000, keyring: 'pii/tenant-42' }))).toBe('version-taken')
      await admin.flushall()
    })

    it('an emptied Redis is not an empty store', async () => {
      const store = await create()
      await store.insert(recordOf())
      await admin.flushall()
      const missing = failure('ERR_STORE_MISSING')
      await expect(store.get(1)).rejects.toEqual(missing)
      await expect(store.list()).rejects.toEqual(missing)
      await expect(store.insert(recordOf({ id: 2 }))).rejects.toEqual(missing)
      await expect(store.update(recordOf({ revision: 2 }))).rejects.toEqual(missing)
      await expect(store.addUsage(1, { messages: 1, bytes: 1 }, 9)).rejects.toEqual(missing)
      await expect(store.documents?.read('a')).rejects.toEqual(missing)
      await expect(store.documents?.write({ name: 'a', revision: 1, text: '' })).rejects.toEqual(missing)
      await expect(store.auditSink?.().exclusive(async () => 1)).rejects.toEqual(missing)
      await expect(store.describe()).rejects.toEqual(missing)
      expect(await admin.dbsize()).toBe(0)
    })

    it('another store in its place is not taken for it', async () => {
      const space = newNamespace()
      const store = await create(space)
      await admin.del(storeNames(space).store)
      await create(space)
      await expect(store.insert(recordOf())).rejects.toEqual(failure('ERR_STORE_MISSING'))
    })

    it.each([
      ['keyring', ''],
      ['wraps', '[{]'],
      ['mac', 'AAAA'],
      ['status', 'active'],
      ['createdAt', '017'],
      ['messages', '-1'],
      ['bytes', '99999999999999999999'],
    ])('a damaged %s is found', async (field, value) => {
      const space = newNamespace()
      const store = await create(space)
      await store.insert(recordOf({ id: 7 }))
      await admin.hset(storeNames(space).key(7), field, value)
      const damaged = failure('ERR_STORE_CORRUPT')
      await expect(store.get(7)).rejects.toEqual(damaged)
      await expect(store.list()).rejects.toEqual(damaged)
      if (field !== 'messages' && field !== 'bytes') return
      await expect(store.addUsage(7, { messages: 1, bytes: 1 }, 9)).rejects.toEqual(damaged)
    })

    it('a lost record, a lost field and an index in disorder are found', async () => {
      const space = newNamespace()
      const store = await create(space)
      const names = storeNames(space)
      for (const version of [1, 2]) await store.insert(recordOf({ id: version, version }))
      await admin.hdel(names.key(2), 'commitment')
      await expect(store.get(2)).rejects.toEqual(failure('ERR_STORE_CORRUPT'))
      await admin.del(names.key(2))
      expect(await store.get(2)).toBeUndefined()
      await expect(store.list()).rejects.toEqual(failure('ERR_STORE_CORRUPT'))
      await admin.zadd(names.index, 0, 'zzz\u00000000000000000001\u00001')
      await admin.zremrangebylex(names.index, '-', '(z')
      await expect(store.list({ keyring: 'zzz' })).rejects.toEqual(failure('ERR_STORE_CORRUPT'))
    })

    it('something else in the place of a record is not written over', async () => {
      const space = newNamespace()
      const store = await create(space)
      await admin.set(storeNames(space).key(5), 'hello')
      expect(await store.insert(recordOf({ id: 5 }))).toBe('id-taken')
      await expect(store.get(5)).rejects.toEqual(failure('ERR_STORE_FOREIGN'))
      await expect(store.update(recordOf({ id: 5, revision: 2 }))).rejects.toEqual(
        failure('ERR_STORE_FOREIGN'),
      )
      expect(await admin.get(storeNames(space).key(5))).toBe('hello')
    })

    it('tells others which keyring changed, and not whoever changed it', async () => {
      const space = newNamespace()
      const [one, two] = [await create(space), await open(space)]
      const heard: Record<'one' | 'two', (string | undefined)[]> = { one: [], two: [] }
      const stop = two.watch?.((keyring) => heard.two.push(keyring))
      one.watch?.((keyring) => heard.one.push(keyring))
      await expect.poll(() => [heard.one, heard.two]).toEqual([[undefined], [undefined]])
      await one.insert(recordOf({ keyring: 'pii/tenant 42' }))
      await one.update(recordOf({ keyring: 'x', revision: 2, wraps: [wrapOf('vault', 1)] }))
      await one.addUsage(1, { messages: 1, bytes: 1 }, 9)
      await expect.poll(() => heard.two).toEqual([undefined, 'pii/tenant 42', 'pii/tenant 42'])
      expect(heard.one).toEqual([undefined])
      stop?.()
      await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await expect.poll(() => heard.one).toEqual([undefined, undefined])
      expect(heard.two).toHaveLength(3)
    })
  })

  describe('the server', () => {
    it('that may drop keys is refused, unless allowed or only read', async () => {
      const space = newNamespace()
      await create(space)
      await admin.config('SET', 'maxmemory-policy', 'volatile-lru')
      try {
        const refused = failure('ERR_CONFIG_INVALID', 'noeviction', 'allowEviction')
        await expect(open(space)).rejects.toEqual(refused)
        const fresh = newNamespace()
        await expect(create(fresh)).rejects.toEqual(refused)
        expect(await admin.exists(storeNames(fresh).store)).toBe(0)
        const careless = await open(space, { allowEviction: true })
        expect((await careless.describe()).warnings.join()).toContain('volatile-lru')
        expect((await (await open(space, { readOnly: true })).list()).records).toEqual([])
      } finally {
        await admin.config('SET', 'maxmemory-policy', 'noeviction')
      }
    })

    it('without an append-only file is warned of, or refused where that is wanted', async () => {
      const space = newNamespace()
      const store = await create(space)
      expect((await store.describe()).warnings).toEqual([])
      await admin.config('SET', 'appendonly', 'no')
      try {
        expect((await store.describe()).warnings.join()).toContain('keeps nothing on disk')
        const strict = open(space, { requirePersistence: true })
        await expect(strict).rejects.toEqual(failure('ERR_CONFIG_INVALID', 'appendonly'))
      } finally {
        await admin.config('SET', 'appendonly', 'yes')
      }
    })

    it('that is a replica can be read only', async () => {
      const space = newNamespace()
      const store = await create(space)
      await store.insert(recordOf())
      await admin.call('REPLICAOF', '127.0.0.1', String(await freePort()))
      try {
        expect(await store.get(1)).toEqual(recordOf())
        const refused = failure('ERR_STORE_READ_ONLY', 'ENCRYPTION_KEY_STORE_URL')
        await expect(store.insert(recordOf({ id: 2, version: 2 }))).rejects.toEqual(refused)
        await expect(create()).rejects.toEqual(refused)
      } finally {
        await admin.call('REPLICAOF', 'NO', 'ONE')
      }
    })

    it('that is out of memory takes nothing new', async () => {
      const store = await create()
      await admin.config('SET', 'maxmemory', '1')
      try {
        await expect(store.insert(recordOf())).rejects.toEqual(failure('ERR_STORE_FULL', 'maxmemory'))
        expect((await store.list()).records).toEqual([])
      } finally {
        await admin.config('SET', 'maxmemory', '0')
      }
    })

    it('that runs a long script is busy', async () => {
      const store = await create()
      await admin.config('SET', 'busy-reply-threshold', '1')
      const [long, other] = [admin, admin].map((client) => client.duplicate({ enableReadyCheck: false })) as [
        Redis,
        Redis,
      ]
      await other.ping()
      const running = long.eval('while true do end', 0).catch(() => undefined)
      try {
        await expect
          .poll(() => store.get(1).catch((error: { code: string }) => error.code))
          .toBe('ERR_STORE_BUSY')
      } finally {
        await other.call('SCRIPT', 'KILL')
        await running
        for (const client of [long, other]) client.disconnect()
        await admin.config('SET', 'busy-reply-threshold', '5000')
      }
      expect(await store.get(1)).toBeUndefined()
    })

    it.each([
      ['no password', ''],
      ['a wrong password', ':not-the-password@'],
    ])('refuses %s', async (_, login) => {
      const error = await failureOf(() => openUrl(`redis://${login}127.0.0.1:${server.port}`))
      expect(error).toEqual(failure('ERR_STORE_DENIED', 'ENCRYPTION_KEY_STORE_URL'))
      expectNoSecret(error, ['not-the-password'])
    })

    it('that is not there, and one that never answers, are unavailable', async () => {
      const unavailable = failure('ERR_STORE_UNAVAILABLE')
      await expect(openUrl(`redis://127.0.0.1:${await freePort()}`)).rejects.toEqual(unavailable)
      const store = await open(newNamespace(), { create: true, replyTimeoutMs: 100 })
      server.suspend()
      await expect(store.get(1)).rejects.toEqual(unavailable)
      server.resume()
      expect(await store.get(1)).toBeUndefined()
    })

    it('that forgot its scripts is given them again', async () => {
      const store = await create()
      await store.insert(recordOf())
      await admin.script('FLUSH')
      expect(await store.update(recordOf({ revision: 2 }))).toBe(true)
    })

    it('killed with -9 and restarted in mid-run has every confirmed write', async () => {
      await admin.config('SET', 'appendfsync', 'always') // else the answer may come before the write
      const store = await create()
      const confirmed: number[] = []
      let id = 0
      let isRunning = true
      const write = async (): Promise<void> => {
        while (isRunning) {
          id += 1
          const mine = id
          const result = await store.insert(recordOf({ id: mine, version: mine })).catch(() => undefined)
          if (result === 'inserted') confirmed.push(mine)
          else await delay(1) // a refusal comes at once: without a pause nothing else would run
        }
      }
      const writers = [write(), write(), write()]
      const patient = { timeout: 20_000 }
      try {
        await expect.poll(() => confirmed.length, patient).toBeGreaterThan(50)
        await server.crash()
        const before = confirmed.length
        await server.restart()
        await expect.poll(() => confirmed.length, patient).toBeGreaterThan(before + 50)
      } finally {
        isRunning = false
      }
      await Promise.all(writers)
      const { records } = await listAll(store)
      const there = new Set(records.map((record) => record.id))
      expect(confirmed.filter((one) => !there.has(one))).toEqual([])
      expect(records.length - confirmed.length).toBeLessThanOrEqual(3)
    })

    it('an ACL user with what the guide grants does everything, and nothing outside its namespace', async () => {
      const space = newNamespace()
      const { leastPrivilege } = await import('./redis-acl.ts')
      await admin.call('ACL', 'SETUSER', 'app', 'reset', 'on', '>a-password', ...leastPrivilege(space))
      const url = `redis://app:a-password@127.0.0.1:${server.port}`
      const store = await open(space, { create: true, url })
      const heard: (string | undefined)[] = []
      store.watch?.((keyring) => heard.push(keyring))
      await store.insert(recordOf())
      await store.update(recordOf({ revision: 2 }))
      await store.addUsage(1, { messages: 1, bytes: 1 }, 9)
      expect((await store.list()).records).toHaveLength(1)
      expect(await store.documents?.write({ name: 'a', revision: 1, text: '' })).toBe(true)
      expect(await store.documents?.list('')).toHaveLength(1)
      expect(await store.documents?.remove('a', 1)).toBe(true)
      const sink = store.auditSink?.()
      await sink?.exclusive((writer) => writer.append(['{}'], { hash: 'a'.repeat(64), seq: 1 }))
      expect(await sink?.head()).toEqual({ hash: 'a'.repeat(64), seq: 1 })
      await sink?.close?.()
      expect((await store.describe()).warnings).toEqual([])
      await expect.poll(() => heard).toEqual([undefined])
      await expect(open(newNamespace(), { create: true, url })).rejects.toEqual(failure('ERR_STORE_DENIED'))
    })
  })
})
