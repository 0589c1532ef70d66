/** Where a reader is in the stream: at its last message. */
export interface Place {
  readonly id: string;
  /**
   * Whose message it is, and which of theirs: a stream that begins anew under an earlier clock
   * gives the same ids to others.
   */
  readonly mark: string;
  /**
   * How many messages the stream had had up to this one; below 0 where Redis does not count (6.2).
   */
  readonly count: number;
}

/** Returns the mark of a message, as the scripts make it. */
export function markOf(fields: readonly string[]): string {
  const field = (name: string) => {
    for (let at = 0; at < fields.length; at += 2) if (fields[at] === name) return fields[at + 1];
    return "";
  };
  return `${field("uid")}:${field("n")}`;
}

/** Whether it is no message, but what a node wrote that found older messages without its own. */
export function isLossNote(fields: readonly string[]): boolean {
  return fields[0] === "lost";
}

const SHARED = `
local function field(all, name, otherwise)
  for at = 1, #all, 2 do if all[at] == name then return all[at + 1] end end
  return otherwise
end
local function about(name) return field(redis.call("XINFO", "STREAM", KEYS[1]), name, -1) end
local function place(entry)
  local mark = field(entry[2], "uid", "") .. ":" .. field(entry[2], "n", "")
  return { entry[1], mark, about("entries-added") }
end
local function newest() return redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)[1] end
`;

/** Answers with the place of the last message; there is one for nobody afterwards. KEYS: stream. */
export const END = `${SHARED}
if not newest() then redis.call("XADD", KEYS[1], "*", "join", "") end
return place(newest())
`;

/**
 * Says whether nothing is missing after a message: the stream still has it, or was trimmed up to it
 * and no further. The payload stays in Redis.
 *
 * Otherwise it answers with where to go on, the end. Where there are older messages but not this
 * one (a replica that was behind, an earlier clock), others may have lost messages without a sign
 * of it: they are left a note. Its id is greater than that of the message, so that from there on no
 * id comes a second time. KEYS: stream. ARGV: id, mark, count.
 */
export const LOOK = `${SHARED}
local found = redis.call("XRANGE", KEYS[1], ARGV[1], ARGV[1])[1]
if found and place(found)[2] == ARGV[2] then return false end
if not found and redis.call("EXISTS", KEYS[1]) == 1 then
  if about("last-generated-id") == ARGV[1] then return false end
  local trimmed = about("entries-added") - redis.call("XLEN", KEYS[1])
  if trimmed >= 0 and trimmed == tonumber(ARGV[3]) then return false end
end
local older = redis.call("XREVRANGE", KEYS[1], ARGV[1], "-", "COUNT", 1)[1]
if older or not newest() then
  local beyond = string.format("%.0f-0", tonumber(string.match(ARGV[1], "^%d+")) + 1)
  local note = redis.pcall("XADD", KEYS[1], beyond, "lost", ARGV[1])
  if type(note) == "table" then redis.call("XADD", KEYS[1], "*", "lost", ARGV[1]) end
end
return place(newest())
`;
