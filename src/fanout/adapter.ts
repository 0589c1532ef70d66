/**
 * Types the members of socket.io-adapter and socket.io that a broadcast uses, private ones
 * included.
 *
 * {@link checkSocketIo} checks that the installed versions have them when a server is registered.
 */

import { type Server, Socket } from "socket.io";
import { Adapter } from "socket.io-adapter";
import type { Move, Recipients } from "../core/membership.ts";
import type { Frames, Packet } from "../core/packet.ts";
import { readVersion } from "../core/version.ts";
import type { Peer } from "./peer.ts";

/** A Socket.IO room. Rooms are keys of a Map: the number 1 and the text "1" are two rooms. */
export type Room = unknown;

/** Socket.IO's `BroadcastOptions`: the recipients, and the flags that fan-out reads. */
export interface BroadcastOptions extends Recipients {
  readonly flags?: {
    readonly volatile?: boolean;
    readonly compress?: boolean;
    readonly timeout?: number;
  };
}

/** A Socket.IO adapter with its private members. */
export interface AdapterInside {
  readonly nsp: NamespaceInside;
  readonly rooms: Map<Room, Set<string>>;
  readonly sids: Map<string, Set<Room>>;
  emit(event: "create-room" | "join-room", room: Room, id?: string): boolean;
  /** Set by recovery. Called with each packet before it is delivered on this node. */
  delivering?(packet: Packet, to: BroadcastOptions): void;
  /** Set by recovery. Called before sockets of this node join, leave or are disconnected. */
  moving?(move: Move): void;
  apply(to: BroadcastOptions, each: (socket: SocketInside) => void): void;
  _del(room: Room, id: string): void;
}

/** A Socket.IO namespace with its private members. */
export interface NamespaceInside {
  readonly name: string;
  readonly server: { readonly encoder: { encode(packet: Packet): [Frames] } };
  /** The connected sockets. A socket still in a middleware is not included. */
  readonly sockets: Map<string, SocketInside>;
  /** The next packet id. */
  _ids: number;
}

/** A Socket.IO socket with its private members. */
export interface SocketInside {
  readonly id: string;
  readonly conn: Peer & EngineConnection;
  readonly client: { writeToEngine(packets: [Frames], options: object): void };
  readonly acks: Map<number, (...given: unknown[]) => void>;
  join(rooms: readonly Room[]): unknown;
  leave(room: Room): unknown;
  disconnect(close: boolean): unknown;
  onAnyOutgoing(listener: (...given: unknown[]) => void): this;
  prependAnyOutgoing(listener: (...given: unknown[]) => void): this;
  listenersAnyOutgoing(): readonly unknown[];
  notifyOutgoingListeners(packet: Packet): void;
}

/** The members of an Engine.IO connection that fan-out uses in addition to {@link Peer}. */
export interface EngineConnection {
  readonly readyState: string;
  readonly transport: { readonly writable: boolean };
  on(event: "newListener", listener: (event: string | symbol) => void): unknown;
  off(event: "newListener", listener: (event: string | symbol) => void): unknown;
  emit(event: "packetCreate", packet: object): boolean;
  listenerCount(event: "packetCreate"): number;
}

/** The methods that replace those of `Adapter.prototype` for one adapter. */
export interface LocalDelivery {
  addAll(id: string, rooms: ReadonlySet<Room>): void;
  del(id: string, room: Room): void;
  delAll(id: string): void;
  broadcast(packet: Packet, to: BroadcastOptions): void;
  broadcastWithAck(
    packet: Packet,
    to: BroadcastOptions,
    counted: (recipients: number) => void,
    ack: (...given: unknown[]) => void,
  ): void;
  addSockets(to: BroadcastOptions, rooms: readonly Room[]): void;
  delSockets(to: BroadcastOptions, rooms: readonly Room[]): void;
  disconnectSockets(to: BroadcastOptions, close: boolean): void;
}

