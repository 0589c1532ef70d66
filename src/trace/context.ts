import { createTraceState, ROOT_CONTEXT, type SpanContext, trace } from "@opentelemetry/api";
import type { TraceContext } from "../core/trace.ts";

/** Returns a context of OpenTelemetry that a span begins in; `parent` has been checked. */
export function contextIn(parent: SpanContext | undefined) {
  return parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
}

/** Reads what came from elsewhere: `00-traceid-spanid-flags`, which has been checked. */
export function readSpanContext({ traceparent, tracestate }: TraceContext): SpanContext {
  return {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53, 55), 16) & 1,
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  };
}

/** Writes the context of a span of this process. */
export function writeTraceContext(context: SpanContext): TraceContext {
  const { traceId, spanId, traceFlags, traceState } = context;
  const traceparent = `00-${traceId}-${spanId}-0${traceFlags & 1}`;
  const tracestate = traceState?.serialize();
  return tracestate ? { traceparent, tracestate } : { traceparent };
}
