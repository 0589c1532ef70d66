import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { type Span as SdkSpan, SpanKind as Side, SpanStatusCode } from "@opentelemetry/api";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import {
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { messageOf } from "../core/failures.ts";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import {
  type Attributes,
  SPANS,
  type Span,
  type TraceContext,
  type Tracer,
} from "../core/trace.ts";
import { contextIn, readSpanContext, writeTraceContext } from "./context.ts";
import { createExporter, readCollectorUrl } from "./exporter.ts";
import { createQueue, type TraceSamples } from "./queue.ts";

/** Traces that go to a collector. */
export interface Tracing extends Tracer {
  readonly samples: Readonly<TraceSamples>;
  /**
   * Sends what is queued, for at most `timeoutMs`. What ends later is dropped. Leaves no timer and
   * no connection.
   */
  stop(): Promise<void>;
}

/** What traces need. */
export interface TracingNeeds {
  readonly log: Log;
  /** `service.version` of the spans. */
  readonly version: string;
}

/** The most that one span holds: names come from clients and functions. */
const LIMITS = {
  attributeCountLimit: 32,
  attributeValueLengthLimit: 256,
  linkCountLimit: 128,
  eventCountLimit: 0,
};

const SIDES = {
  server: Side.SERVER,
  client: Side.CLIENT,
  producer: Side.PRODUCER,
  consumer: Side.CONSUMER,
  internal: Side.INTERNAL,
} as const;

/**
 * Returns traces for the collector at `otlpUrl`. Nothing waits for it: what it does not take is
 * counted. Nothing is registered with the process, which may trace by itself. Throws
 * `SettingsError`.
 */
export function createTracing(settings: Settings["trace"], needs: TracingNeeds): Tracing {
  const samples: TraceSamples = { queued: 0, exported: 0, dropped: 0, failed: 0 };
  const report = createReport(needs.log);
  const exporter = createExporter(settings, {
    url: readCollectorUrl(settings.otlpUrl),
    done(spans, error) {
      samples.queued -= spans;
      samples[error ? "failed" : "exported"] += spans;
      report(error);
    },
  });
  const queue = createQueue(settings, { exporter, samples });
  const provider = new TracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({
        "service.name": settings.serviceName,
        "service.version": needs.version,
        "service.instance.id": randomUUID(),
        "host.name": hostname(),
        "process.pid": process.pid,
      }),
    ),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(settings.sampleRatio) }),
    spanLimits: LIMITS,
    spanProcessors: [queue],
  });
  const tracer = provider.getTracer("sluice", needs.version);
  /** The contexts of this process' spans, which are no remote ones. */
  const own = new WeakMap<TraceContext, ReturnType<SdkSpan["spanContext"]>>();
  const contextOf = (given: TraceContext) => own.get(given) ?? readSpanContext(given);
  let stopped: Promise<void> | undefined;

  return {
    followsClients: settings.fromClients,
    start(kind, name, { parent, links = [], attributes = {} }) {
      const options = {
        kind: SIDES[SPANS[kind].side],
        attributes: writeAttributes(attributes),
        links: links.map((link) => ({ context: contextOf(link) })),
      };
      const begun = tracer.startSpan(name, options, contextIn(parent && contextOf(parent)));
      const span = wrap(begun);
      own.set(span, begun.spanContext());
      return span;
    },
    samples,
    stop: () =>
      (stopped ??= (async () => {
        // It rejects if an export fails, which is counted and logged already.
        await provider.shutdown().catch(() => {});
        await exporter.idle();
        exporter.close();
      })()),
  };
}

function wrap(span: SdkSpan): Span {
  return {
    ...writeTraceContext(span.spanContext()),
    set: (attributes) => void span.setAttributes(writeAttributes(attributes)),
    end(failure) {
      if (failure !== undefined) {
        span.setAttribute("error.type", failure);
        span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
      }
      span.end();
    },
  };
}

/** Says once that the collector takes nothing, and once that it does again. */
function createReport(log: Log): (error: Error | undefined) => void {
  let isAway = false;
  return (error) => {
    if (isAway === (error !== undefined)) return;
    isAway = error !== undefined;
    const why = error && messageOf(error).slice(0, 200);
    if (isAway) log("warn", { component: "trace", why }, "the collector takes no spans");
    else log("info", { component: "trace" }, "the collector takes spans again");
  };
}

/** Most of a list's texts that a span holds. */
const LIST_MAX = 8;

function writeAttributes(given: Attributes): Record<string, string | number | boolean | string[]> {
  const written: Record<string, string | number | boolean | string[]> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    written[name] = typeof value === "object" ? value.slice(0, LIST_MAX) : value;
  }
  return written;
}
