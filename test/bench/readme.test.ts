import assert from "node:assert/strict";
import { test } from "node:test";
import type { Estimate } from "../../bench/rig/estimate.ts";
import { type OverviewRow, tabulate } from "../../bench/rig/overview.ts";
import { chooseRows } from "../../bench/rig/readme.ts";

function makeEstimate(against: string, verdict: Estimate["verdict"]): Estimate {
  return {
    ...{ params: {}, metric: "x", subject: "ours", against },
    ...{ ratio_median: 0.5, ci95_low: 0.4, ci95_high: 0.6 },
    ...{ method: "BCa", resamples: 10_000, n_pairs: 10, verdict },
  };
}

function makeRow(
  scenario: string,
  verdicts: Readonly<Record<string, Estimate["verdict"]>>,
  params: OverviewRow["params"] = {},
): OverviewRow {
  const ratios = Object.entries(verdicts).map(
    ([name, verdict]) => [name, makeEstimate(name, verdict)] as const,
  );
  return { scenario, params, words: scenario, figure: "1 µs", ratios: new Map(ratios) };
}

test("the README has five rows, in the order in which they matter, wins and losses alike", () => {
  const rows = [
    makeRow("start", { "stock-uws": "worse" }),
    makeRow("storm", { "stock-uws": "better" }),
    makeRow("idle", { "stock-uws": "better" }),
    makeRow("fanout", { "stock-uws": "better" }, { shape: "room", frames: 20, members: 1000 }),
    makeRow("echo", { "stock-uws": "worse" }, { load: "saturated, 128 open" }),
    makeRow("connect", { "stock-uws": "worse", bare: "worse" }),
    makeRow("upstream", { "stock-uws": "worse" }),
  ];
  const chosen = chooseRows(rows).map(({ scenario }) => scenario);
  assert.deepEqual(chosen, ["connect", "echo", "fanout", "idle", "upstream"]);
});

test("a row whose intervals say nothing of anyone but the floor is left to the report", () => {
  const silent = makeRow("connect", { "stock-uws": "unclear", bare: "worse" });
  const open = makeRow("echo", { "stock-uws": "better" }, { load: "open, 1000/s" });
  const telling = makeRow("idle", { "stock-uws": "unclear", socketioxide: "better" });
  assert.deepEqual(chooseRows([silent, open, telling]), [telling]);
});

test("a table has a column for each subject that any row was measured beside, and no other", () => {
  const table = tabulate([
    makeRow("connect", { "stock-uws": "better", centrifugo: "unclear" }),
    makeRow("idle", { bare: "worse", "ours outside": "same" }),
  ]);
  assert.deepEqual(table[0], [
    "What",
    "Sluice",
    "Sluice ÷ stock on uWebSockets.js",
    "Sluice ÷ Centrifugo",
    "Sluice ÷ bare uWebSockets.js",
  ]);
  assert.deepEqual(table[1], ["connect", "1 µs", "0.50 (0.40–0.60)", "0.50 (0.40–0.60) ?", "–"]);
});
