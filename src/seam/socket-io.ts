/**
 * Sets, replaces and reads the private members of socket.io, for other rooms. The casts rest on
 * `checkSocketIo`, which has found every member that they open.
 */

import type { EventEmitter } from "node:events";
import { type Namespace, type Server, Socket } from "socket.io";
import type { CloseReason } from "../core/closes.ts";
import type { EngineSocketBase } from "./engine-io.ts";
import { setEncoder } from "./socket-io-adapter.ts";
import type {
  Call,
  ConnectAuth,
  ConnectionClient,
  CorsMiddleware,
  EventPacket,
  Middleware,
  NamespaceCheck,
  NamespaceFn,
  NamespaceInside,
  Next,
  ParentInside,
  Parser,
  ServerInside,
  SocketInside,
} from "./socket-io-inside.ts";

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

/** Returns a socket of a namespace by its id, also one that is still in a middleware. */
export function findSocket(namespace: Namespace, id: string): Socket | undefined {
  return namespace.sockets.get(id) ?? openNamespace(namespace)._preConnectSockets.get(id);
}

/** Emits an event that another server sent to the listeners of this one's namespace. */
export function emitServerSide(namespace: Namespace, event: readonly unknown[]): void {
  openNamespace(namespace)._onServerSideEmit(event);
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

/** Methods of sockets, to be used in place of Socket.IO's own. They get the socket as `this`. */
export type SocketMethods = Partial<SocketInside>;

/**
 * Returns a function that has a socket use `methods`. They are on a prototype that these sockets
 * share: a dozen properties of its own would cost each socket 400 bytes.
 */
export function createMethods(methods: SocketMethods): (socket: Socket) => void {
  const shared: object = Object.assign(Object.create(Socket.prototype), methods);
  sharedMethods.add(shared);
  return (socket) => void Object.setPrototypeOf(socket, shared);
}

const sharedMethods = new WeakSet<object>();

/** The methods that add listeners for outgoing packets. */
type OutgoingMethods = Readonly<Record<"onAnyOutgoing" | "prependAnyOutgoing", unknown>>;

/** Replaces them on a socket, and on all with which it shares those of {@link createMethods}. */
export function replaceOutgoing(socket: SocketInside<unknown>, methods: OutgoingMethods): void {
  const shared: object = Object.getPrototypeOf(socket);
  if (!sharedMethods.has(shared)) Object.assign(socket, methods);
  else if (socket.onAnyOutgoing !== methods.onAnyOutgoing) Object.assign(shared, methods);
}

/** The methods of all sockets. Those that are called need a socket as `this`. */
export const socketMethods = Socket.prototype as unknown as Omit<SocketInside, "conn">;

/** A connection of Sluice's engine, with what every room may use of it. */
export interface OwnConnection extends EngineSocketBase {
  closeAs(reason: CloseReason): void;
  /** The sockets that have asked for a namespace. Those that have left may still be listed. */
  entered: readonly Socket[];
  /** Stops reading from the client until the returned function is called. */
  pauseReading(): () => void;
}

/** Returns the connection of a socket, as the type under which the caller's room knows it. */
export function connectionOf<Known = OwnConnection>(socket: { readonly conn: object }): Known {
  return socket.conn as Known; // every connection was created by GatewayEngine
}

/** Returns the Socket.IO client of a socket. All sockets of a connection share it. */
export function clientOf(socket: Socket): ConnectionClient {
  return openSocket(socket).client;
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

/** Returns a `socket.join` that does nothing if `allows` returns false. */
export function createJoinGate(
  allows: (socket: Socket, rooms: unknown) => boolean,
): Pick<SocketInside, "join"> {
  const { join } = socketMethods;
  return {
    join(this: Socket, rooms) {
      return allows(this, rooms) ? join.call(openSocket(this), rooms) : undefined;
    },
  };
}

/**
 * Returns a method that passes the events of a socket to `takes` first. If that returns true, no
 * listener is called; otherwise `onevent` calls them, catch-all listeners included.
 */
export function createEventGate(
  takes: (socket: Socket, packet: EventPacket) => boolean,
  onevent: (this: SocketInside, packet: EventPacket) => void,
): Pick<SocketInside, "onevent"> {
  return {
    onevent(this: Socket, packet) {
      if (!takes(this, packet)) onevent.call(openSocket(this), packet);
    },
  };
}

/**
 * Returns a method that has `refuse` send a socket's CONNECT_ERROR. `send` throws if the error
 * cannot be encoded.
 */
export function createRefusalGate(
  refuse: (socket: SocketInside, error: unknown, send: (error: unknown) => void) => void,
): Pick<SocketInside, "_error"> {
  const { _error } = socketMethods;
  return {
    _error(this: SocketInside, error) {
      refuse(this, error, (words) => _error.call(this, words));
    },
  };
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
