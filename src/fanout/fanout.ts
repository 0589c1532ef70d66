import type { Server } from "socket.io";
import { createDeliverWithAck } from "./acks.ts";
import { type AdapterInside, type LocalDelivery, takeOver } from "./adapter.ts";
import { type Audience, createAudience, type Member } from "./audience.ts";
import { createDeliver } from "./deliver.ts";
import { createListeners } from "./listeners.ts";
import type { Peer, Topics } from "./peer.ts";
import { createSamples, type FanoutSamples, shapeOf } from "./samples.ts";
import { createUnions } from "./unions.ts";

/** The native local delivery of Socket.IO servers. */
export interface Fanout {
  /**
   * Delivers for all adapters of `io` from now on: in-memory, session-aware and cluster adapters.
   * Throws if the installed Socket.IO lacks a member that this needs, or `io` is registered
   * already.
   */
  register(io: Server): void;
  /** Call at once whenever `native` of a connection changed. */
  moved(peer: Peer): void;
  /** Returns the live counts. */
  samples(): FanoutSamples;
  /** Restores the servers' own delivery and unsubscribes all members from their topics. */
  detach(): void;
}

/** Returns the fan-out of one uWebSockets.js app. */
export function createFanout(
  settings: {
    /**
     * `socket.bufferBytesMax`: unsent bytes are checked after every quarter published to a topic.
     */
    readonly bufferBytesMax: number;
    readonly acksPendingMax: number;
    readonly unionMembersMax: number;
  },
  topics: Topics,
): Fanout {
  const samples = createSamples();
  const undoings: (() => void)[] = [];
  const memberships = createMemberships();
  const listeners = createListeners(memberships.of);
  const unions = createUnions(settings.unionMembersMax, samples);
  const deliver = createDeliver({
    topics,
    samples,
    listeners,
    unions,
    lookBytes: settings.bufferBytesMax / 4,
  });
  const deliverWithAck = createDeliverWithAck(settings, { samples, deliver });

  function create(adapter: AdapterInside): LocalDelivery {
    const audience = createAudience(adapter, {
      samples,
      unions,
      isFirst: memberships.isFirst,
      entered: (member) => listeners.entered(member, memberships.add(member)),
      left: (member) => listeners.left(member, memberships.remove(member)),
    });
    return {
      addAll: (id, rooms) => addAll(audience, id, rooms),
      del(id, room) {
        const member = audience.members.get(id);
        const rooms = adapter.sids.get(id);
        if (member && rooms?.has(room)) audience.leaves(member, room);
        rooms?.delete(room);
        adapter._del(room, id);
      },
      delAll(id) {
        // First, before listeners run: from here on, no broadcast may reach this socket.
        audience.leave(id);
        for (const room of adapter.sids.get(id) ?? []) adapter._del(room, id);
        adapter.sids.delete(id);
      },
      broadcast(packet, to) {
        samples.broadcasts[shapeOf(to)]++;
        adapter.delivering?.(packet, to);
        deliver(audience, packet, to);
      },
      broadcastWithAck(packet, to, counted, ack) {
        samples.broadcasts[shapeOf(to)]++;
        deliverWithAck(audience, packet, to, counted, ack);
      },
      addSockets(to, rooms) {
        adapter.moving?.({ do: "join", to, rooms });
        adapter.apply(to, (socket) => socket.join(rooms));
      },
      delSockets(to, rooms) {
        adapter.moving?.({ do: "leave", to, rooms });
        adapter.apply(to, (socket) => {
          for (const room of rooms) socket.leave(room);
        });
      },
      disconnectSockets(to, close) {
        adapter.moving?.({ do: "disconnect", to, rooms: [] });
        adapter.apply(to, (socket) => socket.disconnect(close));
      },
    };
  }

  return {
    register(io) {
      const locals = new WeakMap<AdapterInside, LocalDelivery>();
      const find = (adapter: AdapterInside) => {
        let local = locals.get(adapter);
        if (!local) {
          local = create(adapter);
          locals.set(adapter, local);
        }
        return local;
      };
      undoings.push(takeOver(io, find));
    },
    moved(peer) {
      for (const member of memberships.of(peer)) member.audience.resubscribe(member);
    },
    samples: () => samples,
    detach() {
      for (const undo of undoings.splice(0)) undo();
      for (const member of memberships.all()) member.audience.leave(member.socket.id);
    },
  };
}

/**
 * Does the same as `Adapter.addAll`, and subscribes the socket to each room's topic first. So a
 * broadcast from a `join-room` listener reaches the new socket, as it does without topics.
 */
function addAll(audience: Audience, id: string, rooms: ReadonlySet<unknown>): void {
  const { adapter } = audience;
  if (!audience.members.has(id)) {
    // A socket in a middleware, or one being recovered, isn't in `sockets` yet. It enters with all
    // its rooms once it is connected, when it joins its own room.
    const socket = adapter.nsp.sockets.get(id);
    if (socket) audience.enter(socket);
  }
  let own = adapter.sids.get(id);
  if (!own) {
    own = new Set();
    adapter.sids.set(id, own);
  }
  for (const room of rooms) {
    const member = audience.members.get(id);
    if (member && !own.has(room)) audience.joins(member, room);
    own.add(room);
    if (!adapter.rooms.has(room)) {
      adapter.rooms.set(room, new Set());
      adapter.emit("create-room", room);
    }
    const ids = adapter.rooms.get(room);
    if (!ids || ids.has(id)) continue;
    ids.add(id);
    adapter.emit("join-room", room, id);
  }
}

/** Returns the lists of members per connection, oldest first. */
function createMemberships() {
  const heads = new Map<unknown, Member>();

  function* of(conn: unknown): Generator<Member> {
    for (let one = heads.get(conn); one; one = one.next) yield one;
  }

  return {
    of,
    all: (): Member[] => [...heads.keys()].flatMap((conn) => [...of(conn)]),
    /** Returns whether it is the first member of its connection. */
    add(member: Member): boolean {
      const { conn } = member.socket;
      let tail: Member | undefined;
      for (const one of of(conn)) tail = one;
      if (tail) tail.next = member;
      else heads.set(conn, member);
      return !tail;
    },
    /** Returns whether it was the last member of its connection. */
    remove(member: Member): boolean {
      const { conn } = member.socket;
      let before: Member | undefined;
      for (const one of of(conn)) if (one.next === member) before = one;
      if (before) before.next = member.next;
      else if (member.next) heads.set(conn, member.next);
      else heads.delete(conn);
      return !heads.has(conn);
    },
    isFirst(member: Member): boolean {
      for (const one of of(member.socket.conn)) {
        if (one.audience === member.audience) return one === member;
      }
      return true;
    },
  };
}