const METHODS = [
  ...(["addAll", "del", "delAll", "broadcast", "broadcastWithAck"] as const),
  ...(["addSockets", "delSockets", "disconnectSockets"] as const),
] as const;

type Method = (this: object, ...given: unknown[]) => unknown;
type Find = (adapter: AdapterInside) => LocalDelivery | undefined;

/** The replacement methods per server. Servers that are not listed keep their own methods. */
const finders = new WeakMap<object, Find>();
let registered = 0;

/**
 * Replaces local delivery for the adapters of `io` by what `find` returns. Returns the undo
 * function.
 *
 * Cluster adapters call `super.broadcast`, so only `Adapter.prototype` can be replaced. While any
 * server is registered, its methods are accessors. Servers that are not registered see exactly the
 * methods that were there before. Methods that others assign to the prototype meanwhile (Socket.IO
 * does so in `attachApp` and `close`) apply to those servers only.
 */
export function takeOver(io: Server, find: Find): () => void {
  checkSocketIo(io);
  if (finders.has(io)) throw new Error("this Socket.IO server is already attached");
  finders.set(io, find);
  if (registered++ === 0) for (const name of METHODS) openMethod(name);
  return () => {
    if (!finders.delete(io)) return;
    if (--registered === 0) for (const name of METHODS) closeMethod(name);
  };
}

const PROTOTYPE: object = Adapter.prototype;
/** The methods of the prototype for all servers that are not registered. */
const others = new Map<string, PropertyDescriptor>();

function openMethod(name: (typeof METHODS)[number]): void {
  const before = Object.getOwnPropertyDescriptor(PROTOTYPE, name);
  if (before) others.set(name, before);
  const dispatch: Method = function (this: object, ...given) {
    const adapter = this as AdapterInside; // only adapters inherit from the prototype
    const local = finders.get(adapter.nsp.server)?.(adapter);
    // Called with the arguments of the same method.
    const own = (local?.[name] ?? readOther(name, this)) as Method;
    return own.apply(local ?? this, given);
  };
  Object.defineProperty(PROTOTYPE, name, {
    configurable: true,
    enumerable: false,
    get() {
      return "nsp" in this ? dispatch : readOther(name, this);
    },
    set(method: Method) {
      const value = { value: method, writable: true, configurable: true, enumerable: false };
      if (this === PROTOTYPE) others.set(name, value);
      else Object.defineProperty(this, name, value);
    },
  });
}

function readOther(name: string, self: object): unknown {
  const other = others.get(name);
  return other?.get ? other.get.call(self) : other?.value;
}

function closeMethod(name: string): void {
  const other = others.get(name);
  if (other) Object.defineProperty(PROTOTYPE, name, other);
  others.delete(name);
}

/** Throws an error that names the installed versions if a member that fan-out needs is missing. */
function checkSocketIo(io: Server): void {
  const { adapter } = io.sockets;
  const missing = [
    ...lacks("Adapter", Adapter.prototype, [...METHODS, "_del", "apply"]),
    ...lacks("Socket", Socket.prototype, ["notifyOutgoingListeners", "listenersAnyOutgoing"]),
    ...lacks("Adapter", adapter, ["nsp", "rooms", "sids"]),
    ...lacks("Namespace", io.sockets, ["sockets", "_ids"]),
    ...lacks("Server", io, ["encoder"]),
    ...(adapter instanceof Adapter ? [] : ["an adapter that extends this copy's Adapter"]),
  ];
  if (missing.length === 0) return;
  throw new Error(
    `socket.io ${readVersion("socket.io")} with socket.io-adapter ${readVersion("socket.io-adapter")} lacks ${missing.join(", ")}; Sluice is made for 4.8.4 with 2.5.8`,
  );
}

function lacks(owner: string, object: object, members: readonly string[]): string[] {
  return members.filter((member) => !(member in object)).map((member) => `${owner}.${member}`);
}
