import { COMMAND_NAMES } from "../core/commands.ts";
import { FAILURES, type FailureCode, FailureError } from "../core/failures.ts";
import type { AddRoute, Exchange, RouteResponse } from "../core/http.ts";
import { createThrottle, type Log } from "../core/log.ts";
import { type Settings, SettingsError } from "../core/settings.ts";
import { readTraceContext, type Span, type TraceContext, type Tracer } from "../core/trace.ts";
import { createBodies } from "./bodies.ts";
import { responseOfError, type Shared, serveCommands } from "./commands.ts";
import { type ConsoleRoutes, createConsoleRoutes } from "./console.ts";
import { serveDeadLetters, serveFunctionRoutes, serveReplay, serveRevive } from "./dead-letters.ts";
import { type Authenticate, type CheckToken, createAuthenticate, type Grant } from "./grants.ts";
import { createIdempotency } from "./idempotency.ts";
import { readMedia } from "./media.ts";
import { describeApi } from "./openapi.ts";
import { serveRooms, serveSockets } from "./presence.ts";
import { type Handler, listRoutes, type RouteName, type RouteRow } from "./routes.ts";
import { createStreams, type Streams } from "./stream.ts";

/** What the API needs from the other folders. */
export interface ApiNeeds extends Pick<Shared, "apply" | "rooms" | "deadLetters" | "packer"> {
  readonly route: AddRoute;
  readonly log: Log;
  readonly trace?: Tracer | undefined;
  /** Resolves with the metrics, in the format that the `Accept` header asks for. */
  scrape(accept: string): Promise<{ readonly type: string; readonly body: string }>;
  /** Returns why commands cannot be carried out now; `undefined` when they can. */
  ready?(): FailureCode | undefined;
  /** Whether the process is stopping and takes no new connections. */
  isDraining(): boolean;
  /** Returns why the process refuses new connections now; `undefined` when it takes them. */
  refusing?(): FailureCode | undefined;
  /** Set when tokens are accepted. */
  readonly checkToken?: CheckToken | undefined;
  /** Called when a response was sent, or when its client went away first (status 0). */
  answered(route: RouteName, status: number, seconds: number): void;
  readonly version: string;
  /** Path that serves the metrics. */
  readonly metricsPath: string;
  /** A clock in milliseconds that agrees with the dates in tokens. */
  now(): number;
}

/** The gateway's own HTTP routes. */
export interface Api {
  /** Returns what the API holds now, as plain numbers. */
  samples(): ApiSamples;
  /** For the routes of the console. */
  readonly console: ConsoleRoutes;
  /** Ends the streams and refuses commands from now on. Other requests finish. */
  stop(): void;
}

/** What the API holds at one moment. */
export interface ApiSamples {
  readonly openBodies: number;
  readonly bodyBytes: number;
  readonly idempotencyKeys: number;
  readonly idempotencyBytes: number;
}

/**
 * Adds every route of the API. Throws {@link SettingsError} when the path of the metrics is the
 * path of another route.
 */
export function createApi(settings: Settings["api"], needs: ApiNeeds): Api {
  const { now, packer, apply, rooms, deadLetters } = needs;
  let stopping = false;
  const bodies = createBodies(settings);
  const idempotency = createIdempotency(settings, now);
  const ready = () => (stopping ? "API_STOPPING" : needs.ready?.());
  const shared: Shared = { apply, rooms, deadLetters, bodies, idempotency, packer, ready };
  const streams = createStreams(settings, shared);
  const authenticate = createAuthenticate(settings.keys, needs.checkToken, now);
  const grant = (exchange: Exchange) => grantOrThrow(authenticate(exchange), exchange);

  const rows = listRoutes(needs.metricsPath);
  checkPaths(rows);
  const pages = createPages(rows, needs);
  const handlers: Readonly<Record<string, Handler>> = {
    ...pages,
    ...commandHandlers(shared, streams, grant),
    rooms: async (exchange) => serveRooms(exchange, await grant(exchange), shared),
    sockets: async (exchange) => serveSockets(exchange, await grant(exchange), shared),
    deadLetters: async (exchange) => serveDeadLetters(exchange, await grant(exchange), shared),
    replay: async (exchange) => serveReplay(exchange, grant(exchange), shared),
    routes: async (exchange) => serveFunctionRoutes(exchange, await grant(exchange), shared),
    revive: async (exchange) => serveRevive(exchange, grant(exchange), shared),
  };
  const report = createReport(needs);
  const add = (row: RouteRow, handler: Handler) =>
    needs.route(row.method, row.path, serve(row, handler, { report, trace: needs.trace }));
  for (const row of rows) {
    const handler = handlers[row.name];
    if (!handler) throw new Error(`the route ${row.name} has no handler`);
    add(row, handler);
  }
  return {
    console: createConsoleRoutes(settings, {
      ...{ add, grant, shared, log: needs.log },
      takesTokens: needs.checkToken !== undefined,
    }),
    samples: () => ({
      openBodies: bodies.open,
      bodyBytes: bodies.bytes,
      idempotencyKeys: idempotency.entries.size,
      idempotencyBytes: idempotency.bytes,
    }),
    stop() {
      stopping = true;
      streams.stop();
    },
  };
}

/**
 * Throws when two routes share a path, because only the later one would be served. The error names
 * `metrics.path`: it is the only path that is a setting.
 */
export function checkPaths(rows: readonly RouteRow[]): void {
  const gets = rows.filter(({ method }) => method === "GET").map(({ path }) => path);
  const twice = gets.find((path, at) => gets.indexOf(path) < at);
  if (twice === undefined) return;
  const bound = "is the path of another route";
  throw new SettingsError([{ path: "metrics.path", value: JSON.stringify(twice), bound }]);
}

