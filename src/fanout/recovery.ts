import type { Namespace, Socket } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import { connectionOf, guardSessions, sendPacket } from "../seam/socket-io.ts";
import type { Peer } from "./audience.ts";
import { allRooms, createMemoryAdapter, EVENT } from "./recovery-adapter.ts";
import {
  createMemory,
  type Narrow,
  type RecoverySamples,
  type RecoverySettings,
} from "./recovery-memory.ts";
import { createReconnects, type Reconnect } from "./recovery-reconnects.ts";
import {
  followRooms,
  type HistoryOf,
  type RoomHistories,
  type SessionAdapter,
} from "./recovery-rooms.ts";

export type { RecoverySamples } from "./recovery-memory.ts";

/** Connection state recovery. */
export interface Recovery {
  /** For the `adapter` option of a Socket.IO server: keeps sessions in this process' memory. */
  readonly adapter: typeof Adapter;
  /**
   * Gives an adapter that restores sessions the guarantees of {@link createRecovery}. Not needed
   * for the in-memory adapter.
   */
  watch(adapter: Adapter): void;
  /**
   * Runs `ask`, which must ask for a session synchronously. `narrow` returns which of the session's
   * rooms the client may still be in. Missed packets of other rooms are not sent.
   */
  during<T>(narrow: Narrow, ask: () => T): T;
  /** Returns a socket's room history, which its session holds beside its current rooms. */
  readonly historyOf: HistoryOf;
  samples(): RecoverySamples;
  /** Stops its timer. */
  stop(): void;
}

/**
 * The form of secrets and offsets that Socket.IO and its adapters write. Clients may send others.
 */
const WELL_FORMED = /^[\w.:-]{1,128}$/;
/** The offset used for a client that has none. */
const NO_OFFSET = "none";

/**
 * Returns connection state recovery with bounded memory. Each session is used once.
 *
 * Missed packets are sent when the socket is connected, not when it is created, so a client that a
 * middleware refuses does not get them. Packets delivered to others between the two are added, and
 * no packet is sent twice. Whether a client missed a packet depends on the rooms that it was in
 * when the packet was sent. Over a limit, the oldest packets or sessions of the namespace that
 * holds most are dropped first. A client that may have missed a dropped packet is told `recovered:
 * false` and gets none. So is a client that missed more than its connection may hold, once it was
 * closed as a slow consumer.
 */
export function createRecovery(settings: RecoverySettings): Recovery {
  const samples: RecoverySamples = {
    packets: 0,
    bytes: 0,
    sessions: 0,
    droppedPackets: 0,
    droppedSessions: 0,
    recovered: 0,
    refused: 0,
    recoveredPackets: 0,
  };
  const memory = createMemory(settings, samples);
  const histories = new WeakMap<object, RoomHistories>();
  let narrowing: Narrow | undefined;

  function watch(adapter: Adapter): void {
    // Every adapter has these members, or is given them.
    const inside = adapter as unknown as SessionAdapter;
    const rooms = followRooms(inside, settings.roomChangesMax);
    histories.set(adapter, rooms);
    takeMissingOffsets(inside.nsp);
    restoreOnConnect(inside, { rooms, samples, narrow: () => narrowing ?? allRooms });
  }

  return {
    adapter: createMemoryAdapter(memory, watch),
    watch,
    historyOf: (socket) => histories.get(socket.nsp.adapter)?.of(socket.id),
    during(narrow, ask) {
      narrowing = narrow;
      try {
        return ask();
      } finally {
        narrowing = undefined;
      }
    },
    samples: () => samples,
    stop: memory.stopSweeps,
  };
}

