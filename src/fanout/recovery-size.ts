import { isBytes } from "../core/bytes.ts";
import type { Membership, Recipients } from "../core/membership.ts";

/** Overhead of a name in a set beside its text, and size of a session without rooms and data. */
const NAME_BYTES = 48;
const SESSION_BYTES = 256;

/**
 * Returns roughly how many bytes a packet's data and recipients take in memory. One walk, exact
 * enough for a limit. Undefined for data that cannot be sent: a cycle, a bigint.
 */
export function sizeOf(data: unknown, { rooms, except }: Recipients): number | undefined {
  try {
    return measure(data) + sizeOfNames(rooms) + sizeOfNames(except ?? []);
  } catch {
    // With recipients `emit` throws the same error by itself. Without recipients it must not throw.
    return undefined;
  }
}

function sizeOfNames(names: Iterable<unknown>): number {
  let bytes = 0;
  for (const name of names) bytes += NAME_BYTES + String(name).length;
  return bytes;
}

function measure(value: unknown, converted = false): number {
  if (typeof value === "string") return value.length + 16;
  if (typeof value === "bigint" && !hasToJson(value))
    throw new TypeError("A bigint cannot be sent");
  if (typeof value !== "object" || value === null) return 8;
  if (isBytes(value)) return value.byteLength + 64;
  // Only the result of toJSON is sent, and the result's own toJSON is not called. The object itself
  // may be endless.
  if (!converted && hasToJson(value)) return measure(value.toJSON(), true);
  let bytes = 32;
  for (const [key, item] of Object.entries(value)) bytes += key.length + measure(item);
  return bytes;
}

function hasToJson(value: object | bigint): value is { toJSON(): unknown } {
  return "toJSON" in Object(value) && typeof Object(value).toJSON === "function";
}

/**
 * Returns roughly how many bytes a session takes in memory. Stops walking above `most` and then
 * returns a number above it. The session is not sent, so cycles and bigints are allowed.
 *
 * Everything that clients can send counts in full. An instance of a class is the application's own,
 * and may reference the whole application, so it counts as one value.
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
