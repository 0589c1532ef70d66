import assert from "node:assert/strict";
import { test } from "node:test";
import { lagSeconds, watchLoop } from "../../src/metrics/loop.ts";
import { until } from "../harness/wait.ts";

// Seen: an idle gateway reported 20 ms of lag; Node.js records whole intervals, asked-for part included.
test("the lag of an interval is what it took beyond the resolution", () => {
  assert.equal(lagSeconds(20e6), 0);
  assert.equal(lagSeconds(19e6), 0, "a sample may come early");
  assert.equal(lagSeconds(120e6).toFixed(6), "0.100000");
  assert.equal(lagSeconds(Number.NaN), 0, "before the first sample");
});

test("a blocked event loop shows as at least that much lag, once", async (t) => {
  const loop = watchLoop();
  t.after(() => loop.stop());
  const passed = (ms: number, since = performance.now()) =>
    until(() => performance.now() - since > ms, `${ms} ms go by`);
  await passed(60); // Two samples and more, so that the block falls between two.
  const end = performance.now() + 300;
  while (performance.now() < end);
  await passed(60);
  const { max } = loop.read().lagSeconds;
  assert.ok(max >= 0.25, `${max}`);
});
