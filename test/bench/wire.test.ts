import assert from "node:assert/strict";
import { test } from "node:test";
import { createOrder } from "../../bench/generator/order.ts";
import { createBodies, createMarkerReader, MARKER_BYTES } from "../../bench/wire/marker.ts";
import { connectFrame, readSignal } from "../../bench/wire/packets.ts";
import { createScanner } from "../../bench/wire/scanner.ts";

/** A server's frame: not masked. */
function frame(opcode: number, payload: Buffer, isLast = true): Buffer {
  const n = payload.length;
  const head = Buffer.alloc(n < 126 ? 2 : n < 65_536 ? 4 : 10);
  head[0] = (isLast ? 0x80 : 0) | opcode;
  head[1] = n < 126 ? n : n < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(n, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(n), 2);
  return Buffer.concat([head, payload]);
}

function scanInPieces(bytes: Buffer, size: number): string[] {
  const seen: string[] = [];
  const scanner = createScanner((opcode, b, start, end) =>
    seen.push(`${opcode}:${b.toString("latin1", start, end)}`),
  );
  // One buffer is reused for every read, as the generator does.
  const shared = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size) {
    const length = bytes.copy(shared, 0, at, Math.min(bytes.length, at + size));
    scanner.push(shared, length);
  }
  return seen;
}

test("frames are found wherever a read cuts them", () => {
  const cut = (sizes: readonly number[], pieces: readonly number[]) => {
    const payloads = sizes.map((n) => Buffer.alloc(n, "x"));
    const bytes = Buffer.concat(payloads.map((payload) => frame(2, payload)));
    const whole = payloads.map((payload) => `2:${payload.toString("latin1")}`);
    for (const size of [...pieces, bytes.length])
      assert.deepEqual(scanInPieces(bytes, size), whole, `in pieces of ${size}`);
  };
  cut([0, 1, 125, 126, 300], [1, 2, 3, 7, 127]);
  cut([65_535, 0, 65_536, 1], [1021, 4096, 65_537]);
});

test("fragments become one message, with a control frame between them", () => {
  const bytes = Buffer.concat([
    frame(1, Buffer.from("ab"), false),
    frame(9, Buffer.from("p")),
    frame(0, Buffer.from("cd"), false),
    frame(0, Buffer.from("e")),
  ]);
  for (const size of [1, 3, 100]) assert.deepEqual(scanInPieces(bytes, size), ["9:p", "1:abcde"]);
});

test("a masked or compressed frame is refused", () => {
  const push = (bytes: number[]) => createScanner(() => {}).push(Buffer.from(bytes), bytes.length);
  assert.throws(() => push([0x82, 0x80, 0, 0, 0, 0]), /plain WebSocket frame/);
  assert.throws(() => push([0xc2, 0x00]), /plain WebSocket frame/);
});

test("a body has exactly its bytes and its marker reads back, wherever a codec puts it", () => {
  const reader = createMarkerReader();
  for (const size of [MARKER_BYTES, 32, 128, 16_384]) {
    const body = createBodies(size)(123_456_789, 987_654_321_012_345);
    assert.equal(Buffer.byteLength(body), size);
    for (const prefix of ['42["m","', "", "xx~Syy"]) {
      const bytes = Buffer.from(prefix + body);
      assert.equal(reader.read(bytes, 0, bytes.length), prefix !== "xx~Syy");
      if (prefix === "xx~Syy") continue;
      assert.equal(reader.sequence, 123_456_789);
      assert.equal(reader.scheduledUs, 987_654_321_012_345);
    }
  }
});

test("a message without a marker is none, and one too short neither", () => {
  const reader = createMarkerReader();
  for (const text of ['42["hello"]', "~S", createBodies(MARKER_BYTES)(1, 1).slice(0, -1)]) {
    const bytes = Buffer.from(text);
    assert.equal(reader.read(bytes, 0, bytes.length), false);
  }
});

test("losses, doubles and late messages are told apart", () => {
  const order = createOrder();
  order.begin(10);
  for (const sequence of [10, 11, 14, 12, 12, 15]) order.note(sequence);
  const { received, lost, duplicated, reordered, next } = order;
  assert.deepEqual(
    { received, lost, duplicated, reordered, next },
    { received: 6, lost: 1, duplicated: 1, reordered: 1, next: 16 },
  );
  order.begin(20);
  order.note(20);
  assert.equal(order.lost + order.duplicated + order.reordered, 0);
});

test("handshake packets are read in both codecs", () => {
  const signals = ["0{}", "2", '40{"sid":"a"}', '44/x,{"message":"no"}', "41", "6"].map(
    (text) => readSignal(1, Buffer.from(text)).is,
  );
  assert.deepEqual(signals, ["open", "ping", "joined", "refused", "left", "other"]);
  const payload = connectFrame("msgpack", "/", { token: "t" }).subarray(6);
  assert.equal(readSignal(2, payload).is, "joined");
  assert.equal(connectFrame("json", "/chat", { a: 1 }).toString("latin1", 6), '40/chat,{"a":1}');
});
