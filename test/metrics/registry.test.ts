import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { createMetrics, type Samples } from "../../src/metrics/registry.ts";
import { sumMetric } from "../harness/gateway.ts";

const OPEN = "application/openmetrics-text; version=1.0.0";

function metricsOf(t: TestContext, samples: Samples) {
  const metrics = createMetrics({ defaults: true });
  t.after(() => metrics.stop());
  metrics.source(() => samples);
  return metrics;
}

// Seen: once a Prometheus had scraped in OpenMetrics, the plain text called every counter by its
// name without `_total`; the library writes the shortened name into the metric itself.
test("a plain scrape after an OpenMetrics one names the counters as before", async (t) => {
  const metrics = metricsOf(t, { sluice_deliveries_total: 3 });
  const names = (body: string) => body.split("\n").filter((line) => line.startsWith("# TYPE"));
  const before = await metrics.scrape();
  const open = await metrics.scrape(OPEN);
  const after = await metrics.scrape();
  assert.deepEqual(names(after.body), names(before.body));
  for (const { body } of [before, open, after])
    assert.equal(sumMetric(body, "sluice_deliveries_total"), 3);
});

test("plain and OpenMetrics scrapes at the same time each get their own format", async (t) => {
  const metrics = metricsOf(t, { sluice_deliveries_total: 3 });
  const answers = await Promise.all(
    [undefined, OPEN, undefined, OPEN].map((accept) => metrics.scrape(accept)),
  );
  for (const [i, { type, body }] of answers.entries()) {
    assert.equal(type.includes("openmetrics"), i % 2 === 1);
    assert.equal(body.trimEnd().endsWith("# EOF"), i % 2 === 1);
    assert.equal(sumMetric(body, "sluice_deliveries_total"), 3);
  }
});

test("Node.js' own lag gauges tell delays, each once, and begin anew with each scrape", async (t) => {
  const metrics = createMetrics({ defaults: true });
  t.after(() => metrics.stop());
  const read = async () => {
    const { body } = await metrics.scrape();
    const lines = [...body.matchAll(/^nodejs_eventloop_lag_(\w+)_seconds (\S+)$/gm)];
    return Object.fromEntries(lines.map(([, stat = "", value]) => [stat, Number(value)]));
  };
  await wait(60); // Two steps and more, so that the block falls between two.
  const end = performance.now() + 200;
  while (performance.now() < end);
  await wait(60);
  const { max, min, ...others } = await read();
  assert.ok(max !== undefined && max >= 0.17, `${max}`);
  assert.ok(min !== undefined && min < max);
  assert.deepEqual(Object.keys(others).sort(), ["mean", "p50", "p90", "p99", "stddev"]);
  assert.ok(((await read()).max ?? 1) < max);
});
