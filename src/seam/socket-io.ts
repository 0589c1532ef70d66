/**
 * Types the private members of socket.io that other rooms set, replace or read. No other file opens
 * them. {@link checkSocketIo} compares them with the installed version at start; the casts below
 * rest on it.
 */

import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { type Namespace, Server, Socket } from "socket.io";
import type { CloseReason } from "../core/closes.ts";
import type { FailureCode } from "../core/failures.ts";
import type { EngineSocketBase } from "./engine-io.ts";
import { checkLibrary, listMembers, type Part } from "./members.ts";
import { setEncoder } from "./socket-io-adapter.ts";

/** A Socket.IO parser: the classes of a server's encoder and decoders. */
export interface Parser {
  readonly Encoder: new () => unknown;
  readonly Decoder: new () => unknown;
}

/** A packet on its way to a socket's listeners. */
export interface EventPacket {
  readonly data?: unknown;
  readonly id?: number | undefined;
  /** Set by the connection when the packet is over a rate limit. */
  readonly refused?: FailureCode;
}

/** The auth object of a CONNECT packet, as the client sent it. */
export type ConnectAuth = Readonly<Record<string, unknown>>;

/** A function that `namespace.use` takes. */
export type Middleware = Parameters<Namespace["use"]>[0];

/** A function of the application. */
export type Call = (...given: unknown[]) => unknown;

/** What a middleware calls when it is done. */
export type Next = (error?: unknown) => void;

/** A function that the application gave to `io.of()`. */
export type NamespaceFn = (
  name: string,
  auth: unknown,
  answer: (error: unknown, allowed: unknown) => void,
) => unknown;

/** Answers a client that asks for a namespace: false if it may not enter, or there is none. */
export type NamespaceCheck = (
  name: string,
  auth: unknown,
  done: (found: Namespace | false) => void,
) => void;

/** The namespaces that were created for one argument of `io.of()`. */
export interface ParentInside {
  readonly children: Set<Namespace>;
  createChild(name: string): Namespace;
}

interface ServerInside {
  _parser: Parser;
  encoder: unknown;
  readonly opts: Readonly<Record<string, unknown>>;
  readonly _nsps: Map<string, Namespace>;
  readonly parentNsps: ReadonlyMap<NamespaceFn, ParentInside>;
  readonly parentNamespacesFromRegExp: ReadonlyMap<RegExp, unknown>;
  _checkNamespace: NamespaceCheck;
  /** Set if the server got the option `cors`. */
  readonly _corsMiddleware?: CorsMiddleware;
}

type CorsMiddleware = (request: object, response: object | null, next: () => void) => void;

interface NamespaceInside {
  readonly name: string;
  readonly adapter: EventEmitter;
  readonly sockets: ReadonlyMap<string, Socket>;
  readonly _fns: Call[];
  readonly _preConnectSockets: ReadonlyMap<string, Socket>;
  /** The next packet id. */
  _ids: number;
  run(socket: Socket, done: Next): void;
  emitReserved(event: string, ...given: unknown[]): boolean;
  _onServerSideEmit(event: readonly unknown[]): void;
  _initAdapter(): void;
  _createSocket(
    client: { readonly conn: EngineSocketBase },
    auth: Record<string, unknown>,
  ): Promise<Socket>;
  _add(...given: unknown[]): Promise<unknown>;
  _remove(socket: Socket): void;
}

/**
 * A socket with its private members. `Connection` is what the caller's room knows of `socket.conn`.
 *
 * It does not extend Socket: TypeScript lets no type redeclare its private members as public.
 */
export interface SocketInside<Connection = EngineSocketBase> extends EventEmitter {
  readonly id: string;
  readonly nsp: { readonly name: string };
  readonly conn: Connection;
  readonly client: ConnectionClient;
  readonly connected: boolean;
  /** The secret id of its session; unset without recovery. */
  pid?: string;
  readonly fns: readonly Call[];
  acks: Map<number, Call>;
  readonly flags: { readonly timeout?: number };
  join(rooms: readonly unknown[]): unknown;
  leave(room: unknown): unknown;
  disconnect(close: boolean): unknown;
  onAnyOutgoing(listener: Call): this;
  prependAnyOutgoing(listener: Call): this;
  listenersAny(): readonly Call[];
  listenersAnyOutgoing(): readonly Call[];
  notifyOutgoingListeners(packet: EventPacket): void;
  onevent(packet: EventPacket): void;
  dispatch(event: unknown[]): void;
  run(event: unknown[], done: Next): void;
  ack(id: number): Call;
  onack(packet: EventPacket): void;
  registerAckCallback(id: number, ack: Call): void;
  emitReserved(event: string, ...given: unknown[]): boolean;
  packet(packet: object): void;
  _error(error: unknown): void;
}

