import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CodecName, Packet } from "../../src/core/packet.ts";
import { cases } from "../harness/random.ts";
import { codecWith, readAll } from "./kit.ts";
import { stockDecode, stockEncode } from "./stock.ts";

// What Socket.IO users send. Left out is what the official parsers send wrongly themselves: numbers
// beyond 64 bits, views on part of a buffer, halves of surrogate pairs (all rows of
// semantics.test.ts), and the two keys that are refused.
const text = fc.oneof(
  fc.string({ unit: "grapheme-ascii", maxLength: 80 }),
  fc.string({ unit: "grapheme", maxLength: 90 }),
  fc.string({ unit: "binary", maxLength: 300 }),
);
const key = text.filter((name) => name !== "__proto__" && name !== "_placeholder");
const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double().filter((n) => Math.abs(n) < 2 ** 63 || !Number.isFinite(n)),
  fc.integer({ min: 0, max: 63 }).map((bits) => 2 ** bits),
  fc.integer({ min: 0, max: 63 }).map((bits) => -(2 ** bits) - 1),
);
const leaf = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.date({ noInvalidDate: false }),
);
const binary = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));

function nestedIn(leaves: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, depthSize: "small" },
      leaves,
      fc.array(tie("value"), { maxLength: 20 }),
      fc.dictionary(key, tie("value"), { maxKeys: 20, noNullPrototype: true }),
    ),
  }));
  return value;
}

/** Packets that both parsers accept, with at most two binary values. */
function packets(leaves: fc.Arbitrary<unknown>): fc.Arbitrary<Packet> {
  const value = nestedIn(leaves);
  const name = fc.string({ maxLength: 40 }).map((word) => `on ${word}`);
  const nsp = fc.constantFrom("/", "/chat", "/a/b");
  const id = fc.option(fc.maxSafeInteger().map(Math.abs), { nil: undefined });
  const args = fc.array(value, { maxLength: 4 });
  const attached = fc.array(binary, { maxLength: 2 });
  const body = fc.tuple(args, attached).map(([plain, more]) => [...plain, ...more]);
  return fc.oneof(
    fc.record({
      type: fc.constant(2),
      nsp,
      id,
      data: fc.tuple(name, body).map(([n, b]) => [n, ...b]),
    }),
    fc.record({ type: fc.constant(3), nsp, id, data: body }),
    fc.record({
      type: fc.constant(0),
      nsp,
      data: fc.option(fc.dictionary(key, leaves, { noNullPrototype: true }), { nil: undefined }),
    }),
    fc.record({ type: fc.constant(1), nsp }),
    fc.record({
      type: fc.constant(4),
      nsp,
      data: fc.record({ message: text }, { noNullPrototype: true }),
    }),
  );
}

/** The same packet as the official decoder gives it: absent and undefined are one. */
function settled({ type, nsp, data, id }: Packet): Packet {
  return { type, nsp, data, id };
}

/** The packet in the order in which a Socket.IO server builds it. */
function ordered({ type, data, id, nsp }: Packet): Packet {
  const head = data === undefined ? { type } : { type, data };
  return id === undefined ? { ...head, nsp } : { ...head, id, nsp };
}

const CASES = cases(process.env.DEEP ? 3000 : 1000);

for (const name of ["msgpack", "json"] as const satisfies CodecName[]) {
  test(`${name}: generated packets have the official bytes, and each side reads the other's`, () => {
    const codec = codecWith();
    fc.assert(
      fc.property(packets(leaf), (packet) => {
        const stock = stockEncode(name, ordered(packet));
        const ours = codec.encode(packet).of(name);
        assert.deepEqual(ours, stock);
        const read = readAll(stock, codec.createReader());
        assert.deepEqual(read, settled(stockDecode(name, stock)));
      }),
      CASES,
    );
  });
}

test("msgpack: what is decoded is what was encoded, times and gaps included", () => {
  const codec = codecWith();
  const exact = packets(leaf.filter((value) => !isLossy(value)));
  fc.assert(
    fc.property(exact, (packet) => {
      const frames = codec.encode(packet).of("msgpack");
      assert.deepEqual(readAll(frames, codec.createReader()), settled(packet));
    }),
    CASES,
  );
});

function isLossy(value: unknown): boolean {
  return Object.is(value, -0) || (value instanceof Date && Number.isNaN(value.getTime()));
}

test("what one codec's client sent, another's reads as its own parser would have sent it", () => {
  const codec = codecWith();
  fc.assert(
    fc.property(packets(leaf), (packet) => {
      const sent = readAll(codec.encode(packet).of("msgpack"), codec.createReader());
      const read = stockDecode("json", codec.encode(sent).of("json"));
      assert.deepEqual(
        settled(read),
        settled(stockDecode("json", stockEncode("json", ordered(sent)))),
      );
      const back = readAll(codec.encode(read).of("json"), codec.createReader());
      assert.deepEqual(stockDecode("msgpack", codec.encode(back).of("msgpack")).data, read.data);
    }),
    cases(1000),
  );
});

test("any bytes: what is accepted, the official decoder reads alike", () => {
  const codec = codecWith();
  let accepted = 0;
  fc.assert(
    fc.property(packets(leaf), fc.nat(), fc.nat({ max: 255 }), (packet, place, byte) => {
      const [sent] = stockEncode("msgpack", ordered(packet)) as [Buffer];
      const frame = Buffer.from(sent);
      frame[place % frame.length] = byte;
      const read = attempt(() => readAll([frame], codec.createReader()));
      if (!read) return;
      accepted += 1;
      assert.deepEqual(dated(read), dated(settled(stockDecode("msgpack", [frame]))));
    }),
    CASES,
  );
  assert.ok(accepted > CASES.numRuns / 10, `only ${accepted} were accepted`);
});

/** Times beyond what a Date can hold are equal here; to node:assert an invalid Date equals nothing. */
function dated(value: unknown): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid Date" : value;
  if (Array.isArray(value)) return value.map(dated);
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, dated(member)]));
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
