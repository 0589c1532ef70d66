import { Encoder } from "socket.io-parser";
import { viewOn } from "../../core/buffer.ts";
import type { Bytes } from "../../core/bytes.ts";
import type { Frame, Packet } from "../../core/packet.ts";
import { plainType } from "../limits.ts";

const encoder = new Encoder();

/**
 * Encodes a packet with Socket.IO's own parser: one text frame, then one frame per attachment. An
 * attachment is a view on the caller's bytes.
 */
export function encodeJson(packet: Packet): readonly Frame[] {
  // The parser looks for attachments itself and sets the binary types.
  const type = plainType(packet.type);
  const plain = type === packet.type ? packet : { ...packet, type };
  // The parser's enum has the same numbers. It returns a string, then the binary values.
  const frames = encoder.encode(plain as never) as (string | Bytes)[];
  for (let i = 1; i < frames.length; i++) frames[i] = viewOn(frames[i] as Bytes); // bytes
  return frames as Frame[]; // by the line above
}