/** The Socket.IO `Client` of a connection. All sockets of a connection share it. */
export interface ConnectionClient {
  readonly conn: EngineSocketBase;
  /** Disconnects its sockets. Works once: afterwards it no longer listens to the connection. */
  onclose(reason: string, details: unknown): void;
  writeToEngine(packets: unknown, options: { readonly volatile?: boolean | undefined }): void;
}

// --- the check at start ---

const SERVER = listMembers<ServerInside>({
  ...{ _parser: 1, encoder: 1, opts: 1, _nsps: 1, parentNsps: 1, parentNamespacesFromRegExp: 1 },
  ...{ _checkNamespace: 1 },
});
const PARENT = listMembers<ParentInside>({ children: 1, createChild: 1 });
const NAMESPACE = listMembers<NamespaceInside>({
  ...{ name: 1, adapter: 1, sockets: 1, _fns: 1, _preConnectSockets: 1, _ids: 1, run: 1 },
  ...{ emitReserved: 1, _onServerSideEmit: 1, _initAdapter: 1, _createSocket: 1, _add: 1 },
  ...{ _remove: 1 },
});
const SOCKET = [
  "pid",
  ...listMembers<SocketInside>({
    ...{ id: 1, nsp: 1, conn: 1, client: 1, connected: 1, fns: 1, acks: 1, flags: 1, join: 1 },
    ...{ leave: 1, disconnect: 1, onAnyOutgoing: 1, prependAnyOutgoing: 1, listenersAny: 1 },
    ...{ listenersAnyOutgoing: 1, notifyOutgoingListeners: 1, onevent: 1, dispatch: 1, run: 1 },
    ...{ ack: 1, onack: 1, registerAckCallback: 1, emitReserved: 1, packet: 1, _error: 1 },
  }),
];
const CLIENT = listMembers<ConnectionClient>({ conn: 1, onclose: 1, writeToEngine: 1 });

/**
 * Lists the members of socket.io that Sluice uses. Many are fields, so it makes a connection to a
 * server of its own.
 */
export function* listSocketIo(io: Server): Generator<Part> {
  yield { name: "Server", object: io, members: SERVER };
  if (openServer(io).opts.cors) yield { name: "Server", object: io, members: ["_corsMiddleware"] };
  yield { name: "Namespace", object: io.sockets, members: NAMESPACE };
  const own = new Server();
  // Recovery has replaced methods of the other one, so they are there in any case.
  yield { name: "Namespace", object: own.sockets, members: NAMESPACE };
  const { Client, ParentNamespace } = requireInside();
  yield { name: "ParentNamespace", object: new ParentNamespace(own), members: PARENT };
  const client = new Client(own, Object.assign(new EventEmitter(), { protocol: 4 }));
  yield { name: "Client", object: client, members: CLIENT };
  const session = { sid: "", pid: "", rooms: [], data: {}, missedPackets: [] };
  const socket = new OpenSocket(own.sockets, client, {}, session);
  client.onclose("transport close", undefined); // stops its timer
  yield { name: "Socket", object: socket, members: SOCKET };
}

/** Throws if the installed socket.io lacks a member that Sluice uses; names its version. */
export function checkSocketIo(io: Server): void {
  checkLibrary("socket.io", () => listSocketIo(io));
}

// Its constructor is declared to take what a server of the same types has made.
const OpenSocket = Socket as unknown as new (...given: unknown[]) => object;

/** Returns classes that socket.io does not export. */
function requireInside() {
  const inside = createRequire(createRequire(import.meta.url).resolve("socket.io"));
  // The check finds whether they are there: without, `new` throws.
  return { ...inside("./client.js"), ...inside("./parent-namespace.js") } as {
    Client: new (io: Server, conn: object) => ConnectionClient;
    ParentNamespace: new (io: Server) => object;
  };
}

// --- a server ---

function openServer(io: Server): ServerInside {
  return io as unknown as ServerInside;
}

