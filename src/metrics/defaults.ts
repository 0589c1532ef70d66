import { collectDefaultMetrics, Gauge, type Registry } from "prom-client";
import { watchSteps } from "../core/loop.ts";
import { createLags, type Lags } from "./loop.ts";

/** Longer than any process runs, in milliseconds. */
const NEVER_MS = 2 ** 41;

/** prom-client's names and help, and how it adds them up between workers. */
const LAGS: readonly (readonly [keyof Lags, "min" | "max" | "average", string])[] = [
  ["min", "min", "The minimum recorded event loop delay."],
  ["max", "max", "The maximum recorded event loop delay."],
  ["mean", "average", "The mean of the recorded event loop delays."],
  ["stddev", "average", "The standard deviation of the recorded event loop delays."],
  ["p50", "average", "The 50th percentile of the recorded event loop delays."],
  ["p90", "average", "The 90th percentile of the recorded event loop delays."],
  ["p99", "average", "The 99th percentile of the recorded event loop delays."],
];

/**
 * Adds prom-client's metrics of the process to a registry. Returns a function that ends what they
 * watch.
 *
 * prom-client would look at the event loop every 10 ms, for as long as the process lives: most of
 * what an idle process costs. Its looks are put off, and the gauges set from the steps that others
 * use too. They tell delays; prom-client's own add the 10 ms between two looks to each.
 */
export function addDefaults(registry: Registry): () => void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  // promtool refuses these gauges for their names in `_total`. The gauges by type remain.
  for (const what of ["handles", "requests", "resources"]) {
    registry.removeSingleMetric(`nodejs_active_${what}_total`);
  }
  const lags = createLags();
  const gauges = new Map<keyof Lags, Gauge>();
  for (const [stat, aggregator, help] of LAGS) {
    const name = `nodejs_eventloop_lag_${stat}_seconds`;
    registry.removeSingleMetric(name);
    // Metrics are collected in order, so the first one sets the values of all.
    const first = gauges.size === 0 && { collect };
    gauges.set(stat, new Gauge({ name, help, aggregator, registers: [registry], ...first }));
  }
  function collect(): void {
    const taken = lags.take();
    for (const [stat, gauge] of gauges) gauge.set(taken[stat]);
  }
  return watchSteps(lags.add);
}
