import type { Packet } from "../core/packet.ts";
import { plainType } from "./limits.ts";
import { countSent, cut, SLAB_BYTES, textHead } from "./msgpack-sizes.ts";

/** Returns one packet as one frame of its own bytes. */
export type EncodeMsgpack = (packet: Packet) => Buffer;

// Below this length a loop over the units is faster than the native call.
const LOOP_UNITS = 40;
const NOTHING = Buffer.alloc(0);
const TWO_32 = 0x100000000;

const KEY_TYPE = Buffer.from("\xa4type", "latin1");
const KEY_DATA = Buffer.from("\xa4data", "latin1");
const KEY_NSP = Buffer.from("\xa3nsp", "latin1");
const KEY_ID = Buffer.from("\xa2id", "latin1");

/**
 * Returns the encoder of the msgpack codec, whose bytes are those of notepack.io 2, with two
 * exceptions that its decoder understands: a typed array sends the bytes it shows and no others of
 * its buffer, and whole numbers beyond 64 bits are sent as floats.
 *
 * Throws a TypeError for what cannot be sent (bigint, symbol, a function in a list) and whatever a
 * `toJSON` or a getter of the caller throws. Those may emit packets themselves: it is re-entrant.
 */
export function createMsgpackEncoder(): EncodeMsgpack {
  let bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
  let at = 0;
  // Where the packet being written begins: everything before it belongs to frames already given out.
  let start = 0;
  let busy = false;

  /** Makes room for `length` more bytes; the packet moves as a whole. */
  function reserve(length: number): void {
    if (at + length <= bytes.length) return;
    const written = at - start;
    const room = written + length;
    const larger = Buffer.allocUnsafeSlow(room <= SLAB_BYTES ? SLAB_BYTES : room + (room >> 1));
    bytes.copy(larger, 0, start, at);
    bytes = larger;
    start = 0;
    at = written;
  }

  function put16(head: number, n: number): void {
    reserve(3);
    bytes[at++] = head;
    bytes[at++] = n >> 8;
    bytes[at++] = n;
  }

  function put32(head: number, n: number): void {
    reserve(5);
    bytes[at++] = head;
    bytes[at++] = n >> 24;
    bytes[at++] = n >> 16;
    bytes[at++] = n >> 8;
    bytes[at++] = n;
  }

  function put64(head: number, high: number, low: number): void {
    put32(head, high);
    reserve(4);
    bytes[at++] = low >> 24;
    bytes[at++] = low >> 16;
    bytes[at++] = low >> 8;
    bytes[at++] = low;
  }

  function float(value: number): void {
    reserve(9);
    bytes[at] = 0xcb;
    bytes.writeDoubleBE(value, at + 1);
    at += 9;
  }

  function whole(value: number): void {
    reserve(2);
    if (value >= 0) {
      if (value < 0x80) {
        bytes[at++] = value;
      } else if (value < 0x100) {
        bytes[at++] = 0xcc;
        bytes[at++] = value;
      } else if (value < 0x10000) put16(0xcd, value);
      else if (value < TWO_32) put32(0xce, value);
      else if (value < TWO_32 * TWO_32) put64(0xcf, Math.floor(value / TWO_32), value >>> 0);
      else float(value);
    } else if (value >= -0x20) {
      bytes[at++] = value;
    } else if (value >= -0x80) {
      bytes[at++] = 0xd0;
      bytes[at++] = value;
    } else if (value >= -0x8000) put16(0xd1, value);
    else if (value >= -0x80000000) put32(0xd2, value);
    else if (value >= -(TWO_32 * TWO_32) / 2) put64(0xd3, Math.floor(value / TWO_32), value >>> 0);
    else float(value);
  }

  function text(value: string): void {
    const units = value.length;
    if (units <= LOOP_UNITS && loop(value, units)) return;
    // A unit is at most three bytes; beyond a page it is cheaper to measure than to reserve them.
    const most = units <= 4096 ? units * 3 : Buffer.byteLength(value);
    reserve(5 + most);
    const guess = textHead(units);
    const length = bytes.write(value, at + guess, "utf8");
    const head = textHead(length);
    if (head !== guess) bytes.copyWithin(at + head, at + guess, at + guess + length);
    if (head === 1) bytes[at] = 0xa0 | length;
    else if (head === 2) {
      bytes[at] = 0xd9;
      bytes[at + 1] = length;
    } else if (head === 3) {
      bytes[at] = 0xda;
      bytes.writeUInt16BE(length, at + 1);
    } else {
      bytes[at] = 0xdb;
      bytes.writeUInt32BE(length, at + 1);
    }
    at += head + length;
  }

  /** Writes short ASCII; returns false, with nothing written, at the first unit that is not. */
  function loop(value: string, units: number): boolean {
    reserve(2 + units);
    let to = at;
    if (units < 0x20) bytes[to++] = 0xa0 | units;
    else {
      bytes[to++] = 0xd9;
      bytes[to++] = units;
    }
    for (let i = 0; i < units; i++) {
      const c = value.charCodeAt(i);
      if (c >= 0x80) return false;
      bytes[to++] = c;
    }
    at = to;
    return true;
  }

  function binary(value: Uint8Array, head8: number, type: number | undefined): void {
    const length = value.byteLength;
    reserve(6 + length);
    if (length < 0x100) {
      bytes[at++] = head8;
      bytes[at++] = length;
    } else if (length < 0x10000) put16(head8 + 1, length);
    else if (length < TWO_32) put32(head8 + 2, length);
    else throw new TypeError("A binary value of 4 GiB or more cannot be sent");
    if (type !== undefined) bytes[at++] = type;
    bytes.set(value, at);
    at += length;
  }

  function list(values: readonly unknown[]): void {
    const length = values.length;
    reserve(1);
    if (length < 0x10) bytes[at++] = 0x90 | length;
    else if (length < 0x10000) put16(0xdc, length);
    else put32(0xdd, length);
    for (let i = 0; i < length; i++) any(values[i]);
  }

  function map(value: Readonly<Record<string, unknown>>): void {
    const names = Object.keys(value);
    const length = names.length;
    if (length < 0x10) {
      members(value, names, length);
      return;
    }
    // A header of another size cannot be put right afterwards, so functions are counted first.
    members(value, names, countSent(value, names));
  }

  function members(
    value: Readonly<Record<string, unknown>>,
    names: readonly string[],
    length: number,
  ): void {
    reserve(1);
    // Relative to the start, because the packet moves when it outgrows its slab.
    const head = at - start;
    if (length < 0x10) bytes[at++] = 0x80 | length;
    else if (length < 0x10000) put16(0xde, length);
    else put32(0xdf, length);
    let sent = 0;
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string; // i is inside the list
      const member = value[name];
      if (typeof member === "function") continue;
      sent += 1;
      text(name);
      any(member);
    }
    if (sent === length) return;
    if (length >= 0x10) throw new TypeError("An object changed while it was being sent");
    bytes[start + head] = 0x80 | sent;
  }

  function object(value: object): void {
    if (Array.isArray(value)) list(value);
    else if (value instanceof Date) {
      const ms = value.getTime();
      reserve(1);
      bytes[at++] = 0xd7;
      put64(0, Math.floor(ms / TWO_32), ms >>> 0);
    } else if (value instanceof Uint8Array && Buffer.isBuffer(value)) {
      binary(value, 0xc4, undefined);
    } else if (value instanceof ArrayBuffer) binary(new Uint8Array(value), 0xc7, 0);
    else if (ArrayBuffer.isView(value)) {
      binary(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), 0xc7, 0);
    } else if ("toJSON" in value && typeof value.toJSON === "function") any(value.toJSON());
    // Object.keys reads any other object as a record, whatever its class.
    else map(value as Record<string, unknown>);
  }

  function any(value: unknown): void {
    switch (typeof value) {
      case "string":
        text(value);
        return;
      case "number":
        if (Math.floor(value) === value && Number.isFinite(value)) whole(value);
        else float(value);
        return;
      case "boolean":
        reserve(1);
        bytes[at++] = value ? 0xc3 : 0xc2;
        return;
      case "undefined":
        reserve(3);
        bytes[at++] = 0xd4;
        bytes[at++] = 0;
        bytes[at++] = 0;
        return;
      case "object":
        if (value !== null) object(value);
        else {
          reserve(1);
          bytes[at++] = 0xc0;
        }
        return;
      default:
        throw new TypeError(`A ${typeof value} cannot be sent`);
    }
  }

  function field(key: Buffer): void {
    reserve(key.length);
    for (let i = 0; i < key.length; i++) bytes[at++] = key[i] as number; // i is inside the key
  }

  function packet(packet: Packet): void {
    const { id, data } = packet;
    reserve(1);
    bytes[at++] = 0x82 + (data === undefined ? 0 : 1) + (id === undefined ? 0 : 1);
    field(KEY_TYPE);
    whole(plainType(packet.type));
    if (data !== undefined) {
      field(KEY_DATA);
      any(data);
    }
    if (id !== undefined) {
      field(KEY_ID);
      any(id);
    }
    field(KEY_NSP);
    text(packet.nsp);
  }

  return (toSend) => {
    const held = { bytes, at, start, busy };
    if (busy) {
      // A toJSON of the packet being written sends one itself: that one gets a slab of its own.
      bytes = NOTHING;
      at = 0;
    }
    busy = true;
    start = at;
    let frame: Buffer | undefined;
    try {
      packet(toSend);
      frame = cut(bytes, start, at);
      return frame;
    } finally {
      busy = held.busy;
      if (busy || bytes.length > SLAB_BYTES) ({ bytes, at, start } = held);
      else if (frame === undefined) at = start;
    }
  };
}
