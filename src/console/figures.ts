import { performance } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import type { Figures } from "./history.ts";

/** The samples of `/metrics`, by metric: a number, or one for each set of labels. */
export type Samples = Readonly<
  Record<string, number | readonly (readonly [Readonly<Record<string, string>>, number])[]>
>;

/** Most names of figures that are told: functions and their failures could be thousands. */
const NAMES_MAX = 500;

/**
 * Returns samples as figures: the name of the metric without `sluice_`, then the values of its
 * labels, as in `connections websocket json`.
 */
export function flatten(samples: Samples): Map<string, number> {
  const figures = new Map<string, number>();
  for (const [metric, value] of Object.entries(samples)) {
    const name = metric.replace(/^sluice_/, "");
    const series = typeof value === "number" ? ([[{}, value]] as const) : value;
    for (const [labels, number] of series) {
      if (figures.size < NAMES_MAX) figures.set([name, ...Object.values(labels)].join(" "), number);
    }
  }
  return figures;
}

/** Takes a sample every second, until it is stopped. */
export interface Sampler {
  stop(): void;
}

/** Time between two samples. */
export const EVERY_MS = 1000;

/**
 * Calls `taken` every second with the figures of `read`, and those of the process:
 * `at` (milliseconds since 1970), `cpu_seconds`, `resident_bytes`, `heap_bytes`, `loop_busy` (share
 * of the last second, 0 to 1) and `loop_late_ms` (how late this sample was taken).
 */
export function startSampler(read: () => Samples, taken: (figures: Figures) => void): Sampler {
  let loop = performance.eventLoopUtilization();
  let due = performance.now() + EVERY_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    const { utilization } = performance.eventLoopUtilization(loop);
    loop = performance.eventLoopUtilization();
    const { user, system } = process.cpuUsage();
    const figures = flatten(read());
    figures.set("at", Date.now());
    figures.set("cpu_seconds", (user + system) / 1e6);
    figures.set("resident_bytes", process.memoryUsage.rss());
    figures.set("heap_bytes", getHeapStatistics().used_heap_size);
    figures.set("loop_busy", Math.round(utilization * 1e4) / 1e4);
    figures.set("loop_late_ms", Math.max(0, Math.round((now - due) * 10) / 10));
    due = now + EVERY_MS;
    taken(figures);
  }, EVERY_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
