import assert from "node:assert/strict";
import { test } from "node:test";
import type { CodecSettings } from "../../src/codec/limits.ts";
import { FAILURES, type FailureCode } from "../../src/core/failures.ts";
import type { Frame, Packet } from "../../src/core/packet.ts";
import { bytes, codecWith, event, packetWithData, readAll, refusalOf } from "./kit.ts";

/** One thing that is refused: what it is, with which code, and the frames that bring it. */
type Row = readonly [what: string, code: FailureCode, frames: readonly Frame[] | Buffer | string];

const HEAD = "83 a474797065 02 a36e7370 a12f a464617461";
const placeholder = (num: unknown) => JSON.stringify({ _placeholder: true, num });

const MSGPACK: readonly Row[] = [
  ["no bytes at all", "CODEC_MALFORMED", bytes("")],
  ["a packet that is a list", "CODEC_MALFORMED", bytes("93 02 a12f 91a165")],
  ["a packet that is a number", "CODEC_MALFORMED", bytes("02")],
  ["a reserved head byte", "CODEC_MALFORMED", packetWithData("92 a165 c1")],
  ["bytes after the packet", "CODEC_MALFORMED", packetWithData("91 a165 00")],
  ["a packet cut short", "CODEC_MALFORMED", packetWithData("92 a165 cd 01")],
  ["a packet without its last key", "CODEC_MALFORMED", bytes("83 a474797065 02 a36e7370 a12f")],
  ["a string longer than the frame", "CODEC_MALFORMED", packetWithData("91 db ffffffff 61")],
  ["a binary longer than the frame", "CODEC_MALFORMED", packetWithData("92 a165 c6 ffffffff 61")],
  ["an ext longer than the frame", "CODEC_MALFORMED", bytes("c9 ffffffff 00")],
  ["an ext 8 longer than the frame", "CODEC_MALFORMED", packetWithData("92 a165 c7 05 00 01")],
  ["an ext 16 longer than the frame", "CODEC_MALFORMED", packetWithData("92 a165 c8 ffff 00 01")],
  ["an ext 32 longer than the frame", "CODEC_MALFORMED", packetWithData("92 a165 c9 ffffffff 00")],
  ["a list longer than the frame", "CODEC_MALFORMED", packetWithData("dd ffffffff a165")],
  ["a map longer than the frame", "CODEC_MALFORMED", packetWithData("92 a165 df ffffffff a161")],
  ["a packet with more keys than bytes", "CODEC_MALFORMED", bytes("df ffffffff a474797065 02")],
  ["lists that together outgrow the frame", "CODEC_MALFORMED", nested("dc 0028", 8)],
  ["maps that together outgrow the frame", "CODEC_MALFORMED", nested("de 0014 a16b", 8)],
  ["a key that is a number", "CODEC_MALFORMED", packetWithData("92 a165 81 01 02")],
  ["a key that is binary", "CODEC_MALFORMED", packetWithData("92 a165 81 c40161 02")],
  ["a top-level key that is no text", "CODEC_MALFORMED", bytes("81 c0 02")],
  ["a key __proto__", "CODEC_BAD_SHAPE", packetWithData("92 a165 81 a95f5f70726f746f5f5f 80")],
  [
    "a long form of that key",
    "CODEC_BAD_SHAPE",
    packetWithData("92 a165 81 d9095f5f70726f746f5f5f 80"),
  ],
  [
    "a placeholder",
    "CODEC_BAD_SHAPE",
    packetWithData("92 a165 82 ac5f706c616365686f6c646572 c3 a36e756d 00"),
  ],
  ["no type", "CODEC_BAD_SHAPE", bytes("82 a36e7370 a12f a464617461 91 a165")],
  ["type 5", "CODEC_BAD_SHAPE", bytes("83 a474797065 05 a36e7370 a12f a464617461 91 a165")],
  ["type -1", "CODEC_BAD_SHAPE", bytes("83 a474797065 ff a36e7370 a12f a464617461 91 a165")],
  [
    "a type that is text",
    "CODEC_BAD_SHAPE",
    bytes("83 a474797065 a132 a36e7370 a12f a464617461 91 a165"),
  ],
  ["no namespace", "CODEC_BAD_SHAPE", bytes("82 a474797065 02 a464617461 91 a165")],
  ["a namespace that is a number", "CODEC_BAD_SHAPE", bytes("82 a474797065 00 a36e7370 01")],
  ["a namespace that is no path", "CODEC_BAD_SHAPE", bytes("82 a474797065 00 a36e7370 a161")],
  ["a comma in a namespace", "CODEC_BAD_SHAPE", bytes("82 a474797065 00 a36e7370 a4 2f612c62")],
  [
    "a control character in a namespace",
    "CODEC_BAD_SHAPE",
    bytes("82 a474797065 00 a36e7370 a4 2f611f62"),
  ],
  ["a negative id", "CODEC_BAD_SHAPE", bytes("84 a26964 ff", HEAD.slice(2), "91 a165")],
  [
    "a fractional id",
    "CODEC_BAD_SHAPE",
    bytes("84 a26964 cb3ff8000000000000", HEAD.slice(2), "91 a165"),
  ],
  ["an id that is text", "CODEC_BAD_SHAPE", bytes("84 a26964 a131", HEAD.slice(2), "91 a165")],
  [
    "an id of 2^53",
    "CODEC_BAD_SHAPE",
    bytes("84 a26964 cf0020000000000000", HEAD.slice(2), "91 a165"),
  ],
  ["an event of no members", "CODEC_BAD_SHAPE", packetWithData("90")],
  ["an event that is a map", "CODEC_BAD_SHAPE", packetWithData("81 a165 01")],
  ["an event without data", "CODEC_BAD_SHAPE", bytes("82 a474797065 02 a36e7370 a12f")],
  ["an event named by a map", "CODEC_BAD_SHAPE", packetWithData("91 80")],
  ["an event named by null", "CODEC_BAD_SHAPE", packetWithData("91 c0")],
  ["an event named NaN", "CODEC_BAD_SHAPE", packetWithData("91 cb7ff8000000000000")],
  [
    "an ack that is text",
    "CODEC_BAD_SHAPE",
    bytes("83 a474797065 03 a36e7370 a12f a464617461 a165"),
  ],
  [
    "a CONNECT with a list",
    "CODEC_BAD_SHAPE",
    bytes("83 a474797065 00 a36e7370 a12f a464617461 90"),
  ],
  [
    "a CONNECT with a Date",
    "CODEC_BAD_SHAPE",
    bytes("83 a474797065 00 a36e7370 a12f a464617461 d7000000000000000000"),
  ],
  [
    "a CONNECT with binary",
    "CODEC_BAD_SHAPE",
    bytes("83 a474797065 00 a36e7370 a12f a464617461 c40101"),
  ],
  [
    "a DISCONNECT with data",
    "CODEC_BAD_SHAPE",
    bytes("83 a474797065 01 a36e7370 a12f a464617461 80"),
  ],
];

