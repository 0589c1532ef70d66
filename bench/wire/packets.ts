import { decode, encode } from "@msgpack/msgpack";
import { makeFrame } from "./scanner.ts";

/** The codec a client speaks. */
export type Codec = "json" | "msgpack";

/** What a message that carries no marker means to a client. */
export type Signal =
  | { readonly is: "open" }
  | { readonly is: "ping" }
  | { readonly is: "joined"; readonly id: string }
  | { readonly is: "refused"; readonly why: string }
  | { readonly is: "left" }
  | { readonly is: "other" };

/** `3`, the answer to Engine.IO's heartbeat. */
export const PONG_FRAME = makeFrame(1, Buffer.from("3"));

const OTHER: Signal = { is: "other" };

/** Reads Engine.IO v4 and Socket.IO v5 packets that are not events of the load. */
export function readSignal(opcode: number, message: Buffer): Signal {
  return opcode === 2 ? readMsgpack(message) : readText(message.toString("utf8"));
}

function readText(text: string): Signal {
  if (text.startsWith("0")) return { is: "open" };
  if (text === "2") return { is: "ping" };
  const kind = text.slice(0, 2);
  if (kind === "41") return { is: "left" };
  if (kind !== "40" && kind !== "44") return OTHER;
  const brace = text.indexOf("{");
  const data: unknown = brace < 0 ? undefined : JSON.parse(text.slice(brace));
  return kind === "40" ? joined(data) : { is: "refused", why: JSON.stringify(data) };
}

function readMsgpack(message: Buffer): Signal {
  const packet = decode(message);
  if (typeof packet !== "object" || packet === null || !("type" in packet)) return OTHER;
  const data = "data" in packet ? packet.data : undefined;
  if (packet.type === 0) return joined(data);
  if (packet.type === 1) return { is: "left" };
  return packet.type === 4 ? { is: "refused", why: JSON.stringify(data) } : OTHER;
}

function joined(data: unknown): Signal {
  const sid = typeof data === "object" && data !== null && "sid" in data ? data.sid : "";
  return { is: "joined", id: String(sid) };
}

/** The CONNECT packet as a frame. */
export function connectFrame(codec: Codec, namespace: string, auth: unknown): Buffer {
  if (codec === "msgpack") {
    const packet = { type: 0, nsp: namespace, ...(auth === undefined ? {} : { data: auth }) };
    return makeFrame(2, Buffer.from(encode(packet)));
  }
  const where = namespace === "/" ? "" : `${namespace},`;
  return makeFrame(1, Buffer.from(`40${where}${auth === undefined ? "" : JSON.stringify(auth)}`));
}

/** An EVENT packet, with an acknowledgement id if one is given, as a frame. */
export function eventFrame(codec: Codec, namespace: string, data: unknown[], id?: number): Buffer {
  if (codec === "msgpack") {
    const packet = { type: 2, data, nsp: namespace, ...(id === undefined ? {} : { id }) };
    return makeFrame(2, Buffer.from(encode(packet)));
  }
  const where = namespace === "/" ? "" : `${namespace},`;
  return makeFrame(1, Buffer.from(`42${where}${id ?? ""}${JSON.stringify(data)}`));
}
