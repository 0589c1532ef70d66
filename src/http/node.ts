import {
  Agent,
  type ClientRequest,
  request as connect,
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { callSafely } from "../core/handler.ts";
import type { HeaderPairs } from "../core/http.ts";
import { MemorySocket } from "./memory-socket.ts";
import { type Adapter, type AppBody, type AppRequest, readLength } from "./request.ts";

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

/** uWebSockets.js has bounded the head of a request; that of a response is the application's. */
const HEAD_BYTES_MAX = 1_048_576;
/** Connections that are kept between two requests. */
const KEPT_MAX = 256;
/** Methods without a body. For others Node.js would send an empty one in chunks. */
const BODILESS = ["GET", "HEAD", "DELETE", "OPTIONS"];

/**
 * Returns the way to a handler of Node.js' form.
 *
 * Its requests and responses are Node.js' own: they come through an `http.Server` of Node.js which
 * listens nowhere, over connections inside this process (`server.emit("connection", …)`, as Node.js
 * documents). So everything that a framework expects of them is there. The price is that each
 * request and response is written and parsed once more.
 */
export function createNodeHandler(handler: NodeHandler): Adapter {
  const call =
    typeof handler === "function" ? handler : (...given: unknown[]) => emitRequest(handler, given);
  const server = createServer(
    // The client's connection has the timeouts.
    { maxHeaderSize: HEAD_BYTES_MAX, keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 },
    (req, res) => {
      // The cast holds: nothing else connects to this server.
      const { request } = req.socket as unknown as MemorySocket;
      callSafely(
        () => call(req, res),
        (error) => request?.failed(error),
      );
    },
  );
  const agent = createAgent(server);
  return {
    handle(request) {
      try {
        forward(request, agent);
      } catch {
        request.refuse("HTTP_BAD_REQUEST"); // a target or header that Node.js refuses
      }
    },
    stop: () => agent.destroy(),
  };
}

function emitRequest(server: Server, given: readonly unknown[]): void {
  if (!server.emit("request", ...given)) {
    throw new Error("http is an http.Server without a listener for requests");
  }
}

/** Returns an agent whose connections lead to a server in this process. */
function createAgent(server: Server): Agent {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: KEPT_MAX, maxSockets: Infinity });
  return Object.assign(agent, {
    createConnection(): MemorySocket {
      const { client, server: end } = MemorySocket.connect();
      server.emit("connection", end);
      return client;
    },
  });
}

function forward(request: AppRequest, agent: Agent): void {
  const sent = connect({
    ...{ agent, method: request.method, path: request.target, setHost: false },
    ...{ headers: listHeaders(request), maxHeaderSize: HEAD_BYTES_MAX },
  });
  let end: MemorySocket | undefined;
  sent.once("socket", (socket: Socket) => {
    // The cast holds: `createConnection` of the agent makes all of them.
    const { other } = socket as unknown as MemorySocket;
    end = other;
    if (!other) return;
    other.request = request;
    other.remoteAddress = request.address;
    other.encrypted = request.encrypted;
  });
  let response: IncomingMessage | undefined;
  request.onOver((isComplete) => {
    // The connection may be kept for long, and would keep the request.
    if (end?.request === request) end.request = undefined;
    // A response that the client has got may not have ended here yet: see `answer`.
    if (!isComplete || !response) sent.destroy();
  });
  sent.on("response", (given) => {
    response = given;
    answer(request, { sent, response });
  });
  // The handler has closed the connection, or the client has.
  const cut = (): void => {
    if (!response?.complete) request.abort();
  };
  sent.on("error", cut);
  sent.on("close", cut);
  if (request.body) pipeBody(request.body, sent);
  else sent.end();
}

function listHeaders({ headers, method, body }: AppRequest): string[] {
  const kept = headers.filter(([name]) => !OF_CONNECTION.has(name)).flat();
  if (body && body.length === undefined) return [...kept, "transfer-encoding", "chunked"];
  const isTold = body || BODILESS.includes(method) || kept.includes("content-length");
  return isTold ? kept : [...kept, "content-length", "0"];
}

function pipeBody(body: AppBody, sent: ClientRequest): void {
  // Else the handler would get the request only with the first bytes of its body.
  sent.flushHeaders();
  body.listen(
    (bytes) => {
      if (!sent.write(bytes)) body.pause();
    },
    () => sent.end(),
  );
  sent.on("drain", body.resume);
}

function answer(
  request: AppRequest,
  { sent, response }: { readonly sent: ClientRequest; readonly response: IncomingMessage },
): void {
  const { statusCode: status = 500, statusMessage: reason = "", headers } = response;
  const length = readLength(headers["content-length"]);
  const out = request.begin({ status, reason, headers: listPairs(response.rawHeaders), length });
  if (!out) {
    response.resume();
    return;
  }
  out.onWritable(() => response.resume());
  response.on("data", (chunk: Buffer) => {
    if (!out.write(chunk)) response.pause();
  });
  response.on("end", () => {
    out.end();
    // A body that the handler has not read to its end keeps the connection from its next request.
    // If there is none, Node.js has marked `sent` as destroyed, and kept the connection.
    if (!sent.destroyed) sent.destroy();
  });
  // The handler has closed the connection in the middle of its response.
  response.on("error", () => {
    if (!response.complete) request.abort();
  });
}

function listPairs(raw: readonly string[]): HeaderPairs {
  const pairs: (readonly [string, string])[] = [];
  for (let at = 0; at < raw.length; at += 2) pairs.push([raw[at] ?? "", raw[at + 1] ?? ""]);
  return pairs;
}
