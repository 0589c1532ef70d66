import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { inflateBody, readCoding } from "../core/body.ts";
import { messageOf } from "../core/failures.ts";
import { type AttemptAnswer, writeBody } from "./attempt.ts";

/** A request to a function. */
export interface Sent {
  readonly url: string;
  /** Name and value in turn. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** What a function answered. */
export interface Received {
  readonly status: number;
  /** Name and value in turn, as they came. */
  readonly headers: readonly string[];
  /** The body as it came, at most a byte more than was asked for. */
  readonly body: Buffer;
  /** Whether the body is longer. */
  readonly isCut: boolean;
}

/** Longest head of a request or response, in bytes; the gateway has stricter limits of its own. */
export const HEAD_BYTES_MAX = 65_536;

/** Headers that are about one connection, not about the request or response. */
const OF_CONNECTION = new Set([
  "connection",
  "keep-alive",
  "host",
  "content-length",
  "expect",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Returns headers, as name and value in turn, without those of the connection they came over. */
export function dropConnectionHeaders(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const [name = "", value = ""] = headers.slice(at, at + 2);
    if (!OF_CONNECTION.has(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}

/**
 * Sends a request over a connection of its own, and resolves with what was answered; redirects are
 * answers. Stops reading when more than `bytesMax` have come. Rejects with the system's error, or
 * when `signal` ends it.
 */
export function send(
  { url, headers, body }: Sent,
  { bytesMax, signal }: { readonly bytesMax: number; readonly signal: AbortSignal },
): Promise<Received> {
  const { host, protocol } = new URL(url);
  const request = protocol === "https:" ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const out = request(url, {
      method: "POST",
      headers: ["host", host, "content-length", `${body.length}`, ...headers],
      // A function that was restarted closes the connections that a pool would keep.
      agent: false,
      maxHeaderSize: HEAD_BYTES_MAX,
      signal,
    });
    out.once("error", reject);
    out.once("response", (answer) => {
      read(answer, bytesMax).then(resolve, reject);
      answer.once("close", () => out.destroy());
    });
    out.end(body);
  });
}

async function read(answer: IncomingMessage, bytesMax: number): Promise<Received> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > bytesMax) break; // which closes the connection
  }
  const body = Buffer.concat(chunks).subarray(0, bytesMax + 1);
  const { statusCode: status = 0, rawHeaders: headers } = answer;
  return { status, headers, body, isCut: bytes > bytesMax };
}

/** Resolves with an answer as it is recorded: its body inflated, up to as many bytes. */
export async function toAnswer(received: Received, bytesMax: number): Promise<AttemptAnswer> {
  const headers = readHeaders(received.headers);
  const coding = readCoding(headers["content-encoding"]);
  const body = coding ? await inflateBody(received.body, coding, bytesMax) : received.body;
  // What cannot be inflated is kept as it came.
  return {
    status: received.status,
    headers,
    ...writeBody(typeof body === "string" ? received.body : body),
  };
}

/** Returns headers by their names in lower case; values of the same name are joined. */
export function readHeaders(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? "").toLowerCase();
    const before = headers[name];
    const value = raw[at + 1] ?? "";
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return { ...headers };
}

/**
 * Returns why nothing was answered. An error of several addresses, such as of `localhost`, has no
 * message of its own.
 */
export function describeFailed(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(", ");
  return messageOf(error);
}
