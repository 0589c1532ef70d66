import { readAscii } from "./ascii.ts";

/** A memory of short strings that come again and again on the wire: keys, event names. */
export interface KeyCache {
  /** Returns the text of `length` bytes of UTF-8 at `from`, which the caller knows to be there. */
  read(bytes: Buffer, from: number, length: number): string;
}

// A fixed table that newer strings overwrite: whatever clients send, it holds 1,024 short strings.
const SLOTS = 1024;

/**
 * Returns a cache that spares the native call and the allocation for a string seen before.
 *
 * Only plain ASCII is remembered, so that one byte of the frame is one unit of the string and the
 * two are compared without decoding. Strings that share a slot only take turns in it.
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

/** The caller knows the bytes to be there and `length` not to be 0, so every read is inside. */
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
