import type { Packet } from "../../core/packet.ts";
import { plainType } from "../limits.ts";
import { createFrameWriter, type FrameWriter, writeFrame } from "./frame-writer.ts";
import {
  put64,
  putArrayBuffer,
  putBuffer,
  putByte,
  putListHead,
  putMapHead,
  putNumber,
  putText,
} from "./write.ts";

/** Returns one packet as one frame of its own bytes. */
export type EncodeMsgpack = (packet: Packet) => Buffer;

/**
 * Returns the encoder of the msgpack codec, whose bytes are those of notepack.io 2, with exceptions
 * that its decoder understands: a typed array sends the bytes it shows and no others of its buffer,
 * whole numbers beyond 64 bits are sent as floats, half a surrogate pair as U+FFFD.
 *
 * Throws a TypeError for what cannot be sent (bigint, symbol, a function in a list) and whatever a
 * `toJSON` or a getter of the caller throws. Those may send packets themselves.
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
      // notepack's own extension: type 0 in one byte.
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
  // Any other object is sent as the record of its own keys, whatever its class.
  else putMap(to, value as Record<string, unknown>);
}

function putList(to: FrameWriter, values: readonly unknown[]): void {
  // Held, because a toJSON on the way may change the list.
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
  // The header of a small map can be put right afterwards; before a large one, functions, which are
  // never sent, must be counted.
  const length = names.length < 0x10 ? names.length : countSent(value, names);
  // Counted from the start, because the frame moves when it outgrows its slab.
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
