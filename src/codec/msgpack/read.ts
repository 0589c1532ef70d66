import { FailureError } from "../../core/failures.ts";
import { checkKey } from "../limits.ts";
import {
  claim,
  enter,
  type FrameCursor,
  peek,
  take,
  take16,
  take32,
  takeByte,
} from "./frame-cursor.ts";
import { INDEX_STEP, makeRoom, readSmallIndex } from "./indices.ts";
import { readAscii } from "./text.ts";

const TWO_32 = 0x100000000;
const UNDERSCORE = 0x5f;
const NINE = 0x39;

/** Reads any value. */
export function takeValue(from: FrameCursor): unknown {
  const head = takeByte(from);
  if (head < 0x80) return head;
  if (head < 0x90) return takeMap(from, head & 0x0f);
  if (head < 0xa0) return takeList(from, head & 0x0f);
  if (head < 0xc0) return takeText(from, head & 0x1f);
  if (head >= 0xe0) return head - 0x100;
  return takeWide(from, head);
}

function takeWide(from: FrameCursor, head: number): unknown {
  // biome-ignore format: one row of the wire format per line.
  switch (head) {
    case 0xc0: return null;
    case 0xc2: return false;
    case 0xc3: return true;
    case 0xc4: return takeBinary(from, takeByte(from));
    case 0xc5: return takeBinary(from, take16(from));
    case 0xc6: return takeBinary(from, take32(from));
    case 0xc7: return takeExtension(from, takeByte(from));
    case 0xc8: return takeExtension(from, take16(from));
    case 0xc9: return takeExtension(from, take32(from));
    case 0xca: return from.bytes.readFloatBE(take(from, 4));
    case 0xcb: return from.bytes.readDoubleBE(take(from, 8));
    case 0xcc: return takeByte(from);
    case 0xcd: return take16(from);
    case 0xce: return take32(from);
    case 0xcf: return take32(from) * TWO_32 + take32(from);
    case 0xd0: return from.bytes.readInt8(take(from, 1));
    case 0xd1: return from.bytes.readInt16BE(take(from, 2));
    case 0xd2: return from.bytes.readInt32BE(take(from, 4));
    case 0xd3: return takeInt64(from);
    case 0xd4: return takeFixedExtension(from, 1);
    case 0xd5: return takeFixedExtension(from, 2);
    case 0xd6: return takeFixedExtension(from, 4);
    case 0xd7: return takeFixedExtension(from, 8);
    case 0xd8: return takeFixedExtension(from, 16);
    case 0xd9: return takeText(from, takeByte(from));
    case 0xda: return takeText(from, take16(from));
    case 0xdb: return takeText(from, take32(from));
    case 0xdc: return takeList(from, take16(from));
    case 0xdd: return takeList(from, take32(from));
    case 0xde: return takeMap(from, take16(from));
    case 0xdf: return takeMap(from, take32(from));
    default: throw new FailureError("CODEC_MALFORMED", "a byte that begins no value");
  }
}

/** Reads any value; short text comes from the key cache. */
export function takeName(from: FrameCursor): unknown {
  const head = peek(from);
  if (head < 0xa0 || head >= 0xc0) return takeValue(from);
  return takeKey(from);
}

/** Reads a map key, which must be text. */
export function takeKey(from: FrameCursor): string {
  const head = takeByte(from);
  if (head >= 0xa0 && head < 0xc0) {
    const length = head & 0x1f;
    return from.keys.read(from.bytes, take(from, length), length);
  }
  if (head === 0xd9) return takeText(from, takeByte(from));
  if (head === 0xda) return takeText(from, take16(from));
  if (head === 0xdb) return takeText(from, take32(from));
  throw new FailureError("CODEC_MALFORMED", "a map key is not text");
}

/** Reads a packet's data. The first member of a short array is read as an event name. */
export function takeData(from: FrameCursor): unknown {
  const head = peek(from);
  if (head <= 0x90 || head >= 0xa0) return takeValue(from);
  from.at += 1;
  const length = head & 0x0f;
  claim(from, length);
  enter(from, length);
  const found: unknown[] = [takeName(from)];
  for (let i = 1; i < length; i++) found.push(takeValue(from));
  from.depth -= 1;
  return found;
}

function takeList(from: FrameCursor, length: number): unknown[] {
  claim(from, length);
  enter(from, length);
  const found = new Array<unknown>(length);
  for (let i = 0; i < length; i++) found[i] = takeValue(from);
  from.depth -= 1;
  return found;
}

function takeMap(from: FrameCursor, length: number): Record<string, unknown> {
  claim(from, 2 * length);
  enter(from, length);
  let found: Record<string, unknown> = {};
  // Makes any first index but 0 go through makeRoom.
  let highest = -INDEX_STEP;
  for (let i = 0; i < length; i++) {
    const key = takeKey(from);
    const member = takeValue(from);
    const first = key.charCodeAt(0);
    if (first === UNDERSCORE) checkKey(key, member);
    else if (first <= NINE) {
      const index = readSmallIndex(key);
      if (index > highest + INDEX_STEP) found = makeRoom(found, index, i === 0);
      if (index > highest) highest = index;
    }
    found[key] = member;
  }
  from.depth -= 1;
  return found;
}

function takeText(from: FrameCursor, length: number): string {
  const at = take(from, length);
  return readAscii(from.bytes, at, length) ?? from.bytes.toString("utf8", at, at + length);
}

function takeBinary(from: FrameCursor, length: number): Buffer {
  const at = take(from, length);
  countBinary(from);
  if (from.lasting) return from.bytes.subarray(at, at + length);
  const copy = Buffer.allocUnsafe(length);
  from.bytes.copy(copy, 0, at, at + length);
  return copy;
}

function takeArrayBuffer(from: FrameCursor, length: number): ArrayBuffer {
  const at = take(from, length);
  countBinary(from);
  const copy = new ArrayBuffer(length);
  new Uint8Array(copy).set(from.bytes.subarray(at, at + length));
  return copy;
}

function countBinary(from: FrameCursor): void {
  from.binariesLeft -= 1;
  if (from.binariesLeft < 0) throw new FailureError("CODEC_TOO_MANY_ATTACHMENTS");
}

/** Type 0 is an ArrayBuffer; any other type is returned with its bytes. */
function takeExtension(from: FrameCursor, length: number): unknown {
  const type = from.bytes.readInt8(take(from, 1));
  return type === 0 ? takeArrayBuffer(from, length) : [type, takeBinary(from, length)];
}

/** Type 0 is `undefined` with one byte, and a Date with eight. */
function takeFixedExtension(from: FrameCursor, length: number): unknown {
  const type = from.bytes.readInt8(take(from, 1));
  if (type === 0 && length === 8) return new Date(takeInt64(from));
  if (type !== 0 || length !== 1) return [type, takeBinary(from, length)];
  take(from, 1);
  return undefined;
}

function takeInt64(from: FrameCursor): number {
  const high = from.bytes.readInt32BE(take(from, 4));
  return high * TWO_32 + take32(from);
}
