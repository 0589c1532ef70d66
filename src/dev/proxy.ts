import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createByteBuffer } from "../core/body.ts";
import type { Attempt } from "./attempt.ts";
import {
  describeFailed,
  dropConnectionHeaders,
  HEAD_BYTES_MAX,
  type Received,
  readHeaders,
  send,
  toAnswer,
} from "./send.ts";

/** The largest body of a call: the upper bound of `upstream.batchBytesMax`. */
const CALL_BYTES_MAX = 67_108_864;

/** How many ids are remembered to number their attempts. */
const IDS_MAX = 10_000;

/** A server of this machine that stands between the gateway and the functions of one origin. */
export interface RecordingProxy {
  /** What the gateway calls in the function's place. */
  readonly origin: string;
  close(): Promise<void>;
}

/** What a recording proxy needs. */
export interface ProxyNeeds {
  /** Bytes of an answer that the gateway reads. */
  readonly answerBytesMax: number;
  /** Resolves when the function may be called: calls wait for that. Never rejects. */
  ready(): Promise<void>;
  /** Gets every attempt when it is over. */
  seen(attempt: Omit<Attempt, "call">): void;
}

/**
 * Starts a proxy that brings each request to `origin` and tells what went over the wire.
 *
 * The gateway finds what it would find there: status, headers and bytes of an answer are passed on
 * as they came, a function that cannot be reached or hangs up is a connection that ends, and one
 * that is given up is no longer called.
 */
export async function startProxy(origin: string, needs: ProxyNeeds): Promise<RecordingProxy> {
  const count = createAttemptCounter();
  const server = createServer({ maxHeaderSize: HEAD_BYTES_MAX }, (incoming, outgoing) => {
    void pass(incoming, outgoing, { ...needs, origin, count });
  });
  // The gateway keeps its connections; one that ends while a call is sent would be a failed call.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface PassNeeds extends ProxyNeeds {
  readonly origin: string;
  count(id: string): number;
}

async function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  needs: PassNeeds,
): Promise<void> {
  const body = await readBody(incoming);
  if (!body) return void outgoing.writeHead(413).end();
  const headers = readHeaders(dropConnectionHeaders(incoming.rawHeaders));
  const id = headers["webhook-id"] ?? "";
  const { "webhook-signature": _, ...unsigned } = headers;
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  await needs.ready();
  const begunAt = performance.now();
  const base = {
    ...{ id, attempt: needs.count(id), at: new Date().toISOString() },
    ...{ url: `${needs.origin}${incoming.url}`, headers: unsigned, body: body.toString("utf8") },
  };
  const seen = (end: Pick<Attempt, "answer" | "failed">) =>
    needs.seen({ ...base, ms: Math.round(performance.now() - begunAt), ...end });
  try {
    gone.signal.throwIfAborted();
    const sent = { url: base.url, headers: dropConnectionHeaders(incoming.rawHeaders), body };
    const received = await send(sent, { bytesMax: needs.answerBytesMax, signal: gone.signal });
    const answer = await toAnswer(received, needs.answerBytesMax);
    const isLong = received.isCut && "the answer is longer than upstream.answerBytesMax";
    reply(outgoing, received);
    seen({ answer, ...(isLong && { failed: isLong }) });
  } catch (error) {
    const failed = gone.signal.aborted
      ? "the gateway waited no longer (upstream.timeoutMs, or a stop)"
      : describeFailed(error);
    seen({ failed });
    outgoing.destroy();
  }
}

/** Resolves with the body of a call, or with undefined when it is too large. */
async function readBody(incoming: IncomingMessage): Promise<Buffer | undefined> {
  const body = createByteBuffer(CALL_BYTES_MAX);
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      if (!body.add(chunk)) return undefined;
    }
  } catch {
    return undefined; // the gateway ended the request
  }
  return body.bytes();
}

function reply(outgoing: ServerResponse, { status, headers, body, isCut }: Received): void {
  outgoing.sendDate = false;
  outgoing.writeHead(status, dropConnectionHeaders(headers));
  if (isCut) outgoing.write(body, () => outgoing.destroy());
  else outgoing.end(body);
}

function createAttemptCounter(): (id: string) => number {
  const counts = new Map<string, number>();
  return (id) => {
    const count = (counts.get(id) ?? 0) + 1;
    counts.delete(id);
    counts.set(id, count);
    const [oldest] = counts.keys();
    if (counts.size > IDS_MAX && oldest !== undefined) counts.delete(oldest);
    return count;
  };
}
