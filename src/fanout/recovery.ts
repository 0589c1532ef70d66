import type { Namespace, Socket } from "socket.io";
import { Adapter } from "socket.io-adapter";
import type { Move, Recipients } from "../core/membership.ts";
import type { Packet } from "../core/packet.ts";
import type { Peer } from "./peer.ts";
import {
  createMemory,
  type Lost,
  nextOf,
  type RecoverySamples,
  type RecoverySettings,
} from "./recovery-memory.ts";
import { createReturns, type Return, type ReturnsNeeds, type Session } from "./recovery-returns.ts";
import { followRooms, type HistoryOf, type RoomHistories } from "./recovery-rooms.ts";

export type { RecoverySamples } from "./recovery-memory.ts";

/** Connection state recovery. */
export interface Recovery {
  /** For the `adapter` option of a Socket.IO server: keeps sessions in this process' memory. */
  readonly adapter: typeof Adapter;
  /**
   * Makes any adapter that restores sessions do so whole and safely: see {@link createRecovery}.
   * The in-memory adapter needs no such call.
   */
  watch(adapter: Adapter): void;
  /**
   * Runs `ask`, which asks for a session before it returns; `narrow` says which of the session's
   * rooms its client may still be in. What was missed in others is not sent.
   */
  during<T>(narrow: Narrow, ask: () => T): T;
  /** Returns what a session holds of its rooms beside those of now. */
  readonly historyOf: HistoryOf;
  samples(): RecoverySamples;
  /** Stops its timer. */
  stop(): void;
}

/** Returns the rooms of a session that its client may still be in. */
export type Narrow = (session: {
  readonly rooms: readonly unknown[];
  readonly data: unknown;
}) => readonly unknown[];

const everywhere: Narrow = ({ rooms }) => rooms;

/** An adapter's private members, of socket.io-adapter 2.5.8. */
interface Inside extends ReturnsNeeds {
  readonly nsp: Namespace;
  restoreSession(pid: string, offset: string, narrow: Narrow): Promise<Session | null> | null;
  persistSession(session: Lost): void;
  delAll(id: string): void;
  /** Called by fan-out with each packet it is about to deliver here. */
  delivering?: (packet: Packet, to: Recipients) => void;
  /** Called by fan-out with what it is about to do to sockets here. */
  moving?: (move: Move) => void;
  /** Keeps what is done to sockets for those that are away, if a log of others does not. */
  keepMove?(move: Move, someReturn: boolean): void;
  /** See {@link followRooms}. */
  here(): unknown;
}

/** A namespace's private members, of socket.io 4.8.4. */
interface NamespaceInside {
  _createSocket(client: unknown, auth: Record<string, unknown>): Promise<Socket>;
}

/** The type of an event's packet. */
const EVENT = 2;
type BroadcastOptions = Parameters<Adapter["broadcast"]>[1];
type Restored = Awaited<ReturnType<Adapter["restoreSession"]>>;

/** Secrets and offsets, as Socket.IO and its adapters write them: clients may send any text. */
const ASKED = /^[\w.:-]{1,128}$/;
/** Stands for the offset of a client that has none. */
const NO_OFFSET = "none";
const NEVER = Number.NEGATIVE_INFINITY;

