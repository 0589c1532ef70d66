import assert from "node:assert/strict";
import { test } from "node:test";
import { readArgs } from "../../bench/rig/args.ts";
import { createProgress, secondsLeft } from "../../bench/rig/progress.ts";
import { createBudget, secondsOf } from "../../bench/rig/run-all.ts";
import { SCENARIOS } from "../../bench/scenarios/all.ts";
import { runBench } from "./run-bench.ts";

function record(isTTY: boolean, planned: (number | undefined)[]) {
  const printed: string[] = [];
  const stream = { isTTY, columns: 60, write: (text: string) => void printed.push(text) };
  const clock = { nowMs: 0 };
  const progress = createProgress(planned, { stream, now: () => clock.nowMs });
  return { progress, printed, clock };
}

test("time left is the plan of what is to come, by the pace of what is over", () => {
  const planned = [10, 20, 30];
  assert.equal(secondsLeft({ planned, taken: [], sinceS: 4 }), 56);
  assert.equal(secondsLeft({ planned, taken: [10], sinceS: 5 }), 45);
  // Twice as slow as planned so far.
  assert.equal(secondsLeft({ planned, taken: [20], sinceS: 5 }), 95);
  // A part that takes twice as long as planned, and one without an end.
  assert.equal(secondsLeft({ planned, taken: [10], sinceS: 40 }), 60);
  assert.equal(secondsLeft({ planned, taken: [10], sinceS: 500 }), 120);
  assert.equal(secondsLeft({ planned, taken: [10, 20], sinceS: 30 }), 0);
  assert.equal(secondsLeft({ planned: [10, undefined], taken: [], sinceS: 1 }), undefined);
});

test("without a terminal a line is told at once and then at most every five seconds", () => {
  const { progress, printed, clock } = record(false, [5, 10, 10]);
  progress.say("compiling");
  clock.nowMs = 1000;
  progress.say("still compiling");
  clock.nowMs = 5000;
  progress.begin();
  progress.say("fanout: ours, 1 of 10");
  clock.nowMs = 6000;
  progress.say("fanout: ours, 2 of 10");
  progress.note("a line that stays");
  progress.end();
  assert.deepEqual(printed, [
    "   0 s, about 25 s left  [0/2]  compiling\n",
    "   5 s, about 20 s left  [1/2]  fanout: ours, 1 of 10\n",
    "a line that stays\n",
  ]);
});

test("on a terminal one line is renewed within its width, and taken away at the end", () => {
  const { progress, printed } = record(true, [undefined, undefined]);
  progress.say("x".repeat(100));
  progress.end();
  const [line = "", end] = printed;
  assert.equal(line, `\r\x1b[K   0 s  ${"x".repeat(59 - 8)}`);
  assert.equal(end, "\r\x1b[K");
});

test("a slow machine measures less of the set in the same time", () => {
  const budget = createBudget([10, 20, 20, 50], 110);
  assert.deepEqual([1, 2, 3].map(budget.endOf), [40, 60, 110]);
  assert.equal(budget.hasTimeFor(3, 55), true);
  // When 50 planned seconds took 56, the last 50 will take 56 as well.
  assert.equal(budget.hasTimeFor(3, 56), false);
  // Who is early is not taken for fast.
  assert.equal(budget.hasTimeFor(3, 20), true);
  const endless = createBudget([10, undefined], Infinity);
  assert.equal(endless.hasTimeFor(1, 1e6), true);
});

/** Seconds of the promised 180 in which the benchmark and the gateway are compiled. */
const COMPILING_S = 8;

test("the short set is planned to fit into the three minutes that it promises", () => {
  const line = readArgs([]);
  const set = SCENARIOS.filter(({ inSet }) => inSet !== false);
  const seconds = set.map((scenario) => secondsOf(scenario, line));
  assert.ok(set.length > 9);
  const sum = seconds.reduce<number>((total, s) => total + (s ?? Number.NaN), 0);
  assert.ok(sum <= 180 - COMPILING_S, `${sum} s`);
});

test("something is told before anything has been loaded, and help tells nothing else", async () => {
  const told = await runBench("nosuch");
  assert.match(told.output, /^ {3}0 s {2}loading the scenarios\n/);
  const help = await runBench("--help");
  assert.match(help.output, /^npm run bench/);
});
