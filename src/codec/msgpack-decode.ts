import { FailureError } from "../core/failures.ts";
import type { Packet } from "../core/packet.ts";
import { createKeyCache } from "./key-cache.ts";
import { checkKey, checkPacket, type Limits } from "./limits.ts";

/** Reads one packet; `lasting` says whether the frame's bytes stay valid after the call. */
export type DecodeMsgpack = (frame: Buffer, lasting: boolean) => Packet;

const NOTHING = Buffer.alloc(0);
const UNDERSCORE = 0x5f;

/**
 * Returns the decoder of the msgpack codec, whose wire format is that of notepack.io 2: the format
 * of socket.io-msgpack-parser.
 *
 * Nothing is allocated for a declared length before the bytes for it are known to be there: strings
 * and binaries are held against the rest of the frame, and the members declared by all arrays and
 * maps together against the frame's length (each needs a byte of its own) and `elementsMax`. Binary
 * values are copies unless the frame is lasting, in which case they are views on it.
 *
 * Throws {@link FailureError}. Not re-entrant, and has no need to be: it calls nobody.
 */
export function createMsgpackDecoder(limits: Limits): DecodeMsgpack {
  const cache = createKeyCache();
  let bytes: Buffer = NOTHING;
  let at = 0;
  let end = 0;
  let views = false;
  let depth = 0;
  let elementsLeft = 0;
  let claimsLeft = 0;
  let binariesLeft = 0;

  function truncated(): never {
    throw new FailureError("CODEC_MALFORMED", "the frame ends inside a value");
  }

  /** Steps over `length` bytes that must be there, and returns where they begin. */
  function take(length: number): number {
    const from = at;
    if (length > end - from) truncated();
    at = from + length;
    return from;
  }

  function u8(): number {
    if (at >= end) truncated();
    return bytes[at++] as number; // inside the frame, by the line above
  }

  function u16(): number {
    return bytes.readUInt16BE(take(2));
  }

  function u32(): number {
    return bytes.readUInt32BE(take(4));
  }

  /** Books the members of an array or a map before anything is made for them. */
  function enter(members: number, claims: number): void {
    claimsLeft -= claims;
    if (claimsLeft < 0) truncated();
    elementsLeft -= members;
    if (elementsLeft < 0) throw new FailureError("CODEC_TOO_MANY_ELEMENTS");
    depth += 1;
    if (depth > limits.depthMax) throw new FailureError("CODEC_TOO_DEEP");
  }

  function list(length: number): unknown[] {
    enter(length, length);
    const found = new Array<unknown>(length);
    for (let i = 0; i < length; i++) found[i] = value();
    depth -= 1;
    return found;
  }

  function map(length: number): Record<string, unknown> {
    enter(length, 2 * length);
    const found: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const name = key();
      const member = value();
      if (name.charCodeAt(0) === UNDERSCORE) checkKey(name, member);
      found[name] = member;
    }
    depth -= 1;
    return found;
  }

  function key(): string {
    const head = u8();
    if (head >= 0xa0 && head < 0xc0) return short(head & 0x1f);
    if (head === 0xd9) return text(u8());
    if (head === 0xda) return text(u16());
    if (head === 0xdb) return text(u32());
    throw new FailureError("CODEC_MALFORMED", "a map key is not text");
  }

  /** A string of at most 31 bytes that is likely to come again: a key, a name. */
  function short(length: number): string {
    const from = take(length);
    return cache.read(bytes, from, length);
  }

  function text(length: number): string {
    const from = take(length);
    return bytes.toString("utf8", from, at);
  }

  function binary(length: number): Buffer {
    const from = take(length);
    if (--binariesLeft < 0) throw new FailureError("CODEC_TOO_MANY_ATTACHMENTS");
    if (views) return bytes.subarray(from, at);
    const copy = Buffer.allocUnsafe(length);
    bytes.copy(copy, 0, from, at);
    return copy;
  }

  function arrayBuffer(length: number): ArrayBuffer {
    const from = take(length);
    if (--binariesLeft < 0) throw new FailureError("CODEC_TOO_MANY_ATTACHMENTS");
    const copy = new ArrayBuffer(length);
    new Uint8Array(copy).set(bytes.subarray(from, at));
    return copy;
  }

  /** Extension type 0 is an ArrayBuffer; any other is given on as its type and bytes. */
  function extension(length: number): unknown {
    const type = bytes.readInt8(take(1));
    return type === 0 ? arrayBuffer(length) : [type, binary(length)];
  }

  /** Type 0 is `undefined` in one byte and a Date in eight. */
  function fixedExtension(length: number): unknown {
    const type = bytes.readInt8(take(1));
    if (type === 0 && length === 1) {
      take(1);
      return undefined;
    }
    if (type === 0 && length === 8) return new Date(int64());
    return [type, binary(length)];
  }

  function int64(): number {
    const high = bytes.readInt32BE(take(4));
    return high * 0x100000000 + u32();
  }

  function uint64(): number {
    const high = u32();
    return high * 0x100000000 + u32();
  }

  function value(): unknown {
    const head = u8();
    if (head < 0x80) return head;
    if (head < 0x90) return map(head & 0x0f);
    if (head < 0xa0) return list(head & 0x0f);
    if (head < 0xc0) return text(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    return wide(head);
  }

  function wide(head: number): unknown {
    // biome-ignore format: one row of the wire format per line.
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return binary(u8());
      case 0xc5: return binary(u16());
      case 0xc6: return binary(u32());
      case 0xc7: return extension(u8());
      case 0xc8: return extension(u16());
      case 0xc9: return extension(u32());
      case 0xca: return bytes.readFloatBE(take(4));
      case 0xcb: return bytes.readDoubleBE(take(8));
      case 0xcc: return u8();
      case 0xcd: return u16();
      case 0xce: return u32();
      case 0xcf: return uint64();
      case 0xd0: return bytes.readInt8(take(1));
      case 0xd1: return bytes.readInt16BE(take(2));
      case 0xd2: return bytes.readInt32BE(take(4));
      case 0xd3: return int64();
      case 0xd4: return fixedExtension(1);
      case 0xd5: return fixedExtension(2);
      case 0xd6: return fixedExtension(4);
      case 0xd7: return fixedExtension(8);
      case 0xd8: return fixedExtension(16);
      case 0xd9: return text(u8());
      case 0xda: return text(u16());
      case 0xdb: return text(u32());
      case 0xdc: return list(u16());
      case 0xdd: return list(u32());
      case 0xde: return map(u16());
      case 0xdf: return map(u32());
      default: throw new FailureError("CODEC_MALFORMED", "a byte that begins no value");
    }
  }

  /** A value whose text, if it is short text, is likely to come again. */
  function name(): unknown {
    const head = at < end ? (bytes[at] as number) : 0; // inside the frame, by the comparison
    if (head < 0xa0 || head >= 0xc0) return value();
    at += 1;
    return short(head & 0x1f);
  }

  /** The packet's data: the first member of its array is the name of the event. */
  function payload(): unknown {
    const head = at < end ? (bytes[at] as number) : 0; // inside the frame, by the comparison
    if (head <= 0x90 || head >= 0xa0) return value();
    at += 1;
    const length = head & 0x0f;
    enter(length, length);
    const found: unknown[] = [name()];
    for (let i = 1; i < length; i++) found.push(value());
    depth -= 1;
    return found;
  }

  function pairs(): number {
    const head = u8();
    const length =
      head >= 0x80 && head < 0x90
        ? head & 0x0f
        : head === 0xde
          ? u16()
          : head === 0xdf
            ? u32()
            : undefined;
    if (length === undefined) throw new FailureError("CODEC_MALFORMED", "the packet is not a map");
    claimsLeft -= 2 * length;
    if (claimsLeft < 0) truncated();
    return length;
  }

  function packet(): Packet {
    let type: unknown;
    let nsp: unknown;
    let id: unknown;
    let data: unknown;
    for (let left = pairs(); left > 0; left--) {
      switch (key()) {
        case "type":
          type = value();
          break;
        case "data":
          data = payload();
          break;
        case "nsp":
          nsp = name();
          break;
        case "id":
          id = value();
          break;
        default:
          value();
      }
    }
    if (at !== end) throw new FailureError("CODEC_MALFORMED", "bytes after the packet");
    return checkPacket(limits, { type, nsp, id, data });
  }

  return (frame, lasting) => {
    bytes = frame;
    at = 0;
    end = frame.length;
    views = lasting;
    depth = 0;
    elementsLeft = limits.elementsMax;
    claimsLeft = end;
    binariesLeft = limits.attachmentsMax;
    try {
      return packet();
    } finally {
      bytes = NOTHING;
    }
  };
}
