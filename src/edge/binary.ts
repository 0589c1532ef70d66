import type { Bytes } from "../core/bytes.ts";
import { addTags, removeTags } from "../core/tagged-json.ts";

/** Returns a value that JSON can carry: bytes become `{"$binary":"<base64>"}`. */
export function tagBytes(value: unknown): unknown {
  return addTags(value, toBase64);
}

/** Undoes {@link tagBytes} on parsed JSON: bytes are Uint8Arrays, escaped look-alikes stay data. */
export function restoreBytes(value: unknown): unknown {
  return removeTags(value, fromBase64);
}

/** Returns the bytes of base64; `undefined` for text that is not base64. */
export function tryBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return fromBase64(text);
  } catch {
    return undefined;
  }
}

/** Returns bytes as base64, padded. */
export function toBase64(given: Bytes): string {
  const bytes = ArrayBuffer.isView(given)
    ? new Uint8Array(given.buffer, given.byteOffset, given.byteLength)
    : new Uint8Array(given);
  let binary = "";
  // In slices: one function call takes only some ten thousand arguments.
  for (let at = 0; at < bytes.length; at += 8192) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(binary);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
