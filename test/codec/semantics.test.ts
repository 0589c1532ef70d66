import assert from "node:assert/strict";
import { test } from "node:test";
import { codecWith, event, readAll } from "./kit.ts";
import { stockDecode, stockEncode } from "./stock.ts";

/** A value, its bytes, what it becomes if not itself, and whether the bytes are also notepack's. */
interface Row {
  readonly what: string;
  readonly value: unknown;
  readonly wire: string;
  readonly becomes?: unknown;
  /** A named difference: these bytes are ours, and the official decoder reads `becomes` from them. */
  readonly ours?: true;
}

const buffer = (n: number) => Buffer.alloc(n, 7);
const pool = Uint8Array.from({ length: 600 }, (_, i) => i % 256);
const date = new Date(1_700_000_000_123);
const holes: unknown[] = [1];
holes[2] = 3;
class Point {
  x = 1;
  y = undefined;
  sum() {
    return this.x;
  }
}

const ROWS: readonly Row[] = [
  { what: "undefined", value: undefined, wire: "d40000" },
  { what: "an undefined field", value: { pid: undefined }, wire: "81 a3706964 d40000" },
  { what: "a hole in a list", value: holes, wire: "93 01 d40000 03", becomes: [1, undefined, 3] },
  { what: "null", value: null, wire: "c0" },
  { what: "true", value: true, wire: "c3" },
  { what: "false", value: false, wire: "c2" },
  { what: "a Date", value: date, wire: "d700 0000018bcfe5687b" },
  { what: "a Date before 1970", value: new Date(-1), wire: "d700 ffffffffffffffff" },
  {
    what: "an invalid Date",
    value: new Date(Number.NaN),
    wire: "d700 0000000000000000",
    becomes: new Date(0),
  },
  { what: "an empty Buffer", value: buffer(0), wire: "c400" },
  { what: "a Buffer of 255", value: buffer(255), wire: `c4ff${"07".repeat(255)}` },
  { what: "a Buffer of 256", value: buffer(256), wire: `c50100${"07".repeat(256)}` },
  { what: "a Buffer of 65,536", value: buffer(65_536), wire: `c600010000${"07".repeat(65_536)}` },
  { what: "a Buffer that is a view", value: Buffer.from("xyz").subarray(1), wire: "c402 797a" },
  { what: "an ArrayBuffer of 3", value: Uint8Array.of(1, 2, 3).buffer, wire: "c70300 010203" },
  { what: "an ArrayBuffer of 8", value: new ArrayBuffer(8), wire: `c70800${"00".repeat(8)}` },
  {
    what: "an ArrayBuffer of 256",
    value: new ArrayBuffer(256),
    wire: `c8010000${"00".repeat(256)}`,
  },
  {
    what: "an ArrayBuffer of 65,536",
    value: new ArrayBuffer(65_536),
    wire: `c90001000000${"00".repeat(65_536)}`,
  },
  {
    what: "a whole Uint8Array",
    value: Uint8Array.of(5, 6),
    wire: "c70200 0506",
    becomes: Uint8Array.of(5, 6).buffer,
  },
  {
    what: "a whole Float32Array",
    value: Float32Array.of(1),
    wire: "c70400 0000803f",
    becomes: Float32Array.of(1).buffer,
  },
  {
    what: "a Uint8Array that is a view",
    value: pool.subarray(1, 4),
    wire: "c70300 010203",
    becomes: Uint8Array.of(1, 2, 3).buffer,
    ours: true,
  },
  {
    what: "a DataView that is a view",
    value: new DataView(pool.buffer, 2, 2),
    wire: "c70200 0203",
    becomes: Uint8Array.of(2, 3).buffer,
    ours: true,
  },
  { what: "0", value: 0, wire: "00" },
  { what: "-0", value: -0, wire: "00", becomes: 0 },
  { what: "2^7 - 1", value: 127, wire: "7f" },
  { what: "2^7", value: 128, wire: "cc80" },
  { what: "2^8", value: 256, wire: "cd0100" },
  { what: "2^16", value: 65_536, wire: "ce00010000" },
  { what: "2^32 - 1", value: 2 ** 32 - 1, wire: "ceffffffff" },
  { what: "2^32", value: 2 ** 32, wire: "cf0000000100000000" },
  { what: "2^53 - 1", value: 2 ** 53 - 1, wire: "cf001fffffffffffff" },
  { what: "2^63", value: 2 ** 63, wire: "cf8000000000000000" },
  { what: "the last below 2^64", value: 2 ** 64 - 2048, wire: "cffffffffffffff800" },
  { what: "2^64", value: 2 ** 64, wire: "cb43f0000000000000", ours: true },
  { what: "1e300", value: 1e300, wire: "cb7e37e43c8800759c", ours: true },
  { what: "-1", value: -1, wire: "ff" },
  { what: "-32", value: -32, wire: "e0" },
  { what: "-33", value: -33, wire: "d0df" },
  { what: "-128", value: -128, wire: "d080" },
  { what: "-129", value: -129, wire: "d1ff7f" },
  { what: "-2^15 - 1", value: -32_769, wire: "d2ffff7fff" },
  { what: "-2^31", value: -(2 ** 31), wire: "d280000000" },
  { what: "-2^31 - 1", value: -(2 ** 31) - 1, wire: "d3ffffffff7fffffff" },
  { what: "-2^53 + 1", value: -(2 ** 53) + 1, wire: "d3ffe0000000000001" },
  { what: "-2^63", value: -(2 ** 63), wire: "d38000000000000000" },
  { what: "below -2^63", value: -(2 ** 63) - 2048, wire: "cbc3e0000000000001", ours: true },
  { what: "1.5", value: 1.5, wire: "cb3ff8000000000000" },
  { what: "NaN", value: Number.NaN, wire: "cb7ff8000000000000" },
  { what: "Infinity", value: Number.POSITIVE_INFINITY, wire: "cb7ff0000000000000" },
  { what: "-Infinity", value: Number.NEGATIVE_INFINITY, wire: "cbfff0000000000000" },
  { what: "an empty text", value: "", wire: "a0" },
  { what: "a text of 31 bytes", value: "a".repeat(31), wire: `bf${"61".repeat(31)}` },
  { what: "a text of 32 bytes", value: "a".repeat(32), wire: `d920${"61".repeat(32)}` },
  { what: "16 units of 32 bytes", value: "é".repeat(16), wire: `d920${"c3a9".repeat(16)}` },
  { what: "a text of 255 bytes", value: "a".repeat(255), wire: `d9ff${"61".repeat(255)}` },
  { what: "a text of 256 bytes", value: "a".repeat(256), wire: `da0100${"61".repeat(256)}` },
  { what: "128 units of 256 bytes", value: "é".repeat(128), wire: `da0100${"c3a9".repeat(128)}` },
  {
    what: "a text of 65,536 bytes",
    value: "a".repeat(65_536),
    wire: `db00010000${"61".repeat(65_536)}`,
  },
  {
    what: "32,768 units of 65,536 bytes",
    value: "é".repeat(32_768),
    wire: `db00010000${"c3a9".repeat(32_768)}`,
  },
  { what: "a surrogate pair", value: "😀", wire: "a4f09f9880" },
  { what: "half a pair", value: "a\ud83db", wire: "a561efbfbd62", becomes: "a\ufffdb", ours: true },
  { what: "a list of 15", value: Array(15).fill(1), wire: `9f${"01".repeat(15)}` },
  { what: "a list of 16", value: Array(16).fill(1), wire: `dc0010${"01".repeat(16)}` },
  {
    what: "a list of 65,536",
    value: Array(65_536).fill(1),
    wire: `dd00010000${"01".repeat(65_536)}`,
  },
  { what: "a map of 15", value: record(15), wire: `8f${recordWire(15)}` },
  { what: "a map of 16", value: record(16), wire: `de0010${recordWire(16)}` },
  {
    what: "a map of 15 and a function",
    value: { fn() {}, ...record(15) },
    wire: `8f${recordWire(15)}`,
    becomes: record(15),
  },
  {
    what: "a map of 16 and a function",
    value: { ...record(16), fn() {} },
    wire: `de0010${recordWire(16)}`,
    becomes: record(16),
  },
  { what: "a map of one function", value: { f() {} }, wire: "80", becomes: {} },
  { what: "a Map", value: new Map([["a", 1]]), wire: "80", becomes: {} },
  { what: "a Set", value: new Set([1]), wire: "80", becomes: {} },
  { what: "a RegExp", value: /a/g, wire: "80", becomes: {} },
  { what: "an Error", value: new Error("no"), wire: "80", becomes: {} },
  {
    what: "a boxed text",
    value: Object("ab"),
    wire: "82 a130 a161 a131 a162",
    becomes: { 0: "a", 1: "b" },
  },
  { what: "a boxed number", value: Object(5), wire: "80", becomes: {} },
  {
    what: "an instance",
    value: new Point(),
    wire: "82 a178 01 a179 d40000",
    becomes: { x: 1, y: undefined },
  },
  { what: "a record without prototype", value: Object.create(null), wire: "80", becomes: {} },
  { what: "a toJSON", value: { toJSON: () => [1] }, wire: "91 01", becomes: [1] },
  { what: "a toJSON to undefined", value: { toJSON() {} }, wire: "d40000", becomes: undefined },
  { what: "a toJSON that is no function", value: { toJSON: 1 }, wire: "81 a6746f4a534f4e 01" },
];

