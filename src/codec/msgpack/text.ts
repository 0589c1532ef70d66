// Beyond this length the native call is faster.
const ASCII_MAX = 12;
const { fromCharCode } = String;

/**
 * Returns the text of at most 12 bytes if all are ASCII; otherwise undefined, and the caller
 * decodes them as UTF-8. The caller has checked the length.
 *
 * A call into native code costs as much as five such strings.
 */
export function readAscii(bytes: Buffer, from: number, length: number): string | undefined {
  if (length > ASCII_MAX) return undefined;
  let seen = 0;
  for (let i = from; i < from + length; i++) seen |= bytes[i] as number; // inside, by the contract
  if (seen >= 0x80) return undefined;
  let text = "";
  let at = from;
  for (let left = length >> 2; left > 0; left--) {
    text += four(bytes, at);
    at += 4;
  }
  // biome-ignore format: one length per line.
  switch (length & 3) {
    case 0: return text;
    case 1: return text + one(bytes, at);
    case 2: return text + two(bytes, at);
    default: return text + two(bytes, at) + one(bytes, at + 2);
  }
}

// The bytes are inside the frame, by the contract of readAscii.
function one(bytes: Buffer, at: number): string {
  return fromCharCode(bytes[at] as number);
}

function two(bytes: Buffer, at: number): string {
  return fromCharCode(bytes[at] as number, bytes[at + 1] as number);
}

function four(bytes: Buffer, at: number): string {
  const a = bytes[at] as number;
  const b = bytes[at + 1] as number;
  const c = bytes[at + 2] as number;
  return fromCharCode(a, b, c, bytes[at + 3] as number);
}

/** A cache of short strings that are often repeated: keys and event names. */
export interface KeyCache {
  /** Returns the text of `length` bytes of UTF-8 at `from`. The caller has checked the length. */
  read(bytes: Buffer, from: number, length: number): string;
}

// A fixed table in which newer strings overwrite older ones, so clients cannot make it grow.
const SLOTS = 1024;

/**
 * Returns a cache that avoids the native call and the allocation for a string seen before.
 *
 * Only ASCII is cached: one byte of the frame is then one unit of the string, so the two can be
 * compared without decoding. Strings that share a slot replace each other.
 */
export function createKeyCache(): KeyCache {
  const slots = new Array<string>(SLOTS).fill("");

  return {
    read(bytes, from, length) {
      if (length === 0) return "";
      const slot = slotOf(bytes, from, length);
      const known = slots[slot] as string; // the mask keeps the index inside the table
      if (known.length === length && isSame(known, bytes, from)) return known;
      const text = readAscii(bytes, from, length) ?? bytes.toString("utf8", from, from + length);
      if (text.length === length && isSame(text, bytes, from)) slots[slot] = text;
      return text;
    },
  };
}

/** `length` is not 0 and the caller has checked it, so every read is inside the frame. */
function slotOf(bytes: Buffer, from: number, length: number): number {
  const first = bytes[from] as number;
  const middle = bytes[from + (length >> 1)] as number;
  const last = bytes[from + length - 1] as number;
  return (length ^ (first << 5) ^ (middle << 2) ^ (last << 7) ^ (last >> 3)) & (SLOTS - 1);
}

function isSame(text: string, bytes: Buffer, from: number): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== bytes[from + i]) return false;
  }
  return true;
}
