import { inflateBody, readCoding } from "../core/body.ts";
import type { BadAnswer, HttpAnswer } from "./answer-reader.ts";
import { type Connection, createConnect } from "./connection.ts";

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
      /** The code of the system's error. */
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
}

/** A request that is under way. */
interface Open {
  readonly post: Post;
  readonly done: (posted: Posted) => void;
  /** When it is given up, by the monotonic clock. */
  readonly dueAt: number;
  /** Set once it has been sent. */
  line: Line | undefined;
  isOver: boolean;
}

/** A connection, and what it is for. */
interface Line {
  readonly connection: Connection;
  open: Open | undefined;
  /** While it is idle: until when it may be used again. */
  keptUntil: number;
}

/** How often idle connections are looked at. */
const REAP_MS = 1000;

/**
 * Returns HTTP/1.1 to an origin: a connection for each request that is open, kept for a while for
 * the next ones. How many are open is for the caller to bound.
 *
 * Redirects are answers, not followed. An answer is read up to `answerBytesMax`. No compression is
 * asked for; what comes compressed all the same is inflated, up to as many bytes. Nothing is
 * retried.
 */
export function createPoster(origin: string, { answerBytesMax: max }: PosterSettings): Poster {
  const { host } = new URL(origin);
  const lines = createConnections(origin, max, { answered: hear, lost: finish });
  const open = new Set<Open>();
  const due = createDue(open, (one) => end(one, "timeout"));
  let waiting: Open[] = [];

  function finish(one: Open, posted: Posted): void {
    if (one.isOver) return;
    one.isOver = true;
    open.delete(one);
    one.done(posted);
  }

  function end(one: Open, failed: "timeout" | "aborted"): void {
    if (one.line) lines.drop(one.line);
    finish(one, { failed });
  }

  function hear(one: Open, { status, retryAfter, encoding, body }: HttpAnswer): void {
    const answer = { status, retryAfter, body };
    if (encoding === undefined || body.length === 0) finish(one, { answer });
    else void inflateAnswer(answer, encoding, max).then((posted) => finish(one, posted));
  }

  function flush(): void {
    const now = performance.now();
    const all = waiting;
    waiting = [];
    for (const one of all) {
      if (one.isOver) continue;
      const request = writeRequest(host, one.post);
      if (request) lines.send(one, request, now);
      else finish(one, { failed: "unreachable", detail: "ERR_INVALID_CHAR" });
    }
  }

  return {
    post(post, done) {
      const dueAt = performance.now() + post.timeoutMs;
      const one: Open = { post, done, dueAt, line: undefined, isOver: false };
      open.add(one);
      due.look(dueAt);
      // What has arrived on an idle connection is read before that is used again: nobody has asked
      // for it, and it would be taken for the answer to this request.
      if (waiting.push(one) === 1) setImmediate(flush);
      return () => end(one, "aborted");
    },
    async close() {
      due.stop();
      for (const one of [...open]) end(one, "aborted");
      await lines.close();
    },
  };
}

/** What becomes of requests. */
interface LinesNeeds {
  answered(open: Open, answer: HttpAnswer): void;
  lost(open: Open, posted: Posted): void;
}

/** Returns the connections of an origin, those that are idle among them. */
function createConnections(origin: string, max: number, needs: LinesNeeds) {
  const connect = createConnect(origin, max);
  const all = new Set<Line>();
  /** The last one used is the first one to be used again, so that the others can end. */
  let idle: Line[] = [];
  let reaper: NodeJS.Timeout | undefined;

  function drop(line: Line): void {
    all.delete(line);
    line.connection.destroy();
  }

  function begin(): Line {
    const connection = connect({
      answered(answer) {
        const { open } = line;
        line.open = undefined;
        if (answer.keepMs > 0) keep(line, answer.keepMs);
        else drop(line);
        if (open) needs.answered(open, answer);
      },
      lost(why, code) {
        all.delete(line);
        if (line.open) needs.lost(line.open, lostAs(why, code));
        else idle = idle.filter((each) => each !== line);
      },
    });
    const line: Line = { connection, open: undefined, keptUntil: 0 };
    all.add(line);
    return line;
  }

  function keep(line: Line, forMs: number): void {
    line.keptUntil = performance.now() + forMs;
    idle.push(line);
    reaper ??= setTimeout(reap, REAP_MS).unref();
  }

  function reap(): void {
    reaper = undefined;
    const now = performance.now();
    const [kept, old] = [idle, []] as [Line[], Line[]];
    idle = [];
    for (const line of kept) (line.keptUntil > now ? idle : old).push(line);
    old.forEach(drop);
    if (idle.length > 0) reaper = setTimeout(reap, REAP_MS).unref();
  }

  function takeIdle(now: number): Line | undefined {
    for (let line = idle.pop(); line; line = idle.pop()) {
      if (line.keptUntil > now) return line;
      drop(line);
    }
    return undefined;
  }

  return {
    drop,
    send(open: Open, request: Buffer, now: number): void {
      const line = takeIdle(now) ?? begin();
      line.open = open;
      open.line = line;
      line.connection.send(request);
    },
    async close(): Promise<void> {
      clearTimeout(reaper);
      idle = [];
      await Promise.all([...all].map(({ connection }) => connection.destroy()));
      all.clear();
    },
  };
}

function lostAs(why: BadAnswer | "closed", code: string | undefined): Posted {
  if (why === "too_large") return { failed: why };
  const detail = why === "invalid" ? "HPE_INVALID" : (code ?? "ECONNRESET");
  return { failed: "unreachable", detail };
}

/** Returns what ends requests that are late; one timer is enough for all. */
function createDue(open: Iterable<Open>, late: (one: Open) => void) {
  let timer: NodeJS.Timeout | undefined;
  let at = Number.POSITIVE_INFINITY;

  function look(dueAt: number): void {
    if (dueAt >= at) return;
    clearTimeout(timer);
    at = dueAt;
    timer = setTimeout(ring, Math.max(1, Math.ceil(dueAt - performance.now())));
  }

  function ring(): void {
    at = Number.POSITIVE_INFINITY;
    const now = performance.now();
    for (const one of open) {
      if (one.dueAt > now) look(one.dueAt);
      else late(one);
    }
  }

  return { look, stop: () => clearTimeout(timer) };
}

const PATH = /^\/[\x21-\x7e]*$/;
const VALUE = /^[\t\x20-\x7e]*$/;

/** Writes a request in one piece; `undefined` if its path or a header holds what none may. */
function writeRequest(host: string, { path, headers, body }: Post): Buffer | undefined {
  if (!PATH.test(path)) return undefined;
  let head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`;
  for (let at = 0; at < headers.length; at += 2) {
    const value = headers[at + 1] ?? "";
    if (!VALUE.test(value)) return undefined;
    head += `${headers[at]}: ${value}\r\n`;
  }
  head += `content-length: ${body.length}\r\n\r\n`;
  const request = Buffer.allocUnsafe(head.length + body.length);
  request.write(head, 0, "latin1");
  body.copy(request, head.length);
  return request;
}

async function inflateAnswer(answer: PostAnswer, encoding: string, max: number): Promise<Posted> {
  const coding = readCoding(encoding);
  const body = coding ? await inflateBody(answer.body, coding, max) : "unknown";
  if (typeof body !== "string") return { answer: { ...answer, body } };
  // The status alone says what it means; whatever stands in front of a function may have sent it.
  if (answer.status >= 300) return { answer: { ...answer, body: Buffer.alloc(0) } };
  return { failed: body === "too_large" ? body : "encoded" };
}
