import { createScript } from "./log/scripts.ts";

/**
 * What happens to journals in Redis, each at once. `journal:<node>` is a stream with the calls of a
 * node: fields `l`, lane, and `t`, text; with a key also `n`, a number that grows, and `s`, the
 * signature. `lanes:<node>` has a member for each, by which a lane's calls are found. `step:<node>`
 * is the number of its last step and the answer. The number of an entry comes from one counter for
 * all journals.
 *
 * `letters` is a stream of dead letters: fields `i`, id; `r`, route; `c`, reason; `j`, all of it as
 * JSON; `s`, signature. `letter-ids` has the entry of each id, `letter-bytes` the sum of their
 * bytes.
 */

/** What a letter costs besides its text. */
const LETTER_BYTES = 512;
/** Letters that one call drops at most. */
const DROPS = 1000;

const MEMBER = `
local function prefixOf(lane) return struct.pack(">I4", #lane) .. lane end
local function numbered(prefix, number) return prefix .. string.format("%016.0f", number) end
local function member(lane, number) return numbered(prefixOf(lane), number) end
`;

/** Needs `letters`, `ids` and `bytes`, names of keys. */
const LETTERS = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function held() return redis.call("XLEN", letters) end
local function size(fields)
  return #fields[8] + ${LETTER_BYTES}
end
local function drop(entry)
  redis.call("XDEL", letters, entry[1])
  local id = entry[2][2]
  if redis.call("HGET", ids, id) == entry[1] then redis.call("HDEL", ids, id) end
  redis.call("DECRBY", bytes, size(entry[2]))
end
local function find(id)
  local at = redis.call("HGET", ids, id)
  return at and redis.call("XRANGE", letters, at, at)[1]
end
local function heldBytes() return tonumber(redis.call("GET", bytes) or "0") end
local function trim(max, bytesMax, ageMs)
  for dropped = 0, ${DROPS - 1} do
    local oldest = redis.call("XRANGE", letters, "-", "+", "COUNT", 1)[1]
    if not oldest then
      redis.call("DEL", ids, bytes)
      return dropped
    end
    local isOld = now - tonumber(string.match(oldest[1], "^%d+")) > ageMs
    if not isOld and held() <= max and heldBytes() <= bytesMax then return dropped end
    drop(oldest)
  end
  return ${DROPS}
end
`;

/**
 * Removes calls; then carries out one step of a node, if there is one: appends calls, keeps dead
 * letters, takes some of them into the journal. Answers with 1 if the node's lease has been taken,
 * else 0; and, if the step was carried out now or before, with `first dropped held bytes failed`:
 * the number of its first entry, letters dropped, letters held and their bytes, and which entries
 * were not made since their letter was gone, from 0, with commas. A step of a node that was taken
 * is not carried out any more, nor is one that comes after a later one.
 *
 * KEYS: journal, lanes, step and taken of the node, alive, counter, sockets of the node, letters,
 * letter-ids, letter-bytes. ARGV: prefix, node, lease in milliseconds; bounds of letters: count,
 * bytes, age in milliseconds; milliseconds to keep the journal, or 0; number of the step, entries
 * in it, the greatest number that the node knows, the step, removals.
 *
 * Removals come first and need no memory: so they go through when Redis is full.
 */
export const WRITE = createScript(`
local prefix, node, leaseMs, max, bytesMax, ageMs = unpack(ARGV, 1, 6)
local keepMs, number, count, floor, step, gone = unpack(ARGV, 7, 12)
${MEMBER}
local function remove(name, ids, members)
  redis.call("XDEL", prefix .. "journal:" .. name, unpack(ids))
  redis.call("ZREM", prefix .. "lanes:" .. name, unpack(members))
