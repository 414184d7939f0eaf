/**
 * Every write of a store, as a script: Redis runs it as a whole or not at all. Each gets all keys it touches, and
 * begins by making sure that the store is still the one that was opened: an emptied Redis must not look like an empty
 * store.
 */
import { redisScript } from '../../clients/redis/link.ts'

const OURS = `if redis.call('HGET', KEYS[1], 'installation') ~= ARGV[1] then return 'gone' end`

/** Whoever may not publish has a slower refresh, and nothing else. */
const PUBLISH = `redis.pcall('PUBLISH', channel, message)`

/** Keys: store, index. Arguments: format, schema, installation. */
export const CREATE = redisScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 'there' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'orphans' end
redis.call('HSET', KEYS[1], 'format', ARGV[1], 'schema', ARGV[2], 'installation', ARGV[3])
return 'made'`)

/** Keys: store, record, index. Arguments: installation, channel, message, from, to, member, then fields and values. */
export const INSERT = redisScript(`
${OURS}
local channel, message = ARGV[2], ARGV[3]
if #redis.call('ZRANGEBYLEX', KEYS[3], ARGV[4], ARGV[5], 'LIMIT', 0, 1) > 0 then return 'version-taken' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'id-taken' end
redis.call('HSET', KEYS[2], unpack(ARGV, 7))
redis.call('ZADD', KEYS[3], 0, ARGV[6])
${PUBLISH}
return 'inserted'`)

/** Keys: store, record. Arguments: installation, channel, start of the message, revision before, fields and values. */
export const UPDATE = redisScript(`
${OURS}
if redis.call('HGET', KEYS[2], 'revision') ~= ARGV[4] then return 'no' end
redis.call('HSET', KEYS[2], unpack(ARGV, 5))
local channel, message = ARGV[2], ARGV[3] .. (redis.call('HGET', KEYS[2], 'keyring') or '')
${PUBLISH}
return 'yes'`)

/**
 * Keys: store, record. Arguments: installation, messages, bytes, limit. Numbers of Lua are exact up to 2^53, where the
 * totals stop.
 */
export const ADD_USAGE = redisScript(`
${OURS}
local have = redis.call('HMGET', KEYS[2], 'messages', 'bytes')
if not have[1] and not have[2] and redis.call('EXISTS', KEYS[2]) == 0 then return 'none' end
for place = 1, 2 do
  if not have[place] or #have[place] > 16 or not string.find(have[place], '^%d+$') then return 'damaged' end
end
local messages, add, granted = tonumber(have[1]), tonumber(ARGV[2]), 0
if add < 0 then
  granted = math.max(add, 0 - messages)
else
  granted = math.max(0, math.min(add, tonumber(ARGV[4]) - messages))
end
local bytes = math.min(tonumber(have[2]) + tonumber(ARGV[3]), 9007199254740991)
local total = {string.format('%.0f', messages + granted), string.format('%.0f', bytes)}
redis.call('HSET', KEYS[2], 'messages', total[1], 'bytes', total[2])
return {string.format('%.0f', granted), total[1], total[2]}`)

/** Keys: store, document, names. Arguments: installation, revision before (0 for none), revision, text, name. */
export const WRITE_DOCUMENT = redisScript(`
${OURS}
if (redis.call('HGET', KEYS[2], 'revision') or '0') ~= ARGV[2] then return 'no' end
redis.call('ZADD', KEYS[3], 0, ARGV[5])
redis.call('HSET', KEYS[2], 'revision', ARGV[3], 'text', ARGV[4])
return 'yes'`)

/** Keys: store, document, names. Arguments: installation, revision, name. */
export const REMOVE_DOCUMENT = redisScript(`
${OURS}
if redis.call('HGET', KEYS[2], 'revision') ~= ARGV[2] then return 'no' end
redis.call('ZREM', KEYS[3], ARGV[3])
redis.call('DEL', KEYS[2])
return 'yes'`)

/** Keys: store, lock. Arguments: installation, token, time to live in ms. */
export const LOCK = redisScript(`
${OURS}
if redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3]) then return 'yes' end
return 'no'`)

/** The same for a lock that is held: one that has ended is not taken again, since others may have written since. */
export const PROLONG = redisScript(`
${OURS}
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 'no' end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 'yes'`)

/** Keys: store, lock. Arguments: installation, token. */
export const UNLOCK = redisScript(`
${OURS}
if redis.call('GET', KEYS[2]) == ARGV[2] then redis.call('DEL', KEYS[2]) end
return 'yes'`)

/** A writer whose lock has ended, or who does not know the end of the log, writes nothing: others may have gone on. */
const LOCKED = `
${OURS}
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 'unlocked' end
if (redis.call('HGET', KEYS[4], 'hash') or '') ~= ARGV[3] then return 'unlocked' end`

/** Keys: store, lock, lines, head. Arguments: installation, token, hash of the head before ('' for none), seq, hash, lines. */
export const APPEND = redisScript(`${LOCKED}
redis.call('HSET', KEYS[4], 'seq', ARGV[4], 'hash', ARGV[5])
for place = 6, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[place]) end
return 'yes'`)

/** Keys: store, lock, lines, head. Arguments: installation, token, hash of the head, count, line. */
export const DROP_START = redisScript(`${LOCKED}
if redis.call('LLEN', KEYS[3]) < tonumber(ARGV[4]) then return 'short' end
redis.call('HINCRBY', KEYS[4], 'prunings', 1)
redis.call('LTRIM', KEYS[3], ARGV[4], -1)
redis.call('LPUSH', KEYS[3], ARGV[5])
return 'yes'`)
