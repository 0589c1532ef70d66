/**
 * The door to socket.io-adapter, and to the members of socket.io that a broadcast touches: private
 * ones among them, typed here and nowhere else. {@link checkSocketIo} compares them with the
 * installed versions when a server is registered.
 */
import { createRequire } from "node:module";
import { type Server, Socket } from "socket.io";
import { Adapter } from "socket.io-adapter";
import type { Move } from "../core/membership.ts";
import type { Frames, Packet } from "../core/packet.ts";
import type { Peer } from "./peer.ts";

/** A Socket.IO room. Rooms are keys of a Map: the number 1 and the text "1" are two rooms. */
export type Room = unknown;

/** What a broadcast says about its recipients: Socket.IO's `BroadcastOptions`. */
export interface Recipients {
  readonly rooms: ReadonlySet<Room>;
  readonly except?: ReadonlySet<Room>;
  readonly flags?: BroadcastFlags;
}

/** The flags of a broadcast that fan-out heeds. */
export interface BroadcastFlags {
  readonly volatile?: boolean;
  readonly compress?: boolean;
  readonly timeout?: number;
}

/** A Socket.IO adapter with its private members open. */
export interface AdapterInside {
  readonly nsp: NamespaceInside;
  readonly rooms: Map<Room, Set<string>>;
  readonly sids: Map<string, Set<Room>>;
  emit(event: "create-room" | "join-room", room: Room, id?: string): boolean;
  /** Set by recovery: hears of each packet before it is delivered here. */
  delivering?(packet: Packet, to: Recipients): void;
  /** Set by recovery: hears of what is done to sockets before it is done here. */
  moving?(move: Move): void;
  apply(to: Recipients, each: (socket: SocketInside) => void): void;
  _del(room: Room, id: string): void;
}

/** A Socket.IO namespace with its private members open. */
export interface NamespaceInside {
  readonly name: string;
  readonly server: { readonly encoder: { encode(packet: Packet): [Frames] } };
  /** The connected sockets; one that is still in a middleware is not among them. */
  readonly sockets: Map<string, SocketInside>;
  /** The next packet id. */
  _ids: number;
}

/** A Socket.IO socket with its private members open. */
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

/** What fan-out reads of an Engine.IO connection besides what makes it a peer. */
export interface EngineConnection {
  readonly readyState: string;
  readonly transport: { readonly writable: boolean };
  on(event: "newListener", listener: (event: string | symbol) => void): unknown;
  off(event: "newListener", listener: (event: string | symbol) => void): unknown;
  emit(event: "packetCreate", packet: object): boolean;
  listenerCount(event: "packetCreate"): number;
}

/** What is done in place of `Adapter.prototype`'s own methods, for one adapter. */
export interface LocalDelivery {
  addAll(id: string, rooms: ReadonlySet<Room>): void;
  del(id: string, room: Room): void;
  delAll(id: string): void;
  broadcast(packet: Packet, to: Recipients): void;
  broadcastWithAck(
    packet: Packet,
    to: Recipients,
    counted: (recipients: number) => void,
    ack: (...given: unknown[]) => void,
  ): void;
  addSockets(to: Recipients, rooms: readonly Room[]): void;
  delSockets(to: Recipients, rooms: readonly Room[]): void;
  disconnectSockets(to: Recipients, close: boolean): void;
}

const METHODS = [
  ...(["addAll", "del", "delAll", "broadcast", "broadcastWithAck"] as const),
  ...(["addSockets", "delSockets", "disconnectSockets"] as const),
] as const;

type Method = (this: object, ...given: unknown[]) => unknown;
type Find = (adapter: AdapterInside) => LocalDelivery | undefined;

/** Who serves a Socket.IO server: every other server keeps what it has. */
const finders = new WeakMap<object, Find>();
let registered = 0;

/**
 * Lets `find` say who delivers locally for the adapters of `io`; returns the undoing.
 *
 * `Adapter.prototype` is the only place below `super.broadcast` of cluster adapters. Its methods
 * become accessors while any server is registered: servers that are not see exactly what was there,
 * and what others assign to the prototype meanwhile (Socket.IO does, in `attachApp` and `close`)
 * reaches only those.
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
/** What the methods of the prototype are for everyone else. */
const others = new Map<string, PropertyDescriptor>();

function openMethod(name: (typeof METHODS)[number]): void {
  const before = Object.getOwnPropertyDescriptor(PROTOTYPE, name);
  if (before) others.set(name, before);
  const dispatch: Method = function (this: object, ...given) {
    const adapter = this as AdapterInside; // only adapters inherit from the prototype
    const local = finders.get(adapter.nsp.server)?.(adapter);
    const own = (local?.[name] ?? readOther(name, this)) as Method; // each takes its own arguments
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

/** Throws a sentence that names the version when a member fan-out relies on is gone. */
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

function readVersion(name: string): string {
  const require = createRequire(import.meta.url);
  return (require(`${name}/package.json`) as { version: string }).version; // every package has one
}
