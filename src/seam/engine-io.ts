/**
 * Types the members of engine.io that Sluice overrides or reads, private ones included. No other
 * file does. {@link checkEngineIo} compares them with the installed version at start.
 */

import type { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { Socket, Transport, uServer } from "engine.io";
import type { Frame } from "../core/packet.ts";
import { readVersion } from "../core/version.ts";

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
export interface PacketOwner extends Pick<EngineSocketBase, "readyState"> {
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
  pingTimeoutTimer: NodeJS.Timeout | null;
  hasRefreshedPingTimeout: boolean;
  server: EventEmitter;
  setTransport(transport: EngineTransportBase): void;
  _maybeUpgrade(transport: EngineTransportBase): void;
  onPacket(packet: EnginePacket): void;
  onClose(reason: string, description?: unknown): void;
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
  readonly middlewares: unknown[];
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

// The three casts open members that engine.io 6.6.12 declares private or protected.
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
/**
 * Runs an engine's middlewares with the given response. uServer's own method would wrap it first.
 */
export const applyMiddlewares = BaseServer.prototype._applyMiddlewares;

/** Returns a session's Set-Cookie header, formatted by the package that engine.io uses. */
export function formatCookie(id: string, options: CookieOptions): string {
  const require = createRequire(createRequire(import.meta.url).resolve("engine.io"));
  // The package's documented function; engine.io's own server calls it with the same arguments.
  const { serialize } = require("cookie") as {
    serialize(name: string, value: string, options: object): string;
  };
  return serialize(options.name, id, options);
}

const MEMBERS: readonly (readonly [string, { prototype: object }, readonly string[]])[] = [
  [
    "Socket",
    EngineSocket,
    [
      ..."setTransport _maybeUpgrade onPacket onClose resetPingTimeout".split(" "),
      ..."sendPacket send write flush close closeTransport".split(" "),
    ],
  ],
  ["BaseServer", BaseServer, ["_applyMiddlewares"]],
  ["Transport", EngineTransport, "discard close onError onPacket onData onClose".split(" ")],
  [
    "uServer",
    EngineServer,
    "verify _computePath _applyMiddlewares createTransport generateId use attach close".split(" "),
  ],
];

/** Throws if the installed engine.io lacks a member that Sluice uses; names its version. */
export function checkEngineIo(): void {
  const missing = MEMBERS.flatMap(([name, { prototype }, members]) =>
    members.filter((member) => !(member in prototype)).map((member) => `${name}.${member}`),
  );
  if (missing.length === 0) return;
  const found = `engine.io ${readVersion("engine.io")}`;
  throw new Error(`${found} lacks ${missing.join(", ")}; Sluice is made for 6.6.12`);
}
