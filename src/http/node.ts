import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { callSafely } from "../core/handler.ts";
import type { AppResponse } from "../core/http.ts";
import { InnerSocket } from "./inner-socket.ts";
import { type Adapter, type AppBody, type AppRequest, openEvents } from "./request.ts";
import { createResponseReader } from "./response-reader.ts";

/**
 * A handler in the form of Node.js: `(req, res)`, such as an Express app or Next's request handler,
 * or an `http.Server` that does not listen, whose `request` listeners are called.
 */
export type NodeHandler = ((req: IncomingMessage, res: ServerResponse) => unknown) | Server;

/** Headers of one connection. Between the two ends in this process they are others. */
const OF_CONNECTION = new Set([
  ...["connection", "keep-alive", "proxy-connection", "upgrade", "expect", "transfer-encoding"],
  ...["te", "trailer", "http2-settings"],
]);

/** What Node.js' own requests fail with when their connection is closed. */
const CUT_OFF = Object.assign(new Error("aborted"), { code: "ECONNRESET" });

/** uWebSockets.js has bounded the head of a request. */
const HEAD_BYTES_MAX = 1_048_576;

/**
 * Returns the way to a handler of Node.js' form.
 *
 * Its requests and responses are Node.js' own: they come through an `http.Server` of Node.js which
 * listens nowhere, over connections inside this process (`server.emit("connection", …)`, as Node.js
 * documents). So everything that a framework expects of them is there. The price is that each
 * request and response is written and parsed once more. Each request has a connection of its own:
 * what one of them leaves unread, or writes too much, cannot reach another.
 */
export function createNodeHandler(handler: NodeHandler): Adapter {
  const call =
    typeof handler === "function" ? handler : (...given: unknown[]) => emitRequest(handler, given);
  const server = createServer(
    {
      // The client's connection has the timeouts.
      ...{ keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 },
      ...{ maxHeaderSize: HEAD_BYTES_MAX, requireHostHeader: false },
    },
    (req, res) => {
      const { request } = innerOf(req.socket);
      res.once("finish", () => letGo(req));
      callSafely(
        () => call(req, res),
        (error) => request.failed(error),
      );
    },
  );
  // What Node.js itself would refuse.
  server.on("clientError", (...[, socket]) => {
    innerOf(socket as Socket).request.refuse("HTTP_BAD_REQUEST");
    socket.destroy();
  });
  return (request) => forward(request, server);
}

// The cast holds: nothing else connects to this server.
const innerOf = (socket: Socket) => socket as unknown as InnerSocket;

function emitRequest(server: Server, given: readonly unknown[]): void {
  if (!server.emit("request", ...given)) {
    throw new Error("http is an http.Server without a listener for requests");
  }
}

/** Ends a connection whose response is finished. Of the request what has come can still be read. */
function letGo(req: IncomingMessage): void {
  const socket = innerOf(req.socket);
  if (socket.request.body?.isWhole() === false) req.destroy(CUT_OFF);
  else socket.push(null);
}

function forward(request: AppRequest, server: Server): void {
  const { body } = request;
  const reader = createResponseReader(request.method);
  let out: AppResponse | undefined;
  let waiting: (() => void) | undefined;
  let hasBegun = false;

  function taken(): void {
    const done = waiting;
    waiting = undefined;
    done?.();
  }
  function write(chunks: readonly Buffer[]): boolean {
    const { head, body: parts, isWhole } = reader.read(chunks);
    if (head) {
      out = request.begin(head);
      out?.onWritable(taken);
    }
    const [first] = parts;
    const bytes = parts.length > 1 ? Buffer.concat(parts) : first;
    const isTaken = !out || !bytes || out.write(bytes);
    if (isWhole) out?.end();
    else if (head && !bytes) setImmediate(() => void (out && !hasBegun && openEvents(out, head)));
    hasBegun ||= bytes !== undefined;
    return isTaken || request.isOver();
  }
  const socket = new InnerSocket(request, {
    wanted: () => body?.resume(),
    wrote(chunks, done) {
      try {
        if (write(chunks)) done();
        else waiting = done;
      } catch (error) {
        request.failed(error);
        socket.destroy();
      }
    },
    ended() {
      if (reader.endsWithConnection()) out?.end();
      else request.abort();
    },
    closed: request.abort,
  });
  request.onOver((isComplete) => {
    if (isComplete) taken();
    else socket.destroy();
  });
  server.emit("connection", socket);
  socket.push(formatHead(request), "latin1");
  if (body) pipeBody(body, socket);
}

function formatHead({ method, target, headers, body }: AppRequest): string {
  const kept = headers.filter(([name]) => !OF_CONNECTION.has(name));
  const lines = kept.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const framing = body && body.length === undefined ? "transfer-encoding: chunked\r\n" : "";
  return `${method} ${target} HTTP/1.1\r\n${lines}${framing}\r\n`;
}

function pipeBody(body: AppBody, socket: InnerSocket): void {
  const isChunked = body.length === undefined;
  body.listen(
    (bytes) => {
      if (isChunked) socket.push(`${bytes.byteLength.toString(16)}\r\n`);
      const isWanted = socket.push(bytes);
      if (isChunked) socket.push("\r\n");
      if (!isWanted) body.pause();
    },
    () => void (isChunked && socket.push("0\r\n\r\n")),
  );
}
