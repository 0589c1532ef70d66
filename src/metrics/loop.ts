import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { Samples } from "./registry.ts";

/** Returns what Prometheus reads of the event loop since its last scrape, and how to stop looking. */
export function watchLoop(): { read(): Samples; stop(): void } {
  // 20 ms: finer sampling costs CPU of its own and finds nothing an operator would act on.
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  let last = performance.eventLoopUtilization();
  const seconds = (nanoseconds: number) => (Number.isFinite(nanoseconds) ? nanoseconds / 1e9 : 0);
  return {
    read() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      const samples: Samples = {
        sluice_event_loop_utilization_ratio: utilization,
        sluice_event_loop_lag_seconds: [
          [{ stat: "p50" }, seconds(delay.percentile(50))],
          [{ stat: "p99" }, seconds(delay.percentile(99))],
          [{ stat: "max" }, seconds(delay.max)],
        ],
      };
      delay.reset();
      return samples;
    },
    stop: () => void delay.disable(),
  };
}
