import type { Frame, Packet } from "../../src/core/packet.ts";
import { stockEncode } from "../codec/stock.ts";
import { INPUT_MAX, mutateBytes, mutateText, type Random } from "./mutate.ts";

const line = { sku: "a-1", price: 1.5, tags: ["x", "y"], when: new Date(1.7e12), gone: undefined };

/** What honest clients send; everything else is made from it. */
const HONEST: readonly [Packet, ...Packet[]] = [
  { type: 0, nsp: "/" },
  { type: 0, nsp: "/chat", data: { token: "abc.def", pid: undefined } },
  { type: 1, nsp: "/chat" },
  { type: 2, nsp: "/", data: ["message", "hello"] },
  { type: 2, nsp: "/", data: ["message", { room: "lobby", text: "hello", at: 1.7e12 }], id: 7 },
  { type: 2, nsp: "/n", data: ["order", { lines: [line, line], total: -3, ok: true, no: null }] },
  { type: 2, nsp: "/", data: ["deep", [[[[[[[[{ a: { b: { c: [1] } } }]]]]]]]]], id: 2 ** 40 },
  { type: 2, nsp: "/", data: ["bytes", Buffer.from("abc"), { more: Buffer.alloc(40, 1) }], id: 0 },
  { type: 2, nsp: "/", data: [1, 2 ** 33, -(2 ** 33), 200, 70_000, -200, -70_000, 0.1, "ünï😀"] },
  { type: 2, nsp: "/", data: ["wide", "w".repeat(300), new ArrayBuffer(9), Uint8Array.of(1, 2)] },
  { type: 2, nsp: "/", data: ["many", Array.from({ length: 100 }, (_, i) => i), { _id: "x" }] },
  { type: 3, nsp: "/", data: [], id: 12 },
  { type: 3, nsp: "/chat", data: [Buffer.from("answer"), "ok"], id: 9_007_199_254_740_991 },
  { type: 4, nsp: "/", data: { message: "no" } },
];

/** Returns a source of the frames of one connection: mutated, random, or now and then honest. */
export function createCorpus(random: Random): () => Frame[] {
  const msgpack = HONEST.map((packet) => stockEncode("msgpack", packet)[0] as Buffer); // one frame each
  const json = HONEST.map((packet) => stockEncode("json", packet).map(asReceived));
  const texts = json.map(([text]) => text as string); // the first frame is text

  function bytes(): Buffer {
    const frame = msgpack[random.below(msgpack.length)] ?? Buffer.alloc(0);
    if (random.below(20) === 0) return noise();
    if (random.below(50) === 0) return frame;
    return mutateBytes(random, frame, msgpack[random.below(msgpack.length)] ?? frame);
  }

  function noise(): Buffer {
    const length = random.below(random.below(2) ? 16 : INPUT_MAX);
    return Buffer.from(Array.from({ length }, () => random.below(256)));
  }

  function textAndAttachments(): Frame[] {
    const frames = json[random.below(json.length)] ?? [];
    const [text = "", ...attachments] = frames;
    const other = texts[random.below(texts.length)] ?? "";
    const first = random.below(50) === 0 ? text : mutateText(random, text as string, other); // as above
    const extra = Array.from({ length: random.below(3) }, noise);
    return [first, ...attachments, ...extra];
  }

  return () => (random.below(2) ? [bytes()] : textAndAttachments());
}

/** The parser gives out binary values as the application made them; a transport gives Buffers. */
function asReceived(frame: string | Buffer | ArrayBuffer): Frame {
  return typeof frame === "string" ? frame : Buffer.from(new Uint8Array(frame));
}
