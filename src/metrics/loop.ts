import { createHistogram, performance } from "node:perf_hooks";
import { type Step, watchSteps } from "../core/loop.ts";

/** What one sample stands for. */
const SAMPLE_MS = 20;
/** Longer delays count as this long. */
const LAG_US_MAX = 600e6;

/** How busy the event loop was. */
export interface LoopSamples {
  /** Share of the time in which it was busy, 0 to 1. */
  readonly utilization: number;
  readonly lagSeconds: Readonly<Record<"p50" | "p99" | "max", number>>;
}

/** Starts watching the event loop. `read` returns its samples since the last `read`. */
export function watchLoop(): { read(): LoopSamples; stop(): void } {
  const lags = createLags();
  const stop = watchSteps(lags.add);
  let last = performance.eventLoopUtilization();
  return {
    read() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      const { p50, p99, max } = lags.take();
      return { utilization, lagSeconds: { p50, p99, max } };
    },
    stop,
  };
}

/** Lags in seconds. */
export type Lags = Readonly<
  Record<"min" | "mean" | "stddev" | "p50" | "p90" | "p99" | "max", number>
>;

/**
 * Returns what adds up lags, with one sample for each 20 ms: of a step that comes after more, all
 * but one are 0. `take` returns what they were since the last `take`, zeros if there was no step.
 */
export function createLags(): { add(step: Step): void; take(): Lags } {
  const found = createHistogram({ lowest: 1, highest: LAG_US_MAX, figures: 2 });
  let zeros = 0;
  let maxMs = 0;
  let sumMs = 0;
  let squaresMs = 0;
  const percentile = (share: number): number => {
    const rank = share * (zeros + found.count) - zeros;
    return rank > 0 ? found.percentile((rank / found.count) * 100) / 1e6 : 0;
  };
  return {
    add({ elapsedMs, lateMs }) {
      zeros += Math.max(0, Math.round((elapsedMs - lateMs) / SAMPLE_MS) - 1);
      found.record(Math.min(LAG_US_MAX, Math.max(1, Math.round(lateMs * 1000))));
      maxMs = Math.max(maxMs, lateMs);
      sumMs += lateMs;
      squaresMs += lateMs * lateMs;
    },
    take() {
      const count = Math.max(1, zeros + found.count);
      const meanMs = sumMs / count;
      const variance = Math.max(0, squaresMs / count - meanMs * meanMs);
      const taken = {
        ...{ p50: percentile(0.5), p90: percentile(0.9), p99: percentile(0.99) },
        min: zeros > 0 || found.count === 0 ? 0 : found.min / 1e6,
        mean: meanMs / 1e3,
        stddev: Math.sqrt(variance) / 1e3,
        max: maxMs / 1e3,
      };
      found.reset();
      zeros = 0;
      maxMs = 0;
      sumMs = 0;
      squaresMs = 0;
      return taken;
    },
  };
}
