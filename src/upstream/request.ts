import { createHmac } from "node:crypto";
import { CALL_TYPES } from "../core/call.ts";
import { SettingsError } from "../core/settings.ts";
import { contextOf, type TraceContext } from "../core/trace.ts";
import { bodyOf, type Call, type CallHead, traceOf } from "./call.ts";
import { encodeHeader } from "./percent.ts";
import type { Post } from "./post.ts";

/** What goes out in one request: one call, or a batch. */
export interface Load {
  /** The `webhook-id`: the same in every attempt. */
  readonly id: string;
  readonly isBatch: boolean;
  readonly calls: readonly Call[];
  /** The first of them: they go to one function. */
  readonly call: Call;
  attempts: number;
}

/** Writes one attempt's request: its signature holds the time, its body the sockets' state. */
export function postOf(load: Load, timeoutMs: number, sign: Sign): Post {
  const { id, isBatch, calls, call } = load;
  const text = isBatch ? writeBatch(calls) : bodyOf(call);
  const body = Buffer.from(text, "utf8");
  const { timestamp, signature } = sign(id, body);
  const headers = isBatch
    ? ["content-type", "application/cloudevents-batch+json"]
    : binaryHeaders(call);
  headers.push("accept-encoding", "identity", "user-agent", "sluice", "webhook-id", id);
  headers.push("webhook-timestamp", timestamp, "webhook-signature", signature);
  return { path: call.path, headers, body, timeoutMs: Math.ceil(timeoutMs) };
}

function writeBatch(calls: readonly Call[]): string {
  const left = calls.filter(({ isOver }) => !isOver);
  return `[${left.map(eventOf).join(",")}]`;
}

function eventOf(call: Call): string {
  const body = call.body ?? bodyOf(call);
  // Another attempt writes it anew.
  call.body = undefined;
  return structuredEvent(call, body, traceOf(call));
}

// Where a socket's events come from: its namespace begins with a slash, so `//` for the main one.
function sourceOf({ namespace, socketId }: CallHead): string {
  const source = `/namespaces${namespace}/sockets/${socketId}`;
  return PLAIN_URI.test(source) ? source : encodeURI(toWellFormed(source));
}

/** What encodeURI leaves as it is. */
const PLAIN_URI = /^[A-Za-z0-9;,/?:@&=+$\-_.!~*'()#]*$/;

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
function structuredEvent(event: CallHead, body: string, trace: TraceContext | undefined): string {
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

/** The headers that prove who sent a body. */
export interface Signature {
  readonly timestamp: string;
  readonly signature: string;
}

/** Signs one attempt of a call. */
export type Sign = (id: string, body: Buffer) => Signature;

const PREFIX = "whsec_";
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;
const KEY_BYTES = { min: 24, max: 64 } as const;

/**
 * Returns the signer of Standard Webhooks: HMAC-SHA256 of `id.timestamp.body` under every secret,
 * in one list, so that a receiver that knows any of them accepts the call while secrets rotate.
 *
 * Throws {@link SettingsError} for secrets that are not `whsec_` and 24 to 64 bytes of base64.
 * `now` is the wall clock in milliseconds. Source: Standard Webhooks specification, "Signature
 * scheme".
 */
export function createSigner(secrets: readonly string[], now: () => number): Sign {
  const keys = secrets.map(readSecret);
  return (id, body) => {
    const timestamp = String(Math.floor(now() / 1000));
    const head = `${id}.${timestamp}.`;
    let signature = "";
    for (const key of keys) {
      const mac = createHmac("sha256", key).update(head).update(body).digest("base64");
      signature += signature === "" ? `v1,${mac}` : ` v1,${mac}`;
    }
    return { timestamp, signature };
  };
}

function readSecret(secret: string): Buffer {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : "";
  const key = Buffer.from(text, "base64");
  if (BASE64.test(text) && key.length >= KEY_BYTES.min && key.length <= KEY_BYTES.max) return key;
  const bound = `must be ${PREFIX} and ${KEY_BYTES.min} to ${KEY_BYTES.max} bytes in base64`;
  throw new SettingsError([{ path: "upstream.secrets", value: "(secret)", bound }]);
}
