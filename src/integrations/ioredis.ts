/**
 * An encrypted cache on ioredis:
 *
 *     const cache = encryptedRedis(kw, new Redis(), { as: 'json' })
 *     await cache.set('user:1', { name: 'Ada' }, 'EX', 60)
 *
 * Values are bound to the full name of their key (and field): one that was copied to another key does not open there.
 * TTLs are Redis's own. Context: keyring, `table: cache`, `column`: value or hash, `row`: the key, for a hash the JSON of
 * [key, field].
 */
import type { FieldTypes } from '../data/codecs.ts'
import type { Keywright } from '../keywright.ts'
import { COMMANDS, type RedisCommand, refusedCommand } from './shared/redis-commands.ts'
import { type Cached, type CacheType, type RedisCacheOptions, RedisValues } from './shared/redis-values.ts'

export type { CacheOptions, CacheType, RedisCacheOptions } from './shared/redis-values.ts'

/** The part of ioredis's pipeline that is needed. */
export interface RedisPipeline {
  call(command: string, ...args: (string | number)[]): unknown
  exec(): Promise<[error: Error | null, result: unknown][] | null>
}

/** The part of an ioredis client (Redis or Cluster) that is needed. */
export interface RedisClient {
  readonly options?: { readonly keyPrefix?: string | undefined }
  call(command: string, ...args: (string | number)[]): Promise<unknown>
  pipeline(): unknown
  multi(): unknown
}

/** 'EX', 60, 'NX', 'GET' … as ioredis takes them. */
type SetOption = string | number
type Keys = string[] | [keys: readonly string[]]
type Pairs<T> = [Readonly<Record<string, T>> | ReadonlyMap<string, T>] | (string | T)[]

/** Commands of ioredis, with their arguments and results. Every other one is refused with ERR_ARGUMENT_INVALID. */
export interface CacheCommands<T> {
  get(key: string): Promise<Cached<T>>
  /** 'OK', null when NX or XX was not fulfilled; with 'GET' the value before. */
  set(key: string, value: T, ...options: SetOption[]): Promise<'OK' | Cached<T>>
  setnx(key: string, value: T): Promise<number>
  setex(key: string, seconds: number, value: T): Promise<'OK'>
  psetex(key: string, milliseconds: number, value: T): Promise<'OK'>
  getset(key: string, value: T): Promise<Cached<T>>
  getdel(key: string): Promise<Cached<T>>
  getex(key: string, ...options: SetOption[]): Promise<Cached<T>>
  mget(...keys: Keys): Promise<Cached<T>[]>
  mset(...pairs: Pairs<T>): Promise<'OK'>
  msetnx(...pairs: Pairs<T>): Promise<number>
  hget(key: string, field: string): Promise<Cached<T>>
  hset(key: string, ...pairs: Pairs<T>): Promise<number>
  hmset(key: string, ...pairs: Pairs<T>): Promise<'OK'>
  hsetnx(key: string, field: string, value: T): Promise<number>
  hmget(key: string, ...fields: Keys): Promise<Cached<T>[]>
  hgetall(key: string): Promise<Record<string, T>>
  hdel(key: string, ...fields: string[]): Promise<number>
  hexists(key: string, field: string): Promise<number>
  hkeys(key: string): Promise<string[]>
  hlen(key: string): Promise<number>
  /** With `hashKeys` a key may lie under two names after a rotation of the index key; both are deleted and counted. */
  del(...keys: Keys): Promise<number>
  unlink(...keys: Keys): Promise<number>
  exists(...keys: Keys): Promise<number>
  touch(...keys: Keys): Promise<number>
  expire(key: string, seconds: number, mode?: string): Promise<number>
  pexpire(key: string, milliseconds: number, mode?: string): Promise<number>
  expireat(key: string, seconds: number, mode?: string): Promise<number>
  pexpireat(key: string, milliseconds: number, mode?: string): Promise<number>
  expiretime(key: string): Promise<number>
  pexpiretime(key: string): Promise<number>
  persist(key: string): Promise<number>
  ttl(key: string): Promise<number>
  pttl(key: string): Promise<number>
  type(key: string): Promise<string>
  /** As ioredis does, without `keyPrefix` in patterns and results. Not with `hashKeys`. */
  keys(pattern: string): Promise<string[]>
  scan(cursor: string | number, ...options: (string | number)[]): Promise<[cursor: string, keys: string[]]>
}

