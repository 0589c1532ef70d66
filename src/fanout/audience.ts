import type { CodecName } from "../core/packet.ts";
import type { AdapterInside, Room, SocketInside } from "./adapter.ts";
import type { FanoutSamples } from "./samples.ts";
import { createTarget, isDeserted, type Target } from "./target.ts";

/** A union of rooms that is used so often that it has a topic of its own. */
export interface Union {
  readonly target: Target;
  /** The members some room of the union subscribes. */
  readonly subscribers: ReadonlySet<Member>;
}

/** Some rooms of one audience, each with its target. */
export interface Parts {
  readonly audience: Audience;
  readonly rooms: readonly Room[];
  readonly targets: readonly Target[];
}

/** Knows which unions of rooms deserve topics of their own, and keeps those. */
export interface Unions {
  find(parts: Parts): Union | undefined;
  /**
   * Tells what one broadcast to a union without a topic has cost more than one with: `doubles`
   * members left out because another room served them, `scanned` members looked at for that.
   */
  spent(parts: Parts, doubles: number, scanned: number): void;
  /** A member was subscribed to a room's target. */
  joined(member: Member, codec: CodecName, target: Target): void;
  /** A member is being unsubscribed from a room's target, or from all of them. */
  left(member: Member, codec: CodecName, from: { room: Room; target: Target; all: boolean }): void;
  /** Nobody is subscribed to a room's target any more; it is not used again. */
  deserted(target: Target): void;
}

/** A connected Socket.IO socket in its namespace. */
export interface Member {
  readonly socket: SocketInside;
  readonly audience: Audience;
  /**
   * The codec of the topics it is subscribed to: its namespace's and those of its rooms. Undefined
   * while it is served packet by packet.
   */
  codec: CodecName | undefined;
  /** The same connection's membership in another namespace. */
  next: Member | undefined;
}

/** The members of one namespace and their topics. */
export interface Audience {
  readonly adapter: AdapterInside;
  readonly everyone: Target;
  /** The rooms some member is subscribed to. A socket's membership in its own room never counts. */
  readonly targets: ReadonlyMap<Room, Target>;
  readonly members: ReadonlyMap<string, Member>;
  /** The ids of `members`. */
  readonly ids: Iterable<string>;
  /** The members served packet by packet. */
  readonly slow: ReadonlySet<Member>;
  /** The members whose listeners want to hear of what is sent; some may have stopped listening. */
  readonly listening: Set<Member>;
  /** Grows whenever a member comes, goes, joins, leaves or is served another way, or topics go. */
  changes: number;
  /** Takes a connected socket in, with the rooms it has. */
  enter(socket: SocketInside): Member;
  /** Forgets a socket; does nothing if it isn't a member. */
  leave(id: string): void;
  /** A member is about to be added to a room. */
  joins(member: Member, room: Room): void;
  /** A member is about to be taken from a room. */
  leaves(member: Member, room: Room): void;
  /** Subscribes or unsubscribes a member as its connection now asks for. */
  settle(member: Member): void;
}

/** Whom an audience tells of its members. */
export interface AudienceNeeds {
  readonly samples: FanoutSamples;
  entered(member: Member): void;
  left(member: Member): void;
  /** Whether it is its connection's first membership of the audience: topics know only one. */
  isFirst(member: Member): boolean;
  readonly unions: Pick<Unions, "joined" | "left" | "deserted">;
}

/** Returns the audience of one namespace, the connected sockets of its adapter already in it. */
export function createAudience(adapter: AdapterInside, needs: AudienceNeeds): Audience {
  const everyone = createTarget();
  const targets = new Map<Room, Target>();
  const members = new Map<string, Member>();
  const slow = new Set<Member>();

  function subscribe(member: Member, codec: CodecName, room: Room): void {
    if (room === member.socket.id) return; // its own room: a topic for one would be a waste
    let target = targets.get(room);
    if (!target) {
      target = createTarget();
      targets.set(room, target);
    }
    turn(member, codec, target, 1);
    needs.unions.joined(member, codec, target);
  }

  function unsubscribe(member: Member, codec: CodecName, room: Room, all: boolean): void {
    const target = room === member.socket.id ? undefined : targets.get(room);
    if (!target) return;
    turn(member, codec, target, -1);
    needs.unions.left(member, codec, { room, target, all });
    if (!isDeserted(target)) return;
    targets.delete(room);
    needs.unions.deserted(target);
  }

  function settle(member: Member): void {
    const { conn } = member.socket;
    const codec = conn.native && needs.isFirst(member) ? conn.codec : undefined;
    const before = member.codec;
    if (codec === before) return;
    audience.changes++;
    const rooms = adapter.sids.get(member.socket.id) ?? [];
    if (before) {
      for (const room of rooms) unsubscribe(member, before, room, true);
      turn(member, before, everyone, -1);
      slow.add(member);
    }
    member.codec = codec;
    if (codec) {
      turn(member, codec, everyone, 1);
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
      settle(member);
      return member;
    },
    leave(id) {
      const member = members.get(id);
      if (!member) return;
      audience.changes++;
      if (member.codec) {
        const rooms = adapter.sids.get(id) ?? [];
        for (const room of rooms) unsubscribe(member, member.codec, room, true);
        turn(member, member.codec, everyone, -1);
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
    settle,
  };
  // Those an earlier adapter of the namespace has are that one's: it alone hears of their end.
  for (const socket of adapter.nsp.sockets.values()) {
    if (adapter.sids.has(socket.id)) audience.enter(socket);
  }
  return audience;
}

/** Subscribes a member to a target's topic, or unsubscribes it, and keeps the count. */
export function turn(member: Member, codec: CodecName, target: Target, by: 1 | -1): void {
  const topic = target[codec];
  if (by === 1) member.socket.conn.subscribe(topic.name);
  else member.socket.conn.unsubscribe(topic.name);
  topic.subscribed += by;
}