const JSON_TEXT: readonly Row[] = [
  ["no text at all", "CODEC_MALFORMED", ""],
  ["a type that is a letter", "CODEC_MALFORMED", 'x["e"]'],
  ["type 7", "CODEC_MALFORMED", '7["e"]'],
  ["what is not JSON", "CODEC_MALFORMED", '2["e"'],
  ["text after the JSON", "CODEC_MALFORMED", '2["e"]]'],
  ["a namespace without its slash", "CODEC_MALFORMED", '2a,["e"]'],
  ["a space before the id", "CODEC_BAD_SHAPE", "3 1"],
  ["a control character in a namespace", "CODEC_BAD_SHAPE", "0/a\u001fb,"],
  ["an id beyond the safe integers", "CODEC_BAD_SHAPE", '29007199254740992["e"]'],
  ["an id of a thousand digits", "CODEC_BAD_SHAPE", `2${"1".repeat(1000)}["e"]`],
  ["an event without data", "CODEC_BAD_SHAPE", "2"],
  ["an event of no members", "CODEC_BAD_SHAPE", "2[]"],
  ["an event that is a map", "CODEC_BAD_SHAPE", '2{"0":"e"}'],
  ["an event named by a map", "CODEC_BAD_SHAPE", '2[{"toString":"rob"}]'],
  ["an ack that is a map", "CODEC_BAD_SHAPE", "31{}"],
  ["a CONNECT with a list", "CODEC_BAD_SHAPE", "0[]"],
  ["a CONNECT with text", "CODEC_BAD_SHAPE", '0"a"'],
  ["a DISCONNECT with data", "CODEC_BAD_SHAPE", "1{}"],
  ["a CONNECT_ERROR with a number", "CODEC_BAD_SHAPE", "4/a,[1]"],
  ["a key __proto__", "CODEC_BAD_SHAPE", '2["e",{"__proto__":{"admin":true}}]'],
  ["an escaped form of that key", "CODEC_BAD_SHAPE", '2["e",{"_\\u005fproto_\\u005F":1}]'],
  ["that key far inside", "CODEC_BAD_SHAPE", '0{"a":[{"b":{"__proto__":1}}]}'],
  ["a placeholder without attachments", "CODEC_BAD_SHAPE", `2["e",${placeholder(0)}]`],
  ["a binary event without a count", "CODEC_BAD_SHAPE", '5["e"]'],
  ["a binary event with no dash", "CODEC_BAD_SHAPE", `51["e",${placeholder(0)}]`],
  ["a binary event of 0 attachments", "CODEC_BAD_SHAPE", '50-["e"]'],
  ["a negative count", "CODEC_BAD_SHAPE", '5-1-["e"]'],
  ["a fractional count", "CODEC_BAD_SHAPE", '51.5-["e"]'],
  ["a count of a thousand digits", "CODEC_TOO_MANY_ATTACHMENTS", `5${"9".repeat(1000)}-["e"]`],
  ["attachments without placeholders", "CODEC_BAD_SHAPE", '51-["e"]'],
  ["a placeholder too many", "CODEC_BAD_SHAPE", `51-["e",${placeholder(0)},${placeholder(1)}]`],
  ["a placeholder used twice", "CODEC_BAD_SHAPE", `51-["e",${placeholder(0)},${placeholder(0)}]`],
  ["a placeholder number beyond", "CODEC_BAD_SHAPE", `51-["e",${placeholder(1)}]`],
  ["a negative placeholder number", "CODEC_BAD_SHAPE", `51-["e",${placeholder(-1)}]`],
  ["a fractional placeholder number", "CODEC_BAD_SHAPE", `51-["e",${placeholder(0.5)}]`],
  ["a placeholder number that is text", "CODEC_BAD_SHAPE", `51-["e",${placeholder("splice")}]`],
  ["a placeholder as a prototype", "CODEC_BAD_SHAPE", `51-["e",{"__proto__":${placeholder(0)}}]`],
  ["a placeholder as the whole data", "CODEC_BAD_SHAPE", `51-${placeholder(0)}`],
  ["a placeholder as the event name", "CODEC_BAD_SHAPE", `51-[${placeholder(0)}]`],
  ["a reserved name in a binary event", "CODEC_RESERVED_EVENT", `51-["connect",${placeholder(0)}]`],
];

