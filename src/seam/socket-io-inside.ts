/**
 * Types the private members of socket.io that other rooms set, replace or read through
 * `socket-io.ts`, and compares them with the installed version at start.
 */

import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { type Namespace, Server, Socket } from "socket.io";
import type { FailureCode } from "../core/failures.ts";
import type { Packet } from "../core/packet.ts";
import type { EngineSocketBase } from "./engine-io.ts";
import { checkLibrary, listMembers, type Part } from "./members.ts";

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

/** A server with its private members. */
export interface ServerInside {
  _parser: Parser;
  encoder: unknown;
  readonly opts: Readonly<Record<string, unknown>>;
  readonly _nsps: Map<string, Namespace>;
  readonly parentNsps: ReadonlyMap<NamespaceFn, ParentInside>;
  readonly parentNamespacesFromRegExp: ReadonlyMap<RegExp, unknown>;
  _checkNamespace: NamespaceCheck;
  /** Makes the client of a new connection. */
  onconnection(conn: EngineSocketBase): Server;
  /** Set if the server got the option `cors`. */
  readonly _corsMiddleware?: CorsMiddleware;
}

/** Sets CORS headers on a response. */
export type CorsMiddleware = (request: object, response: object | null, next: () => void) => void;

/** A namespace with its private members. */
export interface NamespaceInside {
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
  _onpacket(packet: Packet): void;
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
  readonly encoder: { encode(packet: Packet): readonly unknown[] };
  /** The sockets that its client has joined, by namespace. */
  readonly nsps: ReadonlyMap<string, SocketInside>;
  /** Called by the constructor, to listen to the connection. */
  setup(): void;
  /** Its listener for the connection's event `data`. */
  ondata(packet: unknown): void;
  ondecoded(packet: unknown): void;
  onerror(error: unknown): void;
  /** Asks for a namespace. */
  connect(namespace: string): void;
  /** Closes the connection, and disconnects its sockets. */
  close(): void;
  /** Stops listening to the connection. */
  destroy(): void;
  /** Disconnects its sockets. Works once: afterwards it no longer listens to the connection. */
  onclose(reason: string, details: unknown): void;
  writeToEngine(packets: unknown, options: { readonly volatile?: boolean | undefined }): void;
}

const SERVER = listMembers<ServerInside>({
  ...{ _parser: 1, encoder: 1, opts: 1, _nsps: 1, parentNsps: 1, parentNamespacesFromRegExp: 1 },
  ...{ _checkNamespace: 1, onconnection: 1 },
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
    ...{ listenersAnyOutgoing: 1, notifyOutgoingListeners: 1, _onpacket: 1, onevent: 1 },
    ...{
      dispatch: 1,
      run: 1,
      ack: 1,
      onack: 1,
      registerAckCallback: 1,
      emitReserved: 1,
      packet: 1,
      _error: 1,
    },
  }),
];
const CLIENT = listMembers<ConnectionClient>({
  ...{ conn: 1, encoder: 1, nsps: 1, setup: 1, ondata: 1, ondecoded: 1, onerror: 1, connect: 1 },
  ...{ close: 1, onclose: 1, destroy: 1, writeToEngine: 1 },
});

/**
 * Lists the members of socket.io that Sluice uses. Many are fields, so it makes a connection to a
 * server of its own.
 */
export function* listSocketIo(io: Server): Generator<Part> {
  yield { name: "Server", object: io, members: SERVER };
  if ((io as unknown as ServerInside).opts.cors)
    yield { name: "Server", object: io, members: ["_corsMiddleware"] };
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
export function requireInside() {
  const inside = createRequire(createRequire(import.meta.url).resolve("socket.io"));
  // The check finds whether they are there: without, `new` throws.
  return { ...inside("./client.js"), ...inside("./parent-namespace.js") } as {
    Client: new (io: Server, conn: object) => ConnectionClient;
    ParentNamespace: new (io: Server) => object;
  };
}
