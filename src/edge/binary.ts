import { toBase64, tryBase64 } from "./base64.ts";

/** Returns a value as JSON can carry it: bytes become `{"$binary":"<base64>"}`. */
export function spell(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof ArrayBuffer) return { $binary: toBase64(new Uint8Array(value)) };
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return { $binary: toBase64(new Uint8Array(buffer, byteOffset, byteLength)) };
  }
  if (Array.isArray(value)) return value.map(spell);
  // Dates and whatever else knows its own JSON.
  if ("toJSON" in value) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, spell(one)]));
}

/**
 * Returns parsed JSON with its bytes as Uint8Arrays. What only looks like bytes is data of a client
 * and stays as it is: whoever emits it must not make a function fail.
 */
export function revive(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(revive);
  const entries = Object.entries(value);
  const [[key, only] = []] = entries;
  if (entries.length === 1 && key === "$binary" && typeof only === "string") {
    return tryBase64(only) ?? value;
  }
  return Object.fromEntries(entries.map(([name, one]) => [name, revive(one)]));
}
