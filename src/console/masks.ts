/** Names of members that may hold a secret, in headers, queries, `auth` and `data`. */
const SECRET =
  /pass|secret|token|auth|cookie|session|credential|signature|api.?key|private|^sid$|^pid$|^jwt$/i;
const MASK = "•••";
const DEPTH_MAX = 8;
const MEMBERS_MAX = 200;
const TEXT_MAX = 2000;

/**
 * Returns a copy that can be shown: members whose names say that they are secret are masked, long
 * texts and lists are cut, and bytes are told by their number.
 */
export function mask(value: unknown, depth = 0): unknown {
  if (typeof value === "string") {
    return value.length > TEXT_MAX ? `${value.slice(0, TEXT_MAX)}…` : value;
  }
  if (typeof value === "bigint") return `${value}`;
  if (typeof value === "function" || typeof value === "symbol") return `(${typeof value})`;
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return `(${value.byteLength} bytes)`;
  }
  if (depth >= DEPTH_MAX) return "…";
  if (value instanceof Map || value instanceof Set) return mask([...value], depth);
  if (Array.isArray(value)) {
    return value.slice(0, MEMBERS_MAX).map((one) => mask(one, depth + 1));
  }
  if (value instanceof Date) return value.toJSON();
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, MEMBERS_MAX)
      .map(([name, one]) => [name, SECRET.test(name) ? MASK : mask(one, depth + 1)]),
  );
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
