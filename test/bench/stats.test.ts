import assert from "node:assert/strict";
import { test } from "node:test";
import { interleave } from "../../bench/rig/context.ts";
import { estimateRatios, type JudgedRound, summarise } from "../../bench/rig/estimate.ts";
import {
  createHistogram,
  describeLatency,
  mergeLatencies,
  recordLatency,
} from "../../bench/rig/latency.ts";
import {
  bootstrapBca,
  createRandom,
  fitLine,
  normalCdf,
  normalQuantile,
  quantile,
} from "../../bench/rig/stats.ts";

const near = (actual: number, expected: number, within: number) =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected} ± ${within}`);

test("BCa gives the interval that Efron and Tibshirani print for their spatial data", () => {
  // An Introduction to the Bootstrap, tables 14.1 and 14.2: θ is the plug-in variance of A,
  // 171.5, and its 90 % BCa interval is (115.8, 259.6).
  const a = [
    48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30,
    41,
  ];
  const variance = (x: readonly number[]) => {
    const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
    return x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length;
  };
  const options = { level: 0.9, resamples: 20_000, random: createRandom(1) };
  const { estimate, low, high } = bootstrapBca(a, variance, options);
  near(estimate, 171.5, 0.05);
  near(low, 115.8, 2.5);
  near(high, 259.6, 5);
});

test("a bootstrap of equal values has no width, and of one value no interval", () => {
  const options = { level: 0.95, resamples: 100, random: createRandom(1) };
  const mean = (x: readonly number[]) => x.reduce((sum, v) => sum + v, 0) / x.length;
  assert.deepEqual(bootstrapBca([2, 2, 2], mean, options), { estimate: 2, low: 2, high: 2 });
  assert.ok(Number.isNaN(bootstrapBca([2], mean, options).low));
});

test("normal distribution and quantiles have their known values", () => {
  near(normalCdf(1.959964), 0.975, 1e-6);
  near(normalQuantile(0.975), 1.959964, 1e-4);
  near(normalQuantile(0.05), -1.644854, 1e-4);
  assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
  assert.equal(quantile([1, 2, 3, 4, 5], 0.25), 2);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

test("a line through Anscombe's first set has the slope, error and R² he prints", () => {
  const x = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5];
  const y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
  const line = fitLine(x.map((value, i) => ({ x: value, y: y[i] ?? 0 })));
  near(line.slope, 0.5001, 1e-4);
  near(line.intercept, 3.0001, 1e-3);
  near(line.r2, 0.6665, 1e-4);
  near(line.slopeError, 0.1179 * 2.262, 1e-3);
});

const METRICS = [
  { name: "cost", unit: "µs", better: "lower", text: "Cost.", ratio: true } as const,
  { name: "seen", unit: "", better: "lower", text: "Seen.", ratio: false } as const,
];

function makeRounds(pairs: number, ratio: number): JudgedRound[] {
  return Array.from({ length: pairs }, (_, pair) =>
    ["ours", "stock"].map((subject) => ({
      subject,
      params: { members: 10 },
      pair,
      values: { cost: (subject === "ours" ? ratio : 1) * (10 + pair), seen: 1 },
      valid: true,
    })),
  ).flat();
}

test("ten pairs outside the band carry a claim, nine do not", () => {
  const verdict = (pairs: number, ratio: number) =>
    estimateRatios(makeRounds(pairs, ratio), METRICS, { baseline: "ours", seed: 1 }).map(
      (e) => `${e.metric} ${e.against} ${e.verdict} ${e.n_pairs}`,
    );
  assert.deepEqual(verdict(10, 0.5), ["cost stock better 10"]);
  assert.deepEqual(verdict(10, 1.5), ["cost stock worse 10"]);
  assert.deepEqual(verdict(10, 1.01), ["cost stock same 10"]);
  assert.deepEqual(verdict(9, 0.5), ["cost stock unclear 9"]);
});

test("void rounds take part in no median and no ratio", () => {
  const rounds = makeRounds(4, 0.5).map((round) => ({ ...round, valid: round.pair !== 0 }));
  const [estimate] = estimateRatios(rounds, METRICS, { baseline: "ours", seed: 1 });
  assert.equal(estimate?.n_pairs, 3);
  const ours = summarise(rounds, METRICS).find((s) => s.subject === "ours" && s.metric === "cost");
  assert.deepEqual([ours?.median, ours?.low, ours?.rounds], [6, 5.5, 3]);
});

test("blocks are measured forth and back, and stop with the signal", () => {
  const stop = new AbortController();
  const random = createRandom(7);
  const order = [...interleave(["a", "b", "c"], 2, random, stop.signal)];
  for (const block of [order.slice(0, 6), order.slice(6)]) {
    const names = block.map((turn) => turn.subject);
    assert.deepEqual(names.slice(3), names.slice(0, 3).reverse());
    assert.deepEqual([...names.slice(0, 3)].sort(), ["a", "b", "c"]);
  }
  assert.deepEqual([...new Set(order.map((turn) => turn.pair))], [0, 1, 2, 3]);
  stop.abort(new Error("over"));
  assert.throws(() => [...interleave(["a"], 1, random, stop.signal)], /over/);
});

test("merged histograms are those of all samples, not averages of percentiles", () => {
  const make = (values: number[]) => {
    const histogram = createHistogram();
    for (const value of values) recordLatency(histogram, value);
    return describeLatency(histogram);
  };
  const fast = make(Array.from({ length: 990 }, () => 100));
  const slow = make(Array.from({ length: 10 }, () => 50_000));
  const all = mergeLatencies([fast, slow, make([])]);
  assert.deepEqual([all.count, all.p50, all.p99], [1000, 100, 100]);
  near(all.p99_9, 50_000, 50);
  near(make([1e12]).max, 60_000_000, 60_000);
  assert.equal(make([-5]).max, 0);
});

test("no percentile lies above the highest sample, of one histogram or of several merged", () => {
  // Seen: p99.9 above max in results files. A bucket's upper end was told, and max is exact.
  const random = createRandom(7);
  const parts = Array.from({ length: 20 }, () => {
    const histogram = createHistogram();
    const samples = Array.from({ length: 500 }, () => Math.round(3_000_000 ** random()));
    for (const us of samples) recordLatency(histogram, us);
    const latency = describeLatency(histogram);
    assert.equal(latency.max, Math.max(...samples));
    return latency;
  });
  const merged = mergeLatencies(parts);
  assert.equal(merged.max, Math.max(...parts.map(({ max }) => max)));
  for (const { p50, p90, p99, p99_9, max } of [...parts, merged]) {
    const rising = [p50, p90, p99, p99_9, max];
    assert.deepEqual(
      rising,
      [...rising].sort((a, b) => a - b),
    );
  }
});
