import { createHash } from "node:crypto";
import { EVERYONE } from "./event-log.ts";

/**
 * The scripts of a log in Redis. Redis runs one after the other, so what is pushed comes in the
 * order of the stream, and everything up to an end that was read has been pushed before its marker.
 *
 * An entry has the fields `f`, whose it is and which of theirs; `c`, a channel, once for each, or
 * `x` if there are more than {@link CHANNELS_MAX}; and `e`, the frame. A note of loss has the field
 * `lost`, its frame.
 */

/**
 * What is for more channels is pushed to everyone, once: a frame names all of its channels, so to
 * push it to each of 50,000 had Redis copy gigabytes.
 */
export const CHANNELS_MAX = 200;

/** A script, and how Redis calls it. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

/** The command that pushes. */
export type Push = "PUBLISH" | "SPUBLISH";

/** Returns a script, with the name that Redis gives it. */
export function createScript(text: string): Script {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

/**
 * Appends entries and pushes them; pushes messages. Answers with an id for each entry, and with the
 * number of subscribers for each message: who has subscribed to a pattern hears it and is no node.
 *
 * KEYS: stream. ARGV: the frames (frame.ts), each after its kind and its length in four
 * bytes. What is the same in every call stands in the text: an argument more is a microsecond.
 */
export function appendScript(push: Push, packetsMax: number, macBytes: number): Script {
  return createScript(`
if redis.replicate_commands then redis.replicate_commands() end
local push, keep, mac, packed = "${push}", "${packetsMax}", ${macBytes}, ARGV[1]
local base = string.sub(KEYS[1], 1, -4)
local question = push == "SPUBLISH" and "SHARDNUMSUB" or "NUMSUB"
local function tell(frame, at)
  local channel = base .. struct.unpack(">I4c0", frame, at)
  redis.call(push, channel, "t" .. frame)
  return redis.call("PUBSUB", question, channel)[2]
end
local function append(frame, mark, count, at)
  local given = { "XADD", KEYS[1], "MAXLEN", "~", keep, "*", "f", mark }
  local channels = {}
  for each = 1, count do
    channels[each], at = struct.unpack(">I4c0", frame, at)
    if count <= ${CHANNELS_MAX} then
      given[#given + 1] = "c"
      given[#given + 1] = channels[each]
    end
  end
  if count > ${CHANNELS_MAX} then
    given[#given + 1] = "x"
    given[#given + 1] = ""
    channels = { "${EVERYONE}" }
  end
  given[#given + 1] = "e"
  given[#given + 1] = frame
  local id = redis.call(unpack(given))
  local pushed = "e" .. id .. " " .. frame
  for _, channel in ipairs(channels) do redis.call(push, base .. channel, pushed) end
  return id
end
local answers, at = {}, 1
while at <= #packed do
  local kind, frame
  kind, frame, at = struct.unpack(">c1I4c0", packed, at)
  local node, _, n, count, first = struct.unpack(">Bc0Bc0dI4", frame, mac + 1)
  if kind == "t" then
    answers[#answers + 1] = tell(frame, first)
  else
    answers[#answers + 1] = append(frame, node .. ":" .. string.format("%.0f", n), count, first)
  end
end
return answers
`);
}

/**
 * Reads what comes after a place, and pushes a marker. Answers with whether entries after the place
 * may be gone, whether there is more, an id and a frame for each note that was read, the place up
 * to which it was read, an id and a frame for each entry, and the time in milliseconds.
 *
 * The place is there if the stream has its entry, or was trimmed up to it and no further. Otherwise
 * it goes on at the end. Where there are older entries but not this one (a replica that was behind,
 * an earlier clock), others may have lost entries without a sign of it: they are left a note. Its
 * id is greater than that of the place, so that from there on no id comes a second time.
 *
 * KEYS: stream. ARGV: start of the channels' names, command to push with, channel of the marker or
 * nothing, its frame, channel of the notes, the frame of one, seconds to keep the stream, what is
 * read: "end" (only the end, and an entry for nobody is added if there is none), "none", "all",
 * "some" (of the channels), "look" (all, but of the place only the id is known, and nothing is
 * written) or "since" (likewise, but the place is a time), id, mark, count, entries and bytes to
 * read at most, the time before which nothing need be read, channels.
 */
export const READ = createScript(`
if redis.replicate_commands then redis.replicate_commands() end
local base, push, marker, marked, noting, note, seconds, kind = unpack(ARGV, 1, 8)
local id, mark, count, most, bytes, since = unpack(ARGV, 9, 14)
most, bytes, since = tonumber(most), tonumber(bytes), tonumber(since)
local function field(all, name, otherwise)
  for at = 1, #all, 2 do if all[at] == name then return all[at + 1] end end
  return otherwise
end
local function about(name) return field(redis.call("XINFO", "STREAM", KEYS[1]), name, -1) end
local function newest() return redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)[1] end
local function oldest() return redis.call("XRANGE", KEYS[1], "-", "+", "COUNT", 1)[1][1] end
local isLook = kind == "look" or kind == "since"
local function isThere()
  local found = redis.call("XRANGE", KEYS[1], id, id)[1]
  if found then return isLook or field(found[2], "f", "") == mark end
  if redis.call("EXISTS", KEYS[1]) == 0 then return false end
  if about("last-generated-id") == id then return true end
  local trimmed = about("entries-added") - redis.call("XLEN", KEYS[1])
  return not isLook and trimmed >= 0 and trimmed == tonumber(count)
end
local function isBefore(one, other)
  local oneMs, oneSeq = string.match(one, "^(%d+)-(%d+)$")
  local otherMs, otherSeq = string.match(other, "^(%d+)-(%d+)$")
  if oneMs ~= otherMs then return tonumber(oneMs) < tonumber(otherMs) end
  return tonumber(oneSeq) < tonumber(otherSeq)
end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function start()
  local lastMs = tonumber(string.match(about("last-generated-id"), "^%d+"))
  -- A clock that was set back gives earlier times to later entries.
  if since > now or lastMs > now then return id end
  local from = string.format("%.0f-0", since)
  return isBefore(id, from) and from or id
end
local function isThereSince()
  if since == 0 or not newest() then return false end
  local from = start()
  return from ~= id and isBefore(oldest(), from)
end
local function leaveNote()
  local older = redis.call("XREVRANGE", KEYS[1], id, "-", "COUNT", 1)[1]
  if not older and newest() then return end
  local beyond = string.format("%.0f-0", tonumber(string.match(id, "^%d+")) + 1)
  local noted = redis.pcall("XADD", KEYS[1], beyond, "lost", note)
  if type(noted) == "table" then noted = redis.call("XADD", KEYS[1], "*", "lost", note) end
  redis.call(push, base .. noting, "l" .. noted .. " " .. note)
end
local lost, more, notes, entries = 0, 0, {}, {}
if kind == "end" and not newest() then redis.call("XADD", KEYS[1], "*", "join", "") end
local last = newest()
if kind == "none" and last then
  if isBefore(last[1], id) then lost = 1 end
elseif kind == "some" and isThereSince() then lost = 0
elseif kind == "since" and newest() and not isBefore(id, oldest()) then lost = 0
elseif kind ~= "end" and not isThere() then lost = 1 end
if lost == 1 then
  if not isLook then leaveNote() end
  last = newest()
end
if kind == "all" or kind == "some" or isLook then
  local wanted, size = {}, 0
  for at = 15, #ARGV do wanted[ARGV[at]] = true end
  local function take(entry)
    local isWanted, frame = kind ~= "some", false
    for at = 1, #entry[2], 2 do
      local name, value = entry[2][at], entry[2][at + 1]
      if name == "e" then frame = value
      elseif name == "x" or (name == "c" and wanted[value]) then isWanted = true
      elseif name == "lost" then
        notes[#notes + 1] = entry[1]
        notes[#notes + 1] = value
      end
    end
    if not frame or not isWanted then return end
    entries[#entries + 1] = entry[1]
    entries[#entries + 1] = frame
    size = size + #frame
  end
  local found = {}
  if lost == 0 then found = redis.call("XRANGE", KEYS[1], "(" .. start(), "+", "COUNT", most) end
  if #found >= most then more = 1 end
  last = nil
  for at, entry in ipairs(found) do
    take(entry)
    last = entry
    if size > bytes and at < #found then
      more = 1
      break
    end
  end
end
local ended = { id, mark, count }
if lost == 1 then last = newest() end
if last then
  ended = { last[1], field(last[2], "f", ""), -1 }
  if kind == "none" or kind == "end" then ended[3] = about("entries-added") end
end
if not isLook then redis.call("EXPIRE", KEYS[1], seconds) end
if marker ~= "" then
  redis.call(push, base .. marker, "m" .. marked)
end
return { lost, more, notes, ended[1], ended[2], ended[3], entries, now }
`);

/**
 * Answers with the time, in milliseconds, and with the end of each stream: its id, whose it is
 * and how many there were, or with nothing if it has none; pushes a marker. KEYS: streams. ARGV:
 * command to push with, channel of the marker, marker, seconds to keep the streams.
 */
export const ENDS = createScript(`
if redis.replicate_commands then redis.replicate_commands() end
local push, channel, marker, seconds = unpack(ARGV)
local function field(all, name, otherwise)
  for at = 1, #all, 2 do if all[at] == name then return all[at + 1] end end
  return otherwise
end
local ends = {}
for at, key in ipairs(KEYS) do
  local last = redis.call("XREVRANGE", key, "+", "-", "COUNT", 1)[1]
  ends[at] = {}
  if last then
    local count = field(redis.call("XINFO", "STREAM", key), "entries-added", -1)
    ends[at] = { last[1], field(last[2], "f", ""), count }
    redis.call("EXPIRE", key, seconds)
  end
end
redis.call(push, channel, "m" .. marker)
local time = redis.call("TIME")
return { time[1] * 1000 + math.floor(time[2] / 1000), ends }
`);

/** Answers with the number of nodes that hear a channel. KEYS: stream. ARGV: question, channel. */
export const COUNT = `return redis.call("PUBSUB", ARGV[1], ARGV[2])[2]`;