end
local at = 1
while at <= #gone do
  local name, all
  name, all, at = struct.unpack(">I4c0I4", gone, at)
  local ids, members = {}, {}
  while #ids < all do
    local lane, run, entry
    lane, run, at = struct.unpack(">I4c0I4", gone, at)
    local lanePrefix = prefixOf(lane)
    for each = 1, run do
      entry, at = struct.unpack(">d", gone, at)
      ids[#ids + 1] = string.format("%.0f-0", entry)
      members[#members + 1] = numbered(lanePrefix, entry)
    end
  end
  remove(name, ids, members)
end
local isTaken = redis.call("EXISTS", KEYS[4])
if step == "" then return { isTaken, "" } end
local last = redis.call("GET", KEYS[3])
if last then
  local lastNumber, lastAnswer = string.match(last, "^(%d+) (.*)$")
  if lastNumber == number then return { isTaken, lastAnswer } end
  if tonumber(lastNumber) > tonumber(number) then return { isTaken, "" } end
end
if isTaken == 1 then return { 1, "" } end
local letters, ids, bytes = KEYS[8], KEYS[9], KEYS[10]
${LETTERS}
if not redis.call("ZSCORE", KEYS[5], node) then
  redis.call("ZADD", KEYS[5], now + leaseMs, node)
end
count, floor = tonumber(count), tonumber(floor)
local entry = redis.call("INCRBY", KEYS[6], count) - count
if entry < floor then
  entry = floor
  redis.call("SET", KEYS[6], string.format("%.0f", floor + count))
end
local first = entry + 1
local members, failed, hasLetters = {}, {}, false
local function append(lane, lanePrefix, text, n, mac)
  local id = string.format("%.0f-0", entry)
  if mac == "" then redis.call("XADD", KEYS[1], id, "l", lane, "t", text)
  else redis.call("XADD", KEYS[1], id, "l", lane, "t", text, "n", n, "s", mac) end
  members[#members + 1] = 0
  members[#members + 1] = numbered(lanePrefix, entry)
end
local function keep(id, route, reason, json, mac)
  local old = find(id)
  if old then drop(old) end
  local fields = { "i", id, "r", route, "c", reason, "j", json, "s", mac }
  redis.call("HSET", ids, id, redis.call("XADD", letters, "*", unpack(fields)))
  redis.call("INCRBY", bytes, size(fields))
end
at = 1
while at <= #step do
  local kind
  kind, at = struct.unpack("c1", step, at)
  if kind == "l" then
    local name, where, lane, id, route, reason, json, mac
    name, where, lane, at = struct.unpack(">I4c0dI4c0", step, at)
    id, route, reason, json, mac, at = struct.unpack(">I4c0I4c0I4c0I4c0I4c0", step, at)
    if name ~= "" then
      remove(name, { string.format("%.0f-0", where) }, { member(lane, where) })
    end
    keep(id, route, reason, json, mac)
    hasLetters = true
  elseif kind == "t" then
    local id, lane, text, n, mac
    id, lane, text, n, mac, at = struct.unpack(">I4c0I4c0I4c0I4c0I4c0", step, at)
    entry = entry + 1
    local letter = find(id)
    if letter then
      drop(letter)
      hasLetters = true
      append(lane, prefixOf(lane), text, n, mac)
    else failed[#failed + 1] = string.format("%.0f", entry - first) end
  else
    local lane, run, strikes, text, n, mac
    lane, run, at = struct.unpack(">I4c0I4", step, at)
    local lanePrefix = prefixOf(lane)
    for each = 1, run do
      strikes, text, n, mac, at = struct.unpack(">I4c0I4c0I4c0I4c0", step, at)
      entry = entry + 1
      if strikes ~= "" then redis.call("HDEL", KEYS[7], strikes) end
      append(lane, lanePrefix, text, n, mac)
    end
  end
end
if #members > 0 then redis.call("ZADD", KEYS[2], unpack(members)) end
local told = "0 -1 -1"
if hasLetters then
  local dropped = trim(tonumber(max), tonumber(bytesMax), tonumber(ageMs))
  told = string.format("%.0f %.0f %.0f", dropped, held(), heldBytes())
  for _, key in ipairs({ letters, ids, bytes }) do redis.call("PEXPIRE", key, ageMs) end
end
local answer = string.format("%.0f %s %s", first, told, table.concat(failed, ","))
redis.call("SET", KEYS[3], number .. " " .. answer, "KEEPTTL")
if keepMs ~= "0" then
  for at = 1, 3 do redis.call("PEXPIRE", KEYS[at], keepMs) end
end
return { 0, answer }
`);

/**
 * Keeps a node's journal for another while, and drops letters over the bounds. Answers with how
 * many were dropped, how many are held, and their bytes. KEYS: journal, lanes and step of the node,
 * letters, letter-ids, letter-bytes. ARGV: milliseconds to keep the journal; bounds as in WRITE.
 */
export const KEEP = createScript(`
for at = 1, 3 do redis.call("PEXPIRE", KEYS[at], ARGV[1]) end
local letters, ids, bytes = KEYS[4], KEYS[5], KEYS[6]
${LETTERS}
local dropped = trim(tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))
return { dropped, held(), heldBytes() }
`);

/**
 * Says for each lane whether a journal other than a given one has calls of it, before a given
 * number if that is not 0. KEYS: alive, owners. ARGV: prefix, the questions: journal, number, lane.
 */
export const ELSEWHERE = createScript(`
local prefix, asked = ARGV[1], ARGV[2]
${MEMBER}
local journals, seen = {}, {}
local function note(name)
  if seen[name] then return end
  seen[name] = true
  local lanes = prefix .. "lanes:" .. name
  if redis.call("EXISTS", lanes) == 1 then journals[#journals + 1] = { name, lanes } end
end
for _, name in ipairs(redis.call("ZRANGE", KEYS[1], 0, -1)) do note(name) end
for _, name in ipairs(redis.call("HKEYS", KEYS[2])) do note(name) end
local answers, at = {}, 1
while at <= #asked do
  local journal, number, lane
  journal, number, lane, at = struct.unpack(">I4c0dI4c0", asked, at)
  local from = "[" .. prefixOf(lane) .. "0"
  local to = "(" .. (number > 0 and member(lane, number) or prefixOf(lane) .. ":")
  local found = 0
  for _, each in ipairs(journals) do
    if each[1] ~= journal and found == 0 then
      found = #redis.call("ZRANGEBYLEX", each[2], from, to, "LIMIT", 0, 1)
    end
  end
  answers[#answers + 1] = found
end
return answers
`);

/**
 * Reads a page of a journal that was adopted. Answers with 1 if the caller owns it, else 0; and
 * with id, lane, text, number and signature of each entry. KEYS: journal, lanes and step of the
 * dead node, owners. ARGV: dead node, node, id to read after, entries and bytes to read at most,
 * milliseconds to keep the journal.
 */
export const PAGE = createScript(`
local dead, node, after, most, bytes, keepMs = unpack(ARGV)
if redis.call("HGET", KEYS[4], dead) ~= node then return { 0, {} } end
for at = 1, 3 do redis.call("PEXPIRE", KEYS[at], keepMs) end
local found, left = {}, tonumber(bytes)
most = tonumber(most)
while most > 0 and left > 0 do
  -- A few at once: they may be large.
  local page = redis.call("XRANGE", KEYS[1], "(" .. after, "+", "COUNT", math.min(most, 10))
  for _, entry in ipairs(page) do
    local fields = entry[2]
    local lane, text, n, mac = fields[2], fields[4] or "", fields[6] or "", fields[8] or ""
    for _, each in ipairs({ entry[1], lane, text, n, mac }) do found[#found + 1] = each end
    after, left = entry[1], left - #text
  end
  most = #page < 10 and 0 or most - #page
end
return { 1, found }
`);

/**
 * Lists id and lane of entries of a journal. KEYS: journal. ARGV: id to read after, the last that
 * is asked for, how many at most.
 */
export const LIST = createScript(`
local found = {}
local all = redis.call("XRANGE", KEYS[1], "(" .. ARGV[1], ARGV[2], "COUNT", ARGV[3])
for _, entry in ipairs(all) do
  found[#found + 1] = entry[1]
  found[#found + 1] = entry[2][2]
end
return found
`);

/**
 * Reads a page of letters. Answers with how many were dropped, are held, and their bytes; with the
 * id to read after for the next page, or nothing; and with JSON and signature of each. KEYS:
 * letters, letter-ids, letter-bytes. ARGV: bounds as in WRITE; id to read after; route and reason,
 * or nothing; letters to read and to look at at most, bytes.
 */
export const LETTERS_PAGE = createScript(`
local letters, ids, bytes = KEYS[1], KEYS[2], KEYS[3]
${LETTERS}
local max, bytesMax, ageMs, after, route, reason, most, looks, left = unpack(ARGV)
local dropped = trim(tonumber(max), tonumber(bytesMax), tonumber(ageMs))
most, looks, left = tonumber(most), tonumber(looks), tonumber(left)
local found, next = {}, ""
while true do
  local page = redis.call("XRANGE", letters, "(" .. after, "+", "COUNT", 10)
  for _, entry in ipairs(page) do
    if #found >= 2 * most or looks == 0 or left <= 0 then
      next = after
      break
    end
    local fields = entry[2]
    if (route == "" or fields[4] == route) and (reason == "" or fields[6] == reason) then
      found[#found + 1] = fields[8]
      found[#found + 1] = fields[10]
    end
    looks, left = looks - 1, left - #fields[8]
    after = entry[1]
  end
  if next ~= "" or #page < 10 then break end
end
return { dropped, held(), heldBytes(), next, found }
`);

/** Reads JSON and signature of a letter. KEYS: letters, letter-ids. ARGV: id. */
export const LETTER = createScript(`
local at = redis.call("HGET", KEYS[2], ARGV[1])
local entry = at and redis.call("XRANGE", KEYS[1], at, at)[1]
return entry and { entry[2][8], entry[2][10] } or {}
`);