function nested(head: string, times: number): Buffer {
  return packetWithData("92 a165", ...Array<string>(times).fill(head), "c0".repeat(150));
}

for (const [what, code, frames] of [...MSGPACK, ...JSON_TEXT]) {
  const list = typeof frames === "string" || Buffer.isBuffer(frames) ? [frames] : frames;
  test(`${typeof list[0] === "string" ? "json" : "msgpack"}: ${what} is refused`, () => {
    const codec = codecWith();
    assert.equal(refusalOf(list, codec.createReader()), code);
    assert.deepEqual(codec.samples().refused, { [code]: 1 });
  });
}

const RESERVED = ["connect", "connect_error", "disconnect", "disconnecting", "newListener"];
for (const name of [...RESERVED, "removeListener"]) {
  test(`a client cannot send ${name} in either codec, nor can long forms of the name`, () => {
    const codec = codecWith();
    for (const encoding of ["msgpack", "json"] as const) {
      const frames = codec.encode(event(name, "spoofed")).of(encoding);
      assert.equal(refusalOf(frames, codec.createReader()), "CODEC_RESERVED_EVENT");
    }
    const length = name.length.toString(16).padStart(2, "0");
    const long = packetWithData("91 d9", length, Buffer.from(name));
    assert.equal(refusalOf([long], codec.createReader()), "CODEC_RESERVED_EVENT");
    readAll(codec.encode({ ...event(name), type: 3 }).of("json"), codec.createReader());
  });
}

/** A limit, what is at it and what is one beyond. */
interface LimitRow {
  readonly limit: keyof CodecSettings;
  readonly value: number;
  readonly code: FailureCode;
  packet(n: number): Packet;
}

