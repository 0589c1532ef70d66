import { viewOn } from "./buffer.ts";
import { type Bytes, isBytes } from "./bytes.ts";
import { messageOf } from "./failures.ts";
import type { CodecName } from "./packet.ts";
import {
  addTags,
  BINARY,
  ESCAPE,
  isBase64,
  isRecord,
  needsTags,
  removeTags,
  tagOf,
} from "./tagged-json.ts";

/** What is wrong with a value, and where. */
export interface BadValue {
  readonly path: string;
  readonly bound: string;
}

/**
 * Checks the arguments of an event and decodes tagged JSON in place: every `{"$binary":"<base64>"}`
 * becomes a Buffer, and every `{"$escape":{…}}` becomes the object inside it. Arguments that came
 * as msgpack carry no tags and are only checked.
 *
 * Returns the first problem: too deep, too many binary values, bytes that are not base64, an escape
 * around something other than an object, or a key that clients would not take for data. Clients
 * would take `__proto__` for a prototype, and `_placeholder: true` for an attachment that never
 * comes.
 */
export function reviveArgs(
  args: unknown[],
  codec: CodecName,
  { depthMax, binariesMax }: { readonly depthMax: number; readonly binariesMax: number },
): BadValue | undefined {
  const json = codec === "json";
  return reviveIn(args, { json, path: ["args"], levels: depthMax - 1, binaries: binariesMax });
}

interface Walk {
  readonly json: boolean;
  readonly path: (string | number)[];
  /** Levels that may still be entered. */
  levels: number;
  /** Binary values that may still come. */
  binaries: number;
}

type Holder = Record<string | number, unknown>;

function reviveIn(holder: unknown[] | Record<string, unknown>, walk: Walk): BadValue | undefined {
  for (const key of Array.isArray(holder) ? holder.keys() : Object.keys(holder)) {
    const child = (holder as Holder)[key]; // own keys index arrays and objects alike
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
  const tag = walk.json && !Array.isArray(child) ? tagOf(child) : undefined;
  if (tag === undefined) return reviveBelow(child, walk);
  // `child` has a tag, so it is not an array.
  const { [BINARY]: text, [ESCAPE]: escaped } = child as Record<string, unknown>;
  if (tag === BINARY) {
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

/** Returns a value for `JSON.stringify`; a value that needs no tags is returned as it is. */
export function toTaggedJson(value: unknown): unknown {
  return needsTags(value) ? addTags(value, toBase64) : value;
}

/** Returns a value as tagged JSON. Throws where `JSON.stringify` does: a bigint, a cycle. */
export function writeTaggedJson(value: unknown): string {
  return JSON.stringify(toTaggedJson(value));
}

/** Returns the value that {@link toTaggedJson} was given, from parsed JSON. */
export function fromTaggedJson(value: unknown): unknown {
  return removeTags(value, fromBase64);
}

const toBase64 = (bytes: Bytes): string => viewOn(bytes).toString("base64");
const fromBase64 = (text: string): Buffer => Buffer.from(text, "base64");

/** Replaces a value that cannot be serialized, so that the values beside it can still be sent. */
export interface Unsendable {
  readonly $error: string;
}

const WHY_CHARS_MAX = 200;

/**
 * Returns a copy of an object in which each member that `write` throws for is replaced by an
 * {@link Unsendable}: a bigint, a cycle, a `toJSON` that throws. Call it only after writing the
 * whole object has failed, because it writes every member again.
 */
export function replaceUnsendable<T extends object>(
  whole: T,
  write: (value: unknown) => unknown,
): T {
  const members = Object.entries(whole).map(([name, value]) => {
    try {
      write(value);
      return [name, value];
    } catch (error) {
      return [name, createUnsendable(error)];
    }
  });
  return Object.fromEntries(members) as T; // each member as it was, or an Unsendable
}

function createUnsendable(error: unknown): Unsendable {
  // Most serializers follow a cycle until the stack overflows, which is a RangeError.
  const why = error instanceof RangeError ? "it holds itself, or nests too deep" : messageOf(error);
  return { $error: `cannot be sent: ${why}`.slice(0, WHY_CHARS_MAX) };
}
