/**
 * Types the private members of socket.io-adapter that other rooms use, and replaces local delivery.
 * {@link checkSocketIoAdapter} compares them with the installed version at start.
 */

import { Server } from "socket.io";
import { Adapter, SessionAwareAdapter } from "socket.io-adapter";
import type { Recipients } from "../core/membership.ts";
import type { Frames, Packet } from "../core/packet.ts";
import { readSocketIoVersion } from "../core/version.ts";
import { checkLibrary, listMembers, type Part } from "./members.ts";

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

/** A Socket.IO adapter with its private members. `Member` is what the caller knows of sockets. */
export interface AdapterInside<Member> {
  readonly nsp: {
    readonly name: string;
    readonly server: { readonly encoder: { encode(packet: Packet): [Frames] } };
    /** The connected sockets. A socket still in a middleware is not included. */
    readonly sockets: Map<string, Member>;
  };
  readonly rooms: Map<Room, Set<string>>;
  readonly sids: Map<string, Set<Room>>;
  emit(event: "create-room" | "join-room", room: Room, id?: string): boolean;
  apply(to: BroadcastOptions, each: (socket: Member) => void): void;
  _del(room: Room, id: string): void;
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
/** Public methods that other rooms replace on one adapter, or compare with an adapter's own. */
const PUBLIC = ["persistSession", "restoreSession", "serverSideEmit", "fetchSockets"];
const ADAPTER = [
  "encoder",
  ...listMembers<AdapterInside<unknown>>({ nsp: 1, rooms: 1, sids: 1, apply: 1, _del: 1 }),
];

/** Lists the members of socket.io-adapter that Sluice uses. */
export function* listSocketIoAdapter(io: Server): Generator<Part> {
  const { adapter } = io.sockets;
  // On the prototype: a cluster adapter has methods of its own under the same names.
  yield { name: "Adapter", object: Adapter.prototype, members: [...METHODS, ...PUBLIC] };
  yield { name: "Adapter", object: adapter, members: ADAPTER };
  if (!(adapter instanceof SessionAwareAdapter)) return;
  yield { name: "SessionAwareAdapter", object: adapter, members: ["sessions"] };
}

/**
 * Throws if the installed socket.io-adapter lacks a member that Sluice uses, or if `io` or its
 * adapter comes from another copy than Sluice uses: what is replaced there has no effect here.
 */
function checkSocketIoAdapter(io: Server): void {
  if (!(io instanceof Server)) refuseCopy("server", "socket.io");
  checkAdapter(io);
  checkLibrary("socket.io-adapter", () => listSocketIoAdapter(io));
}

function checkAdapter(io: Server): void {
  if (!(io.sockets.adapter instanceof Adapter)) refuseCopy("adapter", "socket.io-adapter");
}

/** Checks each adapter that the application sets from now on. Returns the undo function. */
function checkLater(io: Server): () => void {
  const set = io.adapter as Method;
  const adapter: Method = (...given) => {
    const result = set.apply(io, given);
    checkAdapter(io);
    return result;
  };
  Object.assign(io, { adapter });
  return () => void Reflect.deleteProperty(io, "adapter");
}

function refuseCopy(what: string, name: string): never {
  const here = `Sluice uses ${readSocketIoVersion(name)}`;
  const mend = `run \`npm dedupe\` (\`npm ls ${name}\` shows the copies)`;
  throw new Error(`The ${what} comes from a second copy of ${name}, ${here}: ${mend}`);
}

/** Removes a socket from a room, and the room if it is empty then. */
export function removeFromRoom<Member>(
  adapter: AdapterInside<Member>,
  room: Room,
  id: string,
): void {
  adapter._del(room, id);
}

/** Sets the encoder of an adapter, which has copied that of its server. */
export function setEncoder(adapter: object, encoder: unknown): void {
  (adapter as { encoder: unknown }).encoder = encoder;
}

/** Whether an adapter keeps sessions in memory that clients may still ask for. */
export function hasSessions(adapter: object): boolean {
  // SessionAwareAdapter has them, and so has Sluice's own adapter.
  const { sessions } = adapter as { readonly sessions?: ReadonlyMap<string, unknown> };
  return sessions !== undefined && sessions.size > 0;
}

type Method = (this: object, ...given: unknown[]) => unknown;
type Find<Member> = (adapter: AdapterInside<Member>) => LocalDelivery | undefined;

/** The replacement methods per server. Servers that are not listed keep their own methods. */
const finders = new WeakMap<object, Find<never>>();
let registered = 0;

/**
 * Replaces local delivery for the adapters of `io` by what `find` returns. Returns the undo
 * function. `Member` is what the caller knows of the sockets of `io`.
 *
 * Cluster adapters call `super.broadcast`, so only `Adapter.prototype` can be replaced. While any
 * server is registered, its methods are accessors. Servers that are not registered see exactly the
 * methods that were there before. Methods that others assign to the prototype meanwhile (Socket.IO
 * does so in `attachApp` and `close`) apply to those servers only.
 */
export function takeOver<Member>(io: Server, find: Find<Member>): () => void {
  checkSocketIoAdapter(io);
  if (finders.has(io)) throw new Error("this Socket.IO server is already attached");
  finders.set(io, find as Find<never>); // called with adapters of `io` only
  if (registered++ === 0) for (const name of METHODS) openMethod(name);
  const undo = checkLater(io);
  return () => {
    if (!finders.delete(io)) return;
    undo();
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
    const adapter = this as AdapterInside<never>; // only adapters inherit from the prototype
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
