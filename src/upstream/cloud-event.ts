import { randomBytes } from "node:crypto";
import { CALL_TYPES, type CallKind } from "../core/call.ts";
import { encodeHeader } from "./percent.ts";

/** One event for a function, whatever it travels in. */
export interface CloudEvent {
  /** The same in every attempt: it is the `webhook-id` too. */
  readonly id: string;
  readonly kind: CallKind;
  /** A URI reference. */
  readonly source: string;
  /** Name of the client's event; empty for connects and disconnects. */
  readonly subject: string;
  readonly namespace: string;
  readonly socketId: string;
  /** When it happened, in milliseconds since 1970. */
  readonly at: number;
  /** `data`, as JSON. */
  readonly data: string;
  readonly traceparent: string | undefined;
}

/**
 * Returns ever new ids that nobody can guess or choose, without a `.`, which signatures end ids
 * with.
 */
export function createIds(): (prefix: string) => string {
  const run = randomBytes(12).toString("base64url");
  let count = 0;
  return (prefix) => `${prefix}_${run}_${(count++).toString(36)}`;
}

/**
 * Where a socket's events come from: its namespace begins with a slash, so `//` for the main one.
 */
export function sourceOf(namespace: string, socketId: string): string {
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
export function binaryHeaders(event: CloudEvent): string[] {
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
    encodeHeader(event.source),
    "ce-time",
    timeOf(event.at),
    "ce-namespace",
    encodeHeader(event.namespace),
    "ce-socketid",
    encodeHeader(event.socketId),
  ];
  // An attribute must not be empty, and an event's name may be.
  if (event.subject !== "") headers.push("ce-subject", encodeHeader(event.subject));
  if (event.traceparent !== undefined) headers.push("traceparent", event.traceparent);
  return headers;
}

/** Returns an event in JSON, as a batch holds it. */
export function structuredEvent(event: CloudEvent): string {
  const subject = event.subject === "" ? "" : `,"subject":${JSON.stringify(event.subject)}`;
  const trace = event.traceparent === undefined ? "" : `,"traceparent":"${event.traceparent}"`;
  return (
    `{"specversion":"1.0","id":"${event.id}","type":"${CALL_TYPES[event.kind]}",` +
    `"source":${JSON.stringify(event.source)}${subject},"time":"${timeOf(event.at)}",` +
    `"datacontenttype":"application/json","namespace":${JSON.stringify(event.namespace)},` +
    `"socketid":${JSON.stringify(event.socketId)}${trace},"data":${event.data}}`
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
