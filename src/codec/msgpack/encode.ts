import type { Packet } from "../../core/packet.ts";
import { plainType } from "../limits.ts";
import {
  createFrameWriter,
  type FrameWriter,
  put64,
  putArrayBuffer,
  putBuffer,
  putByte,
  putListHead,
  putMapHead,
  putNumber,
  putText,
  writeFrame,
} from "./write.ts";

/** Encodes one packet as one frame. No later call changes its bytes. */
export type EncodeMsgpack = (packet: Packet) => Buffer;

/**
 * Returns the encoder of the msgpack codec. It writes the same bytes as notepack.io 2, with
 * exceptions that notepack's decoder understands: a typed array sends only its own part of its
 * buffer, integers beyond 64 bits are sent as floats, and a lone surrogate as U+FFFD.
 *
 * Throws a TypeError for values that cannot be sent (bigint, symbol, a function in an array), and
 * whatever a `toJSON` or a getter throws. These may send packets themselves.
 */
export function createMsgpackEncoder(): EncodeMsgpack {
  const writer = createFrameWriter();
  return (packet) => writeFrame(writer, putPacket, packet);
}

function putPacket(to: FrameWriter, { type, nsp, data, id }: Packet): void {
  putMapHead(to, 2 + (data === undefined ? 0 : 1) + (id === undefined ? 0 : 1));
  putText(to, "type");
  putNumber(to, plainType(type));
  if (data !== undefined) {
    putText(to, "data");
    putValue(to, data);
  }
  if (id !== undefined) {
    putText(to, "id");
    putNumber(to, id);
  }
  putText(to, "nsp");
  putText(to, nsp);
}

/** Writes any value. */
export function putValue(to: FrameWriter, value: unknown): void {
  switch (typeof value) {
    case "string":
      putText(to, value);
      return;
    case "number":
      putNumber(to, value);
      return;
    case "boolean":
      putByte(to, value ? 0xc3 : 0xc2);
      return;
    case "undefined":
      // An extension of notepack: type 0 with one byte.
      putByte(to, 0xd4);
      putByte(to, 0);
      putByte(to, 0);
      return;
    case "object":
      if (value === null) putByte(to, 0xc0);
      else putObject(to, value);
      return;
    default:
      throw new TypeError(`A ${typeof value} cannot be sent`);
  }
}

function putObject(to: FrameWriter, value: object): void {
  if (Array.isArray(value)) putList(to, value);
  else if (value instanceof Date) putDate(to, value);
  else if (value instanceof ArrayBuffer) putArrayBuffer(to, new Uint8Array(value));
  else if (ArrayBuffer.isView(value)) putView(to, value);
  else if ("toJSON" in value && typeof value.toJSON === "function") putValue(to, value.toJSON());
  // An object of any other class is sent as a map of its own keys.
  else putMap(to, value as Record<string, unknown>);
}

function putList(to: FrameWriter, values: readonly unknown[]): void {
  // Read once, because a toJSON of a member may change the array.
  const { length } = values;
  putListHead(to, length);
  for (let i = 0; i < length; i++) putValue(to, values[i]);
}

function putDate(to: FrameWriter, date: Date): void {
  const ms = date.getTime();
  putByte(to, 0xd7);
  put64(to, 0, Number.isNaN(ms) ? 0 : ms);
}

function putView(to: FrameWriter, view: ArrayBufferView): void {
  if (Buffer.isBuffer(view)) putBuffer(to, view);
  else putArrayBuffer(to, new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
}

function putMap(to: FrameWriter, value: Readonly<Record<string, unknown>>): void {
  const names = Object.keys(value);
  // Functions are not sent, so the map may have fewer members than names. The one-byte header of a
  // small map can be corrected afterwards; for a large one the members are counted first.
  const length = names.length < 0x10 ? names.length : countSent(value, names);
  // Relative to the start, because the frame moves when it outgrows its slab.
  const head = to.at - to.start;
  putMapHead(to, length);
  let sent = 0;
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string; // i is inside the list
    const member = value[name];
    if (typeof member === "function") continue;
    sent += 1;
    putText(to, name);
    putValue(to, member);
  }
  if (sent === length) return;
  if (length >= 0x10) throw new TypeError("An object changed while it was being sent");
  to.bytes[to.start + head] = 0x80 | sent;
}

function countSent(value: Readonly<Record<string, unknown>>, names: readonly string[]): number {
  let sent = 0;
  for (const name of names) if (typeof value[name] !== "function") sent += 1;
  return sent;
}
