import {
  BatchSpanProcessor,
  type SpanExporter,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace";
import type { Settings } from "../core/settings-shape.ts";

/** What became of the spans that were sampled and have ended. */
export interface TraceSamples {
  /** They wait for the collector, or are on their way to it. */
  queued: number;
  exported: number;
  /** The queue was full. */
  dropped: number;
  /** The collector did not take them in time. */
  failed: number;
}

/**
 * Returns the queue of spans that wait for the exporter. `samples` bounds and counts them: the
 * library's own queue is bounded too, but does not tell what it dropped.
 */
export function createQueue(
  settings: Settings["trace"],
  { exporter, samples }: { readonly exporter: SpanExporter; readonly samples: TraceSamples },
): SpanProcessor {
  const { queueMax, batchMax, batchMs, timeoutMs } = settings;
  const batches = new BatchSpanProcessor({
    exporter,
    maxQueueSize: queueMax,
    maxExportBatchSize: Math.min(batchMax, queueMax),
    scheduledDelayMillis: batchMs,
    // The exporter ends each export after `timeoutMs`: this is for the case that it does not.
    exportTimeoutMillis: 2 * timeoutMs,
  });
  let isStopped = false;
  return {
    onStart() {},
    onEnd(span) {
      if (isStopped || samples.queued >= queueMax) {
        samples.dropped++;
        return;
      }
      samples.queued++;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown() {
      isStopped = true;
      return batches.shutdown();
    },
  };
}
