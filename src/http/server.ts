import { METHODS } from "node:http";
import { FAILURES, type FailureCode } from "../core/failures.ts";
import type { HandlerFailed } from "../core/handler.ts";
import { type AppExchange, problemOf, type ResponseHead } from "../core/http.ts";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import { isSoon } from "../core/within.ts";
import { createFetchHandler, type FetchHandler } from "./fetch.ts";
import { createNodeHandler, type NodeHandler } from "./node.ts";
import { findHeader, isEventStream, openRequest, readLength } from "./request.ts";

/** The application's own HTTP handler: one of the two forms. */
export type AppHandler = { readonly fetch: FetchHandler } | { readonly http: NodeHandler };

/** What is counted of requests. */
export interface AppSamples {
  /** Requests that are open. */
  readonly open: number;
  /** Requests that have ended, by class of the response's status, or `aborted`. */
  readonly ended: Readonly<Record<string, number>>;
}

/** Serves requests with the application's own handler. */
export interface AppServer {
  handle(exchange: AppExchange): void;
  samples(): AppSamples;
  /**
   * Refuses requests from now on. Resolves when none is open, or after `ms`. Server-sent events go
   * on until `clients` resolves, and then end: they would never end by themselves.
   */
  drain(ms: number, clients?: Promise<unknown>): Promise<void>;
  /** Closes the connections of the requests that are open. */
  stop(): void;
}

/** What {@link createAppServer} needs. */
export interface AppServerNeeds {
  readonly log: Log;
  readonly failed: HandlerFailed;
  /** Called at the end of each request with how long it took. */
  took(seconds: number): void;
}

/** No Web request may have these, and `http` would take CONNECT for a tunnel. */
const REFUSED_METHODS = ["CONNECT", "TRACE", "TRACK"];
/** A path, as RFC 9112 has it on servers; and what may be in a Host header. */
const TARGET = /^\/[\x21-\x7e]*$/;
const HOST = /^[\w.\-~%[\]:]{1,255}$/;

/** Returns the server of an application's requests, which keeps them within the settings. */
export function createAppServer(
  handler: AppHandler,
  settings: Settings["http"],
  { log, failed, took }: AppServerNeeds,
): AppServer {
  const adapter =
    "fetch" in handler ? createFetchHandler(handler.fetch) : createNodeHandler(handler.http);
  const open = new Set<AppExchange>();
  const streams = createStreams();
  const ended: Record<string, number> = {};
  let isStopping = false;

  function findRefusal(exchange: AppExchange): FailureCode | undefined {
    if (isStopping) return "HTTP_STOPPING";
    if (open.size >= settings.requestsMax) return "HTTP_BUSY";
    if (!isFit(exchange)) return "HTTP_BAD_REQUEST";
    const length = readLength(findHeader(exchange.headers, "content-length")) ?? 0;
    return length > settings.bodyBytesMax ? "HTTP_BODY_TOO_LARGE" : undefined;
  }
  function count(exchange: AppExchange, status: string, seconds: number): void {
    ended[status] = (ended[status] ?? 0) + 1;
    took(seconds);
    const { method, target, address } = exchange;
    const fields = { component: "http", method, path: target.split("?", 1)[0], status, address };
    log("debug", { ...fields, seconds }, "a request has ended");
  }

  return {
    handle(exchange) {
      const from = performance.now();
      const code = findRefusal(exchange);
      if (code) {
        exchange.refuse(refusalOf(code));
        count(exchange, `${Math.floor(FAILURES[code].status / 100)}xx`, 0);
        return;
      }
      open.add(exchange);
      const over = (status: string): void => {
        open.delete(exchange);
        streams.delete(exchange);
        count(exchange, status, (performance.now() - from) / 1000);
      };
      const begun = (head: ResponseHead) => streams.add(exchange, head);
      adapter(openRequest(exchange, settings, { failed, begun, over }));
    },
    samples: () => ({ open: open.size, ended }),
    async drain(ms, clients = Promise.resolve()) {
      isStopping = true;
      void clients.then(streams.end, streams.end);
      await isSoon(() => open.size === 0, ms);
    },
    stop() {
      isStopping = true;
      for (const exchange of open) exchange.abort();
    },
  };
}

/** Returns the open responses of server-sent events. Browsers open them again elsewhere. */
function createStreams() {
  const open = new Set<AppExchange>();
  let isEnded = false;
  return {
    add(exchange: AppExchange, head: ResponseHead): void {
      if (!isEventStream(head)) return;
      open.add(exchange);
      // Not now: its response begins only after this call.
      if (isEnded) setImmediate(exchange.abort);
    },
    delete: (exchange: AppExchange) => void open.delete(exchange),
    end(): void {
      isEnded = true;
      for (const exchange of open) exchange.abort();
    },
  };
}

/** A client that is refused for now may come again; its body is not read. */
function refusalOf(code: FailureCode) {
  const headers = FAILURES[code].retry ? { "retry-after": "1" } : {};
  return problemOf(code, { headers, close: true });
}

/** Whether a handler can be given a request: both forms then read the same of it. */
function isFit({ method, target, headers }: AppExchange): boolean {
  const hosts = headers.filter(([name]) => name === "host");
  return (
    METHODS.includes(method) &&
    !REFUSED_METHODS.includes(method) &&
    TARGET.test(target) &&
    hosts.length < 2 &&
    hosts.every(([, host]) => HOST.test(host) && URL.canParse(`http://${host}`))
  );
}
