import type { HttpRequest, HttpResponse } from "uWebSockets.js";
import type { AnswerStream, Exchange, HttpAnswer } from "../core/http.ts";
import type { Log } from "../core/log.ts";
import { createLeftOut, formatStatus, type LeftOut, writeHeader } from "./headers.ts";

// Nothing here is a page: browsers must not sniff, frame, keep or pass on what they get.
const SECURITY: readonly (readonly [string, string])[] = [
  ["x-content-type-options", "nosniff"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
  ["referrer-policy", "no-referrer"],
];

/** What the requests of one app share. */
export interface State {
  open: number;
  stopping: boolean;
  idle: (() => void)[];
  readonly slow: Slow;
  readonly leftOut: LeftOut;
}

/** Returns the state of an app without requests. */
export function createState(log: Log): State {
  return { open: 0, stopping: false, idle: [], slow: createSlow(), leftOut: createLeftOut(log) };
}

/** Bodies that are still arriving. */
interface Slow {
  add(body: HttpResponse): void;
  delete(body: HttpResponse): void;
}

/** uWebSockets.js ends a request whose body brings under 16 KiB a second for ten seconds. */
const NATIVE_PATIENCE_MS = 4000;

// How slow a body may be is its handler's to say, so the native clock is started over before it
// strikes: resuming does that.
function createSlow(): Slow {
  const bodies = new Set<HttpResponse>();
  let timer: NodeJS.Timeout | undefined;
  function tick(): void {
    timer = undefined;
    if (bodies.size > 0) begin();
    for (const body of bodies) {
      body.pause();
      body.resume();
    }
  }
  function begin(): void {
    if (timer === undefined) timer = setTimeout(tick, NATIVE_PATIENCE_MS).unref();
  }
  return {
    add(body) {
      bodies.add(body);
      begin();
    },
    delete: (body) => void bodies.delete(body),
  };
}

/** Reads a request and returns it as an exchange; to be called as soon as it arrives. */
export function createExchange(res: HttpResponse, req: HttpRequest, state: State): Exchange {
  const method = req.getMethod().toUpperCase();
  const path = req.getUrl();
  const query = req.getQuery() ?? "";
  const headers: Record<string, string> = Object.create(null);
  // Read every header now; when the handler returns uWebSockets.js has taken `req` back.
  req.forEach((name, value) => {
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  });
  const life = createLife(res, state);
  let streaming = false;

  return {
    method,
    path,
    query,
    headers,
    isDone: life.isDone,
    onAborted: life.onAborted,
    onChunk(listener) {
      if (life.isDone()) return;
      state.slow.add(res);
      res.onData((chunk, last) => {
        // A body may go on arriving after an early answer; nobody is interested in it then.
        if (life.isDone()) return;
        if (last) state.slow.delete(res);
        listener(Buffer.from(chunk), last);
      });
    },
    pause: life.pause,
    resume: life.resume,
    answer(answer) {
      if (life.isDone()) return;
      if (streaming) {
        // Half of another answer has gone out: only an end without its mark can tell the client.
        res.close();
        return;
      }
      life.finish();
      res.cork(() => writeAnswer(res, answer, { head: method === "HEAD", state }));
    },
    stream(status, streamHeaders) {
      if (life.isDone() || streaming) return undefined;
      streaming = true;
      res.cork(() => {
        writeHead(res, { status, headers: streamHeaders }, state.leftOut);
        if (state.stopping) res.writeHeader("connection", "close");
      });
      return createStream(res, life, state);
    },
  };
}

// No getters here nor in an exchange: an object that is made with one gets a hidden class of its
// own, and everything it holds then lives until the next full collection.
/** Whether a request still waits for its answer, and whether it is being read. */
interface Life {
  isDone(): boolean;
  finish(): void;
  pause(): void;
  resume(): void;
  onAborted(listener: () => void): void;
}

function createLife(res: HttpResponse, state: State): Life {
  const listeners: (() => void)[] = [];
  let done = false;
  let aborted = false;
  let paused = false;

  function end(): void {
    done = true;
    state.slow.delete(res);
    if (--state.open > 0) return;
    for (const resolve of state.idle.splice(0)) resolve();
  }
  function resume(): void {
    if (done || !paused) return;
    paused = false;
    res.resume();
    state.slow.add(res);
  }
  state.open++;
  res.onAborted(() => {
    if (done) return;
    aborted = true;
    end();
    for (const listener of listeners.splice(0)) listener();
  });
  return {
    isDone: () => done,
    finish() {
      // A connection left paused would never read its next request.
      resume();
      end();
    },
    pause() {
      if (done || paused) return;
      paused = true;
      state.slow.delete(res); // a paused request has no native clock
      res.pause();
    },
    resume,
    onAborted(listener) {
      if (aborted) listener();
      else if (!done) listeners.push(listener);
    },
  };
}

function writeHead(res: HttpResponse, answer: HttpAnswer, leftOut: LeftOut): void {
  const { status, headers = {} } = answer;
  res.writeStatus(formatStatus(status, undefined));
  for (const [name, value] of SECURITY) res.writeHeader(name, value);
  for (const header of Object.entries(headers)) writeHeader(res, header, leftOut);
  if (headers["cache-control"] === undefined) res.writeHeader("cache-control", "no-store");
}

function writeAnswer(
  res: HttpResponse,
  answer: HttpAnswer,
  { head, state }: { readonly head: boolean; readonly state: State },
): void {
  const close = answer.close === true || state.stopping;
  const body = answer.body ?? "";
  writeHead(res, answer, state.leftOut);
  if (!head) {
    res.end(body, close); // it writes `Connection: close` itself
    return;
  }
  if (close) res.writeHeader("connection", "close");
  res.writeHeader("content-length", `${Buffer.byteLength(body)}`);
  // No arguments: the legacy binary would wait for a body of the length it is given.
  res.endWithoutBody();
}

function createStream(res: HttpResponse, life: Life, state: State): AnswerStream {
  return {
    write(chunk) {
      if (life.isDone()) return true;
      let taken = true;
      res.cork(() => {
        taken = res.write(chunk);
      });
      return taken;
    },
    onWritable(listener) {
      if (life.isDone()) return;
      res.onWritable(() => {
        listener();
        return true;
      });
    },
    end(close = false) {
      if (life.isDone()) return;
      life.finish();
      res.cork(() => res.end(undefined, close || state.stopping));
    },
    abort() {
      if (!life.isDone()) res.close();
    },
  };
}
