/** Binary values that an application may send. */
export type Bytes = ArrayBuffer | ArrayBufferView;

/** Whether a value is binary: an ArrayBuffer or any view on one. */
export function isBytes(value: unknown): value is Bytes {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}
