/**
 * Types the private members of socket.io that other rooms set or read, and checks them at start.
 */

import { Namespace, type Server, Socket } from "socket.io";
import type { CloseReason } from "../core/closes.ts";
import type { FailureCode } from "../core/failures.ts";
import { readVersion } from "../core/version.ts";
import type { EngineSocketBase } from "./engine-io.ts";

/** A Socket.IO parser: the classes of a server's encoder and decoders. */
export interface Parser {
  readonly Encoder: new () => unknown;
  readonly Decoder: new () => unknown;
}

interface ServerInside {
  _parser: Parser;
  encoder: unknown;
  readonly opts: Record<string, unknown>;
  readonly _nsps: Map<string, Namespace>;
}

/** The Socket.IO `Client` of a connection. */
export interface ConnectionClient {
  /** Disconnects its sockets. Works once: afterwards it no longer listens to the connection. */
  onclose(reason: string, details: unknown): void;
}

interface ClientInside extends ConnectionClient {
  readonly conn: EngineSocketBase;
  writeToEngine(packets: unknown, options: { volatile?: boolean }): void;
}

const MEMBERS = ["_parser", "encoder", "opts", "_nsps", "_connectTimeout"] as const;

// The cast opens private members of socket.io 4.8.4; the check right below proves they are there.
function openServer(io: Server): ServerInside {
  const missing = MEMBERS.filter((member) => !(member in io));
  if (missing.length > 0) {
    const found = `socket.io ${readVersion("socket.io")}`;
    throw new Error(`${found} lacks ${missing.join(", ")}; Sluice is made for 4.8.4`);
  }
  return io as unknown as ServerInside;
}

/** Returns the middleware that sets CORS headers on the client bundles, if `cors` is set. */
export function corsOf(
  io: Server,
): ((request: object, response: object | null, next: () => void) => void) | undefined {
  // socket.io 4.8.4 sets it when it gets the option `cors`.
  return (io as unknown as { _corsMiddleware?: ReturnType<typeof corsOf> })._corsMiddleware;
}

/** Returns the options a server was constructed with. */
export function readOptions(io: Server): Readonly<Record<string, unknown>> {
  return openServer(io).opts;
}

/** Sets the parser of a server and of its adapters; returns a function that restores the old. */
export function setParser(io: Server, parser: Parser): () => void {
  const inside = openServer(io);
  const before = { parser: inside._parser, encoder: inside.encoder };
  const use = (next: typeof before): void => {
    inside._parser = next.parser;
    inside.encoder = next.encoder;
    for (const namespace of inside._nsps.values()) {
      // Adapters copied the encoder when they were constructed.
      (namespace.adapter as unknown as { encoder: unknown }).encoder = next.encoder;
    }
  };
  use({ parser, encoder: new parser.Encoder() });
  return () => use(before);
}

/** Calls `seen` for every namespace, now and later; returns a function that stops that. */
export function eachNamespace(io: Server, seen: (namespace: Namespace) => void): () => void {
  for (const namespace of openServer(io)._nsps.values()) seen(namespace);
  io.on("new_namespace", seen);
  return () => void io.off("new_namespace", seen);
}

/** A connection of Sluice's engine, with what every room may use of it. */
export interface OwnConnection extends EngineSocketBase {
  closeAs(reason: CloseReason): void;
}

/** Returns the connection of a socket, as the type under which the caller's room knows it. */
export function connectionOf<Known = OwnConnection>(socket: { readonly conn: object }): Known {
  return socket.conn as Known; // every connection was created by GatewayEngine
}

/** Returns the Socket.IO client of a socket. All sockets of a connection share it. */
export function clientOf(socket: Socket): ConnectionClient {
  return socket.client as unknown as ClientInside; // 4.8.4 binds `onclose` at the start
}

/** Calls `dropped` for each volatile packet that Socket.IO discards on this socket's connection. */
export function watchVolatile(socket: Socket, dropped: () => void): void {
  const client = socket.client as unknown as ClientInside; // 4.8.4 has both members
  if (Object.hasOwn(client, "writeToEngine")) return;
  const write = client.writeToEngine;
  client.writeToEngine = function watched(packets, options) {
    if (options.volatile && !this.conn.transport.writable) dropped();
    write.call(this, packets, options);
  };
}

// --- for authentication and limits: see `door/` ---

/** A function that `namespace.use` takes. */
export type Middleware = Parameters<Namespace["use"]>[0];

/** A packet on its way to a socket's listeners. */
export interface EventPacket {
  readonly data?: unknown;
  readonly id?: number;
  /** Set by the connection when the packet is over a rate limit. */
  readonly refused?: FailureCode;
}

/** The auth object of a CONNECT packet, as the client sent it. */
export type ConnectAuth = Readonly<Record<string, unknown>>;

interface NamespaceInside {
  readonly _fns: Middleware[];
  readonly _preConnectSockets: Map<string, Socket>;
  _remove(socket: Socket): void;
  _createSocket(client: { readonly conn: EngineSocketBase }, auth: ConnectAuth): Promise<Socket>;
}

interface SocketInside {
  pid?: string;
  acks: Map<number, unknown>;
  onevent(packet: EventPacket): void;
  emitReserved(event: string, ...given: unknown[]): boolean;
  ack(id: number): (...answer: unknown[]) => void;
}

