import type { HttpRequest, HttpResponse } from "uWebSockets.js";
import type { Exchange, ResponseStream, RouteResponse } from "../core/http.ts";
import type { Log } from "../core/log.ts";
import { createLeftOut, formatStatus, type LeftOut, writeHeader } from "./headers.ts";

// Browsers must not sniff, frame or cache a response, nor send its URL as referrer. A page brings a
// policy of its own.
const SECURITY: readonly (readonly [string, string])[] = [
  ["x-content-type-options", "nosniff"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
  ["referrer-policy", "no-referrer"],
];

/** State that all requests of one app share. */
export interface State {
  /** Requests that have no response yet. */
  open: number;
  stopping: boolean;
  /** Called once, when no request is open. */
  idle: (() => void)[];
  readonly arriving: ArrivingBodies;
  readonly leftOut: LeftOut;
}

/** Returns the state of an app that has no open request. */
export function createState(log: Log): State {
  return {
    ...{ open: 0, stopping: false, idle: [] },
    arriving: createArrivingBodies(),
    leftOut: createLeftOut(log),
  };
}

/** Request bodies that are still arriving. */
interface ArrivingBodies {
  add(body: HttpResponse): void;
  delete(body: HttpResponse): void;
}

/**
 * Time between two restarts of the body timeout of uWebSockets.js. It ends a request whose body
 * brings under 16 KiB a second for ten seconds.
 */
const TIMEOUT_RESTART_MS = 4000;

// The handler of a request decides how slow its body may be. So the timeout of uWebSockets.js is
// restarted before it ends the request. Pausing and resuming restarts it.
function createArrivingBodies(): ArrivingBodies {
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
    if (timer === undefined) timer = setTimeout(tick, TIMEOUT_RESTART_MS).unref();
  }
  return {
    add(body) {
      bodies.add(body);
      begin();
    },
    delete: (body) => void bodies.delete(body),
  };
}

/** Reads a request and returns it as an exchange. Call it before the route handler returns. */
export function createExchange(res: HttpResponse, req: HttpRequest, state: State): Exchange {
  const method = req.getMethod().toUpperCase();
  const path = req.getUrl();
  const query = req.getQuery() ?? "";
  const headers: Record<string, string> = Object.create(null);
  // Read every header now: once the route handler returns, `req` is no longer valid.
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
    onChunk: (listener) => readChunks(res, life, { state, listener }),
    pause: life.pause,
    resume: life.resume,
    respond(response) {
      if (life.isDone()) return;
      if (streaming) {
        // Part of a streamed response has been sent. Closing without the final chunk is the only
        // way to tell the client that it failed.
        res.close();
        return;
      }
      life.finish();
      res.cork(() => writeResponse(res, response, { head: method === "HEAD", state }));
    },
    stream(status, streamHeaders) {
      if (life.isDone() || streaming) return undefined;
      if (method === "HEAD") {
        life.finish();
        res.cork(() => {
          writeHead(res, { status, headers: streamHeaders }, state.leftOut);
          if (state.stopping) res.writeHeader("connection", "close");
          res.endWithoutBody();
        });
        return undefined;
      }
      streaming = true;
      res.cork(() => {
        writeHead(res, { status, headers: streamHeaders }, state.leftOut);
        if (state.stopping) res.writeHeader("connection", "close");
      });
      return createStream(res, life);
    },
  };
}

/** Has a listener called with each chunk of a request's body. Its bytes are valid for that call. */
export function readChunks(
  res: HttpResponse,
  life: Pick<Life, "isDone">,
  to: { readonly state: State; listener(bytes: Buffer, last: boolean): void },
): void {
  if (life.isDone()) return;
  to.state.arriving.add(res);
  res.onData((chunk, last) => {
    // The rest of a body may still arrive after an early response. It is discarded.
    if (life.isDone()) return;
    if (last) to.state.arriving.delete(res);
    to.listener(Buffer.from(chunk), last);
  });
}

// No getters here nor in an exchange. V8 gives each object literal with a getter its own hidden
// class, and everything it references then lives until the next full garbage collection.
/** Whether a request has its response or is aborted, and whether its body is paused. */
export interface Life {
  isDone(): boolean;
  finish(): void;
  pause(): void;
  resume(): void;
  onAborted(listener: () => void): void;
  /** Sets the one function that is called at the end, with whether the request was aborted. */
  onOver(listener: (isAborted: boolean) => void): void;
}

/** Returns the life of one request, and counts it as open. */
export function createLife(res: HttpResponse, state: State): Life {
  const listeners: (() => void)[] = [];
  let done = false;
  let aborted = false;
  let paused = false;
  let over = (_isAborted: boolean): void => {};

  function end(): void {
    done = true;
    state.arriving.delete(res);
    over(aborted);
    if (--state.open > 0) return;
    for (const resolve of state.idle.splice(0)) resolve();
  }
  function resume(): void {
    if (done || !paused) return;
    paused = false;
    res.resume();
    state.arriving.add(res);
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
      // If the connection stayed paused, its next request would never be read.
      resume();
      end();
    },
    pause() {
      if (done || paused) return;
      paused = true;
      state.arriving.delete(res); // uWebSockets.js has no timeout for a paused request
      res.pause();
    },
    resume,
    onAborted(listener) {
      if (aborted) listener();
      else if (!done) listeners.push(listener);
    },
    onOver(listener) {
      over = listener;
    },
  };
}

function writeHead(res: HttpResponse, response: RouteResponse, leftOut: LeftOut): void {
  const { status, headers = {} } = response;
  res.writeStatus(formatStatus(status, undefined));
  for (const [name, value] of SECURITY) {
    if (headers[name] === undefined) res.writeHeader(name, value);
  }
  for (const header of Object.entries(headers)) writeHeader(res, header, leftOut);
  if (headers["cache-control"] === undefined) res.writeHeader("cache-control", "no-store");
}

/** Writes a whole response of the gateway's own. */
export function writeResponse(
  res: HttpResponse,
  response: RouteResponse,
  { head, state }: { readonly head: boolean; readonly state: State },
): void {
  const close = response.close === true || state.stopping;
  const body = response.body ?? "";
  writeHead(res, response, state.leftOut);
  if (!head) {
    res.end(body, close); // with `close` it writes `Connection: close` itself
    return;
  }
  if (close) res.writeHeader("connection", "close");
  res.writeHeader("content-length", `${Buffer.byteLength(body)}`);
  // No arguments: given a length, the legacy binary would wait for a body of that length.
  res.endWithoutBody();
}

function createStream(res: HttpResponse, life: Life): ResponseStream {
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
    end(leaveUnread = false) {
      if (life.isDone()) return;
      life.finish();
      if (leaveUnread) res.pause();
      // Told to close, uWebSockets.js would write `Connection: close` into the body here.
      res.cork(() => res.end());
    },
    abort() {
      if (!life.isDone()) res.close();
    },
  };
}
