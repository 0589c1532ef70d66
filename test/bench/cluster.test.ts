import assert from "node:assert/strict";
import { test } from "node:test";
import { drawCharts } from "../../bench/rig/charts.ts";
import { readResults } from "../../bench/rig/results.ts";
import { resultsFolder, runBench } from "./run-bench.ts";

/** A node that hears nothing may use less CPU than a kernel that counts in ticks can tell. */
const MAY_BE_NONE = new Set([
  ...["away_cpu_us_per_broadcast", "away_messages_per_broadcast", "away_share"],
  "idle_share",
]);

test("every row of the cluster delivers everything, and tells its figure of each subject", async (t) => {
  const results = resultsFolder(t);
  const { output } = await runBench("cluster", "--quick", "--results", results);
  const [stored] = readResults(results);
  assert.ok(stored, output);
  const { rounds, estimates } = stored.result;
  const told = new Map<string, Set<string>>();
  for (const { subject, params, delivery, values } of rounds) {
    const row = String(params.row);
    told.set(row, (told.get(row) ?? new Set()).add(subject));
    const at = `${row} ${subject}: ${JSON.stringify({ delivery, values })}`;
    if (delivery) assert.deepEqual([delivery.received, delivery.lost], [delivery.expected, 0], at);
    for (const [name, value] of Object.entries(values))
      if (!MAY_BE_NONE.has(name)) assert.ok(value > 0, `${at}: ${name}`);
    if (row === "away" && subject === "ours")
      assert.ok(
        (values.away_messages_per_broadcast ?? 1) < 0.05,
        `${at}: it hears what it need not`,
      );
  }
  assert.deepEqual(Object.fromEntries([...told].map(([row, names]) => [row, [...names].sort()])), {
    away: ["ours", "stock"],
    idle: ["no redis", "ours", "stock"],
    publish: ["no redis", "ours", "stock"],
    latency: ["no redis", "ours", "same node", "stock"],
    shared: ["no redis", "ours", "stock"],
    union: ["one room", "union"],
    nodes: ["1 node", "2 nodes"],
    redis: ["2 nodes"],
    workers: ["2 workers", "one process"],
    "own-rooms": ["ours", "plain client"],
  });
  const baselines = estimates.map(({ params, subject }) => `${params.row}: ${subject}`);
  for (const one of ["nodes: 1 node", "workers: one process", "union: union", "shared: ours"])
    assert.ok(baselines.includes(one), `${one} is none of ${baselines}`);
  const charts = await drawCharts(stored.result);
  assert.ok(charts.some(({ name }) => name === "nodes"));
});

test("a row that does not exist is refused by name", async (t) => {
  const { code, output } = await runBench("cluster", "--only", "x", "--results", resultsFolder(t));
  assert.equal(code, 64);
  assert.match(output, /--only x is none of away, publish/);
});
