/** What a source does in Redis in one step, as Lua. One server: a script may touch all the keys that it is given. */
import { redisScript } from '../../clients/redis/link.ts'

/**
 * Reads keys. Arguments: the names of fields. Gives for each key 0 where there is none, else its type and the values:
 * the string itself for a string, the fields of a hash.
 */
export const READ = `
local rows = {}
for at, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then
    rows[at] = 0
  elseif kind == 'string' then
    rows[at] = {kind, redis.call('GET', key)}
  elseif kind == 'hash' then
    rows[at] = {kind, unpack(redis.call('HMGET', key, unpack(ARGV)))}
  else
    rows[at] = {'other'}
  end
end
return rows`

/**
 * Writes keys that hold what was read, and a checkpoint. Keys: the rows, then the hash of checkpoints. Arguments: number
 * of fields, name and text of the checkpoint (an empty name for none), the fields, then for each row and field the old
 * and the new value, each after '+', or '-' for none. Gives for each row 1 (written), 2 (changed) or 3 (gone). Times to
 * live stay, those of the fields of a hash too (Redis 7.4).
 */
export const WRITE = redisScript(`
local fields = tonumber(ARGV[1])
local function value(at)
  local text = ARGV[at]
  if text == '-' then return false end
  return string.sub(text, 2)
end
local function put(key, kind, field, new)
  if kind == 'string' then
    redis.call('SET', key, new, 'KEEPTTL')
    return
  end
  if not new then
    redis.call('HDEL', key, field)
    return
  end
  local expires = redis.pcall('HPEXPIRETIME', key, 'FIELDS', 1, field)
  redis.call('HSET', key, field, new)
  if type(expires) == 'table' and not expires.err and expires[1] and expires[1] > 0 then
    redis.call('HPEXPIREAT', key, expires[1], 'FIELDS', 1, field)
  end
end
local outcomes = {}
for row = 1, #KEYS - 1 do
  local key = KEYS[row]
  local kind = redis.call('TYPE', key).ok
  local first = 3 + fields + (row - 1) * 2 * fields
  local outcome = 1
  if kind == 'none' then
    outcome = 3
  elseif kind ~= 'hash' and (kind ~= 'string' or fields ~= 1 or ARGV[4] ~= 'value') then
    outcome = 2
  else
    for field = 1, fields do
      local stands
      if kind == 'string' then stands = redis.call('GET', key) else stands = redis.call('HGET', key, ARGV[3 + field]) end
      if stands ~= value(first + 2 * field - 1) then outcome = 2 end
    end
    if outcome == 1 then
      for field = 1, fields do put(key, kind, ARGV[3 + field], value(first + 2 * field)) end
    end
  end
  outcomes[row] = outcome
end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[#KEYS], ARGV[2], ARGV[3]) end
return outcomes`)
