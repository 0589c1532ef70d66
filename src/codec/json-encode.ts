import { Encoder } from "socket.io-parser";
import type { Frame, Packet } from "../core/packet.ts";
import { plainType } from "./limits.ts";

const encoder = new Encoder();

/**
 * Returns a packet as Socket.IO's own parser writes it: a text, then one frame per attachment.
 *
 * Attachments are copies of the bytes that a view shows, so that the caller may reuse its buffers.
 */
export function encodeJson(packet: Packet): readonly Frame[] {
  // The parser itself finds out whether there are attachments.
  const type = plainType(packet.type);
  const plain = type === packet.type ? packet : { ...packet, type };
  // The parser is typed for its own enum of the same numbers, and returns text and binary values.
  const frames = encoder.encode(plain as never) as readonly (string | Binary)[];
  return frames.map((frame) => (typeof frame === "string" ? frame : copyOf(frame)));
}

type Binary = ArrayBuffer | ArrayBufferView;

function copyOf(binary: Binary): Buffer {
  const view = ArrayBuffer.isView(binary)
    ? Buffer.from(binary.buffer, binary.byteOffset, binary.byteLength)
    : Buffer.from(binary);
  return Buffer.from(view);
}
