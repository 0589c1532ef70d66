import { FailureError } from "../../core/failures.ts";
import type { Limits } from "../limits.ts";
import { createKeyCache, type KeyCache } from "./text.ts";

/** A frame that is being read, and what is left of its limits. */
export interface FrameCursor {
  readonly limits: Limits;
  readonly keys: KeyCache;
  bytes: Buffer;
  at: number;
  end: number;
  /** Whether binary values may be views on the frame. */
  lasting: boolean;
  depth: number;
  elementsLeft: number;
  /** Values that headers may still declare: each value takes at least one byte of the frame. */
  claimsLeft: number;
  binariesLeft: number;
}

const NOTHING = Buffer.alloc(0);

/** Returns a cursor without a frame. */
export function createFrameCursor(limits: Limits): FrameCursor {
  return {
    limits,
    keys: createKeyCache(),
    bytes: NOTHING,
    at: 0,
    end: 0,
    lasting: false,
    depth: 0,
    elementsLeft: 0,
    claimsLeft: 0,
    binariesLeft: 0,
  };
}

/** Starts reading a frame. */
export function begin(from: FrameCursor, frame: Buffer, lasting: boolean): void {
  from.bytes = frame;
  from.at = 0;
  from.end = frame.length;
  from.lasting = lasting;
  from.depth = 0;
  from.elementsLeft = from.limits.elementsMax;
  from.claimsLeft = frame.length;
  from.binariesLeft = from.limits.attachmentsMax;
}

/** Releases the frame. */
export function end(from: FrameCursor): void {
  from.bytes = NOTHING;
}

function refuseTruncated(): never {
  throw new FailureError("CODEC_MALFORMED", "the frame ends inside a value");
}

/** Skips `length` bytes and returns where they begin. Throws if the frame has fewer. */
export function take(from: FrameCursor, length: number): number {
  const { at } = from;
  if (length > from.end - at) refuseTruncated();
  from.at = at + length;
  return at;
}

/** Reads a byte. */
export function takeByte(from: FrameCursor): number {
  const { at } = from;
  if (at >= from.end) refuseTruncated();
  from.at = at + 1;
  return from.bytes[at] as number; // inside the frame, by the lines above
}

/** Returns the next byte without skipping it; 0 at the end of the frame. */
export function peek(from: FrameCursor): number {
  return from.at < from.end ? (from.bytes[from.at] as number) : 0; // inside, by the comparison
}

/** Reads an unsigned 16-bit integer. */
export function take16(from: FrameCursor): number {
  return from.bytes.readUInt16BE(take(from, 2));
}

/** Reads an unsigned 32-bit integer. */
export function take32(from: FrameCursor): number {
  return from.bytes.readUInt32BE(take(from, 4));
}

/** Counts values that a header declares. Call it before allocating anything for them. */
export function claim(from: FrameCursor, values: number): void {
  from.claimsLeft -= values;
  if (from.claimsLeft < 0) refuseTruncated();
}

/** Enters an array or a map. The caller lowers `depth` again when it leaves. */
export function enter(from: FrameCursor, members: number): void {
  from.elementsLeft -= members;
  if (from.elementsLeft < 0) throw new FailureError("CODEC_TOO_MANY_ELEMENTS");
  from.depth += 1;
  if (from.depth > from.limits.depthMax) throw new FailureError("CODEC_TOO_DEEP");
}
