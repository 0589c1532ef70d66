import type { Server } from "socket.io";
import { type LocalDelivery, removeFromRoom, takeOver } from "../seam/socket-io-adapter.ts";
import { checkSocketIo } from "../seam/socket-io-inside.ts";
import { createDeliverWithAck, type DeliverWithAck } from "./acks.ts";
import type { AdapterInside, Audience, Member, Peer, Topics } from "./audience.ts";
import { createDeliver, type Deliver } from "./deliver.ts";
import { createListeners } from "./listeners.ts";
import {
  addMember,
  createAudience,
  joinRoom,
  leaveRoom,
  membersOf,
  removeMember,
  resubscribe,
  type Shared,
} from "./members.ts";
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
  /** Call before a listener for `packetCreate` is added to a connection. */
  heard(peer: Peer): void;
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
  const heads = new Map<unknown, Member>();
  const shared: Shared = {
    topics,
    lookBytes: settings.bufferBytesMax / 4,
    samples,
    unions: createUnions(settings.unionMembersMax, samples),
    listeners: createListeners((conn) => membersOf(heads, conn)),
    heads,
  };
  const deliver = createDeliver(shared);
  const deliverWithAck = createDeliverWithAck(settings, { samples, deliver });
  const undoings: (() => void)[] = [];

  return {
    register(io) {
      const locals = new WeakMap<AdapterInside, LocalDelivery>();
      const find = (adapter: AdapterInside) => {
        let local = locals.get(adapter);
        if (!local) {
          local = createLocal(shared, adapter, { deliver, deliverWithAck });
          locals.set(adapter, local);
        }
        return local;
      };
      checkSocketIo(io);
      undoings.push(takeOver(io, find));
    },
    moved(peer) {
      for (let one = heads.get(peer); one; one = one.next) resubscribe(shared, one);
    },
    heard: shared.listeners.hear,
    samples: () => samples,
    detach() {
      for (const undo of undoings.splice(0)) undo();
      const members = [...heads.keys()].flatMap((conn) => [...membersOf(heads, conn)]);
      for (const member of members) removeMember(shared, member);
    },
  };
}

/** Returns the local delivery of one adapter. */
function createLocal(
  shared: Shared,
  adapter: AdapterInside,
  send: { readonly deliver: Deliver; readonly deliverWithAck: DeliverWithAck },
): LocalDelivery {
  const { broadcasts } = shared.samples;
  const audience = createAudience(shared, adapter);
  return {
    addAll: (id, rooms) => addAll(shared, audience, { id, rooms }),
    del(id, room) {
      const member = audience.members.get(id);
      const rooms = adapter.sids.get(id);
      if (member && rooms?.has(room)) leaveRoom(shared, member, room);
      rooms?.delete(room);
      removeFromRoom(adapter, room, id);
    },
    delAll(id) {
      // First, before listeners run: from here on, no broadcast may reach this socket.
      const member = audience.members.get(id);
      if (member) removeMember(shared, member);
      for (const room of adapter.sids.get(id) ?? []) removeFromRoom(adapter, room, id);
      adapter.sids.delete(id);
    },
    broadcast(packet, to) {
      broadcasts[shapeOf(to)]++;
      adapter.delivering?.(packet, to);
      send.deliver(audience, packet, to);
    },
    // biome-ignore lint/complexity/useMaxParams: socket.io-adapter calls it with these.
    broadcastWithAck(packet, to, counted, ack) {
      broadcasts[shapeOf(to)]++;
      send.deliverWithAck(audience, packet, { to, counted, ack });
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

/**
 * Does the same as `Adapter.addAll`, and subscribes the socket to each room's topic first. So a
 * broadcast from a `join-room` listener reaches the new socket, as it does without topics.
 */
function addAll(
  shared: Shared,
  audience: Audience,
  { id, rooms }: { readonly id: string; readonly rooms: ReadonlySet<unknown> },
): void {
  const { adapter } = audience;
  if (!audience.members.has(id)) {
    // A socket in a middleware, or one being recovered, isn't in `sockets` yet. It enters with all
    // its rooms once it is connected, when it joins its own room.
    const socket = adapter.nsp.sockets.get(id);
    if (socket) addMember(shared, audience, socket);
  }
  let own = adapter.sids.get(id);
  if (!own) {
    own = new Set();
    adapter.sids.set(id, own);
  }
  for (const room of rooms) {
    const member = audience.members.get(id);
    if (member && !own.has(room)) joinRoom(shared, member, room);
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
