/** What the tests of the Redis store share. */
import { fileURLToPath } from 'node:url'
import type { Redis } from 'ioredis'
import { expect } from 'vitest'
import type { KeyStore } from '../../src/store.ts'
import { recordOf } from '../../src/testing/conformance/store-records.ts'
import type { RedisServer } from '../../src/testing/native/redis.ts'
import { storeNames } from '../../stores/redis/names.ts'
import { insertedFields } from '../../stores/redis/records.ts'
import redisStore, { type RedisStoreOptions } from '../../stores/redis.ts'

let count = 0
/** A namespace that no test had before. */
export function newNamespace(): string {
  count += 1
  return `test-${count}`
}

export const urlOf = ({ password, port }: RedisServer, query = ''): string =>
  `redis://:${password}@127.0.0.1:${port}/0${query}`

export function openStoreOn(
  server: RedisServer,
  options: Partial<RedisStoreOptions> = {},
): Promise<KeyStore> {
  return redisStore({ url: urlOf(server), ...options })
}

/** An error with this code and a hint, in which each of these words stands. */
export const failure = (code: string, ...words: readonly string[]) =>
  expect.objectContaining({
    code,
    hint: words.length === 0 ? expect.any(String) : expect.stringMatching(new RegExp(words.join('.*'))),
  })

/** Copies a record `count - 1` times inside the server, over a thousand keyrings, as `insert` would write it. */
const FILL = `
local fields = redis.call('HGETALL', KEYS[1] .. ARGV[1])
for id = 1, tonumber(ARGV[2]) do
  local keyring = 'pii/tenant-' .. (id * 7919 % 1000)
  local version = math.floor((id - 1) / 1000) + 1
  redis.call('HSET', KEYS[1] .. id, unpack(fields))
  redis.call('HSET', KEYS[1] .. id, 'id', id, 'keyring', keyring, 'version', version)
  redis.call('ZADD', KEYS[2], 0, keyring .. '\\0' .. string.format('%016d', version) .. '\\0' .. id)
end`

/** Fills a store with ids 1 to `count`, each tenant with versions from 1 on. */
export async function fill(admin: Redis, namespace: string, count: number): Promise<void> {
  const names = storeNames(namespace)
  const record = recordOf({ id: count + 1, keyring: 'template' })
  await admin.hset(names.key(record.id), ...insertedFields(record))
  await admin.eval(FILL, 2, names.key(0).slice(0, -1), names.index, record.id, count)
  await admin.del(names.key(record.id))
}

/** What Node takes to run redis-child.ts. */
export const CHILD = [
  '--experimental-strip-types',
  '--no-warnings',
  fileURLToPath(new URL('./redis-child.ts', import.meta.url)),
]
