import { monitorEventLoopDelay, performance } from "node:perf_hooks";

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

/** How busy the event loop was. */
export interface LoopSamples {
  /** Share of the time in which it was busy, 0 to 1. */
  readonly utilization: number;
  readonly lagSeconds: Readonly<Record<"p50" | "p99" | "max", number>>;
}

/** Starts watching the event loop. `read` returns its samples since the last `read`. */
export function watchLoop(): { read(): LoopSamples; stop(): void } {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let last = performance.eventLoopUtilization();
  return {
    read() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      const lag = {
        p50: lagSeconds(delay.percentile(50)),
        p99: lagSeconds(delay.percentile(99)),
        max: lagSeconds(delay.max),
      };
      delay.reset();
      return { utilization, lagSeconds: lag };
    },
    stop: () => void delay.disable(),
  };
}
