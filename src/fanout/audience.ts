import type { CodecName } from "../core/packet.ts";
import type { AdapterInside, Room, SocketInside } from "./adapter.ts";
import type { FanoutSamples } from "./samples.ts";

/** One uWebSockets.js topic and how many WebSockets are subscribed to it. */
export interface Topic {
  readonly name: string;
  subscribed: number;
  /** Bytes published since its subscribers' unsent bytes were last checked. */
  unlooked: number;
}

/** The topics of a namespace, a room or a union of rooms: one per codec. */
export type Target = Readonly<Record<CodecName, Topic>>;

/** The codecs in the order in which a broadcast publishes to their topics. */
export const CODECS: readonly CodecName[] = ["msgpack", "json"];

/** A union of rooms that is used so often that it has its own topic. */
export interface Union {
  readonly target: Target;
  /** The members that are subscribed to the topic of a room of the union. */
  readonly subscribers: ReadonlySet<Member>;
}

/** The rooms of a union, in one audience. `targets[i]` belongs to `rooms[i]`. */
export interface Parts {
  readonly audience: Audience;
  readonly rooms: readonly Room[];
  readonly targets: readonly Target[];
}

/** Decides which unions of rooms get their own topic, and keeps those topics up to date. */
export interface Unions {
  find(parts: Parts): Union | undefined;
  /**
   * Records what a broadcast to a union without a topic cost in addition: `duplicates` members
   * excluded because another room served them, found by scanning `scanned` members.
   */
  spent(parts: Parts, duplicates: number, scanned: number): void;
  /** Call after a member was subscribed to a room's target. */
  joined(member: Member, codec: CodecName, target: Target): void;
  /** Call when a member is unsubscribed from a room's target; `all`: from all its rooms'. */
  left(member: Member, codec: CodecName, from: { room: Room; target: Target; all: boolean }): void;
  /** Call when a room's target lost its last subscriber. The target is not used again. */
  emptied(target: Target): void;
}

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

/** The members of one namespace and their topics. */
export interface Audience {
  readonly adapter: AdapterInside;
  readonly everyone: Target;
  /** The rooms that have subscribers. A socket is never subscribed to the room of its own id. */
  readonly targets: ReadonlyMap<Room, Target>;
  readonly members: ReadonlyMap<string, Member>;
  /** The ids of `members`. */
  readonly ids: Iterable<string>;
  /** The members that are served packet by packet. */
  readonly slow: ReadonlySet<Member>;
  /** The members that may have listeners for outgoing packets. Some may have removed theirs. */
  readonly listening: Set<Member>;
  /**
   * Grows whenever a member comes, goes, joins or leaves a room, or is served in another way, and
   * whenever a union's topic is dropped.
   */
  changes: number;
  /** Adds a connected socket, with the rooms it is in. */
  enter(socket: SocketInside): Member;
  /** Removes a socket. Does nothing if it isn't a member. */
  leave(id: string): void;
  /** Call before a member is added to a room. */
  joins(member: Member, room: Room): void;
  /** Call before a member is removed from a room. */
  leaves(member: Member, room: Room): void;
  /** Subscribes or unsubscribes a member after its connection's `native` changed. */
  resubscribe(member: Member): void;
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
    msgpack: { name: `m${name}`, subscribed: 0, unlooked: 0 },
    json: { name: `j${name}`, subscribed: 0, unlooked: 0 },
  };
}

/** Whether neither topic has subscribers. */
function isEmpty(target: Target): boolean {
  return target.msgpack.subscribed === 0 && target.json.subscribed === 0;
}

/** Returns the audience of one adapter. It already has the adapter's connected sockets. */
export function createAudience(
  adapter: AdapterInside,
  needs: {
    readonly samples: FanoutSamples;
    readonly unions: Pick<Unions, "joined" | "left" | "emptied">;
    entered(member: Member): void;
    left(member: Member): void;
    /** Whether it is its connection's first in the audience: a WebSocket subscribes only once. */
    isFirst(member: Member): boolean;
  },
): Audience {
  const everyone = createTarget();
  const targets = new Map<Room, Target>();
  const members = new Map<string, Member>();
  const slow = new Set<Member>();

  function subscribe(member: Member, codec: CodecName, room: Room): void {
    if (room === member.socket.id) return; // no topic for a single recipient
    let target = targets.get(room);
    if (!target) {
      target = createTarget();
      targets.set(room, target);
    }
    setSubscription(member, codec, target, 1);
    needs.unions.joined(member, codec, target);
  }

  function unsubscribe(member: Member, codec: CodecName, room: Room, all: boolean): void {
    const target = room === member.socket.id ? undefined : targets.get(room);
    if (!target) return;
    setSubscription(member, codec, target, -1);
    needs.unions.left(member, codec, { room, target, all });
    if (!isEmpty(target)) return;
    targets.delete(room);
    needs.unions.emptied(target);
  }

  function resubscribe(member: Member): void {
    const { conn } = member.socket;
    const codec = conn.native && needs.isFirst(member) ? conn.codec : undefined;
    const before = member.codec;
    if (codec === before) return;
    audience.changes++;
    const rooms = adapter.sids.get(member.socket.id) ?? [];
    if (before) {
      for (const room of rooms) unsubscribe(member, before, room, true);
      setSubscription(member, before, everyone, -1);
      slow.add(member);
    }
    member.codec = codec;
    if (codec) {
      setSubscription(member, codec, everyone, 1);
      for (const room of rooms) subscribe(member, codec, room);
      slow.delete(member);
    }
    needs.samples.slow += codec ? -1 : 1;
  }

  const audience: Audience = {
    adapter,
    everyone,
    targets,
    members,
    ids: { [Symbol.iterator]: () => members.keys() },
    slow,
    listening: new Set(),
    changes: 0,
    enter(socket) {
      audience.changes++;
      const member: Member = { socket, audience, codec: undefined, next: undefined };
      members.set(socket.id, member);
      slow.add(member);
      needs.samples.slow++;
      needs.entered(member);
      resubscribe(member);
      return member;
    },
    leave(id) {
      const member = members.get(id);
      if (!member) return;
      audience.changes++;
      if (member.codec) {
        const rooms = adapter.sids.get(id) ?? [];
        for (const room of rooms) unsubscribe(member, member.codec, room, true);
        setSubscription(member, member.codec, everyone, -1);
      } else {
        needs.samples.slow--;
      }
      member.codec = undefined;
      slow.delete(member);
      members.delete(id);
      needs.left(member);
    },
    joins(member, room) {
      audience.changes++;
      if (member.codec) subscribe(member, member.codec, room);
    },
    leaves(member, room) {
      audience.changes++;
      if (member.codec) unsubscribe(member, member.codec, room, false);
    },
    resubscribe,
  };
  // Only this adapter's sockets: when one of an earlier adapter of the namespace leaves, only that
  // adapter is told.
  for (const socket of adapter.nsp.sockets.values()) {
    if (adapter.sids.has(socket.id)) audience.enter(socket);
  }
  return audience;
}

/** Subscribes a member to a target's topic, or unsubscribes it, and updates the topic's count. */
export function setSubscription(
  member: Member,
  codec: CodecName,
  target: Target,
  by: 1 | -1,
): void {
  const topic = target[codec];
  if (by === 1) member.socket.conn.subscribe(topic.name);
  else member.socket.conn.unsubscribe(topic.name);
  topic.subscribed += by;
}
