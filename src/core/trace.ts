/**
 * What rooms know of tracing. Only `trace/` knows OpenTelemetry, and it is loaded only if
 * `trace.otlpUrl` is set: without, rooms have no tracer, and each place pays one comparison.
 */

/** Where a span belongs, as W3C Trace Context writes it in headers. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string | undefined;
}

/** Facts about a span. A value that is `undefined` is left out; long texts and lists are cut. */
export type Attributes = Readonly<
  Record<string, string | number | boolean | readonly string[] | undefined>
>;

/** One span that has begun. It is the parent of what it causes, also where it is not recorded. */
export interface Span extends TraceContext {
  set(attributes: Attributes): void;
  /** Ends the span; with what went wrong, such as a failure's code. Without one it is not sent. */
  end(failure?: string): void;
}

/** How a span begins. */
export interface SpanStart {
  /** What caused it; left out, it begins a trace. */
  readonly parent?: TraceContext | undefined;
  /** More that caused it, of other traces. */
  readonly links?: readonly TraceContext[] | undefined;
  readonly attributes?: Attributes | undefined;
}

/** One kind of span. */
interface SpanRow {
  /** The word of OpenTelemetry that says on which side of an exchange it is. */
  readonly side: "server" | "client" | "producer" | "consumer" | "internal";
  readonly text: string;
}

/** Every kind of span. */
export const SPANS = {
  event: {
    side: "consumer",
    text: "A client's event that goes to a function. It ends with the ack or, without an ack, when the event is queued.",
  },
  call: {
    side: "internal",
    text: "A call. It begins when the gateway accepts it, and ends when the function has answered or the last attempt failed.",
  },
  attempt: {
    side: "client",
    text: "One HTTP request to a function. The request of a batch has links to all its calls.",
  },
  request: { side: "server", text: "A request with commands to the HTTP API." },
  commands: {
    side: "internal",
    text: "The commands of one answer or one request. It ends when the last has its result.",
  },
  broadcast: {
    side: "producer",
    text: "One broadcast of a command, on the node that publishes it.",
  },
} as const satisfies Record<string, SpanRow>;

/** The kinds of spans. */
export type SpanKind = keyof typeof SPANS;

/** Begins spans. */
export interface Tracer {
  /** Whether the trace contexts that clients send are followed. */
  readonly followsClients: boolean;
  /** Begins a span. Its name is shown in lists, so it is of a closed set. */
  start(kind: SpanKind, name: string, about: SpanStart): Span;
}

/** Returns a context alone, of a span or of anything else, so that it can be kept or sent. */
export function contextOf({ traceparent, tracestate }: TraceContext): TraceContext {
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

/** version-traceid-parentid-flags, W3C Trace Context, section 3.2; zero ids are invalid. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The longest list of vendors that W3C Trace Context asks to pass on, in characters. */
const TRACESTATE_MAX = 512;

/**
 * Returns a trace context of somebody else's making, as far as it is valid: only then may it be
 * sent on or logged.
 */
export function readTraceContext(from: {
  readonly traceparent?: unknown;
  readonly tracestate?: unknown;
}): TraceContext | undefined {
  const { traceparent, tracestate } = from;
  if (typeof traceparent !== "string" || !TRACEPARENT.test(traceparent)) return undefined;
  return isTracestate(tracestate) ? { traceparent, tracestate } : { traceparent };
}

function isTracestate(given: unknown): given is string {
  if (typeof given !== "string" || given.length > TRACESTATE_MAX) return false;
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(given);
}
