import assert from "node:assert/strict";
import { test } from "node:test";
import { backoff } from "../../src/upstream/attempts.ts";
import { createBreaker, createRetryBudget } from "../../src/upstream/breaker.ts";
import { createLine } from "../../src/upstream/line.ts";

const SETTINGS = {
  breakerPercent: 50,
  breakerCallsMin: 4,
  breakerWindowMs: 1000,
  breakerOpenMs: 100,
};

function setUp() {
  const time = { now: 0 };
  const breaker = createBreaker(SETTINGS, () => time.now);
  const call = (result: "ok" | "failed" | "unknown") => breaker.begin()(result);
  return { time, breaker, call };
}

test("a breaker opens at its share of failures, not below, and not before its least calls", () => {
  const { breaker, call } = setUp();
  for (const result of ["ok", "ok", "failed"] as const) call(result);
  assert.equal(breaker.state, "closed");
  call("ok");
  call("failed");
  assert.equal(breaker.state, "closed", "2 of 5");
  call("failed");
  assert.equal(breaker.state, "open", "3 of 6");
  assert.equal(breaker.admits(), false);
  assert.equal(breaker.opened, 1);
});

test("failures that are a window old do not count any more", () => {
  const { time, breaker, call } = setUp();
  for (let n = 0; n < 3; n++) call("failed");
  time.now = 1000;
  call("failed");
  assert.equal(breaker.state, "closed");
});

test("after its time an open breaker lets one probe in, and the first success closes it", () => {
  const { time, breaker, call } = setUp();
  for (let n = 0; n < 4; n++) call("failed");
  time.now = 99;
  assert.equal(breaker.admits(), false);
  time.now = 100;
  assert.equal(breaker.state, "half-open");
  assert.equal(breaker.admits(), true);
  const probe = breaker.begin();
  assert.equal(breaker.admits(), false);
  probe("failed");
  assert.equal(breaker.state, "open");
  assert.equal(breaker.openUntil, 200);
  time.now = 200;
  breaker.begin()("ok");
  assert.equal(breaker.state, "closed");
  call("failed");
  assert.equal(breaker.state, "closed", "what was before is forgotten");
});

test("a call that began before the breaker opened neither closes it nor keeps it open", () => {
  const { time, breaker, call } = setUp();
  const old = breaker.begin();
  for (let n = 0; n < 4; n++) call("failed");
  old("ok");
  assert.equal(breaker.state, "open");
  time.now = 100;
  const probe = breaker.begin();
  probe("unknown");
  assert.equal(breaker.admits(), true, "who learnt nothing makes room for another probe");
});

test("retries are a share of the calls, and ten a second", () => {
  let now = 0;
  const budget = createRetryBudget(20, () => now);
  let taken = 0;
  while (budget.take()) taken++;
  assert.equal(taken, 100);
  for (let n = 0; n < 10; n++) budget.earn();
  assert.deepEqual([budget.take(), budget.take(), budget.take()], [true, true, false]);
  now = 1000;
  taken = 0;
  while (budget.take()) taken++;
  assert.equal(taken, 10);
});

test("waits are anything up to a bound that doubles until its own bound", () => {
  const bounds = { retryMs: 100, retryMsMax: 1000 };
  const most = [1, 2, 3, 4, 5, 1000].map((attempt) => backoff(attempt, bounds, () => 1));
  assert.deepEqual(most, [100, 200, 400, 800, 1000, 1000]);
  assert.equal(
    backoff(3, bounds, () => 0),
    0,
  );
});

test("a line keeps its order whoever leaves it, even while it is looked at", () => {
  const line = createLine<number>();
  const leave = [1, 2, 3, 4].map((n) => line.push(n));
  leave[1]?.();
  leave[1]?.();
  assert.equal(line.length, 3);
  assert.deepEqual([...line.values()], [1, 3, 4]);
  for (const n of line.values()) if (n !== 3) leave[n - 1]?.();
  assert.deepEqual([...line.values()], [3]);
  assert.equal(line.shift(), 3);
  assert.equal(line.shift(), undefined);
  line.push(5);
  assert.equal(line.shift(), 5);
  assert.equal(line.length, 0);
});
