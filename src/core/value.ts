import { isBytes, viewOn } from "./bytes.ts";

/** Where a value breaks a bound. */
export interface BadValue {
  readonly path: string;
  readonly bound: string;
}

// Strict: padded, no spaces. Buffer.from() alone would skip what it does not know.
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** How much the arguments of one event may hold. */
export interface ValueBounds {
  readonly depthMax: number;
  readonly binariesMax: number;
}

/**
 * Makes the arguments of an event ready to be sent, in place: in JSON notation every
 * `{"$binary":"<base64>"}` becomes a Buffer.
 *
 * Returns what is wrong with the first bad one: nested too deep, too many bytes values, bytes that
 * are not base64, or an object that clients would take for something else than data: a `__proto__`
 * for a prototype, a true `_placeholder` for an attachment that never comes.
 */
export function reviveArgs(
  args: unknown[],
  notation: "json" | "msgpack",
  { depthMax, binariesMax }: ValueBounds,
): BadValue | undefined {
  const json = notation === "json";
  return reviveIn(args, { json, path: ["args"], levels: depthMax - 1, binaries: binariesMax });
}

interface Walk {
  readonly json: boolean;
  readonly path: (string | number)[];
  /** Levels and bytes values that are left. */
  levels: number;
  binaries: number;
}

type Holder = Record<string | number, unknown>;

// A list's and an object's children alike: `holder[key]` is replaced where bytes were spelled out.
function reviveIn(holder: unknown[] | Record<string, unknown>, walk: Walk): BadValue | undefined {
  for (const key of Array.isArray(holder) ? holder.keys() : Object.keys(holder)) {
    const child = (holder as Holder)[key]; // both kinds are indexed by their own keys
    if (key === "__proto__" || (key === "_placeholder" && child === true)) {
      return bad(walk, key, "is not a usable key");
    }
    if (typeof child !== "object" || child === null) continue;
    walk.path.push(key);
    const found = reviveOne(holder as Holder, key, walk);
    if (found) return found;
    walk.path.pop();
  }
  return undefined;
}

function reviveOne(holder: Holder, key: string | number, walk: Walk): BadValue | undefined {
  const child = holder[key];
  if (!isPlain(child)) return isBytes(child) ? countBytes(walk) : undefined;
  if (walk.json && !Array.isArray(child) && "$binary" in child && Object.keys(child).length === 1) {
    const text = child.$binary;
    if (typeof text !== "string" || !BASE64.test(text)) {
      return bad(walk, "$binary", "must be base64");
    }
    holder[key] = Buffer.from(text, "base64");
    return countBytes(walk);
  }
  if (walk.levels === 0) return bad(walk, undefined, "nests too deep");
  walk.levels--;
  const found = reviveIn(child, walk);
  walk.levels++;
  return found;
}

function countBytes(walk: Walk): BadValue | undefined {
  if (walk.binaries === 0) return bad(walk, undefined, "is one value of bytes too many");
  walk.binaries--;
  return undefined;
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
  if (isBytes(value)) return { $binary: viewOn(value).toString("base64") };
  if (!isPlain(value)) return value;
  if (Array.isArray(value)) return value.map(spellBytes);
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, spellBytes(v)]));
}
