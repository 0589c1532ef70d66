import type { Frame } from "../core/packet.ts";

/** Returns a frame of bytes that may be the caller's, for whoever holds it. */
export function keepOwn(frame: Frame): Frame {
  if (typeof frame === "string") return frame;
  // Not one of Node.js' own slabs either, which Buffer.from would cut it from.
  const own = Buffer.allocUnsafeSlow(frame.length);
  frame.copy(own);
  return own;
}

/**
 * Returns a frame that was cut from a slab, for whoever holds it: a small one would keep the slab
 * alive, of which it is a hundredth.
 */
export function keepSlice(frame: Frame): Frame {
  const isSlice = typeof frame !== "string" && frame.buffer.byteLength > 2 * frame.length;
  return isSlice ? keepOwn(frame) : frame;
}