function record(keys: number): Record<string, number> {
  return Object.fromEntries(
    Array.from({ length: keys }, (_, i) => [String.fromCharCode(97 + i), i]),
  );
}

function recordWire(keys: number): string {
  return Array.from(
    { length: keys },
    (_, i) => `a1${(97 + i).toString(16)}0${i.toString(16)}`,
  ).join("");
}

const FRONT = "83 a474797065 02 a464617461 92 a165";
const BACK = "a36e7370 a12f";

for (const row of ROWS) {
  test(`${row.what} is sent and read as socket.io-msgpack-parser's clients know it`, () => {
    const becomes = "becomes" in row ? row.becomes : row.value;
    const codec = codecWith();
    const frames = codec.encode(event("e", row.value)).of("msgpack");
    const [frame] = frames;
    assert.ok(Buffer.isBuffer(frame));
    assert.equal(frame.toString("hex"), `${FRONT}${row.wire}${BACK}`.replaceAll(" ", ""));
    const seen = { type: 2, nsp: "/", data: ["e", becomes] };
    assert.deepEqual(stockDecode("msgpack", frames), seen);
    assert.deepEqual(readAll(frames, codec.createReader()), { ...seen, id: undefined });
    if (row.ours) return;
    const { type, data, nsp } = event("e", row.value);
    assert.deepEqual(stockEncode("msgpack", { type, data, nsp }), frames);
  });
}

