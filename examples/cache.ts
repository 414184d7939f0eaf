/** A cache on Redis, with ioredis: values encrypted, and bound to the name of their key. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { open } from 'keywright'
import { encryptedRedis } from 'keywright/integrations/ioredis'

const url = process.env['REDIS_URL']
if (url === undefined) {
  console.error('needs Redis: docker run --rm -p 6379:6379 redis:7, and REDIS_URL=redis://localhost:6379')
  process.exit(2)
}

await using folder = await mkdtempDisposable(join(process.argv[2] ?? tmpdir(), 'keywright-'))
const path = join(folder.path, 'master.keys')
// Keys made on the spot. An application says `await open()`, and its environment or policy document the rest.
await using kw = await open({ backend: 'file', path, create: true, environment: {} })

const redis = new Redis(url)
const cache = encryptedRedis(kw, redis, { as: 'json' })
const [one, two] = [`keywright-example:${process.pid}:1`, `keywright-example:${process.pid}:2`]

// The commands of ioredis, with its options; times to live are Redis's own.
await cache.set(one, { name: 'Ada' }, 'EX', 60)
assert.deepEqual(await cache.get(one), { name: 'Ada' })
console.log('in Redis:', (await redis.get(one))?.replace(/(kw1\.[\w-]{8})[\w-]+/, '$1…'))

// A value that was copied to another key does not open there: a miss, as if it were not cached.
await redis.set(two, (await redis.get(one)) ?? '', 'EX', 60)
assert.equal(await cache.get(two), null)
console.log('copied to another key:', await cache.get(two))

await cache
  .pipeline()
  .hset(two, { theme: 'dark' })
  .expire(two, 60)
  .exec()
  .catch(() => undefined)
await cache.del(one, two)
await cache.hset(two, { theme: 'dark', page: 7 })
assert.deepEqual(await cache.hgetall(two), { theme: 'dark', page: 7 })

// What Redis would have to compute with is refused, with what to do instead.
await assert.rejects(async () => (cache as unknown as Redis).incr(one), { code: 'ERR_ARGUMENT_INVALID' })

await cache.del(one, two)
await redis.quit()
