/** Where a value breaks a bound. */
export interface BadValue {
  readonly path: string;
  readonly bound: string;
}

// Strict: padded, no spaces. Buffer.from() alone would skip what it does not know.
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Makes the arguments of an event ready to be sent, in place: in JSON notation every
 * `{"$binary":"<base64>"}` becomes a Buffer. Returns what is wrong with the first bad one: nested
 * deeper than `depthMax`, bytes that are not base64, or a `__proto__` key, which some clients'
 * decoders would take for a prototype.
 */
export function reviveArgs(
  args: unknown[],
  notation: "json" | "msgpack",
  depthMax: number,
): BadValue | undefined {
  return reviveIn(args, { json: notation === "json", path: ["args"], left: depthMax - 1 });
}

interface Walk {
  readonly json: boolean;
  readonly path: (string | number)[];
  left: number;
}

// A list's and an object's children alike: `holder[key]` is replaced where bytes were spelled out.
function reviveIn(holder: unknown[] | Record<string, unknown>, walk: Walk): BadValue | undefined {
  const list = Array.isArray(holder);
  for (const key of list ? holder.keys() : Object.keys(holder)) {
    const child = (holder as Record<string | number, unknown>)[key]; // both kinds are indexed by their own keys
    if (typeof child !== "object" || child === null) {
      if (key === "__proto__") return bad(walk, key, "is not a usable key");
      continue;
    }
    walk.path.push(key);
    const found = reviveOne(holder as Record<string | number, unknown>, key, walk);
    if (found) return found;
    walk.path.pop();
  }
  return undefined;
}

function reviveOne(
  holder: Record<string | number, unknown>,
  key: string | number,
  walk: Walk,
): BadValue | undefined {
  if (key === "__proto__") return bad(walk, undefined, "is not a usable key");
  const child = holder[key];
  if (!isPlain(child)) return undefined;
  if (walk.json && !Array.isArray(child) && "$binary" in child && Object.keys(child).length === 1) {
    const text = child.$binary;
    if (typeof text !== "string" || !BASE64.test(text))
      return bad(walk, "$binary", "must be base64");
    holder[key] = Buffer.from(text, "base64");
    return undefined;
  }
  if (walk.left === 0) return bad(walk, undefined, "nests too deep");
  walk.left--;
  const found = reviveIn(child, walk);
  walk.left++;
  return found;
}

function isPlain(value: unknown): value is unknown[] | Record<string, unknown> {
  if (Array.isArray(value)) return true;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function bad(walk: Walk, key: string | undefined, bound: string): BadValue {
  return { path: [...walk.path, ...(key === undefined ? [] : [key])].join("."), bound };
}

/**
 * Returns the value as JSON can carry it: bytes become `{"$binary":"<base64>"}`. Values without
 * bytes are returned as they are.
 */
export function spellBytes(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof ArrayBuffer) return { $binary: Buffer.from(value).toString("base64") };
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { $binary: bytes.toString("base64") };
  }
  if (!isPlain(value)) return value;
  if (Array.isArray(value)) return value.map(spellBytes);
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, spellBytes(v)]));
}