const SOCKET_MEMBERS = [
  ..."onevent ack join dispatch run onack emitReserved notifyOutgoingListeners".split(" "),
  ..."registerAckCallback _onerror _error".split(" "),
];
const NAMESPACE_MEMBERS = [
  ..."_createSocket run emitReserved _onServerSideEmit _initAdapter _add _remove".split(" "),
];

/** Throws if the installed socket.io lacks a member that authentication, limits or guards use. */
export function checkSocketIo(io: Server): void {
  const gone = [
    ...SOCKET_MEMBERS.filter((member) => !(member in Socket.prototype)),
    ...NAMESPACE_MEMBERS.filter((member) => !(member in Namespace.prototype)),
    ...["_fns", "_preConnectSockets"].filter((member) => !(member in io.sockets)),
    ...["_checkNamespace", "parentNsps"].filter((member) => !(member in io)),
  ];
  if (gone.length > 0) {
    throw new Error(`socket.io lacks ${gone.join(", ")}; Sluice is made for 4.8.4`);
  }
}

// The casts below open private members of socket.io 4.8.4 that checkSocketIo() has found.

/** Calls `removed` for every socket that leaves a namespace, or that it refuses. */
export function watchRemoved(namespace: Namespace, removed: (socket: Socket) => void): void {
  const inside = namespace as unknown as NamespaceInside;
  const remove = inside._remove;
  inside._remove = (socket) => {
    remove.call(inside, socket);
    removed(socket);
  };
}

/** Puts a middleware before all others of a namespace, those of its dynamic parent included. */
export function prependMiddleware(namespace: Namespace, middleware: Middleware): void {
  (namespace as unknown as NamespaceInside)._fns.unshift(middleware);
}

/** Whether a socket is in its namespace, or its CONNECT is under way. */
export function isPresent(socket: Socket): boolean {
  if (socket.nsp.sockets.get(socket.id) === socket) return true;
  const { _preConnectSockets } = socket.nsp as unknown as NamespaceInside;
  return _preConnectSockets.get(socket.id) === socket;
}

/**
 * Calls `decide` for each CONNECT that asks for its earlier session, before Socket.IO looks it up.
 * `decide` goes on by calling `create` with the auth object; without `pid` in it, the session will
 * be new. `decide` must not reject.
 */
export function guardSessions(
  namespace: Namespace,
  decide: (
    conn: EngineSocketBase,
    auth: ConnectAuth,
    create: (auth: ConnectAuth) => Promise<Socket>,
  ) => Promise<Socket>,
): void {
  const inside = namespace as unknown as NamespaceInside;
  const create = inside._createSocket;
  inside._createSocket = (client, auth) => {
    const goOn = (words: ConnectAuth) => create.call(inside, client, words);
    return typeof auth.pid === "string" ? decide(client.conn, auth, goOn) : goOn(auth);
  };
}

/** Returns the secret id for recovering a session; undefined without recovery. */
export function sessionIdOf(socket: Socket): string | undefined {
  return (socket as unknown as SocketInside).pid;
}

/** Replaces the secret id of a new session. Call it before its CONNECT is answered. */
export function setSessionId(socket: Socket, pid: string): void {
  (socket as unknown as SocketInside).pid = pid;
}

/**
 * Returns a function that makes `socket.join` of one socket do nothing if `allows` returns false.
 * All sockets share the new method, so it costs a socket one property.
 */
export function createJoinGate(
  allows: (socket: Socket, rooms: unknown) => boolean,
): (socket: Socket) => void {
  const { join } = Socket.prototype;
  const gated: Socket["join"] = function gatedJoin(this: Socket, rooms) {
    return allows(this, rooms) ? join.call(this, rooms) : undefined;
  };
  return (socket) => {
    socket.join = gated;
  };
}

/**
 * Returns a function that passes the events of one socket to `takes` first. If that returns true,
 * no listener is called; otherwise `onevent` calls them, catch-all listeners included.
 */
export function createEventGate(
  takes: (socket: Socket, packet: EventPacket) => boolean,
  onevent: (this: Socket, packet: EventPacket) => void,
): (socket: Socket) => void {
  function gated(this: Socket, packet: EventPacket): void {
    if (!takes(this, packet)) onevent.call(this, packet);
  }
  return (socket) => {
    Object.assign(socket, { onevent: gated });
  };
}

/** Calls a socket's `error` listeners. */
export function tellError(socket: Socket, error: Error): void {
  (socket as unknown as SocketInside).emitReserved("error", error);
}

/** Acknowledges an event, if its client asked for an ack. */
export function answerEvent(socket: Socket, packet: EventPacket, answer: unknown): void {
  if (packet.id !== undefined) (socket as unknown as SocketInside).ack(packet.id)(answer);
}

/** Bounds the acks that a socket waits for at `max`. One more calls `over` and is dropped. */
export function boundAcks(socket: Socket, max: number, over: (socket: Socket) => void): void {
  (socket as unknown as SocketInside).acks = new BoundedAcks(socket, max, over);
}

class BoundedAcks extends Map<number, unknown> {
  readonly #socket: Socket;
  readonly #max: number;
  readonly #over: (socket: Socket) => void;
  constructor(socket: Socket, max: number, over: (socket: Socket) => void) {
    super();
    this.#socket = socket;
    this.#max = max;
    this.#over = over;
  }
  override set(id: number, ack: unknown): this {
    if (this.size < this.#max || this.has(id)) return super.set(id, ack);
    this.#over(this.#socket);
    return this;
  }
}
