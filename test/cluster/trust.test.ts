/** With a key, each number of a publisher is believed once, and few are remembered. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createReplayCheck } from "../../src/cluster/log/trust.ts";

const NOW = 1_800_000_000_000;
const idOf = (ms: number) => `${ms}-0`;

/** Returns what asks whether a number comes for the first time, said by who knew `at`. */
function setUp() {
  const check = createReplayCheck();
  return (from: string, n: number, at = NOW) => check({ from, n, at: idOf(at) }, idOf(NOW));
}

test("numbers are believed once each, as they grow, whoever else says what between", () => {
  const isFirst = setUp();
  assert.ok(isFirst("a", 1000));
  for (const n of [1000, 999, 1, 0, -1]) assert.equal(isFirst("a", n), false, `${n}`);
  assert.ok(isFirst("a", 1001));
  assert.ok(isFirst("a", 5000), "far ahead");
  assert.equal(isFirst("a", 1002), false);
  assert.ok(isFirst("b", 1), "another's");
  assert.ok(isFirst("a", 5001));
});

test("what was said more than a minute ago is not believed, and moves nothing", () => {
  const isFirst = setUp();
  assert.equal(isFirst("a", 7, NOW - 60_001), false);
  assert.ok(isFirst("a", 7, NOW - 60_000));
});

test("a thousand publishers are remembered, those that were heard of last", () => {
  const isFirst = setUp();
  for (let n = 0; n <= 1000; n++) assert.ok(isFirst(`p${n}`, 1));
  assert.equal(isFirst("p1", 1), false);
  assert.ok(isFirst("p0", 1), "forgotten: what it said is old by then, or it says so");
});
