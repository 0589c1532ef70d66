/**
 * Types the members of engine.io that Sluice overrides or reads, private ones included. No other
 * file does. {@link checkEngineIo} compares them with the installed version at start.
 */

import type { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { Socket, Transport, uServer } from "engine.io";
import type { Frame } from "../core/packet.ts";
import { checkLibrary, listMembers, type Part } from "./members.ts";

/** An Engine.IO packet. */
export interface EnginePacket {
  type: EnginePacketType;
  data?: Frame;
  options?: { compress?: boolean; volatile?: boolean };
}

/** The types of Engine.IO packets, and `error` for what could not be parsed. */
export type EnginePacketType =
  | "open"
  | "close"
  | "ping"
  | "pong"
  | "message"
  | "upgrade"
  | "noop"
  | "error";

/** A request, with the members that engine.io reads. */
export interface EngineRequest {
  readonly method: string;
  /** Path and query string. */
  url: string;
  readonly headers: Record<string, string>;
  readonly connection: { readonly remoteAddress: string };
  readonly _query: Record<string, string>;
  /** Set until a transport takes it. */
  res: EngineResponse | null;
}

/** The response to a request, with the members that Sluice uses on engine.io's transports. */
export interface EngineResponse {
  end(body?: string): unknown;
}

interface EngineParser {
  encodePacket(packet: EnginePacket, supportsBinary: boolean, done: (data: Frame) => void): void;
  decodePacket(data: Frame): EnginePacket;
}

/** The connection that a transport carries. */
export interface PacketOwner extends Pick<EngineSocketBase, "readyState" | "upgrading"> {
  /** Set while it is not read from. */
  readonly pause: { after(call: () => void): void } | undefined;
  /** Adds to the bytes held of incomplete packets and payloads; negative to subtract. */
  hold(bytes: number): void;
}

/** engine.io's `Transport` with its protected members open. */
export interface EngineTransportBase extends EventEmitter {
  sid: string;
  writable: boolean;
  readonly name: "polling" | "websocket";
  readonly protocol: 3 | 4;
  readyState: "open" | "closing" | "closed";
  discarded: boolean;
  supportsBinary: boolean;
  readonly parser: EngineParser;
  maxHttpBufferSize?: number;
  httpCompression?: unknown;
  /** Long-polling: the current GET (poll) and the current POST (payload). */
  req?: EngineRequest | null;
  res?: EngineResponse | null;
  dataReq?: EngineRequest | null;
  dataRes?: EngineResponse | null;
  /** The connection it carries. */
  owner?: PacketOwner | undefined;
  /** Long-polling: completes a close that waits for the next poll. */
  shouldClose?: (() => void) | null;
  discard(): void;
  onRequest(request: EngineRequest): void;
  /** Long-polling: reads the payload of a POST. */
  onDataRequest(request: EngineRequest, res: EngineResponse): void;
  /** Long-polling: completes the headers of a response, those of listeners included. */
  headers(request: EngineRequest, headers: Record<string, unknown>): void;
  close(done?: () => void): void;
  send(packets: EnginePacket[]): void;
  doClose(done: () => void): void;
  onError(message: string, description?: unknown): void;
  onPacket(packet: EnginePacket): void;
  onData(data: Frame): void;
  onClose(): void;
}

/** engine.io's `Socket` with its private members open. */
export interface EngineSocketBase extends EventEmitter {
  readonly id: string;
  readonly protocol: 3 | 4;
  readonly remoteAddress: string;
  request: EngineRequest;
  transport: EngineTransportBase;
  readyState: "opening" | "open" | "closing" | "closed";
  upgrading: boolean;
  upgraded: boolean;
  writeBuffer: EnginePacket[];
  packetsFn: (() => void)[];
  sentCallbackFn: (readonly (() => void)[] | null)[];
  hasRefreshedPingTimeout: boolean;
  server: EventEmitter;
  setTransport(transport: EngineTransportBase): void;
  /** Closes the transport, and stops listening to it. */
  clearTransport(): void;
  /** Called when what was handed to the transport has been sent. */
  onDrain(): void;
  onError(error: unknown): void;
  _maybeUpgrade(transport: EngineTransportBase): void;
  onPacket(packet: EnginePacket): void;
  onClose(reason: string, description?: unknown): void;
  /** Protocol 4: starts the time to the next ping. */
  schedulePing(): void;
  /** Starts the time within which a pong is due; of protocol 3, the client's next ping. */
  resetPingTimeout(): void;
  sendPacket(type: EnginePacketType, data?: Frame, options?: object, done?: () => void): void;
  send(data: unknown, options?: object, done?: () => void): this;
  write(data: unknown, options?: object, done?: () => void): this;
  flush(): void;
  close(discard?: boolean): void;
  closeTransport(discard?: boolean): void;
}

/** A cookie's name, and its attributes as the package `cookie` takes them. */
export interface CookieOptions {
  readonly name: string;
}

/** The options of an engine, under engine.io's names. */
export interface EngineOptions {
  path: string;
  addTrailingSlash?: boolean;
  pingInterval: number;
  pingTimeout: number;
  upgradeTimeout: number;
  maxHttpBufferSize: number;
  transports: string[];
  allowUpgrades: boolean;
  allowEIO3: boolean;
  httpCompression: unknown;
  cors?: unknown;
  /** The name and attributes of the session's cookie, completed by engine.io. */
  cookie?: CookieOptions | false;
  allowRequest?: unknown;
  initialPacket?: unknown;
}

/** An Express-style middleware, as `io.engine.use` takes it. */
export type EngineMiddleware = (
  req: unknown,
  res: unknown,
  next: (error?: unknown) => void,
) => unknown;

/** engine.io's code for a request that `allowRequest` refused. */
export const FORBIDDEN = 4;

/** Takes engine.io's result of checking a request: nothing, or an error code and its context. */
export type VerifyDone = (code?: number, context?: Record<string, unknown>) => void;

/** engine.io's `uServer` with its protected members open. */
export interface EngineServerBase extends EventEmitter {
  readonly opts: EngineOptions;
  clients: Record<string, EngineSocketBase>;
  clientsCount: number;
  readonly middlewares: readonly unknown[];
  use(middleware: EngineMiddleware): void;
  verify(request: EngineRequest, upgrade: boolean, done: VerifyDone): void;
  _computePath(options: { path?: string; addTrailingSlash?: boolean }): string;
  _applyMiddlewares(
    request: EngineRequest,
    response: EngineResponse,
    done: (error?: unknown) => void,
  ): void;
  createTransport(name: string, request: EngineRequest): EngineTransportBase;
  generateId(request: EngineRequest): string | PromiseLike<string>;
  attach(app: unknown, options?: object): void;
  close(): this;
}

type Class<Arguments extends unknown[], Instance> = new (...given: Arguments) => Instance;

// The three casts open members that engine.io declares private or protected.
// checkEngineIo() proves at start that the installed version has each of them.
/** engine.io's connection class. */
export const EngineSocket = Socket as unknown as Class<
  [string, EngineServerBase, EngineTransportBase, EngineRequest, 3 | 4],
  EngineSocketBase
>;
/** engine.io's transport class. */
export const EngineTransport = Transport as unknown as Class<[EngineRequest], EngineTransportBase>;
/** engine.io's server class for uWebSockets.js. */
export const EngineServer = uServer as unknown as Class<[Partial<EngineOptions>], EngineServerBase>;

// uServer extends BaseServer. checkEngineIo() proves this cast as well.
const BaseServer = Object.getPrototypeOf(EngineServer) as typeof EngineServer;

/** Runs an engine's middlewares with the response as it is: uServer's own method would wrap it. */
// biome-ignore lint/complexity/useMaxParams: engine.io's own method takes these.
export function runMiddlewares(
  engine: EngineServerBase,
  request: EngineRequest,
  res: EngineResponse,
  done: (error?: unknown) => void,
): void {
  BaseServer.prototype._applyMiddlewares.call(engine, request, res, done);
}

/** Returns the path that an engine serves, as engine.io completes it. */
export function computePath(
  engine: EngineServerBase,
  options: { path?: string; addTrailingSlash?: boolean },
): string {
  return engine._computePath(options);
}

/** Moves a connection to another transport, once the client has probed it. */
export function startUpgrade(connection: EngineSocketBase, transport: EngineTransportBase): void {
  connection._maybeUpgrade(transport);
}

/** Returns a session's Set-Cookie header, formatted by the package that engine.io uses. */
export function formatCookie(id: string, options: CookieOptions): string {
  const beside = createRequire(createRequire(import.meta.url).resolve("socket.io"));
  const require = createRequire(beside.resolve("engine.io"));
  // The package's documented function; engine.io's own server calls it with the same arguments.
  const { serialize } = require("cookie") as {
    serialize(name: string, value: string, options: object): string;
  };
  return serialize(options.name, id, options);
}

const SERVER = listMembers<EngineServerBase>({
  ...{ opts: 1, clients: 1, clientsCount: 1, middlewares: 1, use: 1, verify: 1, generateId: 1 },
  ...{ _computePath: 1, _applyMiddlewares: 1, createTransport: 1, attach: 1, close: 1 },
});
const TRANSPORT = listMembers<EngineTransportBase>({
  ...{ sid: 1, writable: 1, name: 1, protocol: 1, readyState: 1, discarded: 1, supportsBinary: 1 },
  ...{ parser: 1, discard: 1, onRequest: 1, onDataRequest: 1, headers: 1, close: 1, send: 1 },
  ...{ doClose: 1, onError: 1, onPacket: 1, onData: 1, onClose: 1 },
});
/** The optional members of {@link EngineTransportBase}: long-polling sets them at a request. */
const POLLING = ["req", "res", "dataReq", "dataRes", "shouldClose"];
const PARSER = listMembers<EngineParser>({ encodePacket: 1, decodePacket: 1 });
const SOCKET = listMembers<EngineSocketBase>({
  ...{ id: 1, protocol: 1, remoteAddress: 1, request: 1, transport: 1, readyState: 1, server: 1 },
  ...{ upgrading: 1, upgraded: 1, writeBuffer: 1, packetsFn: 1, sentCallbackFn: 1 },
  ...{ hasRefreshedPingTimeout: 1, schedulePing: 1, resetPingTimeout: 1 },
  ...{ setTransport: 1, clearTransport: 1, onDrain: 1, onError: 1 },
  ...{ _maybeUpgrade: 1, onPacket: 1, onClose: 1, sendPacket: 1, send: 1, write: 1, flush: 1 },
  ...{ close: 1, closeTransport: 1 },
});

/**
 * Lists the members of engine.io that Sluice uses. Many are fields, so it creates a server and a
 * connection that is polled once, sent a payload and closed.
 */
export function* listEngineIo(): Generator<Part> {
  const server = new EngineServer({});
  yield { name: "BaseServer", object: BaseServer.prototype, members: ["_applyMiddlewares"] };
  yield { name: "uServer", object: server, members: SERVER };
  const cork = (write: () => void) => write();
  const res = { onAborted() {}, onData() {}, writeHeader() {}, end() {}, cork };
  const headers = { "content-length": "1" };
  const connection = { remoteAddress: "" };
  const request = { url: "", headers, connection, _query: { EIO: "4" } };
  const polling = server.createTransport("polling", { ...request, method: "GET", res });
  polling.onRequest({ ...request, method: "GET", res });
  polling.onRequest({ ...request, method: "POST", res });
  const read: Record<string, true> = {};
  Object.defineProperty(polling, "httpCompression", {
    get() {
      read.httpCompression = true;
    },
  });
  polling.send([{ type: "noop" }]);
  // Long-polling does not set it, but reads it when it answers.
  yield { name: "Polling", object: read, members: ["httpCompression"] };
  polling.close();
  polling.shouldClose?.(); // stops its timer
  const socket = new EngineSocket("", server, polling, { ...request, method: "GET", res }, 4);
  socket.onClose("transport close"); // stops its timers
  yield { name: "Polling", object: polling, members: [...TRANSPORT, ...POLLING] };
  yield { name: "parser", object: polling.parser, members: PARSER };
  yield { name: "Socket", object: socket, members: SOCKET };
}

/** Throws if the installed engine.io lacks a member that Sluice uses; names its version. */
export function checkEngineIo(): void {
  checkLibrary("engine.io", listEngineIo);
}
