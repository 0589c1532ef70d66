import type { HttpRequest, HttpResponse, TemplatedApp } from "uWebSockets.js";
import {
  type AddRoute,
  type AppExchange,
  type Exchange,
  type HttpHandler,
  type HttpMethod,
  problemOf,
} from "../core/http.ts";
import type { Log } from "../core/log.ts";
import { type AppNeeds, readAppRequest } from "./app-exchange.ts";
import { createExchange, createState } from "./exchange.ts";
import { isAmbiguous } from "./request.ts";

/** The plain HTTP routes of a uWebSockets.js app. */
export interface Http {
  /** Adds a route, at any time. A GET route serves HEAD as well. */
  readonly route: AddRoute;
  /** Hands every request whose path has no route to the application's own handler. Once. */
  mount(handle: (exchange: AppExchange) => void, needs: AppNeeds): void;
  /** Requests that have no response yet. */
  readonly open: number;
  /** Makes every further response close its connection. Resolves when no request is open. */
  stop(): Promise<void>;
}

/**
 * Handles every HTTP request that no other route of the app handles. It runs the handler of the
 * request's route, or responds with a 404 or 405 problem document.
 *
 * Each request gets one response or is aborted, even if its handler fails. The connection can carry
 * the next request unless the response closes it.
 *
 * `needs.unrouted` is called with the status when a request has no route, and with 400 when its
 * length is ambiguous and the connection was closed instead.
 */
export function createHttp(
  app: TemplatedApp,
  needs: { readonly log: Log; readonly unrouted?: (status: number) => void },
): Http {
  const routes = new Map<string, Map<string, HttpHandler>>();
  const state = createState(needs.log);
  let mounted: ((res: HttpResponse, req: HttpRequest) => void) | undefined;

  /** Closes the connection if it is not clear how long the request is. */
  function isRefused(res: HttpResponse, headers: Readonly<Record<string, string>>): boolean {
    if (!isAmbiguous(headers)) return false;
    // Close without a response: otherwise uWebSockets.js would read the bytes that follow as the
    // next request.
    res.close();
    needs.unrouted?.(400);
    return true;
  }

  app.any("/*", (res, req) => {
    const methods = routes.get(req.getUrl());
    if (!methods && mounted) {
      mounted(res, req);
      return;
    }
    const exchange = createExchange(res, req, state);
    if (isRefused(res, exchange.headers)) return;
    const handler = methods?.get(exchange.method === "HEAD" ? "GET" : exchange.method);
    if (handler) {
      run(handler, exchange, needs.log);
      return;
    }
    const allow = methods && [...methods.keys(), ...(methods.has("GET") ? ["HEAD"] : [])];
    const response = allow
      ? problemOf("API_BAD_METHOD", { headers: { allow: allow.join(", ") } })
      : problemOf("API_NOT_FOUND");
    exchange.respond(response);
    needs.unrouted?.(response.status);
  });

  return {
    route(method: HttpMethod, path: string, handler: HttpHandler) {
      const methods = routes.get(path) ?? new Map<string, HttpHandler>();
      routes.set(path, methods.set(method, handler));
    },
    mount(handle, appNeeds) {
      mounted = (res, req) => {
        const { exchange, headers } = readAppRequest({ res, req }, appNeeds, state);
        if (!isRefused(res, headers)) handle(exchange);
      };
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
    log("error", { component: "host", path: exchange.path, error }, "an HTTP handler failed");
    exchange.respond(problemOf("API_INTERNAL"));
  };
  try {
    const running = handler(exchange);
    if (running) running.catch(fail);
  } catch (error) {
    fail(error);
  }
}
