import { Decoder as MsgpackDecoder, Encoder as MsgpackEncoder } from "@msgpack/msgpack";
import { Packr } from "msgpackr";
import * as stockMsgpack from "socket.io-msgpack-parser";
import * as stockJson from "socket.io-parser";
import { createCodec } from "../src/codec/codec.ts";
import type { CodecName, Packet } from "../src/core/packet.ts";
import { readSettings } from "../src/core/settings.ts";

/** A way to turn packets into frames and back. */
export interface Subject {
  readonly name: string;
  create(): { encode(packet: Packet): unknown; decode(frame: never): unknown };
}

/** One kind of packet, in variants of equal shape and size. */
export interface Case {
  readonly name: string;
  readonly packets: readonly Packet[];
}

const VARIANTS = 64;

/** The packets that are measured; the sizes are those of their msgpack frames. */
export const CASES: readonly Case[] = [
  { name: "chat, 100 B", packets: variants(chat) },
  { name: "object, 1 KiB", packets: variants(object) },
  { name: "binary, 16 KiB", packets: variants(binary) },
];

/** Ours first, then the control, then the neighbours. */
export const SUBJECTS: readonly Subject[] = [
  { name: "sluice msgpack", create: () => ours("msgpack") },
  { name: "socket.io-msgpack-parser", create: () => stock(stockMsgpack) },
  { name: "@msgpack/msgpack", create: createMsgpack },
  { name: "msgpackr", create: createMsgpackr },
  { name: "sluice json", create: () => ours("json") },
  { name: "socket.io-parser", create: () => stock(stockJson) },
];

function ours(name: CodecName): ReturnType<Subject["create"]> {
  const codec = createCodec({ ...readSettings({}).codec, packetBytesMax: 1_000_000 });
  const reader = codec.createReader();
  return {
    encode: (packet) => codec.encode(packet).of(name),
    // Like the others it is given frames that stay valid, so that binary values may be views.
    decode(frames: readonly (string | Buffer)[]) {
      let packet: unknown;
      for (const frame of frames) packet = reader.read(frame, true);
      return packet;
    },
  };
}

/** A parser as Socket.IO uses it. */
interface Parser {
  readonly Encoder: new () => { encode(packet: never): unknown[] };
  readonly Decoder: new () => {
    add(frame: never): void;
    on(event: "decoded", listener: (packet: Packet) => void): unknown;
  };
}

function stock(parser: unknown): ReturnType<Subject["create"]> {
  const { Encoder, Decoder } = parser as Parser; // both packages implement Socket.IO's parser interface
  const encoder = new Encoder();
  const decoder = new Decoder();
  let packet: unknown;
  decoder.on("decoded", (decoded) => {
    packet = decoded;
  });
  return {
    encode: (sent) => encoder.encode(sent as never),
    decode(frames: readonly never[]) {
      for (const frame of frames) decoder.add(frame);
      return packet;
    },
  };
}

function createMsgpack(): ReturnType<Subject["create"]> {
  const encoder = new MsgpackEncoder();
  const decoder = new MsgpackDecoder();
  return {
    encode: (packet) => encoder.encode(packet),
    decode: (frame: Uint8Array) => decoder.decode(frame),
  };
}

function createMsgpackr(): ReturnType<Subject["create"]> {
  const packr = new Packr({ useRecords: false });
  return {
    encode: (packet) => packr.pack(packet),
    decode: (frame: Buffer) => packr.unpack(frame),
  };
}

function variants(make: (text: (length: number) => string, seed: number) => unknown[]): Packet[] {
  return Array.from({ length: VARIANTS }, (_, seed) => {
    let state = seed * 2654435761 + 1;
    const text = (length: number) => {
      let made = "";
      while (made.length < length) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        made += "abcdefghijklmnopqrstuvwxyz     "[(state >>> 16) % 31];
      }
      return made;
    };
    return { type: 2, data: make(text, seed), nsp: "/" };
  });
}

function chat(text: (length: number) => string, seed: number): unknown[] {
  return ["message", { room: "lobby", from: text(8), text: text(29), at: 1.7e12 + seed }];
}

function object(text: (length: number) => string, seed: number): unknown[] {
  const line = (i: number) => ({
    sku: text(12),
    title: text(40),
    price: 19.95 + i,
    count: seed % 100,
    tags: [text(6), text(9)],
    stock: i % 2 === 0,
  });
  const customer = { id: 100_000 + seed, name: text(18), mail: text(22), note: text(397) };
  return ["order", { id: text(24), customer, lines: [0, 1, 2, 3].map(line), total: 99.5 + seed }];
}

function binary(_text: unknown, seed: number): unknown[] {
  return ["chunk", seed, Buffer.alloc(16_384, seed)];
}
