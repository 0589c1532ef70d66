import {
  CALL_TYPES,
  type CallKind,
  type ConnectCall,
  type ConnectedCall,
  type DisconnectCall,
  type EventCall,
} from "../core/call.ts";
import { isRecord } from "../core/tagged-json.ts";
import { restoreBytes } from "./binary.ts";
import { gather } from "./body.ts";
import { verify } from "./verify.ts";

/** One call whose signature was checked. */
export interface CallEvent {
  readonly id: string;
  readonly kind: CallKind;
  readonly data: ConnectCall | ConnectedCall | EventCall | DisconnectCall;
  readonly trace: Trace;
}

/** A W3C trace context. Nothing when there is none, or none that is valid. */
interface Trace {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** A request that is not a valid call, with the HTTP status to answer it with. */
export class Unreadable extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Resolves with the call, or the batch of calls, of a request. Rejects with `VerifyError` or
 * {@link Unreadable}.
 *
 * The signature covers the id, the timestamp and the body, but not the `ce-*` headers. So the kind
 * of a call is read from the body, and those headers must agree with it.
 */
export async function readCall(
  request: Request,
  options: {
    readonly secret: string | readonly string[];
    readonly toleranceSeconds?: number;
    readonly bodyBytesMax: number;
  },
): Promise<CallEvent | { readonly batch: readonly CallEvent[] }> {
  if (request.method !== "POST") throw new Unreadable(405, "calls are POST requests");
  const body = await readBody(request, options.bodyBytesMax);
  const header = (name: string) => request.headers.get(name);
  const id = await verify({ header, body }, options.secret, options);
  const parsed = parse(body);
  const [type = ""] = (header("content-type") ?? "").split(";");
  if (type.trim() === "application/cloudevents-batch+json") {
    if (!Array.isArray(parsed)) throw new Unreadable(400, "a batch is a list");
    return { batch: parsed.map(readEvent) };
  }
  const data = readData(parsed);
  const kind = kindOf(data);
  if (header("ce-type") !== CALL_TYPES[kind] || header("ce-id") !== id) {
    throw new Unreadable(400, "the headers do not agree with the body");
  }
  return { id, kind, data, trace: readTrace(header("traceparent"), header("tracestate")) };
}

function readEvent(given: unknown): CallEvent {
  const { id, type, data, traceparent, tracestate } = isRecord(given) ? given : {};
  const call = readData(data);
  const kind = kindOf(call);
  if (typeof id !== "string" || type !== CALL_TYPES[kind]) throw new Unreadable(400, "no event");
  return { id, kind, data: call, trace: readTrace(traceparent, tracestate) };
}

// Section 3.2.2: what a later version appends is to be accepted.
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-|$)/;

/** Headers are not signed: what is no trace context would only end up in somebody's logs. */
function readTrace(traceparent: unknown, tracestate: unknown): Trace {
  if (typeof traceparent !== "string" || !TRACEPARENT.test(traceparent)) return {};
  return { traceparent, ...(typeof tracestate === "string" && { tracestate }) };
}

function readData(given: unknown): CallEvent["data"] {
  const socket = isRecord(given) ? given.socket : undefined;
  if (!isRecord(given) || !isRecord(socket) || typeof socket.id !== "string") {
    throw new Unreadable(400, "the body is not a call");
  }
  return restoreBytes(given) as CallEvent["data"]; // signed by the gateway, which sends this shape
}

function kindOf(data: CallEvent["data"]): CallKind {
  if ("event" in data) return "event";
  if ("reason" in data) return "disconnect";
  return "recovered" in data ? "connected" : "connect";
}

async function readBody(request: Request, max: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = request.body?.getReader();
  const body = await gather(async () => (await reader?.read())?.value, max);
  if (body) return body;
  await reader?.cancel();
  throw new Unreadable(413, "the body is too large");
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    throw new Unreadable(400, "the body is not JSON");
  }
}
