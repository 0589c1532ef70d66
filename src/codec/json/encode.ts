import { Encoder } from "socket.io-parser";
import { viewOn } from "../../core/buffer.ts";
import type { Bytes } from "../../core/bytes.ts";
import { type Frame, isAck, isEvent, type Packet } from "../../core/packet.ts";
import { plainType } from "../limits.ts";
import { isPlain, writeScalars } from "./write.ts";

const encoder = new Encoder();

/**
 * Encodes a packet as Socket.IO's own parser does: one text frame, then one frame per attachment.
 * An attachment is a view on the caller's bytes.
 */
export function encodeJson(packet: Packet): readonly Frame[] {
  const type = plainType(packet.type);
  if (isEvent(type) || isAck(type)) {
    const { data } = packet;
    const json = writeScalars(data) ?? (isPlain(data) ? stringify(data) : undefined);
    if (json !== undefined) return [headOf(type, packet) + json];
  }
  // The parser looks for attachments itself and sets the binary types.
  const plain = type === packet.type ? packet : { ...packet, type };
  // The parser's enum has the same numbers. It returns a string, then the binary values.
  const frames = encoder.encode(plain as never) as (string | Bytes)[];
  for (let i = 1; i < frames.length; i++) frames[i] = viewOn(frames[i] as Bytes); // bytes
  return frames as Frame[]; // by the line above
}

/** As the parser: of what is missing it writes nothing. */
function stringify(data: unknown): string {
  return data === undefined || data === null ? "" : JSON.stringify(data);
}

function headOf(type: number, { nsp, id }: Packet): string {
  const head = nsp === "/" ? `${type}` : `${type}${nsp},`;
  return id === undefined ? head : head + id;
}
