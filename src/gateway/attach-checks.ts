import { Server as HttpServer } from "node:http";
import { Server as TcpServer } from "node:net";

const MAKE = 'make one with App() of "sluice/attach"';

/**
 * Throws one sentence that says what to do, unless `io` and `app` are what `attach` takes. People
 * who come from `new Server(httpServer)` give what they have.
 */
export function checkGiven(io: unknown, app: unknown): void {
  const { of, httpServer } = Object(io) as { readonly of?: unknown; readonly httpServer?: unknown };
  if (typeof of !== "function") {
    throw new TypeError("attach takes a Server of socket.io first: attach(new Server(), App())");
  }
  if (httpServer !== undefined) {
    throw new TypeError(
      "this Server is attached to an http.Server already: make it without, as new Server(options)",
    );
  }
  checkApp(app, "attach");
}

/** Throws one sentence unless `app` is an app of uWebSockets.js. */
export function checkApp(app: unknown, to: string): void {
  const { any, ws, listen } = Object(app) as Record<string, unknown>;
  const isApp = [any, ws, listen].every((one) => typeof one === "function");
  if (isApp) return;
  throw new TypeError(`${to} takes an app of uWebSockets.js, and not ${describe(app)}`);
}

function describe(app: unknown): string {
  const move = "give its handler to mountHttp (docs/migrating.md)";
  if (app === undefined || app === null) return `nothing: ${MAKE}`;
  if (app instanceof HttpServer) return `an http.Server: ${MAKE}, and ${move}`;
  if (app instanceof TcpServer) {
    return `a server of node:https or node:http2: ${MAKE}, or with SSLApp(options) for TLS`;
  }
  if (typeof app === "function") return `an Express app or another function: ${MAKE}, and ${move}`;
  return `${typeof app === "object" ? "another object" : `a ${typeof app}`}: ${MAKE}`;
}