/**
 * Returns connection state recovery whose memory is bounded, and whose sessions are used once.
 *
 * Missed packets are sent when the socket is connected, not when it is made: a middleware that
 * refuses a client keeps them from it. What is delivered to others while a client is between the
 * two is added, and what both ways would bring comes once. What was missed is judged by the rooms
 * of its time. Over a bound the oldest packets, or sessions, of the namespace that holds most go
 * first; a client whose offset went with them is told `recovered: false`, never given a part. So
 * is, when it has been closed as a slow consumer, one that missed more than its connection may
 * hold.
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
    const inside = adapter as unknown as Inside; // see Inside
    const rooms = followRooms(adapter, settings.roomChangesMax);
    histories.set(adapter, rooms);
    const returns = createReturns(inside);
    const restore = inside.restoreSession;
    const persist = inside.persistSession;
    /** Those who had missed more than their connection may hold, or were disconnected. */
    const choked = new WeakSet<Socket>();

    takeMissingOffsets(inside.nsp as unknown as NamespaceInside); // see there

    // Coming back for the same packets they would be closed for the same reason, time after time.
    inside.persistSession = function (this: Inside, session) {
      const socket = this.nsp.sockets.get(session.sid);
      if (socket && choked.has(socket)) return;
      persist.call(this, { ...session, ...rooms.of(session.sid) });
    };

    inside.restoreSession = async function (this: Inside, pid, offset) {
      const narrow = narrowing ?? everywhere;
      // What no server of ours has written is neither kept nor sent on.
      const isOurs = ASKED.test(pid) && ASKED.test(offset);
      const session = isOurs
        ? await returns.ask(pid, () => restore.call(this, pid, offset, narrow))
        : undefined;
      if (!session) {
        samples.refused++;
        return null;
      }
      rooms.resume(session.sid, session);
      return { ...session, missedPackets: [] };
    };

    inside.delAll = function (this: Inside, id) {
      rooms.forget(id);
      const session = returns.take(id)?.session;
      // It was refused, or gone before it was let in: as if it had not come.
      if (session) persist.call(this, session.stored);
      // What the prototype says now: fan-out may have taken over since this adapter was made.
      const own: Inside["delAll"] = Reflect.get(Object.getPrototypeOf(this), "delAll", this);
      own.call(this, id);
    };

    inside.delivering = ({ type, data }, to) => {
      if (returns.size > 0 && type === EVENT && Array.isArray(data)) returns.deliver(data, to);
    };

    inside.moving = (move) => {
      inside.keepMove?.(move, returns.size > 0);
      if (returns.size > 0) returns.move(move, inside.here());
    };

    // Socket.IO emits "connect" before "connection", and listeners of either may broadcast.
    inside.nsp.prependListener("connect", (socket: Socket) => {
      const back = returns.take(socket.id);
      if (!back) return;
      if (back.failed) {
        if (back.failed === "disconnect") choked.add(socket);
        // Better gone than with a hole: it comes back as a new session.
        socket.conn.close();
      } else {
        sendMissed(socket, back);
        const peer = socket.conn as unknown as Peer; // of a server of ours every connection is one
        if (peer.accepts === false) choked.add(socket);
      }
    });
  }

  function sendMissed(socket: Socket, { session, passed }: Return): void {
    samples.recovered++;
    for (const data of session?.missedPackets ?? []) send(socket, data);
    for (const each of passed) if ("data" in each) send(socket, each.data);
  }

  function send(socket: Socket, data: unknown[]): void {
    try {
      // `Socket.packet`, which socket.io 4.8.4 calls private, adds the namespace.
      (socket as unknown as { packet(packet: object): void }).packet({ type: EVENT, data });
      samples.recoveredPackets++;
    } catch {
      // Its codec can't say it, so it would not have got it when it was emitted either; and thrown
      // from here it would end the process.
    }
  }

  // Not socket.io-adapter's own, which forgets by a timer that nobody can stop and that counts
  // nothing.
  class MemoryAdapter extends Adapter {
    readonly #store = memory.open();
    readonly #connectedAt = new WeakMap<Socket, number>();
    /** That it has any says that the namespace must not be taken away: see `socket/dynamic.ts`. */
    readonly sessions = this.#store.sessions;

    constructor(namespace: Namespace) {
      super(namespace);
      watch(this);
      namespace.prependListener("connect", (socket: Socket) => {
        this.#connectedAt.set(socket, performance.now());
      });
    }

    override broadcast(packet: Packet, to: BroadcastOptions): void {
      if (packet.type !== EVENT || packet.id !== undefined) {
        super.broadcast(packet, to);
        return;
      }
      // A copy: dynamic namespaces of one parent share its packets, and each has its own offsets.
      const data = [...(packet.data as unknown[])]; // as in every event
      // What is volatile is kept for nobody; yet a client takes the last text it gets for an
      // offset.
      if (to.flags?.volatile === undefined) memory.keep(this.#store, data, to);
      else data.push(this.#store.offset);
      super.broadcast({ ...packet, data }, to);
    }

    here(): number {
      return nextOf(this.#store);
    }

    keepMove(move: Move, someReturn: boolean): void {
      if (someReturn || this.sessions.size > 0) memory.keepMove(this.#store, move);
    }

    override persistSession(session: Parameters<Adapter["persistSession"]>[0]): void {
      const reachedAt = this.#reachedAt(this.nsp.sockets.get(session.sid));
      // `watch` has added the rest. One that was kept before, and is again, has its own.
      memory.persist(this.#store, { reachedAt, ...(session as unknown as Lost<number>) });
    }

    /** Of what was sent before it was connected its client may have got nothing yet. */
    #reachedAt(socket?: Socket): number {
      const { reachedAt } = (socket?.conn ?? {}) as Partial<Peer>; // of others' servers it is none
      const since = socket && this.#connectedAt.get(socket);
      return since === undefined || !reachedAt || reachedAt < since ? NEVER : reachedAt;
    }

    override async restoreSession(pid: string, offset: string, narrow: Narrow = everywhere) {
      const found = memory.take(this.#store, { pid, offset }, narrow);
      // The adapter's own gives null too, and rooms of any kind: its declaration says neither.
      return (found ?? null) as unknown as Restored;
    }

    override close(): void {
      memory.close(this.#store);
      super.close();
    }
  }

  return {
    adapter: MemoryAdapter,
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
    stop: () => memory.stop(),
  };
}

/**
 * Has a namespace ask for the session of a client without an offset, too: it has received nothing
 * that carries one since it connected, and the session knows when that was.
 */
function takeMissingOffsets(namespace: NamespaceInside): void {
  const create = namespace._createSocket;
  namespace._createSocket = async function (this: NamespaceInside, client, auth) {
    const { pid, offset } = auth;
    if (typeof pid !== "string" || typeof offset === "string") {
      return create.call(this, client, auth);
    }
    auth.offset = NO_OFFSET;
    try {
      return await create.call(this, client, auth);
    } finally {
      if (offset === undefined) delete auth.offset;
      else auth.offset = offset;
    }
  };
}