/** Returns the middleware that sets CORS headers on the client bundles, if `cors` is set. */
export function corsOf(io: Server): CorsMiddleware | undefined {
  return openServer(io)._corsMiddleware;
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
      setEncoder(namespace.adapter, next.encoder);
    }
  };
  use({ parser, encoder: new parser.Encoder() });
  return () => use(before);
}

/** Returns the namespaces of a server by name; `io.of()` would create a missing one. */
export function namespacesOf(io: Server): ReadonlyMap<string, Namespace> {
  return openServer(io)._nsps;
}

/** Calls `seen` for every namespace, now and later; returns a function that stops that. */
export function eachNamespace(io: Server, seen: (namespace: Namespace) => void): () => void {
  for (const namespace of namespacesOf(io).values()) seen(namespace);
  io.on("new_namespace", seen);
  return () => void io.off("new_namespace", seen);
}

/** Returns the patterns that were given to `io.of()`. */
export function patternsOf(io: Server): Iterable<RegExp> {
  return openServer(io).parentNamespacesFromRegExp.keys();
}

/** Returns what was given to `io.of()` to decide on names, and the namespaces created for it. */
export function parentsOf(io: Server): ReadonlyMap<NamespaceFn, ParentInside> {
  return openServer(io).parentNsps;
}

/** Replaces how a server decides whether a client may enter a namespace; returns the undo. */
export function replaceNamespaceCheck(io: Server, check: NamespaceCheck): () => void {
  const inside = openServer(io);
  const before = inside._checkNamespace;
  inside._checkNamespace = check;
  return () => {
    inside._checkNamespace = before;
  };
}

/** Removes a namespace that has no sockets. */
export function removeNamespace(io: Server, namespace: Namespace): void {
  const { _nsps, parentNsps } = openServer(io);
  _nsps.delete(namespace.name);
  for (const { children } of parentNsps.values()) children.delete(namespace);
  namespace.adapter.close();
}

// --- a namespace ---

function openNamespace(namespace: Namespace): NamespaceInside {
  return namespace as unknown as NamespaceInside;
}

/** Puts a middleware before all others of a namespace, those of its dynamic parent included. */
export function prependMiddleware(namespace: Namespace, middleware: Middleware): void {
  openNamespace(namespace)._fns.unshift(middleware as Call); // called with what it takes
}

/** What calls functions of the application in place of a namespace's own methods. */
export interface NamespaceCalls {
  /** Runs the middlewares for a client. */
  enter(middlewares: readonly Call[], socket: Socket, done: Next): void;
  /** Calls the listeners of one of Socket.IO's own events, such as `connection`. */
  tell(event: string, given: readonly unknown[]): void;
  /** Calls the listeners of an event that another node emitted. */
  tellServerSide(event: string, given: readonly unknown[]): void;
  /** Called with the adapter, now and when the namespace gets another one. */
  useAdapter(adapter: EventEmitter): void;
}

/** Has a namespace call functions of the application through `calls`. */
export function replaceCalls(namespace: Namespace, calls: NamespaceCalls): void {
  const inside = openNamespace(namespace);
  const init = inside._initAdapter;
  inside.run = (socket, done) => calls.enter(inside._fns.slice(), socket, done);
  inside.emitReserved = (event, ...given) => {
    calls.tell(event, given);
    return true;
  };
  // The bus accepts only events that are named by a string.
  inside._onServerSideEmit = ([event, ...given]) => calls.tellServerSide(event as string, given);
  inside._initAdapter = () => {
    init.call(inside);
    calls.useAdapter(inside.adapter);
  };
  calls.useAdapter(inside.adapter);
}

/** Has `around` call each client's entry into a namespace, from its CONNECT to the answer. */
export function wrapEntry(
  namespace: Namespace,
  around: (enter: () => Promise<unknown>) => Promise<unknown>,
): void {
  const inside = openNamespace(namespace);
  const add = inside._add;
  inside._add = (...given) => around(() => add.apply(inside, given));
}

/** Whether a client's CONNECT to a namespace waits for its middlewares. */
export function isBeingEntered(namespace: Namespace): boolean {
  return openNamespace(namespace)._preConnectSockets.size > 0;
}

