/**
 * What happens to leases in Redis, each at once. `alive` holds the nodes by when their lease ends,
 * by Redis' own clock, or 0 if it was given up; `owners` the node that speaks for each dead one.
 */

const NOW = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * Renews a lease. Answers with the number of nodes alive, or -1 when another node has taken it.
 * KEYS: alive, taken:<node>. ARGV: node, lease in milliseconds.
 */
export const RENEW = `${NOW}
if redis.call("EXISTS", KEYS[2]) == 1 then return -1 end
redis.call("ZADD", KEYS[1], now + ARGV[2], ARGV[1])
return redis.call("ZCOUNT", KEYS[1], "(" .. now, "+inf")
`;

/**
 * Takes one lease that has ended, with every dead node that its node spoke for. Answers with 1 if
 * it was given up, and those that the caller speaks for now, the newly dead one first; with nothing
 * if there is none. A node that speaks for no sockets takes only leases without any, one that
 * adopts no journals only those without calls. KEYS: alive, owners. ARGV: node, 1 if it speaks for
 * sockets, 1 if it adopts journals, prefix, milliseconds to remember that a lease was taken, 1 to
 * take only what was given up.
 */
export const TAKE = `${NOW}
local speaks, adopts, prefix = ARGV[2] == "1", ARGV[3] == "1", ARGV[4]
local owners = redis.call("HGETALL", KEYS[2])
local function ownedBy(node)
  local all = { node }
  for at = 1, #owners, 2 do
    if owners[at + 1] == node then table.insert(all, owners[at]) end
  end
  return all
end
local function isFit(all)
  for _, node in ipairs(all) do
    if not speaks and redis.call("EXISTS", prefix .. "sockets:" .. node) == 1 then return false end
    if not adopts and redis.call("XLEN", prefix .. "journal:" .. node) > 0 then return false end
  end
  return true
end
local latest = ARGV[6] == "1" and 0 or now
local ended =
  redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", latest, "WITHSCORES", "LIMIT", 0, 16)
for at = 1, #ended, 2 do
  local mine = ownedBy(ended[at])
  if ended[at] ~= ARGV[1] and isFit(mine) then
    redis.call("ZREM", KEYS[1], ended[at])
    redis.call("SET", prefix .. "taken:" .. ended[at], ARGV[1], "PX", ARGV[5])
    for _, node in ipairs(mine) do redis.call("HSET", KEYS[2], node, ARGV[1]) end
    return { tonumber(ended[at + 1]) == 0 and "1" or "0", unpack(mine) }
  end
end
return {}
`;

/**
 * Ends a node's speaking for a dead one, of which nothing is left. KEYS: owners. ARGV: dead node,
 * node.
 */
export const SETTLED = `
if redis.call("HGET", KEYS[1], ARGV[1]) == ARGV[2] then redis.call("HDEL", KEYS[1], ARGV[1]) end
`;

/**
 * Gives a lease back. Answers with 1 if it is left for others, because sockets or calls are left;
 * anyone may take it at once. KEYS: alive, owners, taken:<node>, sockets:<node>, journal:<node>.
 * ARGV: node.
 */
export const LEAVE = `
if redis.call("EXISTS", KEYS[3]) == 1 then return 0 end
local isLeft = redis.call("EXISTS", KEYS[4]) == 1 or redis.call("XLEN", KEYS[5]) > 0
for _, owner in ipairs(redis.call("HVALS", KEYS[2])) do isLeft = isLeft or owner == ARGV[1] end
if isLeft then
  redis.call("ZADD", KEYS[1], 0, ARGV[1])
  return 1
end
redis.call("ZREM", KEYS[1], ARGV[1])
return 0
`;
