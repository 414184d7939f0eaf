/** The commands of an encrypted cache, as a table: how arguments are written and replies are read. */
import { KeywrightError } from '../../errors.ts'
import { type CacheType, type RedisValues, wrong } from './redis-values.ts'

type Values = RedisValues<CacheType>
type Args = readonly unknown[]

export interface RedisCommand {
  /** What is sent: names as they are in Redis, values encrypted. */
  write(values: Values, args: Args): Promise<unknown[]>
  /** What is given back. @default the reply as it is */
  read?(values: Values, reply: unknown, args: Args): unknown
}

/** Options of SET and GETEX, with how many arguments follow. Those that compare the value inside Redis are missing. */
const OPTIONS: ReadonlyMap<string, number> = new Map([
  ['EX', 1],
  ['PX', 1],
  ['EXAT', 1],
  ['PXAT', 1],
  ['KEEPTTL', 0],
  ['PERSIST', 0],
  ['NX', 0],
  ['XX', 0],
  ['GET', 0],
])

const upper = (option: unknown): string => String(option).toUpperCase()

function checked(options: Args): Args {
  for (let at = 0; at < options.length; at++) {
    const follow = OPTIONS.get(upper(options[at]))
    if (follow === undefined) throw wrong('an option of this command', [...OPTIONS.keys()].join(', '))
    at += follow
  }
  return options
}

/** Whether SET answers with the value before. The argument of EX may not be taken for an option. */
function asksForOld(options: Args): boolean {
  for (let at = 0; at < options.length; at++) {
    if (upper(options[at]) === 'GET') return true
    at += OPTIONS.get(upper(options[at])) ?? 0
  }
  return false
}

/** ('a', 'b') and (['a', 'b']). */
const listed = (args: Args): Args => (Array.isArray(args[0]) ? args[0] : args)

/** ({ a: 1 }), (new Map([['a', 1]])) and ('a', 1). */
function pairs(args: Args): [unknown, unknown][] {
  const [first] = args
  if (args.length === 1 && first instanceof Map) return [...first]
  if (args.length === 1 && typeof first === 'object' && first !== null) return Object.entries(first)
  if (args.length === 0 || args.length % 2 !== 0)
    throw wrong('the list of names and values', 'an object, a Map, or name, value, name, value …')
  return Array.from({ length: args.length / 2 }, (_, at) => [args[2 * at], args[2 * at + 1]])
}

const onKey: RedisCommand = {
  write: async (values, [key, ...rest]) => [await values.name(key), ...rest],
}
const onKeys: RedisCommand = {
  write: (values, args) => Promise.all(listed(args).map((key) => values.name(key))),
}
/** Whoever deletes must not leave what another process still finds under the name before. */
const onAllNames: RedisCommand = {
  write: async (values, args) => (await Promise.all(listed(args).map((key) => values.names(key)))).flat(),
}
const withValue: RedisCommand = {
  write: async (values, [key, value]) => [await values.name(key), await values.seal(value, key)],
}
const withTtl: RedisCommand = {
  write: async (values, [key, ttl, value]) => [await values.name(key), ttl, await values.seal(value, key)],
}
const readValue = (values: Values, reply: unknown, [key]: Args): unknown => values.open(reply, key)
const withPairs: RedisCommand = {
  write: async (values, args) => {
    const written = pairs(args).map(async ([key, value]) => [
      await values.name(key),
      await values.seal(value, key),
    ])
    return (await Promise.all(written)).flat()
  },
}
const withMembers: RedisCommand = {
  write: async (values, [key, ...args]) => {
    const written = pairs(args).map(async ([member, value]) => [
      member,
      await values.seal(value, key, member),
    ])
    return [await values.name(key), ...(await Promise.all(written)).flat()]
  },
}
const unhashed: RedisCommand = {
  write: async (values, args) => {
    if (values.hashed) throw wrong('going through key names', 'no hashKeys: hashed names cannot be read back')
    return [...args]
  },
}

