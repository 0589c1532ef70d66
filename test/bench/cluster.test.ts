import assert from "node:assert/strict";
import { test } from "node:test";
import { readResults } from "../../bench/rig/results.ts";
import { resultsFolder, runBench } from "./run-bench.ts";

test("workers and nodes behind Redis deliver everything, near and far", async (t) => {
  const results = resultsFolder(t);
  const { output } = await runBench(
    ...["cluster", "--quick", "--members", "20", "--seconds", "0.2", "--rate", "50"],
    ...["--results", results],
  );
  const [stored] = readResults(results);
  assert.ok(stored, output);
  const { rounds } = stored.result;
  const names = ["one", "two nodes", "two stock nodes", "two workers"];
  assert.deepEqual([...new Set(rounds.map((round) => round.subject))].sort(), names, output);
  for (const { subject, delivery, values } of rounds) {
    assert.deepEqual([delivery?.received, delivery?.lost], [200, 0], subject);
    assert.ok((values.cpu_us_per_delivery ?? 0) > 0, subject);
    assert.equal("redis_cpu_us_per_delivery" in values, subject.includes("nodes"), subject);
    if (subject.includes("nodes")) assert.ok((values.far_p50_us ?? 0) > 0, subject);
  }
});
