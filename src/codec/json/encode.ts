import { Encoder } from "socket.io-parser";
import { type Bytes, viewOn } from "../../core/bytes.ts";
import type { Frame, Packet } from "../../core/packet.ts";
import { plainType } from "../limits.ts";

const encoder = new Encoder();

/**
 * Returns a packet as Socket.IO's own parser writes it: a text, then one frame per attachment,
 * which is a view on the caller's bytes.
 */
export function encodeJson(packet: Packet): readonly Frame[] {
  // The parser itself finds out whether there are attachments.
  const type = plainType(packet.type);
  const plain = type === packet.type ? packet : { ...packet, type };
  // The parser is typed for its own enum of the same numbers, and returns text and binary values.
  const frames = encoder.encode(plain as never) as (string | Bytes)[];
  for (let i = 1; i < frames.length; i++) frames[i] = viewOn(frames[i] as Bytes); // after the text
  return frames as Frame[]; // by the line above
}
