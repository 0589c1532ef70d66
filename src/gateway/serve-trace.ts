import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { Tracer } from "../core/trace.ts";
import { readVersion } from "../core/version.ts";
import type { Metrics } from "../metrics/registry.ts";
import { createTracing } from "../trace/tracing.ts";
import { listTraceRows } from "./metric-rows.ts";

/** Starts to trace. Throws `SettingsError`. */
export function serveTrace(
  { trace }: Settings,
  {
    log,
    metrics,
    undo,
  }: {
    readonly log: Log;
    readonly metrics: Metrics;
    /** How to stop what has been started, in the order of starting. */
    readonly undo: (() => unknown)[];
  },
): Tracer {
  const tracing = createTracing(trace, { log, version: readVersion() });
  undo.push(tracing.stop);
  metrics.source(() => listTraceRows(tracing.samples));
  return tracing;
}
