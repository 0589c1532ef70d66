import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { FailureError } from "../../src/core/failures.ts";
import type { Packet } from "../../src/core/packet.ts";
import { bytes, codecWith, event, packetWithData, readAll, refusalOf } from "./kit.ts";

const CONNECT: Packet = { type: 0, nsp: "/", data: { token: "t" } };

test("the first frame decides the codec, and nothing is decided before it", () => {
  const codec = codecWith();
  for (const name of ["msgpack", "json"] as const) {
    const reader = codec.createReader();
    assert.equal(reader.name, undefined);
    readAll(codec.encode(CONNECT).of(name), reader);
    assert.equal(reader.name, name);
  }
  assert.equal(codec.createReader("json").name, "json");
  assert.deepEqual(codec.samples().decoded, { msgpack: 1, json: 1 });
});

test("text on a msgpack connection, and bytes of no packet on a JSON one, are refused", () => {
  const codec = codecWith();
  const msgpack = codec.createReader();
  readAll(codec.encode(CONNECT).of("msgpack"), msgpack);
  assert.equal(refusalOf(["0"], msgpack), "CODEC_MALFORMED");
  const json = codec.createReader();
  readAll(["0"], json);
  assert.equal(refusalOf([Buffer.from("x")], json), "CODEC_BAD_SHAPE");
});

test("a refused connection is counted once, and its further frames are nothing", () => {
  const codec = codecWith();
  const reader = codec.createReader();
  assert.equal(refusalOf(["nonsense"], reader), "CODEC_MALFORMED");
  assert.equal(reader.read('2["later"]'), undefined);
  assert.equal(reader.read("nonsense"), undefined);
  assert.deepEqual(codec.samples().refused, { CODEC_MALFORMED: 1 });
  assert.deepEqual(codec.samples().decoded, { msgpack: 0, json: 0 });
  assert.equal(reader.refusal, undefined);
});

test("a refusal on one connection leaves the others as they were", () => {
  const codec = codecWith();
  const waiting = codec.createReader();
  waiting.read('51-["b",{"_placeholder":true,"num":0}]');
  assert.equal(refusalOf([bytes("c9 ff ff ff ff 00")], codec.createReader()), "CODEC_MALFORMED");
  assert.equal(refusalOf(['2["disconnect"]'], codec.createReader()), "CODEC_RESERVED_EVENT");
  assert.deepEqual(waiting.read(Buffer.from("ok"))?.data, ["b", Buffer.from("ok")]);
});

for (const [accept, other] of [
  ["msgpack", "json"],
  ["json", "msgpack"],
] as const) {
  test(`with codec.accept ${accept}, a ${other} client is told why in its own codec`, () => {
    const codec = codecWith({ accept });
    readAll(codec.encode(CONNECT).of(accept), codec.createReader());
    const reader = codec.createReader();
    const frames = codec.encode({ ...CONNECT, nsp: "/chat" }).of(other);
    assert.equal(refusalOf(frames, reader), "CODEC_NOT_ACCEPTED");
    assert.equal(reader.name, other);
    const refusal = reader.refusal;
    assert.ok(refusal);
    assert.deepEqual(refusal, {
      type: 4,
      nsp: "/chat",
      data: {
        message: `Codec not accepted: this client speaks ${other}, the gateway ${accept} only`,
        data: { code: "CODEC_NOT_ACCEPTED" },
      },
    });
    assert.deepEqual(codec.samples().refused, { CODEC_NOT_ACCEPTED: 1 });
    assert.deepEqual(codec.samples().decoded, { msgpack: 0, json: 0, [accept]: 1 });
  });
}

test("an excluded codec is named as such even if the frame is nonsense in it", () => {
  const text = codecWith({ accept: "msgpack" }).createReader();
  assert.equal(refusalOf(["nonsense"], text), "CODEC_NOT_ACCEPTED");
  const binary = codecWith({ accept: "json" }).createReader();
  assert.equal(refusalOf([bytes("c1")], binary), "CODEC_NOT_ACCEPTED");
  assert.equal(binary.refusal?.nsp, "/");
  // An Engine.IO 3 connection is spoken to before it speaks.
  const old = codecWith({ accept: "msgpack" }).createReader("json");
  assert.equal(refusalOf(["0/chat"], old), "CODEC_NOT_ACCEPTED");
  assert.equal(old.refusal?.nsp, "/chat");
});

