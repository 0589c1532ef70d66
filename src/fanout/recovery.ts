import type { Namespace, Socket } from "socket.io";
import { Adapter } from "socket.io-adapter";
import { isFor, type Packet } from "../core/packet.ts";
import type { Recipients, Room } from "./adapter.ts";
import type { Peer } from "./peer.ts";
import {
  createMemory,
  type Lost,
  type RecoverySamples,
  type RecoverySettings,
} from "./recovery-memory.ts";

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
  samples(): RecoverySamples;
  /** Stops its timer. */
  stop(): void;
}

/** Returns the rooms of a session that its client may still be in. */
export type Narrow = (session: {
  readonly rooms: readonly Room[];
  readonly data: unknown;
}) => readonly Room[];

const everywhere: Narrow = ({ rooms }) => rooms;

/** The session of a client that comes back, as adapters give it. */
interface Session extends Lost {
  readonly missedPackets: unknown[][];
  /** Whether these decide about a packet that was delivered to others meanwhile. */
  settled?(data: unknown[]): boolean;
}

/** A client between the moment its session is asked for and the one it is connected. */
interface Return {
  session: Session | undefined;
  /** What has been delivered to others here meanwhile, in order. */
  passed: { readonly data: unknown[]; readonly to: Recipients }[];
  /** More passed than is kept: it cannot be recovered whole any more. */
  overflowed: boolean;
}

/** An adapter's private members, of socket.io-adapter 2.5.8. */
interface Inside {
  readonly nsp: Namespace;
  restoreSession(pid: string, offset: string, narrow: Narrow): Promise<Session | null> | null;
  persistSession(session: Lost): void;
  delAll(id: string): void;
  /** Called by fan-out with each packet it is about to deliver here. */
  delivering?: (packet: Packet, to: Recipients) => void;
  /** Which packet it is, where a missed one and one that was delivered meanwhile can be the same. */
  identify?(data: unknown[]): string | undefined;
}

/** The type of an event's packet. */
const EVENT = 2;
type BroadcastOptions = Parameters<Adapter["broadcast"]>[1];
type Restored = Awaited<ReturnType<Adapter["restoreSession"]>>;

/** Secrets and offsets, as Socket.IO and its adapters write them: clients may send any text. */
const ASKED = /^[\w.:-]{1,128}$/;
/** Packets kept for one client while a middleware decides about it. */
const PASSED_MAX = 10_000;

/**
 * Returns connection state recovery whose memory is bounded, and whose sessions are used once.
 *
 * Missed packets are sent when the socket is connected, not when it is made: a middleware that
 * refuses a client keeps them from it. What is delivered to others while a client is between the two
 * is added, and what both ways would bring comes once. Over a bound the oldest packets, or sessions,
 * of the namespace that holds most go first; a client whose offset went with them is told `recovered: false`, never given a part. So is, when it
 * has been closed as a slow consumer, one that missed more than its connection may hold.
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

  let narrowing: Narrow | undefined;

  function watch(adapter: Adapter): void {
    const inside = adapter as unknown as Inside; // see Inside
    // A map for each kind of name: who asks with another's socket id for a secret meets nobody.
    /** Whose sessions are asked for, by their secrets. */
    const asking = new Map<string, Return>();
    /** Who has its session and is not connected yet, by socket id. */
    const entering = new Map<string, Return>();
    const restore = inside.restoreSession;
    const persist = inside.persistSession;
    /** Those who had missed more than their connection may hold. */
    const choked = new WeakSet<Socket>();

    // Coming back for the same packets they would be closed for the same reason, time after time.
    inside.persistSession = function (this: Inside, session) {
      const socket = this.nsp.sockets.get(session.sid);
      if (!socket || !choked.has(socket)) persist.call(this, session);
    };

    inside.restoreSession = async function (this: Inside, pid, offset) {
      const narrow = narrowing ?? everywhere;
      // What no server of ours has written is neither kept nor sent on.
      if (!ASKED.test(pid) || !ASKED.test(offset)) {
        samples.refused++;
        return null;
      }
      // Two with one secret: the second finds no session, and the first is not disturbed.
      if (asking.has(pid)) {
        samples.refused++;
        return null;
      }
      const coming: Return = { session: undefined, passed: [], overflowed: false };
      asking.set(pid, coming);
      const session = await Promise.resolve(restore.call(this, pid, offset, narrow)).catch(
        () => null,
      );
      asking.delete(pid);
      if (!session || coming.overflowed) {
        samples.refused++;
        return null;
      }
      const identify = (data: unknown[]) => this.identify?.(data) ?? data;
      const missed = new Set(session.missedPackets.map(identify));
      coming.passed = coming.passed.filter(
        ({ data, to }) =>
          isFor(session.rooms, to) && !session.settled?.(data) && !missed.has(identify(data)),
      );
      coming.session = session;
      entering.set(session.sid, coming);
      return { ...session, missedPackets: [] };
    };

    inside.delAll = function (this: Inside, id) {
      const back = entering.get(id)?.session;
      entering.delete(id);
      // It was refused, or gone before it was let in: as if it had not come.
      if (back) {
        const { missedPackets: _, ...session } = back;
        this.persistSession(session);
      }
      // What the prototype says now: fan-out may have taken over since this adapter was made.
      const own: Inside["delAll"] = Reflect.get(Object.getPrototypeOf(this), "delAll", this);
      own.call(this, id);
    };

    inside.delivering = (packet, to) => {
      if (packet.type !== EVENT || !Array.isArray(packet.data)) return;
      for (const each of asking.values()) pass(each, packet.data, to);
      for (const each of entering.values()) pass(each, packet.data, to);
    };

    // Socket.IO emits "connect" before "connection", and listeners of either may broadcast.
    inside.nsp.prependListener("connect", (socket: Socket) => {
      const back = entering.get(socket.id);
      if (!back?.session) return;
      entering.delete(socket.id);
      if (back.overflowed) {
        // Better gone than with a hole: it comes back as a new session.
        socket.conn.close();
        return;
      }
      samples.recovered++;
      for (const data of back.session.missedPackets) send(socket, data);
      for (const { data } of back.passed) send(socket, data);
      const peer = socket.conn as unknown as Peer; // of a server of ours every connection is one
      if (peer.accepts === false) choked.add(socket);
    });
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

  // Not socket.io-adapter's own, which forgets by a timer that nobody can stop and that counts nothing.
  class MemoryAdapter extends Adapter {
    readonly #store = memory.open();
    /** That it has any says that the namespace must not be taken away: see `socket/dynamic.ts`. */
    readonly sessions = this.#store.sessions;

    constructor(namespace: Namespace) {
      super(namespace);
      watch(this);
    }

    override broadcast(packet: Packet, to: BroadcastOptions): void {
      const isLasting = packet.id === undefined && to.flags?.volatile === undefined;
      if (isLasting && packet.type === EVENT)
        memory.keep(this.#store, packet.data as unknown[], to); // as in every event
      super.broadcast(packet, to);
    }

    override persistSession(session: Lost): void {
      memory.persist(this.#store, session);
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

function pass(back: Return, data: unknown[], to: Recipients): void {
  if (back.overflowed || (back.session && !isFor(back.session.rooms, to))) return;
  if (back.passed.push({ data, to }) <= PASSED_MAX) return;
  back.passed.length = 0;
  back.overflowed = true;
}
