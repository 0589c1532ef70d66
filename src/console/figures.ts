import { performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import { eachStep, watchSteps } from "../core/loop.ts";
import type { Figures } from "./history.ts";

/** The samples of `/metrics`, by metric: a number, or one for each set of labels. */
export type Samples = Readonly<
  Record<string, number | readonly (readonly [Readonly<Record<string, string>>, number])[]>
>;

/** Most names of figures that are told: functions and their failures could be thousands. */
const NAMES_MAX = 500;

/**
 * Returns samples as figures: the name of the metric without `sluice_`, then the values of its
 * labels, as in `connections websocket json`. What is 0 is left out: most samples always are.
 */
export function flatten(samples: Samples): Map<string, number> {
  const figures = new Map<string, number>();
  for (const [metric, value] of Object.entries(samples)) {
    const series = typeof value === "number" ? ([[{}, value]] as const) : value;
    for (const [labels, number] of series) {
      if (number === 0 || figures.size >= NAMES_MAX) continue;
      const name = metric.replace(/^sluice_/, "");
      figures.set([name, ...Object.values(labels)].join(" "), number);
    }
  }
  return figures;
}

/** About the time between two samples. */
export const EVERY_MS = 1000;

/**
 * Calls `taken` about every second with the figures of `read`, and those of the process: `at`
 * (milliseconds since 1970), `cpu_seconds`, `resident_bytes`, `heap_bytes`, `loop_busy` (share of
 * the time since the last sample, 0 to 1) and `loop_lag_ms` (the longest since then). Returns what
 * ends that. It wakes nothing up: the clock that watches the event loop runs anyway.
 */
export function startSampler(read: () => Samples, taken: (figures: Figures) => void): () => void {
  let loop = performance.eventLoopUtilization();
  let lateMs = 0;
  const unwatch = watchSteps((step) => {
    lateMs = Math.max(lateMs, step.lateMs);
  });
  const end = eachStep(() => {
    const { utilization } = performance.eventLoopUtilization(loop);
    loop = performance.eventLoopUtilization();
    const { user, system } = process.cpuUsage();
    const figures = flatten(read());
    figures.set("at", Date.now());
    figures.set("cpu_seconds", (user + system) / 1e6);
    figures.set("resident_bytes", process.memoryUsage.rss());
    figures.set("heap_bytes", getHeapStatistics().used_heap_size);
    figures.set("loop_busy", Math.round(utilization * 1e4) / 1e4);
    figures.set("loop_lag_ms", Math.round(lateMs * 10) / 10);
    lateMs = 0;
    taken(figures);
  }, EVERY_MS);
  return () => {
    end();
    unwatch();
  };
}
