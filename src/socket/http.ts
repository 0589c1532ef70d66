import type { HttpRequest, HttpResponse, TemplatedApp } from "uWebSockets.js";
import { STATUS_CODES } from "node:http";
import type {
  AnswerStream,
  Exchange,
  Headers,
  HttpAnswer,
  HttpHandler,
  HttpMethod,
  Route,
} from "../core/http.ts";
import type { Log } from "../core/log.ts";
import { problemOf } from "../core/problem.ts";

/** The plain HTTP side of a uWebSockets.js app. */
export interface Http {
  /** Adds a route, at any time. HEAD comes with GET. */
  readonly route: Route;
  /** Requests that are not yet answered. */
  readonly open: number;
  /** From now on every answer ends its connection; resolves when no request is open. */
  stop(): Promise<void>;
}

// Nothing here is a page: browsers must not sniff, frame, keep or pass on what they get.
const SECURITY: readonly (readonly [string, string])[] = [
  ["x-content-type-options", "nosniff"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
  ["referrer-policy", "no-referrer"],
];

/**
 * Answers every HTTP request of the app that no other route of it takes: by its route, or with a
 * 404 or 405 problem document.
 *
 * Whatever happens, each request is answered once or aborted, and a connection stays usable for the
 * next request unless the answer says otherwise.
 */
export function createHttp(app: TemplatedApp, needs: { readonly log: Log }): Http {
  const routes = new Map<string, Map<string, HttpHandler>>();
  const state: State = { open: 0, stopping: false, idle: [], slow: createSlow() };

  app.any("/*", (res, req) => {
    const exchange = createExchange(res, req, state);
    const methods = routes.get(exchange.path);
    const handler = methods?.get(exchange.method === "HEAD" ? "GET" : exchange.method);
    if (handler) run(handler, exchange, needs.log);
    else if (!methods) exchange.answer(problemOf("API_NOT_FOUND"));
    else {
      const allow = [...methods.keys(), ...(methods.has("GET") ? ["HEAD"] : [])].join(", ");
      exchange.answer(problemOf("API_BAD_METHOD", { headers: { allow } }));
    }
  });

  return {
    route(method: HttpMethod, path: string, handler: HttpHandler) {
      const methods = routes.get(path) ?? new Map<string, HttpHandler>();
      routes.set(path, methods.set(method, handler));
    },
    get open() {
      return state.open;
    },
    stop() {
      state.stopping = true;
      if (state.open === 0) return Promise.resolve();
      return new Promise((resolve) => state.idle.push(resolve));
    },
  };
}

function run(handler: HttpHandler, exchange: Exchange, log: Log): void {
  const fail = (error: unknown) => {
    log("error", { room: "socket", path: exchange.path, error }, "an HTTP handler failed");
    exchange.answer(problemOf("API_INTERNAL"));
  };
  try {
    const running = handler(exchange);
    if (running) running.catch(fail);
  } catch (error) {
    fail(error);
  }
}

interface State {
  open: number;
  stopping: boolean;
  idle: (() => void)[];
  readonly slow: Slow;
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

function createExchange(res: HttpResponse, req: HttpRequest, state: State): Exchange {
  const method = req.getMethod().toUpperCase();
  const path = req.getUrl();
  const query = req.getQuery() ?? "";
  const headers: Record<string, string> = Object.create(null);
  // Read every header now; when the handler returns uWebSockets.js has taken `req` back.
  req.forEach((name, value) => {
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  });
  const onAborted: (() => void)[] = [];
  let done = false;
  let aborted = false;
  let paused = false;
  let streaming = false;

  state.open++;
  function finish(): void {
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
  res.onAborted(() => {
    if (done) return;
    aborted = true;
    finish();
    for (const listener of onAborted.splice(0)) listener();
  });

  return {
    method,
    path,
    query,
    headers,
    get done() {
      return done;
    },
    onAborted(listener) {
      if (aborted) listener();
      else if (!done) onAborted.push(listener);
    },
    onChunk(listener) {
      if (done) return;
      state.slow.add(res);
      res.onData((chunk, last) => {
        // A body may go on arriving after an early answer; nobody is interested in it then.
        if (done) return;
        if (last) state.slow.delete(res);
        listener(Buffer.from(chunk), last);
      });
    },
    pause() {
      if (done || paused) return;
      paused = true;
      state.slow.delete(res); // a paused request has no native clock
      res.pause();
    },
    resume,
    answer(answer) {
      if (done) return;
      if (streaming) {
        // Half of another answer has gone out: only an end without its mark can tell the client.
        res.close();
        return;
      }
      // A connection left paused would never read its next request.
      resume();
      finish();
      res.cork(() => writeAnswer(res, answer, { head: method === "HEAD", ...state }));
    },
    stream(status, streamHeaders) {
      if (done || streaming) return undefined;
      streaming = true;
      res.cork(() => {
        writeHead(res, status, streamHeaders);
        if (state.stopping) res.writeHeader("connection", "close");
      });
      return createStream(res, {
        isDone: () => done,
        finish() {
          resume();
          finish();
        },
        closes: () => state.stopping,
      });
    },
  };
}

function writeHead(res: HttpResponse, status: number, headers: Headers): void {
  res.writeStatus(`${status} ${STATUS_CODES[status] ?? ""}`);
  for (const [name, value] of SECURITY) res.writeHeader(name, value);
  for (const name in headers) res.writeHeader(name, headers[name] ?? "");
  if (headers["cache-control"] === undefined) res.writeHeader("cache-control", "no-store");
}

function writeAnswer(
  res: HttpResponse,
  answer: HttpAnswer,
  state: { readonly head: boolean; readonly stopping: boolean },
): void {
  const close = answer.close === true || state.stopping;
  const body = answer.body ?? "";
  writeHead(res, answer.status, answer.headers ?? {});
  if (!state.head) {
    res.end(body, close); // it writes `Connection: close` itself
    return;
  }
  if (close) res.writeHeader("connection", "close");
  res.writeHeader("content-length", `${Buffer.byteLength(body)}`);
  // No arguments: the legacy binary would wait for a body of the length it is given.
  res.endWithoutBody();
}

interface StreamState {
  isDone(): boolean;
  finish(): void;
  closes(): boolean;
}

function createStream(res: HttpResponse, state: StreamState): AnswerStream {
  return {
    write(chunk) {
      if (state.isDone()) return true;
      let taken = true;
      res.cork(() => {
        taken = res.write(chunk);
      });
      return taken;
    },
    onWritable(listener) {
      if (state.isDone()) return;
      res.onWritable(() => {
        listener();
        return true;
      });
    },
    end(close = false) {
      if (state.isDone()) return;
      state.finish();
      res.cork(() => res.end(undefined, close || state.closes()));
    },
    abort() {
      if (!state.isDone()) res.close();
    },
  };
}
