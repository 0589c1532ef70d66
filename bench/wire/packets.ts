import type { CodecName, Packet } from "../../src/core/packet.ts";
import { createSpeech } from "../../test/harness/wire-speech.ts";
import { encodeFrame, NO_MASK, OP } from "../../test/harness/wire-ws.ts";

/** The codec a client speaks. */
export type Codec = CodecName;

/** What clients and server say to each other: Socket.IO, or a peer's own protocol. */
export type Protocol = "socket.io" | "centrifugo";

/** What a message that carries no marker means to a client. */
export type Signal =
  | { readonly is: "open" }
  | { readonly is: "ping" }
  | { readonly is: "joined"; readonly id: string }
  | { readonly is: "refused"; readonly why: string }
  | { readonly is: "left" }
  | { readonly is: "other" };

/** Returns a client's frame, whose mask costs the generator nothing. */
export function makeFrame(opcode: number, payload: string | Uint8Array): Buffer {
  return encodeFrame({ opcode, payload, mask: NO_MASK });
}

/** `3`, the answer to Engine.IO's heartbeat. */
export const PONG_FRAME = makeFrame(OP.text, "3");

const OTHER: Signal = { is: "other" };
// One of each serves all clients: no packet that is read here has attachments.
const SPEECHES = { json: createSpeech("json"), msgpack: createSpeech("msgpack") };

/** Reads Engine.IO v4 and Socket.IO v5 packets that are not events of the load. */
export function readSignal(opcode: number, message: Buffer): Signal {
  const text = opcode === OP.text ? message.toString() : undefined;
  if (text?.startsWith("0")) return { is: "open" };
  if (text === "2") return { is: "ping" };
  const packet = SPEECHES.msgpack.hear(text ?? message);
  if (packet?.type === 0) {
    const { sid } = (packet.data ?? {}) as { sid?: unknown }; // CONNECT's answer is an object
    return { is: "joined", id: String(sid ?? "") };
  }
  if (packet?.type === 1) return { is: "left" };
  return packet?.type === 4 ? { is: "refused", why: JSON.stringify(packet.data) } : OTHER;
}

function packetFrame(codec: Codec, packet: Packet): Buffer {
  const [message = ""] = SPEECHES[codec].say(packet);
  return makeFrame(typeof message === "string" ? OP.text : OP.binary, message);
}

/** The CONNECT packet as a frame. */
export function connectFrame(codec: Codec, nsp: string, auth: unknown): Buffer {
  return packetFrame(codec, { type: 0, nsp, ...(auth === undefined ? {} : { data: auth }) });
}

/** An EVENT packet, with an acknowledgement id if one is given, as a frame. */
export function eventFrame(codec: Codec, nsp: string, data: unknown[], id?: number): Buffer {
  return packetFrame(codec, { type: 2, data, nsp, ...(id === undefined ? {} : { id }) });
}
