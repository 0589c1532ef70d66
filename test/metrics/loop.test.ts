import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { eachStep, watchSteps } from "../../src/core/loop.ts";
import { createLags, watchLoop } from "../../src/metrics/loop.ts";
import { until } from "../harness/wait.ts";

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

const passed = (ms: number, since = performance.now()) =>
  until(() => performance.now() - since > ms, `${ms} ms go by`);

test("each 20 ms are one sample, and those of a long step but for the last are of no lag", () => {
  const lags = createLags();
  const none = { min: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0, max: 0 };
  assert.deepEqual(lags.take(), none, "before the first step");
  for (let i = 0; i < 99; i++) lags.add({ nowMs: 0, elapsedMs: 20, lateMs: 0 });
  lags.add({ nowMs: 0, elapsedMs: 320, lateMs: 300 });
  assert.equal(lags.take().p99 < 0.001, true, "one of a hundred");
  for (let i = 0; i < 49; i++) lags.add({ nowMs: 0, elapsedMs: 40, lateMs: 20 });
  const half = lags.take();
  assert.equal(half.p50.toFixed(3), "0.020");
  assert.equal(half.max, 0.02);
  lags.add({ nowMs: 0, elapsedMs: 800, lateMs: 300 });
  const { p50, p99, max, mean, stddev } = lags.take();
  assert.deepEqual([mean.toFixed(3), stddev.toFixed(3)], ["0.012", "0.059"]);
  assert.deepEqual([p50, p99.toFixed(2), max], [0, "0.30", 0.3], "one of 25");
  assert.deepEqual(lags.take(), none, "taken");
});

test("a blocked event loop shows as at least that much lag, once", async (t) => {
  const loop = watchLoop();
  t.after(() => loop.stop());
  await passed(60); // Two steps and more, so that the block falls between two.
  block(300);
  await passed(60);
  const { max } = loop.read().lagSeconds;
  assert.ok(max >= 0.25, `${max}`);
});

test("a block of 200 ms is seen while steps are rare, wherever it falls between two", async (t) => {
  const loop = watchLoop();
  const steps: number[] = [];
  const end = watchSteps(({ elapsedMs }) => void steps.push(elapsedMs));
  t.after(() => {
    loop.stop();
    end();
  });
  for (const afterMs of [20, 150, 280]) {
    for (steps.length = 0; !steps.some((ms) => ms > 400); ) await wait(1200);
    await wait(afterMs); // Without `until`, whose many turns are no sign of an idle process.
    loop.read();
    block(200);
    await wait(1200);
    const { max } = loop.read().lagSeconds;
    assert.ok(max >= 0.17, `${max} after ${afterMs} ms`);
  }
});

test("steps come as often as somebody needs them, and not more often to who asks for less", async (t) => {
  const seen = { often: 0, rarely: 0, elapsed: 0 };
  const ends = [
    eachStep(() => seen.often++, 10, 10),
    eachStep((_now, elapsedMs) => {
      seen.rarely++;
      seen.elapsed += elapsedMs;
    }, 100),
  ];
  t.after(() => ends.forEach((end) => void end()));
  const since = performance.now();
  await until(() => seen.rarely === 3, "three calls");
  assert.ok(seen.often >= 6 && seen.often > seen.rarely, `${seen.often}`);
  assert.ok(seen.elapsed >= 290 && seen.elapsed <= performance.now() - since + 100);
  for (const end of ends) end();
  const { often } = seen;
  await wait(50);
  assert.equal(seen.often, often, "ended");
});
