import { Encoder } from "socket.io-parser";
import { viewOn } from "../../core/buffer.ts";
import type { Bytes } from "../../core/bytes.ts";
import { type Frame, isAck, isEvent, type Packet } from "../../core/packet.ts";
import { plainType } from "../limits.ts";

const encoder = new Encoder();

/**
 * Encodes a packet as Socket.IO's own parser does: one text frame, then one frame per attachment.
 * An attachment is a view on the caller's bytes.
 */
export function encodeJson(packet: Packet): readonly Frame[] {
  const type = plainType(packet.type);
  // Most packets are events and acks without attachments, whose text is short to write.
  if ((isEvent(type) || isAck(type)) && isPlain(packet.data)) return [writeText(type, packet)];
  // The parser looks for attachments itself and sets the binary types.
  const plain = type === packet.type ? packet : { ...packet, type };
  // The parser's enum has the same numbers. It returns a string, then the binary values.
  const frames = encoder.encode(plain as never) as (string | Bytes)[];
  for (let i = 1; i < frames.length; i++) frames[i] = viewOn(frames[i] as Bytes); // bytes
  return frames as Frame[]; // by the line above
}

function writeText(type: number, { nsp, id, data }: Packet): string {
  const head = nsp === "/" ? `${type}` : `${type}${nsp},`;
  const json = data === undefined || data === null ? "" : JSON.stringify(data);
  return id === undefined ? head + json : head + id + json;
}

/**
 * Whether a value holds only scalars, plain objects and arrays, so that it has no attachments. It
 * reads each member once, as the parser's own search for attachments does, and calls no `toJSON`.
 */
function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i])) return false;
    return true;
  }
  const kind: unknown = Object.getPrototypeOf(value);
  if (kind !== Object.prototype && kind !== null) return false;
  const members = value as Readonly<Record<string, unknown>>; // any object can be read by key
  if (members.toJSON !== undefined) return false;
  for (const key in members) if (!isPlain(members[key])) return false;
  return true;
}
