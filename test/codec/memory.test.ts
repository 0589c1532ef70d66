import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createOurSubject, findCost } from "../fuzz/fuzz.ts";
import { INPUT_MAX } from "../fuzz/mutate.ts";
import { bytes, codecWith, packetWithData, readAll } from "./kit.ts";

let made = 0;

/** Text of three letters that was never used before, as a key or a value in bytes. */
function fresh(): string {
  made += 1;
  const text = String.fromCharCode(97 + (made % 26), 97 + ((made / 26) % 26), 65 + made / 676);
  return `a3${Buffer.from(text).toString("hex")}`;
}

/** What a kilobyte may be filled with, and a round number of its bytes. */
const FILLS: Readonly<Record<string, () => string>> = {
  "empty maps": () => "80",
  "empty lists": () => "90",
  "lists of one": () => "91c0",
  "maps of one": () => "81a161c0",
  "maps of one new key": () => `81${fresh()}c0`,
  "maps of five new keys": () => `85${`${fresh()}c0`.repeat(5)}`,
  "new texts": () => fresh(),
  Dates: () => "d7000000018bcfe5687b",
  "undefined values": () => "d40000",
  "numbers of 64 bits": () => "cb3ff8000000000001",
  "the index 0": () => "81a130c0",
  "the index 1": () => "81a131c0",
  "the index 9": () => "81a139c0",
  "the index 10": () => "81a23130c0",
  "the index 99": () => "81a23939c0",
  "the index 999": () => "81a3393939c0",
  "the index 1000": () => "81a431303030c0",
  "the index 1023": () => "81a431303233c0",
  "the index 1024": () => "81a431303234c0",
  "the index 99999": () => "81a53939393939c0",
  "a name and the index 1000": () => "82a161c0a431303030c0",
  "indices that jump": () => "85a131c0a132c0a133c0a431303030c0a432303030c0",
  "close indices and a far one": () => "83a23130c0a23131c0a431303030c0",
};

for (const [what, fill] of Object.entries(FILLS)) {
  test(`a kilobyte of ${what} takes no more than 64 KiB and 5 ms to read`, () => {
    const items: string[] = [];
    // 24 bytes for the packet, its event name and the head of the list.
    for (let left = INPUT_MAX - 24; left > 0; ) {
      const item = fill();
      left -= item.length / 2;
      if (left >= 0) items.push(item);
    }
    const count = items.length.toString(16).padStart(4, "0");
    const frame = packetWithData(`92 a165 dc ${count}`, ...items);
    assert.ok(frame.length > INPUT_MAX - 48 && frame.length <= INPUT_MAX);
    readAll([frame]);
    assert.equal(findCost(createOurSubject(), [frame]), undefined);
  });
}

const TEXTS = [
  "{}",
  "[]",
  "[[]]",
  '{"9":0}',
  '{"1000":0}',
  '{"a":0,"1000":0}',
  "-1e9",
  '"\\u0061"',
];

for (const text of TEXTS) {
  test(`a kilobyte of ${text} in JSON takes no more than 64 KiB and 5 ms to read`, () => {
    const times = Math.floor((INPUT_MAX - 9) / (text.length + 1));
    const frame = `2["e",[${Array(times).fill(text).join()}]]`;
    assert.ok(frame.length > INPUT_MAX - 48 && frame.length <= INPUT_MAX);
    assert.equal(findCost(createOurSubject(), [frame]), undefined);
  });
}

test("a map whose keys step through the indices takes no more than 64 KiB, whatever the step", () => {
  for (const step of [1, 2, 3, 4, 5, 6, 16, 33, 50, 333, 1000]) {
    const indices = Array.from({ length: 160 }, (_, i) => i * step).filter((n) => n < 10_000);
    const count = indices.length.toString(16).padStart(4, "0");
    const keys = indices.map((n) => `a${String(n).length}${Buffer.from(`${n}`).toString("hex")}c0`);
    const frame = packetWithData(`92 a165 de ${count}`, ...keys);
    assert.equal(findCost(createOurSubject(), [frame]), undefined, `step ${step}`);
    const { data } = readAll([frame]);
    assert.deepEqual(data, ["e", Object.fromEntries(indices.map((n) => [n, null]))]);
  }
});

test("numbers as keys are read in any order, mixed with names, the last of two winning", () => {
  const value = { 5: "e", 1000: "b", 1001: "c", 7000: "d", name: 1, "007": 2, "1.5": 3 };
  const pairs = "a46e616d65 01  a431303030 a178  a431303030 a162  a431303031 a163  a437303030 a164";
  const more = "a135 a165  a3303037 02  a3312e35 03";
  const { data } = readAll([packetWithData("92 a165 88", bytes(pairs), bytes(more))]);
  assert.deepEqual(data, ["e", value]);
  assert.deepEqual(Object.keys((data as [string, object])[1]), Object.keys(value));
  const codec = codecWith();
  const sent = { type: 3, nsp: "/", data: [value] };
  assert.deepEqual(readAll(codec.encode(sent).of("msgpack")).data, [value]);
});

test("the name of a namespace keeps nothing of the text it came in", () => {
  // Seen: each namespace that a client's CONNECT made kept the whole text, up to a megabyte, for as
  // long as it was there. V8 makes a part of a text by pointing into it.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void; // the flag puts it there
  const rest = " ".repeat(900_000);
  const codec = codecWith({ connectBytesMax: 1_000_000 });
  const kept: string[] = [];
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 20; i++) {
    const text = Buffer.from(`0/a-name-of-some-length-${i},{}${rest}`).toString();
    kept.push(readAll([text], codec.createReader()).nsp);
  }
  collect();
  const each = (process.memoryUsage().heapUsed - before) / kept.length;
  assert.equal(kept.at(-1), "/a-name-of-some-length-19");
  assert.ok(each < 100_000, `${each} bytes are kept for each`);
});
