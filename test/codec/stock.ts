import * as msgpackParser from "socket.io-msgpack-parser";
import * as jsonParser from "socket.io-parser";
import type { Frame, Packet } from "../../src/core/packet.ts";

/** A parser as Socket.IO uses it. */
interface Parser {
  readonly Encoder: new () => { encode(packet: Packet): Frame[] };
  readonly Decoder: new () => {
    add(frame: Frame): void;
    on(event: "decoded", listener: (packet: Packet) => void): unknown;
  };
}

// Both packages implement the parser interface of Socket.IO; their types name it differently.
const PARSERS = {
  msgpack: msgpackParser as unknown as Parser,
  json: jsonParser as unknown as Parser,
} as const;

/** Returns the frames in which a client with the official parser sends a packet. */
export function stockEncode(codec: keyof typeof PARSERS, packet: Packet): Frame[] {
  return new PARSERS[codec].Encoder().encode(packet);
}

/** Returns what a client with the official parser makes of frames; throws what it throws. */
export function stockDecode(codec: keyof typeof PARSERS, frames: readonly Frame[]): Packet {
  const decoder = new PARSERS[codec].Decoder();
  let packet: Packet | undefined;
  decoder.on("decoded", (decoded) => {
    packet = decoded;
  });
  for (const frame of frames) decoder.add(frame);
  if (!packet) throw new Error("the frames make no packet");
  return packet;
}
