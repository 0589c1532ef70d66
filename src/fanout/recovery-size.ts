import { isBytes } from "../core/bytes.ts";
import type { Membership, Recipients } from "../core/membership.ts";

/** What a name in a set, or a session without its rooms and data, takes beside its text. */
const NAME_BYTES = 48;
const SESSION_BYTES = 256;

/**
 * Returns the bytes that a packet's data and its recipients hold in memory, roughly: what a bound
 * on memory needs, at the cost of one walk. Undefined for what cannot be sent: a cycle, a bigint.
 */
export function sizeOf(data: unknown, { rooms, except }: Recipients): number | undefined {
  try {
    return measure(data) + sizeOfNames(rooms) + sizeOfNames(except ?? []);
  } catch {
    // Whoever was to get it has thrown the same out of `emit`; when nobody was, nothing has.
    return undefined;
  }
}

function sizeOfNames(names: Iterable<unknown>): number {
  let bytes = 0;
  for (const name of names) bytes += NAME_BYTES + String(name).length;
  return bytes;
}

function measure(value: unknown, recast = false): number {
  if (typeof value === "string") return value.length + 16;
  if (typeof value === "bigint" && !isRecast(value)) throw new TypeError("A bigint cannot be sent");
  if (typeof value !== "object" || value === null) return 8;
  if (isBytes(value)) return value.byteLength + 64;
  // Sent as what it says it is, asked once; what it holds besides may be endless.
  if (!recast && isRecast(value)) return measure(value.toJSON(), true);
  let bytes = 32;
  for (const [key, item] of Object.entries(value)) bytes += key.length + measure(item);
  return bytes;
}

function isRecast(value: object | bigint): value is { toJSON(): unknown } {
  return "toJSON" in Object(value) && typeof Object(value).toJSON === "function";
}

/**
 * Returns the bytes that a session holds in memory, roughly, or some number above `most`: further
 * than that it is not walked. It is not sent anywhere, so cycles and bigints are fine.
 *
 * Of what clients can send everything counts. An instance of a class is the application's own, and
 * may lead to all of it: it counts as one value.
 */
export function sizeOfSession(
  {
    rooms,
    changes = [],
    data,
  }: Pick<Membership<unknown>, "rooms"> & {
    readonly data: unknown;
    readonly changes?: readonly unknown[];
  },
  most: number,
): number {
  const seen = new Set<object>();
  const open: unknown[] = [rooms, data, ...changes];
  let bytes = SESSION_BYTES;
  while (open.length > 0 && bytes <= most) {
    const value = open.pop();
    bytes += 8;
    if (typeof value === "string") bytes += value.length + 16;
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    bytes += 32;
    if (isBytes(value)) bytes += value.byteLength;
    else for (const part of partsOf(value)) open.push(part);
  }
  return bytes;
}

function partsOf(value: object): Iterable<unknown> {
  if (value instanceof Map || value instanceof Set || Array.isArray(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? Object.entries(value) : [];
}