export const COMMANDS: ReadonlyMap<string, RedisCommand> = new Map<string, RedisCommand>([
  ['get', { ...onKey, read: readValue }],
  ['getdel', { ...onKey, read: readValue }],
  [
    'getex',
    {
      write: async (values, [key, ...options]) => [await values.name(key), ...checked(options)],
      read: readValue,
    },
  ],
  [
    'set',
    {
      write: async (values, [key, value, ...options]) => [
        await values.name(key),
        await values.seal(value, key),
        ...checked(options),
      ],
      read: (values, reply, [key, , ...options]) => (asksForOld(options) ? values.open(reply, key) : reply),
    },
  ],
  ['setnx', withValue],
  ['setex', withTtl],
  ['psetex', withTtl],
  ['getset', { ...withValue, read: readValue }],
  [
    'mget',
    {
      ...onKeys,
      read: (values, reply, args) =>
        Promise.all(listed(args).map((key, at) => values.open((reply as unknown[])[at], key))),
    },
  ],
  ['mset', withPairs],
  ['msetnx', withPairs],
  ['hget', { ...onKey, read: (values, reply, [key, member]) => values.open(reply, key, member) }],
  ['hset', withMembers],
  ['hmset', withMembers],
  ['hsetnx', withMembers],
  [
    'hmget',
    {
      write: async (values, [key, ...members]) => [await values.name(key), ...listed(members)],
      read: (values, reply, [key, ...members]) =>
        Promise.all(listed(members).map((member, at) => values.open((reply as unknown[])[at], key, member))),
    },
  ],
  ['hgetall', { ...onKey, read: (values, reply, [key]) => readHash(values, reply, key) }],
  ...['hdel', 'hexists', 'hkeys', 'hlen'].map((name) => [name, onKey] as const),
  ...['del', 'unlink'].map((name) => [name, onAllNames] as const),
  ...['exists', 'touch'].map((name) => [name, onKeys] as const),
  ...['expire', 'pexpire', 'expireat', 'pexpireat', 'expiretime', 'pexpiretime'].map(
    (name) => [name, onKey] as const,
  ),
  ...['persist', 'ttl', 'pttl', 'type'].map((name) => [name, onKey] as const),
  ['keys', unhashed],
  ['scan', unhashed],
])

/** Fields that do not open are left out. A client that maps replies as RESP3 does gives a Map. */
async function readHash(values: Values, reply: unknown, key: unknown): Promise<Record<string, unknown>> {
  const isMap = reply instanceof Map
  const found = isMap ? [...reply] : Array.isArray(reply) ? pairs(reply) : Object.entries(reply ?? {})
  const opened: [string, unknown][] = []
  for (const [member, text] of found) {
    const value = await values.open(text, key, member)
    if (value !== null) opened.push([String(member), value])
  }
  return Object.fromEntries(opened)
}

const BOUND = new Set(['rename', 'renamenx', 'copy', 'move', 'dump', 'restore', 'hvals', 'hrandfield'])
const INSIDE =
  /^(h?incrby(float)?|incr|decr(by)?|append|strlen|hstrlen|[gs]etrange|substr|[gs]etbit|bit\w+|lcs|sort\w*)$/

/** Why a command of the client is none of the cache. */
export function refusedCommand(name: string): KeywrightError {
  const hint = INSIDE.test(name)
    ? 'Redis sees only ciphertext: get the value, change it and set it, or keep counters unencrypted with the client itself'
    : BOUND.has(name)
      ? 'values are bound to the names of their key and field, and open nowhere else: get and set them (hgetall for hvals)'
      : 'what it would write is not encrypted: for what needs no encryption use the Redis client itself'
  return new KeywrightError('ERR_ARGUMENT_INVALID', `"${name}" is no command of an encrypted cache`, {
    hint,
    details: { command: name },
  })
}
