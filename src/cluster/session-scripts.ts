/**
 * What happens to sessions in Redis, each at once. `sessions:<node>` holds those of a node's living
 * sockets, `keepers` the nodes by when nobody can come back to their sockets any more,
 * `lost:<session>` a session whose socket is gone; `moved:<node>` those that came back elsewhere
 * while their node may still be there. A session is named by its namespace, a comma and its secret.
 */

const NOW = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * Keeps a node's sessions for another lease and window. Answers with those that have moved, which
 * are noted until the node has heard it. KEYS: keepers, sessions:<node>, moved:<node>. ARGV: node,
 * milliseconds to keep.
 */
export const KEEP = `${NOW}
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
redis.call("ZADD", KEYS[1], now + ARGV[2], ARGV[1])
redis.call("PEXPIRE", KEYS[2], ARGV[2])
return redis.call("SMEMBERS", KEYS[3])
`;

/**
 * Ends the sessions of a node that was taken for dead and is not. Answers with those that have
 * moved. KEYS: keepers, sessions:<node>, moved:<node>. ARGV: node.
 */
export const RECLAIM = `
redis.call("ZREM", KEYS[1], ARGV[1])
redis.call("UNLINK", KEYS[2])
local moved = redis.call("SMEMBERS", KEYS[3])
redis.call("DEL", KEYS[3])
return moved
`;

/**
 * Keeps sessions whose sockets are gone, but for those that have moved; those of a node that was
 * taken for dead stay where they are. KEYS: sessions:<node>, taken:<node>, moved:<node>. ARGV:
 * prefix, window in milliseconds, then session and text in turn.
 */
export const LOSE = `
if redis.call("EXISTS", KEYS[2]) == 1 then return end
for at = 3, #ARGV, 2 do
  if redis.call("SISMEMBER", KEYS[3], ARGV[at]) == 0 then
    redis.call("HDEL", KEYS[1], ARGV[at])
    redis.call("SET", ARGV[1] .. "lost:" .. ARGV[at], ARGV[at + 1], "PX", ARGV[2])
  end
end
`;

/**
 * Takes a session, so that nobody else can. Answers with its text, and with the record of its
 * socket in the ledger of a dead node, which is the caller's now; with the node that has it when it
 * cannot be taken, because the node lives or a survivor has yet to tell the functions; or with
 * nothing. What the caller gets has not moved away from it any more. KEYS: keepers. ARGV: prefix,
 * session, node, 1 if it speaks for sockets, a node that is gone, milliseconds to remember that a
 * session has moved.
 */
export const CLAIM = `${NOW}
local prefix, session, gone = ARGV[1], ARGV[2], ARGV[5]
local lost = prefix .. "lost:" .. session
local text = redis.call("GET", lost)
local moved = prefix .. "moved:"
if text then
  redis.call("DEL", lost)
  redis.call("SREM", moved .. ARGV[3], session)
  return { "", text, "" }
end
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
for _, node in ipairs(redis.call("ZRANGE", KEYS[1], 0, -1)) do
  local key = prefix .. "sessions:" .. node
  text = redis.call("HGET", key, session)
  if text then
    local record = string.match(session, "^[^,]*") .. "," .. string.match(text, "^[^\\n]*")
    local ledger = prefix .. "sockets:" .. node
    local told = redis.call("HGET", ledger, record)
    if redis.call("EXISTS", prefix .. "taken:" .. node) == 1 then
      if told then return { node } end
    elseif node ~= gone or (told and ARGV[4] ~= "1") then
      return { node }
    end
    redis.call("HDEL", key, session)
    redis.call("SREM", moved .. ARGV[3], session)
    redis.call("SADD", moved .. node, session)
    redis.call("PEXPIRE", moved .. node, ARGV[6])
    if told then
      redis.call("HDEL", ledger, record)
      redis.call("HSET", prefix .. "sockets:" .. ARGV[3], record, told)
    end
    return { node, text, told or "" }
  end
end
return {}
`;
