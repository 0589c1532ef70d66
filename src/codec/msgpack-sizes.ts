// Frames are cut from slabs as Node's own small buffers are; a frame that is still queued keeps at
// most this much alive.
/** Bytes of the buffer that frames are cut from. */
export const SLAB_BYTES = 16_384;

/** Returns the packet's bytes; a large packet is copied if its buffer is much larger still. */
export function cut(bytes: Buffer, start: number, at: number): Buffer {
  const frame = bytes.subarray(start, at);
  const spare = bytes.length - frame.length;
  return bytes.length > SLAB_BYTES && spare > frame.length >> 3 ? Buffer.from(frame) : frame;
}

/** Bytes of the header of a string of so many bytes. */
export function textHead(bytes: number): number {
  return bytes < 0x20 ? 1 : bytes < 0x100 ? 2 : bytes < 0x10000 ? 3 : 5;
}

/** Members that are not functions, which are never sent. */
export function countSent(
  value: Readonly<Record<string, unknown>>,
  names: readonly string[],
): number {
  let sent = 0;
  for (const name of names) if (typeof value[name] !== "function") sent += 1;
  return sent;
}
