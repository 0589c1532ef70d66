import type { Move } from "../core/membership.ts";
import type { CodecName, Frame, Packet } from "../core/packet.ts";
import type { EngineSocketBase } from "../seam/engine-io.ts";
import type {
  BroadcastOptions,
  AdapterInside as OpenAdapter,
  Room,
} from "../seam/socket-io-adapter.ts";
import type { SocketInside as OpenSocket } from "../seam/socket-io-inside.ts";

/** The part of a connection that fan-out uses: `socket.conn` of each Socket.IO socket. */
export interface Peer {
  /** The codec of its first packet; JSON until then, and always for Engine.IO 3 clients. */
  readonly codec: CodecName;
  /**
   * Whether topics may serve it now: it is an open WebSocket with Engine.IO 4 and no unsent bytes
   * in user space. All other connections are served packet by packet through Engine.IO's queue,
   * which keeps order, counts bytes and enforces the limits.
   */
  readonly native: boolean;
  /** Whether writes are sent or queued; false while it waits to be closed. */
  readonly accepts: boolean;
  /** Everything sent before this `performance.now()` time has reached the client. */
  readonly reachedAt: number;
  /** Subscribes its WebSocket. Only while `native`. */
  subscribe(topic: string): void;
  /** Unsubscribes its WebSocket. Does nothing once the WebSocket is closed. */
  unsubscribe(topic: string): void;
  /** Publishes to all other subscribers of a topic it is subscribed to. Only while `native`. */
  publish(topic: Topic, frame: Frame): void;
  /**
   * Checks its unsent bytes (20–100 ns). Under pressure it stops being `native` at once, which
   * calls `Fanout.moved`. Over the limit it is closed too, in a later turn of the event loop.
   */
  look(): void;
}

/** What fan-out needs of the uWebSockets.js app. */
export interface Topics {
  publish(topic: Topic, frame: Frame): void;
  /** Calls back once everything published has been handed on, which may be now. */
  afterwards(call: () => void): void;
}

/** A Socket.IO socket of a server that Sluice serves. */
export type SocketInside = OpenSocket<Peer & EngineSocketBase>;

/** A Socket.IO adapter, and what recovery sets on it. */
export interface AdapterInside extends OpenAdapter<SocketInside> {
  /** Called with each packet before it is delivered on this node. */
  delivering?(packet: Packet, to: BroadcastOptions): void;
  /** Called before sockets of this node join, leave or are disconnected. */
  moving?(move: Move): void;
}

/** One uWebSockets.js topic and how many WebSockets are subscribed to it. */
export interface Topic {
  readonly name: string;
  subscribed: number;
  /** Bytes published since its subscribers' unsent bytes were last checked. */
  unlooked: number;
  /** Counts of whoever publishes: messages in the last turn of the event loop that had some. */
  turn: number;
  burst: number;
}

/** The topics of a namespace, a room or a union of rooms: one per codec. */
export type Target = Readonly<Record<CodecName, Topic>>;

/** The codecs in the order in which a broadcast publishes to their topics. */
export const CODECS: readonly CodecName[] = ["msgpack", "json"];

/** A connected Socket.IO socket in its namespace. */
export interface Member {
  readonly socket: SocketInside;
  readonly audience: Audience;
  /**
   * The codec of the topics it is subscribed to: those of its namespace and its rooms. Undefined
   * while it is served packet by packet.
   */
  codec: CodecName | undefined;
  /** The next member of the same connection, usually in another namespace. */
  next: Member | undefined;
}

/** The members of one namespace and their topics. `members.ts` keeps it up to date. */
export interface Audience {
  readonly adapter: AdapterInside;
  readonly everyone: Target;
  /** The rooms that have subscribers. A socket is never subscribed to the room of its own id. */
  readonly targets: Map<Room, Target>;
  readonly members: Map<string, Member>;
  /** The ids of `members`. */
  readonly ids: Iterable<string>;
  /** The members that are served packet by packet. */
  readonly slow: Set<Member>;
  /** The members that may have listeners for outgoing packets. Some may have removed theirs. */
  readonly listening: Set<Member>;
  /**
   * Grows whenever a member comes, goes, joins or leaves a room, or is served in another way, and
   * whenever a union's topic is dropped.
   */
  changes: number;
}

let last = 0;

/**
 * Returns a target without subscribers.
 *
 * Its topics are named by a number that this process never uses again. So a topic's name contains
 * nothing that a client sent, and no later topic gets the name of one that is gone.
 */
export function createTarget(): Target {
  const name = (++last).toString(36);
  return {
    msgpack: { name: `m${name}`, subscribed: 0, unlooked: 0, turn: 0, burst: 0 },
    json: { name: `j${name}`, subscribed: 0, unlooked: 0, turn: 0, burst: 0 },
  };
}

/** Whether neither topic has subscribers. */
export function isEmpty(target: Target): boolean {
  return target.msgpack.subscribed === 0 && target.json.subscribed === 0;
}

/**
 * Subscribes a member to the target's topic of its codec, or unsubscribes it, and updates the
 * topic's count. Does nothing while the member is served packet by packet.
 */
export function setSubscription({ socket, codec }: Member, target: Target, by: 1 | -1): void {
  if (!codec) return;
  const topic = target[codec];
  if (by === 1) socket.conn.subscribe(topic.name);
  else socket.conn.unsubscribe(topic.name);
  topic.subscribed += by;
}
