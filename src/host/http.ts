import type { TemplatedApp } from "uWebSockets.js";
import type { Exchange, HttpHandler, HttpMethod, Route } from "../core/http.ts";
import type { Log } from "../core/log.ts";
import { problemOf } from "../core/problem.ts";
import { createExchange, createState } from "./exchange.ts";
import { isAmbiguous } from "./request.ts";

/** The plain HTTP side of a uWebSockets.js app. */
export interface Http {
  /** Adds a route, at any time. HEAD comes with GET. */
  readonly route: Route;
  /** Requests that are not yet answered. */
  readonly open: number;
  /** From now on every answer ends its connection; resolves when no request is open. */
  stop(): Promise<void>;
}

/** What the HTTP side needs of the rest. */
export interface HttpNeeds {
  readonly log: Log;
  /** A request that no route takes was answered with this status. */
  readonly unrouted?: (status: number) => void;
}

/**
 * Answers every HTTP request of the app that no other route of it takes: by its route, or with a
 * 404 or 405 problem document.
 *
 * Whatever happens, each request is answered once or aborted, and a connection stays usable for the
 * next request unless the answer says otherwise.
 */
export function createHttp(app: TemplatedApp, needs: HttpNeeds): Http {
  const routes = new Map<string, Map<string, HttpHandler>>();
  const state = createState(needs.log);

  app.any("/*", (res, req) => {
    const exchange = createExchange(res, req, state);
    if (isAmbiguous(exchange.headers)) {
      // Nothing is answered: uWebSockets.js would go on with the bytes after it.
      res.close();
      needs.unrouted?.(400);
      return;
    }
    const methods = routes.get(exchange.path);
    const handler = methods?.get(exchange.method === "HEAD" ? "GET" : exchange.method);
    if (handler) {
      run(handler, exchange, needs.log);
      return;
    }
    const allow = methods && [...methods.keys(), ...(methods.has("GET") ? ["HEAD"] : [])];
    const answer = allow
      ? problemOf("API_BAD_METHOD", { headers: { allow: allow.join(", ") } })
      : problemOf("API_NOT_FOUND");
    exchange.answer(answer);
    needs.unrouted?.(answer.status);
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
