import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { Samples } from "./registry.ts";

/** Finer sampling costs CPU and finds nothing an operator would act on. */
const RESOLUTION_MS = 20;

/**
 * Returns the event-loop lag in seconds. Node.js records the nanoseconds between two samples, so
 * the sampling interval is subtracted. NaN, which Node.js gives before the first sample, becomes 0.
 */
export function lagSeconds(nanoseconds: number): number {
  const lag = nanoseconds / 1e9 - RESOLUTION_MS / 1e3;
  return Number.isFinite(lag) ? Math.max(lag, 0) : 0;
}

/** Starts watching the event loop. `read` returns its metrics since the last `read`. */
export function watchLoop(): { read(): Samples; stop(): void } {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let last = performance.eventLoopUtilization();
  return {
    read() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      const samples: Samples = {
        sluice_event_loop_utilization_ratio: utilization,
        sluice_event_loop_lag_seconds: [
          [{ stat: "p50" }, lagSeconds(delay.percentile(50))],
          [{ stat: "p99" }, lagSeconds(delay.percentile(99))],
          [{ stat: "max" }, lagSeconds(delay.max)],
        ],
      };
      delay.reset();
      return samples;
    },
    stop: () => void delay.disable(),
  };
}
