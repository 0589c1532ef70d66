import { CALL_TYPES } from "../core/call.ts";
import { contextOf, type TraceContext } from "../core/trace.ts";
import type { CallHead } from "./call.ts";
import { encodeHeader } from "./percent.ts";

// Where a socket's events come from: its namespace begins with a slash, so `//` for the main one.
function sourceOf({ namespace, socketId }: CallHead): string {
  return encodeURI(toWellFormed(`/namespaces${namespace}/sockets/${socketId}`));
}

// encodeURI throws on lone surrogates, and names are the client's text.
function toWellFormed(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}

/**
 * Returns the headers of an event in HTTP binary mode, as name and value in turn. `Content-Type` is
 * the event's `datacontenttype`, which has no header of its own.
 */
export function binaryHeaders(event: CallHead): string[] {
  const headers = [
    "content-type",
    "application/json",
    "ce-specversion",
    "1.0",
    "ce-id",
    event.id,
    "ce-type",
    CALL_TYPES[event.kind],
    "ce-source",
    encodeHeader(sourceOf(event)),
    "ce-time",
    timeOf(event.at),
    "ce-namespace",
    encodeHeader(event.namespace),
    "ce-socketid",
    encodeHeader(event.socketId),
  ];
  // An attribute must not be empty, and an event's name may be.
  if (event.subject !== "") headers.push("ce-subject", encodeHeader(event.subject));
  return headers;
}

/** Returns a trace context as headers, as name and value in turn. */
export function traceHeaders({ traceparent, tracestate }: TraceContext): string[] {
  const headers = ["traceparent", traceparent];
  if (tracestate !== undefined) headers.push("tracestate", tracestate);
  return headers;
}

/** Returns an event in JSON, as a batch holds it. */
export function structuredEvent(
  event: CallHead,
  body: string,
  trace: TraceContext | undefined,
): string {
  const subject = event.subject === "" ? "" : `,"subject":${JSON.stringify(event.subject)}`;
  // CloudEvents' extension for traces has the names of the headers.
  const traced = trace === undefined ? "" : `,${JSON.stringify(contextOf(trace)).slice(1, -1)}`;
  return (
    `{"specversion":"1.0","id":"${event.id}","type":"${CALL_TYPES[event.kind]}",` +
    `"source":${JSON.stringify(sourceOf(event))}${subject},"time":"${timeOf(event.at)}",` +
    `"datacontenttype":"application/json","namespace":${JSON.stringify(event.namespace)},` +
    `"socketid":${JSON.stringify(event.socketId)}${traced},"data":${body}}`
  );
}

// Thousands of events share a millisecond, and formatting one costs a microsecond.
let lastAt = Number.NaN;
let lastTime = "";

function timeOf(at: number): string {
  if (at !== lastAt) {
    lastAt = at;
    lastTime = new Date(at).toISOString();
  }
  return lastTime;
}