test("binary values survive the frame they came in, unless the frame is lasting", () => {
  const received = packetWithData("93 a162 c402 0102 c70200 0304");
  for (const lasting of [false, true]) {
    const frame = Uint8Array.from(received).buffer;
    const packet = codecWith().createReader().read(frame, lasting);
    new Uint8Array(frame).fill(0xee);
    const view = lasting ? Buffer.from("eeee", "hex") : Buffer.from([1, 2]);
    assert.deepEqual(packet?.data, ["b", view, Uint8Array.of(3, 4).buffer]);
  }
});

test("an attachment survives the frame it came in, unless the frame is lasting", () => {
  for (const lasting of [false, true]) {
    const reader = codecWith().createReader();
    reader.read('51-["b",{"_placeholder":true,"num":0}]');
    const frame = Uint8Array.of(1, 2).buffer;
    const packet = reader.read(frame, lasting);
    new Uint8Array(frame).fill(0xee);
    assert.deepEqual(packet?.data, ["b", Buffer.from(lasting ? [0xee, 0xee] : [1, 2])]);
  }
});

test("attachments come in the order of their numbers, wherever their placeholders stand", () => {
  const text =
    '52-/n,7["b",{"x":[{"_placeholder":true,"num":1}]},{"_placeholder":true,"num":0,"more":1}]';
  const packet = readAll([text, Buffer.from("zero"), Buffer.from("one")]);
  const data = ["b", { x: [Buffer.from("one")] }, Buffer.from("zero")];
  assert.deepEqual(packet, { type: 2, nsp: "/n", data, id: 7 });
});

test("text instead of an attachment is refused, and so is one attachment too many", () => {
  const header = '51-["b",{"_placeholder":true,"num":0}]';
  assert.equal(refusalOf([header, '2["x"]'], codecWith().createReader()), "CODEC_BAD_SHAPE");
  const reader = codecWith().createReader();
  readAll([header, Buffer.from("a")], reader);
  assert.equal(refusalOf([Buffer.from("b")], reader), "CODEC_BAD_SHAPE");
});

test("a destroyed reader keeps nothing and reads nothing", () => {
  const reader = codecWith().createReader();
  reader.read('51-["b",{"_placeholder":true,"num":0}]');
  reader.destroy();
  assert.equal(reader.read(Buffer.from("late")), undefined);
});

test("only failures of the codec escape, whatever kind of frame is read", () => {
  for (const frame of ["", "\u0000", "9", Buffer.alloc(0), new ArrayBuffer(0), bytes("ff")]) {
    assert.throws(
      () => codecWith().createReader().read(frame),
      (error) => error instanceof FailureError && error.cause === undefined,
    );
  }
  const gone = new ArrayBuffer(8);
  structuredClone(gone, { transfer: [gone] });
  assert.throws(() => codecWith().createReader().read(gone), FailureError);
});

test("an event without arguments, an id of 0 and an unknown key are read in both codecs", () => {
  assert.deepEqual(readAll(['20["e"]']), { ...event("e"), id: 0 });
  const framed = bytes("85 a27878 91c0 a474797065 02 a36e7370 a12f a26964 00 a464617461 91 a165");
  assert.deepEqual(readAll([framed]), { ...event("e"), id: 0 });
});

test("the query in a namespace of Socket.IO 2 does not count as its name", () => {
  const query = `?token=${"t".repeat(500)}`;
  const old = codecWith().createReader("json");
  assert.equal(old.read(`0/admin${query},`)?.nsp, `/admin${query}`);
  assert.equal(old.read("0/chat")?.nsp, "/chat");
  assert.equal(refusalOf([`0/admin${query},`], codecWith().createReader()), "CODEC_NAME_TOO_LONG");
  const long = `0/${"n".repeat(256)}?a=1,`;
  assert.equal(refusalOf([long], codecWith().createReader("json")), "CODEC_NAME_TOO_LONG");
});

test("a failure tells nothing of what the client sent", () => {
  const secret = "hunter2";
  const texts = [
    `2["${secret}"`,
    `2["e"]${secret}`,
    `5${secret}`,
    `0"${secret}"`,
    `2[{"${secret}":1}]`,
  ];
  for (const text of texts) {
    assert.throws(
      () => codecWith().createReader().read(text),
      (error) => !inspect(error, { depth: 9 }).includes(secret),
    );
  }
});
