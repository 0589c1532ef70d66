import type { HandlerFailed } from "../core/handler.ts";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import { createAddressReader } from "../door/address.ts";
import type { Http } from "../host/http.ts";
import type { FetchHandler } from "../http/fetch.ts";
import type { NodeHandler } from "../http/node.ts";
import { type AppHandler, type AppServer, createAppServer } from "../http/server.ts";
import type { Metrics } from "../metrics/registry.ts";
import { listAppRows } from "./metric-rows.ts";

/** The application's own HTTP handler, as it was given. */
export interface GivenHandler {
  readonly fetch?: unknown;
  readonly http?: unknown;
}

/** What {@link serveApp} needs. */
export interface ServeAppNeeds {
  readonly http: Http;
  readonly encrypted: boolean;
  readonly log: Log;
  readonly failed: HandlerFailed;
  readonly metrics: Metrics;
  readonly undo: (() => unknown)[];
}

/** Refuses requests from now on, and resolves when none is open, or after `ms`. */
export type Drain = AppServer["drain"];

/** Hands the application's own handler all requests without a route of Sluice's own. */
export function serveApp(
  handler: AppHandler,
  settings: Pick<Settings, "http" | "socket">,
  { http, encrypted, log, failed, metrics, undo }: ServeAppNeeds,
): AppServer {
  const took = (seconds: number) => metrics.observe("sluice_http_request_seconds", seconds);
  const server = createAppServer(handler, settings.http, { log, failed, took });
  metrics.source(() => listAppRows(server.samples()));
  undo.push(() => server.stop());
  mountServer(server, settings, { http, encrypted });
  const form = "fetch" in handler ? "fetch" : "http";
  log("info", { component: "http", form }, `other HTTP requests go to your own ${form} handler`);
  return server;
}

/** Hands a server every request that has no route. */
export function mountServer(
  server: AppServer,
  { socket }: Pick<Settings, "socket">,
  { http, encrypted }: { readonly http: Http; readonly encrypted: boolean },
): void {
  const { proxyProtocol } = socket;
  const readAddress = createAddressReader(socket);
  http.mount(server.handle, { encrypted, proxyProtocol, readAddress });
}

/**
 * Returns the handler that `startGateway` was given, or that the handler module exports. Throws one
 * sentence unless there is exactly one, of the right form.
 */
export function chooseHandler(
  { handlers }: Pick<Settings, "handlers">,
  given: GivenHandler,
  loaded: GivenHandler | undefined,
): AppHandler {
  const own = readHandler(given, "startGateway");
  const exported = loaded && readHandler(loaded, handlers.module);
  if (own && exported) {
    throw new Error(`startGateway and ${handlers.module} both have a handler of HTTP: give one`);
  }
  const handler = own ?? exported;
  if (!handler) throw new Error("there is no handler of HTTP");
  return handler;
}

/**
 * Returns the form of a handler that was given, or undefined. Throws one sentence if both were, or
 * if it is neither.
 */
export function readHandler({ fetch, http }: GivenHandler, from: string): AppHandler | undefined {
  if (fetch !== undefined && http !== undefined) {
    throw new Error(`${from} has both fetch and http: give one of them`);
  }
  // The casts hold as far as can be seen: what a function takes and returns, it says when called.
  if (typeof fetch === "function") return { fetch: fetch as FetchHandler };
  if (fetch !== undefined) {
    throw new Error(`${from}: fetch must be a function (request) => Response`);
  }
  if (http === undefined) return undefined;
  const { emit } = Object(http) as { readonly emit?: unknown };
  if (typeof http === "function" || typeof emit === "function")
    return { http: http as NodeHandler };
  throw new Error(`${from}: http must be a function (req, res) => void, or an http.Server`);
}
