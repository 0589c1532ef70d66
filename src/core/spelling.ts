/**
 * How values travel in JSON, to functions and back, and over the HTTP API. Bytes are
 * `{"$binary":"<base64>"}`. An object of a client that looks like that, or like what follows here,
 * is written as `{"$escape":{…}}` around its one member, so that nothing a client says becomes
 * bytes: Meteor's EJSON does the same. Web APIs alone: `edge/` reads and writes with this too.
 */
import { type Bytes, isBytes } from "./bytes.ts";

/** The one key of an object that stands for bytes. */
export const BINARY = "$binary";
/** The one key of an object whose value is an object, to be taken as it is. */
export const ESCAPE = "$escape";

/** What JSON leaves out of an object: how many members it has is counted without them. */
const LEFT_OUT = new Set(["undefined", "function", "symbol"]);

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Whether a value is base64 as it is written here: padded, no spaces. Decoders take more than that.
 */
export function isBase64(value: unknown): value is string {
  return typeof value === "string" && value.length % 4 === 0 && BASE64.test(value);
}

/** Returns the mark that an object of one key is: what it stands for is not what it looks like. */
export function markOf(value: object): typeof BINARY | typeof ESCAPE | undefined {
  const mark = Object.hasOwn(value, BINARY) ? BINARY : ESCAPE;
  return Object.hasOwn(value, mark) && Object.keys(value).length === 1 ? mark : undefined;
}

/** Whether a value is an object with members, and no list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Whether {@link spell} would change a value; most have nothing to spell, and it copies everything.
 */
export function needsSpelling(value: unknown): boolean {
  if (typeof value !== "object" || value === null || value instanceof Date) return false;
  if (isBytes(value) || typeof toJsonOf(value) === "function") return true;
  if (Array.isArray(value)) return value.some(needsSpelling);
  for (const key in value) {
    if (key === BINARY || key === ESCAPE) return true;
    const one = (value as Record<string, unknown>)[key]; // one of its own keys, or of what it is
    if (typeof one !== "object" || one === null || !Object.hasOwn(value, key)) continue;
    if (needsSpelling(one)) return true;
  }
  return false;
}

/**
 * Returns a value as `JSON.stringify` is to have it: bytes spelled, look-alikes escaped, wherever
 * `JSON.stringify` itself would look, in what a `toJSON()` gives too.
 */
export function spell(given: unknown, toBase64: (bytes: Bytes) => string, key = ""): unknown {
  if (typeof given !== "object" || given === null) return given;
  if (isBytes(given)) return { [BINARY]: toBase64(given) };
  const toJson = toJsonOf(given);
  // A member of that name that is no function is data.
  if (typeof toJson === "function") {
    const value: unknown = toJson.call(given, key);
    // JSON asks once: what is given for itself is written by its members.
    return isBytes(value) ? spell(value, toBase64) : spellMembers(value, toBase64);
  }
  return spellMembers(given, toBase64);
}

function spellMembers(value: unknown, toBase64: (bytes: Bytes) => string): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one, at) => spell(one, toBase64, String(at)));
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return value;
  const members = Object.entries(value)
    .map(([key, one]) => [key, spell(one, toBase64, key)] as const)
    .filter(([, one]) => !LEFT_OUT.has(typeof one));
  const spelled = Object.fromEntries(members);
  return markOf(spelled) ? { [ESCAPE]: spelled } : spelled;
}

function toJsonOf(value: object): unknown {
  return (value as { readonly toJSON?: unknown }).toJSON; // any object may be asked for a member
}

/** Returns parsed JSON that {@link spell} has written as the value it was. */
export function unspell(value: unknown, fromBase64: (text: string) => Uint8Array): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => unspell(one, fromBase64));
  const { [BINARY]: bytes, [ESCAPE]: escaped } = value as Record<string, unknown>; // parsed JSON
  const mark = markOf(value);
  if (mark === BINARY && isBase64(bytes)) return fromBase64(bytes);
  const members = mark === ESCAPE && isRecord(escaped) ? escaped : value;
  return Object.fromEntries(
    Object.entries(members).map(([key, one]) => [key, unspell(one, fromBase64)]),
  );
}