/** Makes an adapter give a session back in two steps: when it is asked for, and on "connect". */
function restoreOnConnect(
  inside: SessionAdapter,
  needs: {
    readonly rooms: RoomHistories;
    readonly samples: RecoverySamples;
    narrow(): Narrow;
  },
): void {
  const { rooms, samples } = needs;
  const reconnects = createReconnects(inside);
  const restore = inside.restoreSession;
  const persist = inside.persistSession;
  /** Sockets that missed more than their connection may hold, or that a move disconnected. */
  const unrecoverable = new WeakSet<Socket>();

  // Their sessions are not kept: the same packets would close the next connection again.
  inside.persistSession = function (this: SessionAdapter, session) {
    const socket = this.nsp.sockets.get(session.sid);
    if (socket && unrecoverable.has(socket)) return;
    persist.call(this, { ...session, ...rooms.of(session.sid) });
  };

  inside.restoreSession = async function (this: SessionAdapter, pid, offset) {
    const narrow = needs.narrow();
    // Other secrets and offsets cannot be ours. They are not passed on, to Redis for example.
    const isOurs = WELL_FORMED.test(pid) && WELL_FORMED.test(offset);
    const session = isOurs
      ? await reconnects.ask(pid, () => restore.call(this, pid, offset, narrow))
      : undefined;
    if (!session) {
      samples.refused++;
      return null;
    }
    rooms.resume(session.sid, session);
    return { ...session, missedPackets: [] };
  };

  inside.delAll = function (this: SessionAdapter, id) {
    rooms.forget(id);
    const session = reconnects.take(id)?.session;
    // The client was refused, or left before it was connected: its session can be used again.
    if (session) persist.call(this, session.stored);
    // Read the prototype at each call: fan-out may have replaced its methods since.
    const own: SessionAdapter["delAll"] = Reflect.get(Object.getPrototypeOf(this), "delAll", this);
    own.call(this, id);
  };

  inside.delivering = ({ type, data }, to) => {
    if (reconnects.size > 0 && type === EVENT && Array.isArray(data)) reconnects.deliver(data, to);
  };

  inside.moving = (move) => {
    inside.keepMove?.(move, reconnects.size > 0);
    if (reconnects.size > 0) reconnects.move(move, inside.here());
  };

  // Socket.IO emits "connect" before "connection", and listeners of either may broadcast.
  inside.nsp.prependListener("connect", (socket: Socket) => {
    const client = reconnects.take(socket.id);
    if (client) finish(client, socket, { samples, unrecoverable });
  });
}

/** Sends a client that is connected again what it missed. */
function finish(
  { session, meanwhile, failed }: Reconnect,
  socket: Socket,
  at: { readonly samples: RecoverySamples; readonly unrecoverable: WeakSet<Socket> },
): void {
  if (failed) {
    if (failed === "disconnect") at.unrecoverable.add(socket);
    // A client with missing packets must not stay connected. It comes back as a new session.
    socket.conn.close();
    return;
  }
  at.samples.recovered++;
  for (const data of session?.missedPackets ?? []) send(data, socket, at.samples);
  for (const each of meanwhile) if ("data" in each) send(each.data, socket, at.samples);
  // Every connection of a Sluice server is a Peer.
  if (connectionOf<Peer>(socket).accepts === false) at.unrecoverable.add(socket);
}

function send(data: unknown[], socket: Socket, samples: RecoverySamples): void {
  try {
    sendPacket(socket, { type: EVENT, data });
    samples.recoveredPackets++;
  } catch {
    // The codec can't encode it, so the client would not have got it when it was emitted either.
    // Thrown from here, the error would end the process.
  }
}

/**
 * Makes a namespace ask for a session even if the client sends no offset. Such a client has
 * received no event since it connected, and its session knows when that was.
 */
function takeMissingOffsets(namespace: Namespace): void {
  guardSessions(namespace, async (_conn, auth, create) => {
    const { offset } = auth;
    if (typeof offset === "string") return create(auth);
    auth.offset = NO_OFFSET;
    try {
      return await create(auth);
    } finally {
      if (offset === undefined) delete auth.offset;
      else auth.offset = offset;
    }
  });
}
