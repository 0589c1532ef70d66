/** Names of members that may hold a secret, in headers, queries, `auth` and `data`. */
const SECRET =
  /pass|secret|token|auth|cookie|session|credential|signature|api.?key|private|^sid$|^pid$|^jwt$/i;
const MASK = "•••";
const DEPTH_MAX = 8;
const MEMBERS_MAX = 200;
const TEXT_MAX = 2000;
const NAME_MAX = 200;
/** Values and texts of one copy. An object that others refer to is copied once for each of them. */
const VALUES_MAX = 5000;
const CHARS_MAX = 200_000;

/** What one copy may still take. */
interface Room {
  values: number;
  chars: number;
}

/**
 * Returns a copy that can be shown: members whose names say that they are secret are masked, long
 * texts and lists are cut, bytes are told by their number, and `toJSON` is asked as codecs do. It
 * never throws, and takes a bounded time, whatever refers to what.
 */
export function mask(value: unknown): unknown {
  return copy(value, 0, { values: VALUES_MAX, chars: CHARS_MAX });
}

function copy(value: unknown, depth: number, room: Room): unknown {
  if (--room.values < 0) return "…";
  if (typeof value === "string") return cut(value, TEXT_MAX, room);
  if (typeof value === "bigint") return cut(`${value}`, TEXT_MAX, room);
  if (typeof value === "function" || typeof value === "symbol") return `(${typeof value})`;
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEPTH_MAX) return "…";
  try {
    return copyObject(value, depth, room);
  } catch {
    return "(unreadable)"; // a member that throws when it is read
  }
}

function copyObject(value: object, depth: number, room: Room): unknown {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return `(${value.byteLength} bytes)`;
  }
  const { toJSON } = value as { readonly toJSON?: unknown }; // any object can be read so
  if (typeof toJSON === "function") return copy(toJSON.call(value), depth + 1, room);
  if (value instanceof Map || value instanceof Set) return copyList(value, depth, room);
  if (Array.isArray(value)) return copyList(value, depth, room);
  const members: [string, unknown][] = [];
  for (const name of Object.keys(value).slice(0, MEMBERS_MAX)) {
    if (room.values <= 0) break;
    const one = SECRET.test(name) ? MASK : copy(value[name as never], depth + 1, room);
    members.push([cut(name, NAME_MAX, room), one]);
  }
  return Object.fromEntries(members);
}

function copyList(list: Iterable<unknown>, depth: number, room: Room): unknown[] {
  const copies: unknown[] = [];
  for (const one of list) {
    if (copies.length >= MEMBERS_MAX || room.values <= 0) break;
    copies.push(copy(one, depth + 1, room));
  }
  return copies;
}

function cut(text: string, charsMax: number, room: Room): string {
  const max = Math.min(charsMax, Math.max(0, room.chars));
  room.chars -= Math.min(text.length, max);
  return text.length > max ? `${text.slice(0, max)}…` : text;
}

/** Returns what a value is, without what it holds: `text, 12 characters`. */
export function describe(value: unknown): string {
  if (typeof value === "string") return `text, ${value.length} characters`;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return `bytes, ${value.byteLength}`;
  }
  if (Array.isArray(value)) return `list of ${value.length}`;
  if (value === null) return "null";
  if (typeof value === "object") return `object of ${Object.keys(value).length}`;
  return typeof value;
}
