/** The Redis source on a real server: the contract for strings and for hashes, times to live, restarts, rights. */
import { createRequire } from 'node:module'
import type { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import redisSource, { type RedisSourceOptions } from '../../sources/redis.ts'
import type { Source } from '../../src/source.ts'
import { readAll } from '../../src/testing/conformance/source-kit.ts'
import { runSourceConformance } from '../../src/testing/conformance/source-suite.ts'
import { type RedisServer, redis, startRedis } from '../../src/testing/native/redis.ts'
import { serverFor } from '../kit/servers.ts'

const { skip } = await serverFor(redis)

let server: RedisServer
let admin: Redis
const opened: Source[] = []
const urlOf = ({ password, port }: RedisServer, db = 0): string =>
  `redis://:${password}@127.0.0.1:${port}/${db}`

beforeAll(async () => {
  if (skip !== undefined) return
  const { Redis: Client } = createRequire(import.meta.url)('ioredis') as typeof import('ioredis')
  server = await startRedis()
  admin = new Client(urlOf(server), { retryStrategy: () => 50 })
  admin.on('error', () => undefined)
})
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close?.()
  await admin?.flushall()
})
afterAll(async () => {
  admin?.disconnect()
  await server?.stop()
})

function open(options: Partial<RedisSourceOptions> = {}): Source {
  const source = redisSource({ name: 'sessions', url: urlOf(server), pattern: 'users:*', ...options })
  opened.push(source)
  return source
}

/** A server that starts on a loaded machine. */
const LATER = { timeout: 20_000 }

const failure = (code: string, words = '') =>
  expect.objectContaining({ code, hint: expect.stringContaining(words) })

const buffer = (value: string | Uint8Array): string | Buffer =>
  typeof value === 'string' ? value : Buffer.from(value)

