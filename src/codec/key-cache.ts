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
 * Only plain ASCII is remembered, so that one byte of the frame is one unit of the string and the two
 * are compared without decoding.
 */
export function createKeyCache(): KeyCache {
  const slots = new Array<string>(SLOTS).fill("");

  return {
    read(bytes, from, length) {
      if (length === 0) return "";
      let hash = length;
      for (let i = from; i < from + length; i++) hash = (hash * 31 + (bytes[i] as number)) | 0; // inside the frame, by the contract
      const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1);
      const known = slots[slot] as string; // the mask keeps the index inside the table
      if (known.length === length && isSame(known, bytes, from)) return known;
      const text = bytes.toString("utf8", from, from + length);
      if (text.length !== length) return text;
      // A property name is a string that V8 keeps once: comparing and storing by it is by address.
      const kept = Object.keys({ [text]: 0 })[0] ?? text;
      if (isSame(kept, bytes, from)) slots[slot] = kept;
      return kept;
    },
  };
}

function isSame(text: string, bytes: Buffer, from: number): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== bytes[from + i]) return false;
  }
  return true;
}
