import { type Dispatcher, Pool } from "undici";
import { inflateBody, readCoding } from "../core/body.ts";

/** An answer that came whole and within its bounds. */
export interface PostAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: Buffer;
}

/** How a request ended: answered, or why not. */
export type Posted =
  | { readonly answer: PostAnswer }
  | {
      readonly failed: "unreachable" | "timeout" | "too_large" | "encoded" | "aborted";
      /** The code of the system's error, or of undici's. */
      readonly detail?: string | undefined;
    };

/** One request. */
export interface Post {
  readonly path: string;
  /** Name and value in turn. */
  readonly headers: string[];
  readonly body: Buffer;
  readonly timeoutMs: number;
}

/** HTTP to one origin. */
export interface Poster {
  /** Sends one request; `done` is called exactly once, later. Returns what ends it early. */
  post(post: Post, done: (posted: Posted) => void): () => void;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** What one origin's connections are bounded by. */
export interface PosterSettings {
  readonly inflightMax: number;
  readonly answerBytesMax: number;
  readonly timeoutMs: number;
}

/**
 * Returns a bounded pool of connections to an origin.
 *
 * Redirects are answers, not followed. An answer is read up to `answerBytesMax`. No compression is
 * asked for; what comes compressed all the same is inflated, up to as many bytes. Nothing is
 * retried.
 */
export function createPoster(origin: string, settings: PosterSettings): Poster {
  const pool = new Pool(origin, {
    connections: settings.inflightMax,
    pipelining: 1,
    // Each request has a deadline of its own for everything; these would be a second, coarser one.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: settings.timeoutMs },
    maxHeaderSize: 16_384,
  });
  return {
    post: (post, done) => send(pool, post, { max: settings.answerBytesMax, done }),
    close: () => pool.destroy(),
  };
}

interface Receiver {
  readonly max: number;
  readonly done: (posted: Posted) => void;
}

class Ended extends Error {}

function send(pool: Pool, post: Post, { max, done }: Receiver): () => void {
  let controller: Dispatcher.DispatchController | undefined;
  let over = false;
  let status = 0;
  let retryAfter: string | undefined;
  let encoding: string | undefined;
  let bytes = 0;
  let begun = false;
  const chunks: Buffer[] = [];
  const finish = (posted: Posted): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    if (begun) done(posted);
    else queueMicrotask(() => done(posted));
  };
  const end = (failed: "timeout" | "too_large" | "encoded" | "aborted"): void => {
    finish({ failed });
    controller?.abort(new Ended(failed));
  };
  const timer = setTimeout(() => end("timeout"), post.timeoutMs);
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(given) {
      controller = given;
      // It was given up while it waited for a connection.
      if (over) given.abort(new Ended());
    },
    onResponseStart(given, code, headers) {
      controller = given;
      // 103 and its like come before the answer.
      if (code < 200) return;
      status = code;
      retryAfter = one(headers["retry-after"]);
      encoding = one(headers["content-encoding"]);
      if (Number(one(headers["content-length"]) ?? 0) > max) end("too_large");
    },
    onResponseData(_, chunk) {
      bytes += chunk.length;
      if (bytes > max) end("too_large");
      else if (!over) chunks.push(chunk);
    },
    onResponseEnd() {
      const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes);
      const answer = { status, retryAfter, body };
      if (encoding === undefined || bytes === 0) finish({ answer });
      else void inflateAnswer(answer, encoding, max).then(finish);
    },
    onResponseError: (_, error) => finish({ failed: "unreachable", detail: codeOf(error) }),
  };
  pool.dispatch(
    { path: post.path, method: "POST", headers: post.headers, body: post.body },
    handler,
  );
  begun = true;
  return () => end("aborted");
}

async function inflateAnswer(answer: PostAnswer, encoding: string, max: number): Promise<Posted> {
  const coding = readCoding(encoding);
  const body = coding ? await inflateBody(answer.body, coding, max) : "unknown";
  if (typeof body !== "string") return { answer: { ...answer, body } };
  // The status alone says what it means; whatever stands in front of a function may have sent it.
  if (answer.status >= 300) return { answer: { ...answer, body: Buffer.alloc(0) } };
  return { failed: body === "too_large" ? body : "encoded" };
}

function codeOf(error: Error): string | undefined {
  const { code } = error as { readonly code?: unknown }; // those of Node.js and undici have one
  return typeof code === "string" ? code : undefined;
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
