/**
 * How values are written in JSON for functions and the HTTP API. Bytes are written as
 * `{"$binary":"<base64>"}`. If a client sends an object that looks like one of the two tags, it is
 * wrapped in `{"$escape":{…}}`, so that a client's text can never turn into bytes. Meteor's EJSON
 * does the same. Uses Web APIs only, because `edge/` shares this file.
 */
import { type Bytes, isBytes } from "./bytes.ts";

/** The one key of an object that stands for bytes. */
export const BINARY = "$binary";
/** The one key of an object whose value is an object to be taken literally. */
export const ESCAPE = "$escape";

/** Types that `JSON.stringify` omits from objects. They do not count as members of one. */
const LEFT_OUT = new Set(["undefined", "function", "symbol"]);

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Whether a value is padded base64 without spaces. Decoders accept more than that. */
export function isBase64(value: unknown): value is string {
  return typeof value === "string" && value.length % 4 === 0 && BASE64.test(value);
}

/** Returns the tag of an object whose only key is a tag; otherwise undefined. */
export function tagOf(value: object): typeof BINARY | typeof ESCAPE | undefined {
  const tag = Object.hasOwn(value, BINARY) ? BINARY : ESCAPE;
  return Object.hasOwn(value, tag) && Object.keys(value).length === 1 ? tag : undefined;
}

/** Whether a value is an object and not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether {@link addTags} would change a value. Most need no tags, and `addTags` copies them. */
export function needsTags(value: unknown): boolean {
  if (typeof value !== "object" || value === null || value instanceof Date) return false;
  if (isBytes(value) || typeof toJsonOf(value) === "function") return true;
  if (Array.isArray(value)) return value.some(needsTags);
  for (const key in value) {
    if (key === BINARY || key === ESCAPE) return true;
    const one = (value as Record<string, unknown>)[key]; // `for…in` gave this key
    if (typeof one !== "object" || one === null || !Object.hasOwn(value, key)) continue;
    if (needsTags(one)) return true;
  }
  return false;
}

/**
 * Returns a copy of a value for `JSON.stringify`, with bytes tagged and objects that look like tags
 * escaped. It looks wherever `JSON.stringify` would, including the results of `toJSON()`.
 */
export function addTags(given: unknown, toBase64: (bytes: Bytes) => string, key = ""): unknown {
  if (typeof given !== "object" || given === null) return given;
  if (isBytes(given)) return { [BINARY]: toBase64(given) };
  const toJson = toJsonOf(given);
  // A `toJSON` that is not a function is data.
  if (typeof toJson === "function") {
    const value: unknown = toJson.call(given, key);
    // JSON.stringify calls `toJSON` once per value, so a `toJSON` on its result is not called.
    return isBytes(value) ? addTags(value, toBase64) : tagMembers(value, toBase64);
  }
  return tagMembers(given, toBase64);
}

function tagMembers(value: unknown, toBase64: (bytes: Bytes) => string): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one, at) => addTags(one, toBase64, String(at)));
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return value;
  const members = Object.entries(value)
    .map(([key, one]) => [key, addTags(one, toBase64, key)] as const)
    .filter(([, one]) => !LEFT_OUT.has(typeof one));
  const tagged = Object.fromEntries(members);
  return tagOf(tagged) ? { [ESCAPE]: tagged } : tagged;
}

function toJsonOf(value: object): unknown {
  return (value as { readonly toJSON?: unknown }).toJSON; // any object may be read
}

/** Returns the value that {@link addTags} was given, from parsed JSON. */
export function removeTags(value: unknown, fromBase64: (text: string) => Uint8Array): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => removeTags(one, fromBase64));
  const { [BINARY]: bytes, [ESCAPE]: escaped } = value as Record<string, unknown>; // parsed JSON
  const tag = tagOf(value);
  if (tag === BINARY && isBase64(bytes)) return fromBase64(bytes);
  const members = tag === ESCAPE && isRecord(escaped) ? escaped : value;
  return Object.fromEntries(
    Object.entries(members).map(([key, one]) => [key, removeTags(one, fromBase64)]),
  );
}
