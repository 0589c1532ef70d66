import { createRequire } from "node:module";
import { Decoder, Encoder } from "socket.io-parser";
import type { CodecName, Packet } from "../../src/core/packet.ts";

/** One Engine.IO packet as it is on a WebSocket: text with its type digit, or a binary message. */
export type EnginePacket = string | Buffer;

/** Packets in one of the two encodings, by the official encoders: what real clients send. */
export interface Speech {
  /** The Engine.IO packets of one Socket.IO packet. */
  say(packet: Packet): EnginePacket[];
  /**
   * Takes one Engine.IO message; returns the Socket.IO packet it completes, if it does. Text is JSON
   * in either encoding: a server that knows no msgpack answers so.
   */
  hear(packet: EnginePacket): Packet | undefined;
}

interface AnyParser {
  readonly Encoder: new () => { encode(packet: Packet): (string | Buffer)[] };
  readonly Decoder: new () => {
    add(frame: string | Buffer): void;
    on(event: "decoded", listener: (packet: Packet) => void): void;
  };
}

// Both official parsers have this shape (socket.io docs, "Custom parser"); one ships no types.
const PARSERS = {
  json: { Encoder, Decoder },
  msgpack: createRequire(import.meta.url)("socket.io-msgpack-parser"),
} as unknown as Readonly<Record<CodecName, AnyParser>>;

/** Returns a new pair of encoder and decoder of one codec. */
export function createSpeech(codec: CodecName): Speech {
  const encoder = new PARSERS[codec].Encoder();
  const text = new PARSERS.json.Decoder();
  const binary = codec === "json" ? text : new PARSERS[codec].Decoder();
  let heard: Packet | undefined;
  for (const decoder of [text, binary]) {
    decoder.on("decoded", (packet) => {
      heard = packet;
    });
  }
  return {
    say: (packet) =>
      encoder.encode(packet).map((frame) => (typeof frame === "string" ? `4${frame}` : frame)),
    hear(packet) {
      heard = undefined;
      if (typeof packet !== "string") binary.add(packet);
      else if (packet[0] === "4") text.add(packet.slice(1));
      return heard;
    },
  };
}
