/**
 * What happens to leases in Redis, each at once. `alive` holds the nodes by when their lease ends,
 * by Redis' own clock; `owners` the node that speaks for the sockets of each dead one.
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
 * Takes one lease that has ended, with every dead node that its node spoke for; answers with those
 * whose sockets the caller speaks for now, the newly dead one first. A node that speaks for no
 * sockets takes only leases without any. KEYS: alive, owners. ARGV: node, 1 if it speaks for
 * sockets, prefix, milliseconds to remember that a lease was taken.
 */
export const TAKE = `${NOW}
local dead
for _, node in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now, "LIMIT", 0, 16)) do
  if ARGV[2] == "1" or redis.call("EXISTS", ARGV[3] .. "sockets:" .. node) == 0 then
    dead = node
    break
  end
end
if not dead or dead == ARGV[1] then return {} end
redis.call("ZREM", KEYS[1], dead)
redis.call("SET", ARGV[3] .. "taken:" .. dead, ARGV[1], "PX", ARGV[4])
local mine = { dead }
local owners = redis.call("HGETALL", KEYS[2])
for at = 1, #owners, 2 do
  if owners[at + 1] == dead then table.insert(mine, owners[at]) end
end
for _, node in ipairs(mine) do redis.call("HSET", KEYS[2], node, ARGV[1]) end
return mine
`;
