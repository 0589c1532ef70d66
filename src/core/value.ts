import { type Bytes, isBytes, viewOn } from "./bytes.ts";
import {
  BINARY,
  ESCAPE,
  isBase64,
  isRecord,
  markOf,
  needsSpelling,
  spell,
  unspell,
} from "./spelling.ts";

/** Where a value breaks a bound. */
export interface BadValue {
  readonly path: string;
  readonly bound: string;
}

/** How much the arguments of one event may hold. */
export interface ValueBounds {
  readonly depthMax: number;
  readonly binariesMax: number;
}

/**
 * Makes the arguments of an event ready to be sent, in place: in JSON notation every
 * `{"$binary":"<base64>"}` becomes a Buffer, and every `{"$escape":{…}}` the object in it.
 *
 * Returns what is wrong with the first bad one: nested too deep, too many bytes values, bytes that
 * are not base64, an escape around no object, or an object that clients would take for something
 * else than data: a `__proto__` for a prototype, a true `_placeholder` for an attachment that never
 * comes.
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
  const mark = walk.json && !Array.isArray(child) ? markOf(child) : undefined;
  if (mark === undefined) return reviveBelow(child, walk);
  // A list has no mark.
  const { [BINARY]: text, [ESCAPE]: escaped } = child as Record<string, unknown>;
  if (mark === BINARY) {
    if (!isBase64(text)) return bad(walk, BINARY, "must be base64");
    holder[key] = Buffer.from(text, "base64");
    return countBytes(walk);
  }
  if (!isRecord(escaped)) return bad(walk, ESCAPE, "must be an object");
  holder[key] = escaped;
  walk.path.push(ESCAPE);
  const found = reviveBelow(escaped, walk);
  walk.path.pop();
  return found;
}

function reviveBelow(child: unknown[] | Record<string, unknown>, walk: Walk): BadValue | undefined {
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

/** Returns a value as JSON can carry it; one with nothing to spell is returned as it is. */
export function spellBytes(value: unknown): unknown {
  return needsSpelling(value) ? spell(value, toBase64) : value;
}

/** Returns parsed JSON that was written from what {@link spellBytes} returned, as it was before. */
export function unspellBytes(value: unknown): unknown {
  return unspell(value, fromBase64);
}

const toBase64 = (bytes: Bytes): string => viewOn(bytes).toString("base64");
const fromBase64 = (text: string): Buffer => Buffer.from(text, "base64");