const LIMITS: readonly LimitRow[] = [
  { limit: "depthMax", value: 2, code: "CODEC_TOO_DEEP", packet: (n) => event("e", deep(n - 1)) },
  { limit: "depthMax", value: 32, code: "CODEC_TOO_DEEP", packet: (n) => event("e", deep(n - 1)) },
  {
    limit: "depthMax",
    value: 1000,
    code: "CODEC_TOO_DEEP",
    packet: (n) => event("e", deep(n - 1)),
  },
  {
    limit: "elementsMax",
    value: 16,
    code: "CODEC_TOO_MANY_ELEMENTS",
    packet: (n) => event("e", Array(n - 2).fill(0)),
  },
  {
    limit: "elementsMax",
    value: 100,
    code: "CODEC_TOO_MANY_ELEMENTS",
    packet: (n) => event("e", { a: [[], {}, [1]], b: { c: "[,{" } }, ...Array(n - 9).fill(",")),
  },
  {
    limit: "nameBytesMax",
    value: 256,
    code: "CODEC_NAME_TOO_LONG",
    packet: (n) => event("é".repeat(n >> 1) + "e".repeat(n & 1)),
  },
  {
    limit: "nameBytesMax",
    value: 16,
    code: "CODEC_NAME_TOO_LONG",
    packet: (n) => ({ type: 0, nsp: `/${"n".repeat(n - 1)}` }),
  },
  {
    limit: "attachmentsMax",
    value: 10,
    code: "CODEC_TOO_MANY_ATTACHMENTS",
    packet: (n) => event("e", ...Array.from({ length: n }, (_, i) => Buffer.from([i]))),
  },
  {
    limit: "attachmentsMax",
    value: 1,
    code: "CODEC_TOO_MANY_ATTACHMENTS",
    packet: (n) => ({ ...event(...Array(n).fill(Buffer.from("b"))), type: 3, id: 1 }),
  },
];

function deep(levels: number): unknown {
  let value: unknown = "core";
  for (let i = 0; i < levels; i++) value = i % 2 ? { next: value } : [value];
  return value;
}

for (const { limit, value, code, packet } of LIMITS) {
  for (const encoding of ["msgpack", "json"] as const) {
    test(`${encoding}: ${limit} ${value} is kept and one more is ${code}`, () => {
      const codec = codecWith({ [limit]: value });
      const at = packet(value);
      assert.deepEqual(readAll(codec.encode(at).of(encoding), codec.createReader()).data, at.data);
      const beyond = codec.encode(packet(value + 1)).of(encoding);
      // With attachments it is the text that brings the refusal, before any of them has come.
      const frames = encoding === "json" ? beyond.slice(0, 1) : beyond;
      assert.equal(refusalOf(frames, codec.createReader()), code);
    });
  }
}

test("packetBytesMax holds for a text, for a frame, and for a text with its attachments", () => {
  const packetBytesMax = 1024;
  const codec = codecWith({ packetBytesMax });
  const text = (n: number) => `2["${"é".repeat(200)}${"e".repeat(n - 405)}"]`;
  const frame = (n: number) =>
    packetWithData("92 a165 da", hex16(n - 24), Buffer.alloc(n - 24, 97));
  const header = '52-["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]';
  const parts = (n: number) => [header, Buffer.alloc(500), Buffer.alloc(n - 500 - header.length)];
  const wide = codecWith({ packetBytesMax, nameBytesMax: 2048 });
  readAll([text(packetBytesMax)], wide.createReader());
  assert.equal(refusalOf([text(packetBytesMax + 1)], wide.createReader()), "CODEC_TOO_LARGE");
  assert.equal(frame(packetBytesMax).length, packetBytesMax);
  readAll([frame(packetBytesMax)], codec.createReader());
  assert.equal(refusalOf([frame(packetBytesMax + 1)], codec.createReader()), "CODEC_TOO_LARGE");
  readAll(parts(packetBytesMax), codec.createReader());
  assert.equal(refusalOf(parts(packetBytesMax + 1), codec.createReader()), "CODEC_TOO_LARGE");
});

function hex16(n: number): string {
  return n.toString(16).padStart(4, "0");
}

test("every failure of the codec has a test here that provokes it", () => {
  const provoked = new Set<string>([...MSGPACK, ...JSON_TEXT].map(([, code]) => code));
  for (const { code } of LIMITS) provoked.add(code);
  for (const code of ["CODEC_RESERVED_EVENT", "CODEC_TOO_LARGE", "CODEC_NOT_ACCEPTED"]) {
    provoked.add(code); // above, and in reader.test.ts
  }
  const known = Object.keys(FAILURES).filter((code) => code.startsWith("CODEC_"));
  assert.deepEqual([...provoked].sort(), known.sort());
});
