/**
 * What happens to commands that wait for their time in Redis, each at once. `due` holds them by
 * when they are due, by Redis' own clock; `claimed` those that a node is carrying out, by when
 * others may do it in its place; `texts` what they are, `names` which one waits under a key, `sums`
 * the bytes of all texts. An id is when the command is due, what it was numbered, who gave it, and
 * its name, which may be empty.
 */

const BEGIN = `
local due, claimed, texts, names, sums = unpack(KEYS)
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function nameOf(id) return string.match(id, "^%S+ %S+ %S+ (.*)$") or "" end
local function dueAt(id) return tonumber(string.match(id, "^%d+")) or 0 end
local function unname(id)
  local name = nameOf(id)
  if redis.call("HGET", names, name) == id then redis.call("HDEL", names, name) end
end
local function forget(id)
  local removed = redis.call("ZREM", due, id) + redis.call("ZREM", claimed, id)
  local size = redis.call("HSTRLEN", texts, id)
  if size > 0 then redis.call("HINCRBY", sums, "bytes", -size) end
  redis.call("HDEL", texts, id)
  unname(id)
  return removed
end
local function measure()
  local count = redis.call("ZCARD", due) + redis.call("ZCARD", claimed)
  if count == 0 then redis.call("DEL", texts, names, sums) end
  return count, tonumber(redis.call("HGET", sums, "bytes") or 0)
end
`;

/**
 * Keeps a command, in the place of the one of the same name. Answers with how many there are and
 * their bytes, and 1 if it replaced one, or -1 if there is no room.
 * ARGV: milliseconds to wait, who gives it, name, text, most commands, most bytes.
 */
export const KEEP = `${BEGIN}
local waitMs, giver, name, text = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local count, bytes = measure()
local old = name ~= "" and redis.call("HGET", names, name)
local freed = old and redis.call("HSTRLEN", texts, old) or 0
local isFull = count - (old and 1 or 0) >= tonumber(ARGV[5])
if isFull or bytes - freed + #text > tonumber(ARGV[6]) then return { count, bytes, -1 } end
if old then forget(old) end
local number = time[1] * 1000000 + time[2]
local function write()
  return string.format("%015.0f %016.0f %s %s", now + waitMs, number, giver, name)
end
while redis.call("HEXISTS", texts, write()) == 1 do number = number + 1 end
local id = write()
redis.call("ZADD", due, now + waitMs, id)
redis.call("HSET", texts, id, text)
redis.call("HINCRBY", sums, "bytes", #text)
if name ~= "" then redis.call("HSET", names, name, id) end
count, bytes = measure()
return { count, bytes, old and 1 or 0 }
`;

/**
 * Forgets the command of a name. Answers with how many are left, their bytes, and 1 if there was
 * one. ARGV: name.
 */
export const CANCEL = `${BEGIN}
local id = redis.call("HGET", names, ARGV[1])
local found = id and forget(id) or 0
local count, bytes = measure()
return { count, bytes, found }
`;

/**
 * Forgets what the caller has carried out, puts back what others have claimed and not carried out,
 * and claims what is due, the first first, for as long as others leave it alone. Answers with how
 * many there are and their bytes; with the ids that are due next, at most 16, and in how many
 * milliseconds; and with the claimed: their ids, texts, and by how many milliseconds they are late.
 * ARGV: most commands to claim, most bytes unless the first has more, milliseconds to leave them
 * alone, then the ids of what was carried out.
 */
export const TURN = `${BEGIN}
for at = 4, #ARGV do forget(ARGV[at]) end
local most = tonumber(ARGV[1])
for _, id in ipairs(redis.call("ZRANGEBYSCORE", claimed, "-inf", now, "LIMIT", 0, most)) do
  redis.call("ZREM", claimed, id)
  redis.call("ZADD", due, dueAt(id), id)
end
local mine, size = {}, 0
for _, id in ipairs(redis.call("ZRANGEBYSCORE", due, "-inf", now, "LIMIT", 0, most)) do
  local text = redis.call("HGET", texts, id)
  if text and size > 0 and size + #text > tonumber(ARGV[2]) then break end
  if text then
    size = size + #text
    redis.call("ZREM", due, id)
    redis.call("ZADD", claimed, now + tonumber(ARGV[3]), id)
    unname(id)
    table.insert(mine, { id, text, now - dueAt(id) })
  else
    forget(id)
  end
end
local following = {}
for _, id in ipairs(redis.call("ZRANGE", due, 0, 15)) do
  table.insert(following, { id, dueAt(id) - now })
end
local count, bytes = measure()
return { count, bytes, following, mine }
`;