/** Calls `removed` for every socket that leaves a namespace, or that it refuses. */
export function watchRemoved(namespace: Namespace, removed: (socket: Socket) => void): void {
  const inside = openNamespace(namespace);
  const remove = inside._remove;
  inside._remove = (socket) => {
    remove.call(inside, socket);
    removed(socket);
  };
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
    auth: Record<string, unknown>,
    create: (auth: ConnectAuth) => Promise<Socket>,
  ) => Promise<Socket>,
): void {
  const inside = openNamespace(namespace);
  const create = inside._createSocket;
  inside._createSocket = (client, auth) => {
    const goOn = (words: ConnectAuth) => create.call(inside, client, words);
    return typeof auth.pid === "string" ? decide(client.conn, auth, goOn) : goOn(auth);
  };
}

/** Returns the id of the next packet that a namespace or its sockets want acknowledged. */
export function nextAckId(namespace: { readonly name: string }): number {
  return (namespace as NamespaceInside)._ids; // only Socket.IO makes namespaces
}

/** Returns an id for a packet that is to be acknowledged, and counts it as used. */
export function takeAckId(namespace: { readonly name: string }): number {
  return (namespace as NamespaceInside)._ids++; // as above
}

// --- a socket ---

function openSocket(socket: Socket): SocketInside {
  return socket as unknown as SocketInside;
}

/** Replaces methods of one socket. Sockets may share them: they get the socket as `this`. */
export function replaceMethods(socket: Socket, methods: Partial<SocketInside>): void {
  Object.assign(socket, methods);
}

/** The methods of all sockets. Those that are called need a socket as `this`. */
export const socketMethods = Socket.prototype as unknown as Omit<SocketInside, "conn">;

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
  return openSocket(socket).client;
}

/** Calls `dropped` for each volatile packet that Socket.IO discards on this socket's connection. */
export function watchVolatile(socket: Socket, dropped: () => void): void {
  const client = clientOf(socket);
  if (Object.hasOwn(client, "writeToEngine")) return;
  const write = client.writeToEngine;
  client.writeToEngine = function watched(packets, options) {
    if (options.volatile && !this.conn.transport.writable) dropped();
    write.call(this, packets, options);
  };
}

/** Whether a socket is in its namespace, or its CONNECT is under way. */
export function isPresent(socket: Socket): boolean {
  if (socket.nsp.sockets.get(socket.id) === socket) return true;
  return openNamespace(socket.nsp)._preConnectSockets.get(socket.id) === socket;
}

/** Returns the secret id for recovering a session; undefined without recovery. */
export function sessionIdOf(socket: Socket): string | undefined {
  return openSocket(socket).pid;
}

/** Replaces the secret id of a new session. Call it before its CONNECT is answered. */
export function setSessionId(socket: Socket, pid: string): void {
  openSocket(socket).pid = pid;
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
  onevent: (this: SocketInside, packet: EventPacket) => void,
): (socket: Socket) => void {
  function gated(this: Socket, packet: EventPacket): void {
    if (!takes(this, packet)) onevent.call(openSocket(this), packet);
  }
  return (socket) => {
    Object.assign(socket, { onevent: gated });
  };
}

/**
 * Returns a function that has `refuse` send one socket's CONNECT_ERROR. `send` throws if the error
 * cannot be encoded.
 */
export function createRefusalGate(
  refuse: (socket: SocketInside, error: unknown, send: (error: unknown) => void) => void,
): (socket: Socket) => void {
  const { _error } = socketMethods;
  function gated(this: SocketInside, error: unknown): void {
    refuse(this, error, (words) => _error.call(this, words));
  }
  return (socket) => replaceMethods(socket, { _error: gated });
}

/** Calls a socket's `error` listeners. */
export function tellError(socket: Socket, error: Error): void {
  openSocket(socket).emitReserved("error", error);
}

/** Sends a packet to a socket's client. Throws if it cannot be encoded. */
export function sendPacket(socket: Socket, packet: object): void {
  openSocket(socket).packet(packet);
}

/** Acknowledges an event, if its client asked for an ack. */
export function ackEvent(socket: Socket, packet: EventPacket, argument: unknown): void {
  if (packet.id !== undefined) openSocket(socket).ack(packet.id)(argument);
}

/** Waits no longer for an ack of a socket's client. */
export function dropAck(socket: Socket, id: number): void {
  openSocket(socket).acks.delete(id);
}

/** Has a socket keep the acks that it waits for in `acks`. Call it before it waits for any. */
export function setAcks(socket: Socket, acks: Map<number, Call>): void {
  openSocket(socket).acks = acks;
}

/**
 * Namespaces that exist only because a client or a command named them. When they are empty and the
 * limit is reached they are removed; namespaces of the application stay.
 */
export const dynamicNamespaces = new WeakSet<object>();
