import type { Bytes } from "./bytes.ts";

/** Returns a Buffer on the same memory. */
export function viewOn(bytes: Bytes): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return ArrayBuffer.isView(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : Buffer.from(bytes);
}
