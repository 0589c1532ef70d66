/** Binary values that an application may send. */
export type Bytes = ArrayBuffer | NodeJS.ArrayBufferView;

/** Whether a value is binary: an ArrayBuffer or any view on one. */
export function isBytes(value: unknown): value is Bytes {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

/** Returns a Buffer on the same memory. */
export function viewOn(bytes: Bytes): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return ArrayBuffer.isView(bytes)
    ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : Buffer.from(bytes);
}