/** Commands that are sent together. Values are encrypted before the first is sent. */
export type CachePipeline<T> = {
  readonly [C in keyof CacheCommands<T>]: (...args: Parameters<CacheCommands<T>[C]>) => CachePipeline<T>
} & {
  /** Error or result of each command, as ioredis gives them; a value that does not open for an outage is an error. */
  exec(): Promise<[error: Error | null, result: unknown][] | null>
}

export interface EncryptedRedis<T> extends CacheCommands<T> {
  pipeline(): CachePipeline<T>
  /** A transaction: MULTI and EXEC around the commands. */
  multi(): CachePipeline<T>
}

/**
 * Wraps an ioredis client. The client stays the caller's: close it yourself.
 *
 * Throws ERR_ARGUMENT_INVALID, ERR_KEY_TYPE_UNKNOWN, ERR_TENANT_INVALID. Commands throw ERR_VALUE_TYPE for a value that is
 * not what `as` says, and what encryption and ioredis throw.
 */
export function encryptedRedis<K extends CacheType = 'string'>(
  kw: Keywright,
  client: RedisClient,
  options: RedisCacheOptions<K> = {},
): EncryptedRedis<FieldTypes[K]> {
  const values = new RedisValues(kw, client.options?.keyPrefix ?? '', options) as RedisValues<CacheType>
  const run =
    (name: string, command: RedisCommand) =>
    async (...args: unknown[]): Promise<unknown> => {
      const sent = await command.write(values, args)
      const reply = await client.call(name, ...(sent as string[]))
      return command.read === undefined ? reply : command.read(values, reply, args)
    }
  const commands = new Map([...COMMANDS].map(([name, command]) => [name, run(name, command)] as const))
  const own: Readonly<Record<string, unknown>> = {
    ...Object.fromEntries(commands),
    pipeline: () => pipeline(values, client, () => client.pipeline() as RedisPipeline),
    multi: () => pipeline(values, client, () => client.multi() as RedisPipeline),
  }
  const refuse = (name: string) => async (): Promise<never> => {
    throw refusedCommand(name)
  }
  return refusing(own, client, refuse) as unknown as EncryptedRedis<FieldTypes[K]>
}

interface Step {
  readonly name: string
  readonly command: RedisCommand
  readonly args: readonly unknown[]
}

/** `begin` is called when it is executed, so that one that is thrown away leaves nothing behind. */
function pipeline(values: RedisValues<CacheType>, client: RedisClient, begin: () => RedisPipeline): object {
  const steps: Step[] = []
  const own: Record<string, unknown> = { exec: () => execute(values, steps, begin) }
  const self = refusing(own, client, (name) => () => {
    throw refusedCommand(name)
  })
  for (const [name, command] of COMMANDS) {
    own[name] = (...args: unknown[]) => {
      steps.push({ name, command, args })
      return self
    }
  }
  return self
}

async function execute(
  values: RedisValues<CacheType>,
  steps: readonly Step[],
  begin: () => RedisPipeline,
): Promise<[Error | null, unknown][] | null> {
  const written = await Promise.all(steps.map(({ command, args }) => command.write(values, args)))
  const batch = begin()
  for (const [at, { name }] of steps.entries()) batch.call(name, ...((written[at] ?? []) as string[]))
  const replies = await batch.exec()
  if (replies === null) return null
  const read = steps.map(async ({ command, args }, at): Promise<[Error | null, unknown]> => {
    const [error, reply] = replies[at] ?? [new Error('no reply'), undefined]
    if (error !== null || command.read === undefined) return [error, reply]
    try {
      return [null, await command.read(values, reply, args)]
    } catch (failure) {
      return [failure as Error, undefined]
    }
  })
  return Promise.all(read)
}

/** `own`, and a clear refusal for everything else that `other` can do. */
function refusing(
  own: Readonly<Record<string, unknown>>,
  other: object,
  refuse: (name: string) => unknown,
): object {
  return new Proxy(own, {
    get(target, name) {
      if (typeof name === 'symbol' || Object.hasOwn(target, name)) return Reflect.get(target, name)
      return typeof Reflect.get(other, name) === 'function' ? refuse(name) : undefined
    },
  })
}
