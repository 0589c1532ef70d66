import type { FailureCode } from "../core/failures.ts";
import { readTraceContext, type Span, type TraceContext, type Tracer } from "../core/trace.ts";
import type { Outcome, Verdict } from "./answer.ts";
import { type Call, traceOf } from "./call.ts";

/** The socket that a client's event comes from. */
interface EventSocket {
  readonly id: string;
  readonly namespace: string;
  readonly trace?: TraceContext | undefined;
}

/** A client's event. */
interface ClientEvent {
  readonly name: string;
  readonly args: readonly unknown[];
}

/**
 * Begins the span of a client's event. Its last argument may bring the context that it belongs to;
 * else it belongs to its socket's.
 */
export function beginEvent(trace: Tracer, socket: EventSocket, { name, args }: ClientEvent): Span {
  const last = args.at(-1);
  const own = isObject(last) ? readTraceContext(last) : undefined;
  return trace.start("event", "event", {
    parent: trace.followsClients ? (own ?? socket.trace) : undefined,
    attributes: {
      "messaging.system": "socket.io",
      "messaging.operation.type": "process",
      "messaging.operation.name": "event",
      "messaging.destination.name": socket.namespace,
      "messaging.client.id": socket.id,
      "sluice.event": name,
    },
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Begins the span of a call. */
export function beginCall(trace: Tracer, call: Call): Span {
  const { id, kind, namespace, socketId, subject, route, bytes } = call;
  return trace.start("call", `call ${route.name}`, {
    parent: call.trace,
    attributes: {
      "messaging.message.id": id,
      "messaging.message.body.size": bytes,
      "messaging.destination.name": namespace,
      "messaging.client.id": socketId,
      "sluice.call": kind,
      "sluice.event": kind === "event" ? subject : undefined,
      "sluice.route": route.name,
    },
  });
}

/** Ends the span of a call. */
export function endCall(span: Span, { attempts }: Call, outcome: Outcome): void {
  span.set({ "sluice.attempts": attempts });
  span.end(outcome.ok ? undefined : outcome.code);
}

/** One HTTP request. */
interface Request {
  /** Its `webhook-id`. */
  readonly id: string;
  readonly isBatch: boolean;
  readonly calls: readonly Call[];
  /** The first of them. */
  readonly call: Call;
  /** How many there have been, this one included. */
  readonly attempts: number;
  readonly bytes: number;
}

/**
 * Begins the span of an attempt. That of a batch is in the trace of its first call that is
 * recorded, and links to the others.
 */
export function beginAttempt(trace: Tracer, request: Request): Span {
  const { id, isBatch, calls, call, attempts, bytes } = request;
  const { origin, name } = call.route;
  const { hostname, port, protocol } = new URL(origin);
  const contexts = calls.map(traceOf).filter((context) => context !== undefined);
  const parent = contexts.find(isRecorded) ?? contexts[0];
  return trace.start("attempt", "POST", {
    parent,
    links: contexts.filter((context) => context !== parent),
    attributes: {
      "http.request.method": "POST",
      // Without its query, which may hold a key.
      "url.full": origin + call.path.replace(/\?.*$/s, ""),
      "server.address": hostname,
      "server.port": port === "" ? (protocol === "https:" ? 443 : 80) : Number(port),
      "http.request.body.size": bytes,
      "http.request.resend_count": attempts > 1 ? attempts - 1 : undefined,
      "messaging.message.id": isBatch ? undefined : id,
      "messaging.batch.message_count": isBatch ? calls.length : undefined,
      "sluice.route": name,
    },
  });
}

function isRecorded({ traceparent }: TraceContext): boolean {
  return (Number.parseInt(traceparent.slice(-1), 16) & 1) === 1;
}

/** Ends the span of an attempt; `code` also says that its answer cannot be read. */
export function endAttempt(span: Span, { status }: Verdict, code: FailureCode | undefined): void {
  span.set({ "http.response.status_code": status });
  span.end(code);
}
