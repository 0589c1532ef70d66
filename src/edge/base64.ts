import type { Bytes } from "../core/bytes.ts";

/** Returns bytes as padded base64. */
export function toBase64(given: Bytes): string {
  const bytes = ArrayBuffer.isView(given)
    ? new Uint8Array(given.buffer, given.byteOffset, given.byteLength)
    : new Uint8Array(given);
  let binary = "";
  // In slices: a call has room for some ten thousand arguments only.
  for (let at = 0; at < bytes.length; at += 8192) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(binary);
}

/** Returns the bytes of base64; throws for what is none. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** Returns the bytes of what may be base64; `undefined` for what is none. */
export function tryBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return fromBase64(text);
  } catch {
    return undefined;
  }
}