test("a view never sends bytes beside it, whatever its kind and wherever it begins", () => {
  const kinds = [
    Uint8Array,
    Int8Array,
    Uint16Array,
    Float64Array,
    BigInt64Array,
    Uint8ClampedArray,
  ];
  for (const Kind of kinds) {
    const view = new Kind(pool.buffer, 8, 2);
    const shown = pool.slice(8, 8 + view.byteLength);
    for (const name of ["msgpack", "json"] as const) {
      const { data } = readAll(codecWith().encode(event("e", view)).of(name));
      const [, received] = data as [string, Buffer | ArrayBuffer];
      assert.deepEqual(new Uint8Array(received), shown, `${Kind.name} in ${name}`);
    }
  }
});

for (const [what, value] of [
  ["a bigint", 1n],
  ["a symbol", Symbol("s")],
  ["a function in a list", () => {}],
] as const) {
  test(`${what} cannot be sent, as with socket.io-msgpack-parser`, () => {
    assert.throws(() => codecWith().encode(event("e", value)).of("msgpack"), TypeError);
    assert.throws(() => stockEncode("msgpack", event("e", value)));
  });
}

test("what a browser makes of a typed array is an object, and stays one", () => {
  const sent = stockEncode("msgpack", event("e", { 0: 1, 1: 2 }));
  assert.deepEqual(readAll(sent).data, ["e", { 0: 1, 1: 2 }]);
});

test("extensions of other types are their type and bytes, as the official decoder reads them", () => {
  for (const wire of [
    "d40501",
    "d5050102",
    "d60501020304",
    `d8ff${"01".repeat(16)}`,
    "c70205 0102",
  ]) {
    const frame = Buffer.from(`${FRONT}${wire}${BACK}`.replaceAll(" ", ""), "hex");
    assert.deepEqual(readAll([frame]).data, stockDecode("msgpack", [frame]).data);
  }
});