function commandHandlers(
  shared: Shared,
  streams: Streams,
  grant: (exchange: Exchange) => Grant | Promise<Grant>,
): Record<string, Handler> {
  const handlers: Record<string, Handler> = {
    commands: async (exchange, parent) => {
      const media = readMedia(exchange.headers["content-type"]);
      const granted = grant(exchange);
      if (media !== "ndjson") return serveCommands(exchange, { grant: granted, parent }, shared);
      if (exchange.headers["idempotency-key"] !== undefined) {
        throw new FailureError("API_BAD_IDEMPOTENCY_KEY");
      }
      return streams.serve(exchange, granted, parent);
    },
  };
  for (const name of COMMAND_NAMES) {
    handlers[name] = async (exchange, parent) =>
      serveCommands(exchange, { grant: grant(exchange), name, parent }, shared);
  }
  return handlers;
}

function createPages(rows: readonly RouteRow[], needs: ApiNeeds): Record<string, Handler> {
  const text = { "content-type": "text/plain; charset=utf-8" };
  // Made at the first request: most gateways never get one.
  let document: string | undefined;
  return {
    metrics: async ({ headers }) => {
      const { type, body } = await needs.scrape(headers.accept ?? "");
      return { status: 200, headers: { "content-type": type }, body };
    },
    healthz: async () => ({ status: 200, headers: text, body: "ok\n" }),
    readyz: async () => {
      const code = needs.refusing?.();
      const refused = code && `${code}: ${FAILURES[code].text}`;
      const why = needs.isDraining() ? "draining" : refused;
      if (!why) return { status: 200, headers: text, body: "ready\n" };
      return { status: 503, headers: { ...text, "retry-after": "1" }, body: `${why}\n` };
    },
    openapi: async () => {
      document ??= JSON.stringify(describeApi(rows, needs.version));
      const headers = { "content-type": "application/json" };
      // Close: a client that sends request after request and reads no response would otherwise make
      // the gateway hold one copy of the document for each.
      return { status: 200, headers, body: document, close: true };
    },
  };
}

// Throws or rejects with the failure.
function grantOrThrow(
  granted: ReturnType<Authenticate>,
  { headers }: Exchange,
): Grant | Promise<Grant> {
  if (typeof granted === "string") throw new FailureError(granted, adviceFor(granted, headers));
  if (!("then" in granted)) return granted;
  const found = granted.then((one) => {
    if (typeof one === "string") throw new FailureError(one);
    return one;
  });
  // The handler may refuse the request for another reason before it awaits this promise: without
  // this line that would be an unhandled rejection.
  found.catch(() => {});
  return found;
}

/** Neither a secret nor a token has a colon, so this tells nothing about the keys that are set. */
function adviceFor(denied: FailureCode, { authorization = "" }: Exchange["headers"]) {
  if (denied !== "API_UNAUTHENTICATED" || !/^Bearer +[^\s:]+:/i.test(authorization))
    return undefined;
  return "send the secret alone, without the id before it";
}

/** Counts and logs a request that is over. */
type Report = (
  row: RouteRow,
  outcome: {
    readonly status: number;
    readonly startedAt: number;
    readonly code: FailureCode | undefined;
    readonly traceparent: string | undefined;
  },
) => void;

function createReport(needs: ApiNeeds): Report {
  const throttled = createThrottle(needs.log, () => performance.now());
  return ({ name }, { status, startedAt, code, traceparent }) => {
    needs.answered(name, status, (performance.now() - startedAt) / 1000);
    const trace = traceparent && { traceparent };
    const fields = { component: "api", route: name, status, ...(code && { code }), ...trace };
    if (code) throttled("info", code, fields, "a request was refused");
    else if (trace) needs.log("debug", fields, "a request was answered");
  };
}

function serve(
  row: RouteRow,
  handler: Handler,
  { report, trace }: { readonly report: Report; readonly trace: Tracer | undefined },
) {
  return async (exchange: Exchange): Promise<void> => {
    const came = readTraceContext(exchange.headers);
    const span = trace && startRequest(trace, row, { exchange, came });
    const about = { startedAt: performance.now(), traceparent: came?.traceparent };
    let response: RouteResponse | number | undefined;
    let code: FailureCode | undefined;
    try {
      response = await handler(exchange, span ?? came);
    } catch (error) {
      if (error instanceof FailureError) ({ code } = error);
      else {
        report(row, { ...about, status: 500, code }); // responseOfError() rethrows it
        span?.end("500");
      }
      response = responseOfError(error);
    }
    let status = typeof response === "number" ? response : 0;
    if (typeof response === "object" && !exchange.isDone()) {
      exchange.respond(response);
      ({ status } = response);
    }
    report(row, { ...about, status, code });
    if (span) endRequest(span, status, code);
  };
}

/** Begins the span of a request with commands; a stream, which may never end, has none. */
function startRequest(
  trace: Tracer,
  { kind, method, path }: RouteRow,
  { exchange, came }: { readonly exchange: Exchange; readonly came: TraceContext | undefined },
): Span | undefined {
  if (kind !== "command" && kind !== "commands") return undefined;
  if (readMedia(exchange.headers["content-type"]) === "ndjson") return undefined;
  const attributes = { "http.request.method": method, "http.route": path, "url.path": path };
  return trace.start("request", `${method} ${path}`, { parent: came, attributes });
}

/** Status 0 says that the client has gone. */
function endRequest(span: Span, status: number, code: FailureCode | undefined): void {
  span.set({ ...(status > 0 && { "http.response.status_code": status }), "error.type": code });
  // What a caller did wrong is no error of the server, by OpenTelemetry's conventions.
  if (status === 0) span.end("aborted");
  else span.end(status >= 500 ? (code ?? String(status)) : undefined);
}