describe.skipIf(skip)('redis', () => {
  runSourceConformance(
    'redis strings',
    {
      open: async () => ({
        source: open(),
        reopen: async () => open(),
        put: async (rows) => {
          const pipeline = admin.pipeline()
          for (const { id, text } of rows) pipeline.set(`users:${id}`, buffer(text ?? ''))
          await pipeline.exec()
        },
        remove: async (ids) => {
          await admin.del(ids.map((id) => `users:${id}`))
        },
        columns: { id: '$key', text: 'value' },
        nulls: false,
        repeats: true,
      }),
    },
    { runner: { afterEach, describe, it } },
  )

  runSourceConformance(
    'redis hashes',
    {
      open: async () => ({
        source: open(),
        reopen: async () => open(),
        put: async (rows) => {
          const pipeline = admin.pipeline()
          for (const { bytes = null, id, text } of rows) {
            pipeline.del(`users:${id}`)
            pipeline.hset(`users:${id}`, 'id', id)
            if (text !== null) pipeline.hset(`users:${id}`, 'text', buffer(text))
            if (bytes !== null) pipeline.hset(`users:${id}`, 'bytes', buffer(bytes))
          }
          await pipeline.exec()
        },
        remove: async (ids) => {
          await admin.del(ids.map((id) => `users:${id}`))
        },
        columns: { id: 'id', text: 'text', bytes: 'bytes' },
        repeats: true,
      }),
    },
    { runner: { afterEach, describe, it } },
  )

  it('keeps times to live', async () => {
    await admin.set('users:1', 'a', 'PX', 500_000)
    await admin.hset('users:2', 'value', 'a')
    await admin.pexpire('users:2', 500_000)
    await admin.set('users:3', 'a')
    const rows = ['users:1', 'users:2', 'users:3'].map((key) => ({ key, from: ['a'], to: ['b'] }))
    expect(await open().write({ columns: ['value'], rows })).toEqual(['written', 'written', 'written'])
    const left = await Promise.all(['users:1', 'users:2', 'users:3'].map((key) => admin.pttl(key)))
    expect(left[0]).toBeGreaterThan(400_000)
    expect(left[1]).toBeGreaterThan(400_000)
    expect(left[2]).toBe(-1)
    expect(await admin.get('users:1')).toBe('b')
  })

  it('leaves out keys that do not match, and its own checkpoints', async () => {
    await admin.mset('users:1', 'a', 'other:1', 'b')
    const source = open({ pattern: '*' })
    await source.write({ columns: ['value'], rows: [], checkpoint: { name: 'job', text: 'x' } })
    const rows = await readAll(source, { columns: ['$key'], limit: 10 })
    expect(rows.map(({ key }) => key).sort()).toEqual(['other:1', 'users:1'])
    expect((await source.describe()).rows).toBe(3)
    expect((await open().describe()).rows).toBeUndefined()
  })

  it('keeps the checkpoints of two sources apart', async () => {
    const [a, b] = [open({ name: 'a' }), open({ name: 'b' })]
    await a.write({ columns: ['value'], rows: [], checkpoint: { name: 'job', text: 'of a' } })
    expect(await b.checkpoints?.read('job')).toBeUndefined()
    expect(await open({ name: 'a' }).checkpoints?.read('job')).toBe('of a')
  })

  it('begins again when the server was restarted: its old cursor would leave keys out', async () => {
    for (let id = 0; id < 3000; id++) await admin.set(`users:${id}`, 'x')
    const source = open()
    const { next } = await source.read({ columns: ['value'], limit: 100 })
    expect(next).toBeDefined()
    await server.crash()
    await server.restart()
    await expect.poll(() => admin.dbsize().catch(() => 0), LATER).toBe(3000)
    const rows = await readAll(source, { columns: ['$key'], limit: 100, after: next })
    expect(new Set(rows.map(({ key }) => key)).size).toBe(3000)
  })

  it('fails while the server is away, and works after that', async () => {
    await admin.set('users:1', 'a')
    const source = open()
    const rows = [{ key: 'users:1', from: ['a'], to: ['b'] }]
    await source.describe()
    await server.crash()
    const away = failure('ERR_SOURCE_UNAVAILABLE', 'try again')
    await expect(source.read({ columns: ['value'], limit: 1 })).rejects.toEqual(away)
    await expect(source.write({ columns: ['value'], rows })).rejects.toEqual(away)
    await server.restart()
    const write = () => source.write({ columns: ['value'], rows }).catch(() => 'still loading')
    await expect.poll(write, LATER).toEqual(['written'])
  })

  it.each<[what: string, make: () => Promise<unknown>, columns: string[]]>([
    ['lists', () => admin.lpush('users:1', 'a'), ['value']],
    ['strings where fields are wanted', () => admin.set('users:1', 'a'), ['ssn']],
    ['names that are not UTF-8', () => admin.set(Buffer.from('users:\xff', 'latin1'), 'a'), ['value']],
  ])('refuses a pattern that matches %s', async (_, make, columns) => {
    await make()
    await expect(open().read({ columns, limit: 10 })).rejects.toEqual(
      failure('ERR_SOURCE_INVALID', 'narrow "pattern"'),
    )
  })

  it('leaves a key that became something else', async () => {
    await admin.lpush('users:1', 'a')
    await admin.set('users:2', 'a')
    const rows = ['users:1', 'users:2'].map((key) => ({ key, from: ['a'], to: ['b'] }))
    const source = open()
    expect(await source.write({ columns: ['value'], rows })).toEqual(['changed', 'written'])
    expect(await source.write({ columns: ['ssn'], rows })).toEqual(['changed', 'changed'])
  })

  it('refuses to write the name of a key, or nothing into a string', async () => {
    const write = (column: string, to: string | null) =>
      open().write({ columns: [column], rows: [{ key: 'users:1', from: ['a'], to: [to] }] })
    await expect(write('$key', 'b')).rejects.toEqual(failure('ERR_COLUMN_UNSUITABLE'))
    await expect(write('value', null)).rejects.toEqual(failure('ERR_ARGUMENT_INVALID'))
  })

  it.each(['x', '5', ':5', 'run:', 'run:x', `run:${'1'.repeat(30)}`])(
    'refuses a position that is none: %s',
    async (after) => {
      await expect(open().read({ columns: ['value'], limit: 1, after })).rejects.toEqual(
        failure('ERR_ARGUMENT_INVALID', 'positions'),
      )
    },
  )

  it('needs no more than the rights that the guide grants', async () => {
    await admin.call(
      'ACL',
      'SETUSER',
      'job',
      'on',
      '>pw',
      '~users:*',
      '~keywright:checkpoints',
      ...ACL.split(' '),
    )
    await admin.set('users:1', 'a')
    const source = open({ url: urlOf(server).replace(/:[^:@/]*@/, 'job:pw@') })
    const rows = [{ key: 'users:1', from: ['a'], to: ['b'] }]
    await source.describe()
    expect(await readAll(source, { columns: ['value'], limit: 1 })).toHaveLength(1)
    expect(await source.write({ columns: ['value'], rows, checkpoint: { name: 'job', text: 'x' } })).toEqual([
      'written',
    ])
    expect(await source.checkpoints?.read('job')).toBe('x')
    await source.checkpoints?.remove('job')
    const other = source.read({ columns: ['value'], keys: ['other:1'] })
    await expect(other).rejects.toEqual(failure('ERR_SOURCE_DENIED', 'docs/sources.md'))
  })

  it('refuses a cluster, said or found', async () => {
    const cluster = failure('ERR_SOURCE_INVALID', 'source of your own')
    expect(() => open({ cluster: true })).toThrow(cluster)
    expect(() => open({ url: `${urlOf(server)}?cluster=a:1,b:2` })).toThrow(cluster)
    const node = await startRedis({ settings: ['cluster-enabled yes'] })
    try {
      await expect(open({ url: urlOf(node) }).read({ columns: ['value'], limit: 1 })).rejects.toEqual(cluster)
    } finally {
      await node.stop()
    }
  })

  it.each<[what: string, options: Partial<RedisSourceOptions>, code: string]>([
    ['no pattern', { pattern: '' }, 'ERR_ARGUMENT_INVALID'],
    ['a name that is none', { name: '' }, 'ERR_ARGUMENT_INVALID'],
    ['a URL that is none', { url: 'hunter2' }, 'ERR_CONFIG_INVALID'],
    ['an option that is none', { hunter2: 1 } as never, 'ERR_CONFIG_INVALID'],
    ['a parameter that is none', { url: 'redis://h?hunter2=1' }, 'ERR_CONFIG_INVALID'],
    ['a server that is not there', { url: 'redis://:hunter2@127.0.0.1:1' }, 'ERR_SOURCE_UNAVAILABLE'],
  ])('refuses %s and repeats nothing of it', async (_, options, code) => {
    const describing = async () =>
      redisSource({ name: 'a', pattern: 'x', url: 'redis://h', ...options }).describe()
    const error = await describing().catch((thrown: unknown) => thrown)
    expect(error).toEqual(failure(code))
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain('hunter2')
  })

  it('refuses a wrong password', async () => {
    const url = urlOf(server).replace(/:[^:@/]*@/, ':hunter2@')
    await expect(open({ url }).describe()).rejects.toEqual(failure('ERR_SOURCE_DENIED', 'password'))
  })
})

/** As docs/sources.md grants them. */
const ACL = '+info +scan +dbsize +eval +evalsha +type +get +set +hget +hmget +hset +hdel'
