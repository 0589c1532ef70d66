import { Client, type Dispatcher } from "undici";
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
  readonly answerBytesMax: number;
  readonly timeoutMs: number;
}

/**
 * Returns connections to an origin, each for one request at a time. How many requests are open, and
 * so how many connections, is for the caller to bound.
 *
 * Redirects are answers, not followed. An answer is read up to `answerBytesMax`. No compression is
 * asked for; what comes compressed all the same is inflated, up to as many bytes. Nothing is
 * retried.
 */
export function createPoster(
  origin: string,
  { answerBytesMax: max, timeoutMs }: PosterSettings,
): Poster {
  const clients = createClients(origin, timeoutMs);
  const open = new Set<Exchange>();
  const due = createDue(open);
  const forget = (one: Exchange) => void open.delete(one);

  return {
    post(post, done) {
      const dueAt = performance.now() + post.timeoutMs;
      const one = new Exchange({ max, done, forget, clients, dueAt });
      open.add(one);
      due.look(dueAt);
      one.begin(post);
      return () => one.end("aborted");
    },
    async close() {
      due.stop();
      for (const one of [...open]) one.end("aborted");
      await clients.close();
    },
  };
}

/** The connections of an origin. A pool of undici's would look for a free one among all. */
interface Clients {
  take(): Client;
  /** It is free for another request. */
  give(client: Client): void;
  /** It may be used no more. */
  drop(client: Client): void;
  close(): Promise<void>;
}

function createClients(origin: string, timeoutMs: number): Clients {
  const all = new Set<Client>();
  /** The one used last is used next, so that the others can end. */
  const idle: Client[] = [];
  return {
    take() {
      const known = idle.pop();
      if (known) return known;
      const client = new Client(origin, {
        // It gets one request at a time. With 1 undici would tell after each that there is room.
        pipelining: 2,
        // Each request has one deadline for everything; these would be a second, coarser one.
        headersTimeout: 0,
        bodyTimeout: 0,
        connect: { timeout: timeoutMs },
        maxHeaderSize: 16_384,
      });
      all.add(client);
      return client;
    },
    give(client) {
      if (all.has(client)) idle.push(client);
    },
    drop(client) {
      all.delete(client);
      void client.destroy();
    },
    async close() {
      await Promise.all([...all].map((client) => client.destroy()));
    },
  };
}

/** What a request needs. */
interface ExchangeNeeds {
  readonly max: number;
  readonly done: (posted: Posted) => void;
  readonly clients: Clients;
  /** When it is given up, by the monotonic clock. */
  readonly dueAt: number;
  /** It is over. */
  forget(one: Exchange): void;
}

class Ended extends Error {}

/** A request and its answer, as undici asks for it. A class: a call would need ten closures. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #needs: ExchangeNeeds;
  readonly #client: Client;
  #controller: Dispatcher.DispatchController | undefined;
  #isOver = false;
  #status = 0;
  #retryAfter: string | undefined;
  #encoding: string | undefined;
  #chunk: Buffer | undefined;
  #chunks: Buffer[] | undefined;
  #bytes = 0;
  #isSettled = false;

  constructor(needs: ExchangeNeeds) {
    this.#needs = needs;
    this.#client = needs.clients.take();
  }

  get dueAt(): number {
    return this.#needs.dueAt;
  }

  begin({ path, headers, body }: Post): void {
    this.#client.dispatch({ path, method: "POST", headers, body }, this);
  }

  /** Ends it early. */
  end(failed: "timeout" | "too_large" | "aborted"): void {
    if (this.#isOver) return;
    this.#finish({ failed });
    if (this.#controller) this.#controller.abort(new Ended(failed));
    // It still waits for its connection, and so would the next request.
    else this.#needs.clients.drop(this.#client);
  }

  #finish(posted: Posted): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#needs.forget(this);
    this.#needs.done(posted);
  }

  /**
   * Ends it after all that undici does now. Another request that it got before would be sent while
   * it reads what is behind this answer, and could take that for its own.
   */
  #settle(posted: Posted | Promise<Posted>): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    queueMicrotask(() => {
      this.#needs.clients.give(this.#client);
      if (posted instanceof Promise) void posted.then((one) => this.#finish(one));
      else this.#finish(posted);
    });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // It was given up while it waited for a connection.
    if (this.#isOver) controller.abort(new Ended());
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    // 103 and its like come before the answer.
    if (status < 200) return;
    this.#status = status;
    this.#retryAfter = one(headers["retry-after"]);
    this.#encoding = one(headers["content-encoding"]);
    if (Number(one(headers["content-length"]) ?? 0) > this.#needs.max) this.end("too_large");
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#needs.max) this.end("too_large");
    else if (!this.#chunk) this.#chunk = chunk;
    else {
      this.#chunks ??= [this.#chunk];
      this.#chunks.push(chunk);
    }
  }

  onResponseEnd(): void {
    const body = this.#chunks ? Buffer.concat(this.#chunks, this.#bytes) : (this.#chunk ?? EMPTY);
    const answer = { status: this.#status, retryAfter: this.#retryAfter, body };
    if (this.#encoding === undefined || this.#bytes === 0) this.#settle({ answer });
    else this.#settle(inflateAnswer(answer, this.#encoding, this.#needs.max));
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#settle({ failed: "unreachable", detail: codeOf(error) });
  }
}

const EMPTY = Buffer.alloc(0);

/** Returns what ends requests that are late; one timer is enough for all. */
function createDue(open: Iterable<Exchange>) {
  let timer: NodeJS.Timeout | undefined;
  let at = Number.POSITIVE_INFINITY;

  function look(dueAt: number): void {
    if (dueAt >= at) return;
    clearTimeout(timer);
    at = dueAt;
    timer = setTimeout(ring, Math.max(1, Math.ceil(dueAt - performance.now()))).unref();
  }

  function ring(): void {
    at = Number.POSITIVE_INFINITY;
    const now = performance.now();
    for (const one of open) {
      if (one.dueAt > now) look(one.dueAt);
      else one.end("timeout");
    }
  }

  return { look, stop: () => clearTimeout(timer) };
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
