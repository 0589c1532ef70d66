import { readAscii } from "./ascii.ts";

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
