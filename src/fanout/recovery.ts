import type { Namespace, Socket } from "socket.io";
import { type Adapter, SessionAwareAdapter } from "socket.io-adapter";
import type { Packet } from "../core/packet.ts";
import type { Recipients, Room } from "./adapter.ts";

/** What connection state recovery may keep in this process, over all namespaces of a server. */
export interface RecoverySettings {
  readonly packetsMax: number;
  readonly bytesMax: number;
  readonly sessionsMax: number;
}

/** What is kept for recovery, and what came of it; plain numbers. */
export interface RecoverySamples {
  packets: number;
  bytes: number;
  sessions: number;
  /** Packets dropped before their time because a bound was reached. */
  droppedPackets: number;
  /** Clients that came with a session and an offset, by whether they got it back. */
  recovered: number;
  refused: number;
  /** Missed packets sent to clients that came back. */
  recoveredPackets: number;
}

/** Connection state recovery. */
export interface Recovery {
  /** For the `adapter` option of a Socket.IO server: keeps sessions in this process' memory. */
  readonly adapter: typeof SessionAwareAdapter;
  /**
   * Makes any adapter that restores sessions do so whole and safely: see {@link createRecovery}.
   * The in-memory adapter needs no such call.
   */
  watch(adapter: Adapter): void;
  samples(): RecoverySamples;
  /** Stops its timer. */
  stop(): void;
}

/** The session of a client, as adapters keep it. */
interface Session {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly Room[];
  readonly missedPackets: unknown[][];
}

/** A client between the moment its session is asked for and the one it is connected. */
interface Return {
  session: Session | undefined;
  /** What has been delivered to others here meanwhile, in order. */
  readonly passed: { readonly data: unknown[]; readonly to: Recipients }[];
  /** More passed than is kept: it cannot be recovered whole any more. */
  overflowed: boolean;
}

/** An adapter's private members, of socket.io-adapter 2.5.8. */
interface Inside {
  readonly nsp: Namespace;
  restoreSession(pid: string, offset: string): Promise<Session | null> | null;
  delAll(id: string): void;
  /** Called by fan-out with each packet it is about to deliver here. */
  delivering?: (packet: Packet, to: Recipients) => Recipients;
}

interface KeptPacket {
  readonly emittedAt: number;
  readonly data: unknown[];
}

/** The private members of the in-memory adapter that keeps sessions. */
interface Store {
  packets: KeptPacket[];
  readonly sessions: Map<string, { disconnectedAt: number }>;
  readonly maxDisconnectionDuration: number;
}

/** How much of a full store is dropped at once, so that dropping costs little per packet. */
const DROP_SHARE = 16;
/** Packets kept for one client while a middleware decides about it. */
const PASSED_MAX = 10_000;
/** How long a packet that recovery has sent may still arrive over the bus. */
const ECHO_MS = 30_000;

/**
 * Returns connection state recovery whose memory is bounded, and whose sessions are used once.
 *
 * Missed packets are sent when the socket is connected, not when it is made: a middleware that
 * refuses a client keeps them from it. What is delivered to others while a client is between the two
 * is added, and what both ways would bring comes once. Over a bound the oldest packets go first; a
 * client whose offset went with them is told `recovered: false`, never given a part.
 */
export function createRecovery(settings: RecoverySettings): Recovery {
  const samples: RecoverySamples = {
    packets: 0,
    bytes: 0,
    sessions: 0,
    droppedPackets: 0,
    recovered: 0,
    refused: 0,
    recoveredPackets: 0,
  };
  const memory = createMemory(settings, samples);

  function watch(adapter: Adapter): void {
    const inside = adapter as unknown as Inside; // see Inside
    const returns = new Map<string, Return>();
    /** Who got a packet by recovery that may still come over the bus, by its offset. */
    const echoes = new Map<unknown, { readonly ids: Set<string>; readonly until: number }>();
    const restore = inside.restoreSession;

    inside.restoreSession = async function (this: Inside, pid, offset) {
      // Two with one secret: the second finds no session, and the first is not disturbed.
      if (returns.has(pid)) {
        samples.refused++;
        return null;
      }
      const coming: Return = { session: undefined, passed: [], overflowed: false };
      returns.set(pid, coming);
      const session = await Promise.resolve(restore.call(this, pid, offset)).catch(() => null);
      returns.delete(pid);
      if (!session) {
        samples.refused++;
        return null;
      }
      coming.session = session;
      returns.set(session.sid, coming);
      return { ...session, missedPackets: [] };
    };

    inside.delAll = function (this: Inside, id) {
      returns.delete(id);
      // What the prototype says now: fan-out may have taken over since this adapter was made.
      const own: Inside["delAll"] = Reflect.get(Object.getPrototypeOf(this), "delAll", this);
      own.call(this, id);
    };

    inside.delivering = (packet, to) => {
      if (packet.type !== 2 || !Array.isArray(packet.data)) return to;
      for (const each of returns.values()) pass(each, packet.data, to);
      const echo = echoes.size > 0 ? echoes.get(packet.data.at(-1)) : undefined;
      if (!echo) return to;
      echoes.delete(packet.data.at(-1));
      return { ...to, except: new Set([...(to.except ?? []), ...echo.ids]) };
    };

    inside.nsp.prependListener("connection", (socket: Socket) => {
      const back = returns.get(socket.id);
      if (!back?.session) return;
      returns.delete(socket.id);
      if (back.overflowed) {
        // Better gone than with a hole: it comes back as a new session.
        socket.conn.close();
        return;
      }
      samples.recovered++;
      const now = Date.now();
      for (const [offset, { until }] of echoes) {
        if (until > now) break;
        echoes.delete(offset);
      }
      const { rooms, missedPackets } = back.session;
      const passed = back.passed.filter(({ to }) => isFor(rooms, to)).map(({ data }) => data);
      const arrived = new Set(passed.map((data) => data.at(-1)));
      for (const data of missedPackets) {
        if (arrived.has(data.at(-1))) continue;
        remember(echoes, data.at(-1), socket.id, now + ECHO_MS);
        send(socket, data);
      }
      for (const data of passed) send(socket, data);
    });
  }

  function send(socket: Socket, data: unknown[]): void {
    samples.recoveredPackets++;
    // `Socket.packet`, which socket.io 4.8.4 calls private, adds the namespace.
    (socket as unknown as { packet(packet: object): void }).packet({ type: 2, data });
  }

  class MemoryAdapter extends SessionAwareAdapter {
    readonly #store = this as unknown as Store; // the fields of the stock class, see Store

    constructor(namespace: Namespace) {
      super(namespace);
      memory.add(this.#store);
      watch(this);
    }

    override broadcast(packet: Packet & { data: unknown[] }, opts: never): void {
      super.broadcast(packet, opts);
      memory.kept(this.#store);
    }

    override persistSession(session: never): void {
      const before = this.#store.sessions.size;
      super.persistSession(session);
      memory.persisted(this.#store, this.#store.sessions.size - before);
    }

    override async restoreSession(pid: string, offset: string) {
      memory.expire(this.#store);
      const found = await super.restoreSession(pid, offset);
      // A session is one connection's: whoever comes second with its secret gets a new one.
      if (found && this.#store.sessions.delete(pid)) samples.sessions--;
      return found;
    }

    override close(): void {
      memory.remove(this.#store);
      super.close();
    }
  }

  return { adapter: MemoryAdapter, watch, samples: () => samples, stop: () => memory.stop() };
}

function pass(back: Return, data: unknown[], to: Recipients): void {
  if (back.overflowed || (back.session && !isFor(back.session.rooms, to))) return;
  if (back.passed.push({ data, to }) <= PASSED_MAX) return;
  back.passed.length = 0;
  back.overflowed = true;
}

function isFor(rooms: readonly Room[], to: Recipients): boolean {
  if (to.rooms.size > 0 && !rooms.some((room) => to.rooms.has(room))) return false;
  return !rooms.some((room) => to.except?.has(room));
}

function remember(
  echoes: Map<unknown, { readonly ids: Set<string>; readonly until: number }>,
  offset: unknown,
  id: string,
  until: number,
): void {
  const known = echoes.get(offset);
  if (known) known.ids.add(id);
  else echoes.set(offset, { ids: new Set([id]), until });
}

/** Returns the bookkeeping of the in-memory stores: sizes, bounds and expiry. */
function createMemory(settings: RecoverySettings, samples: RecoverySamples) {
  const sizes = new WeakMap<KeptPacket, number>();
  const stores = new Set<Store>();
  const sweep = setInterval(() => {
    for (const store of stores) expire(store);
  }, 1000);
  sweep.unref();

  function drop(store: Store, count: number): void {
    for (const packet of store.packets.splice(0, count)) {
      samples.packets--;
      samples.bytes -= sizes.get(packet) ?? 0;
    }
  }

  function trim(store: Store): void {
    while (samples.packets > settings.packetsMax || samples.bytes > settings.bytesMax) {
      // The largest store pays, so that a quiet namespace keeps its own.
      let most = store;
      for (const other of stores) if (other.packets.length > most.packets.length) most = other;
      if (most.packets.length === 0) return;
      const count = Math.ceil(most.packets.length / DROP_SHARE);
      samples.droppedPackets += count;
      drop(most, count);
    }
  }

  function expire(store: Store): void {
    const threshold = Date.now() - store.maxDisconnectionDuration;
    const firstKept = store.packets.findIndex((packet) => packet.emittedAt >= threshold);
    drop(store, firstKept === -1 ? store.packets.length : firstKept);
    // Sessions stand in the order in which they were lost.
    for (const [pid, session] of store.sessions) {
      if (session.disconnectedAt >= threshold) break;
      store.sessions.delete(pid);
      samples.sessions--;
    }
  }

  return {
    expire,
    add: (store: Store) => void stores.add(store),
    /** The last packet of a store may be new. */
    kept(store: Store): void {
      const packet = store.packets.at(-1);
      if (!packet || sizes.has(packet)) return;
      const bytes = measure(packet.data);
      sizes.set(packet, bytes);
      samples.packets++;
      samples.bytes += bytes;
      trim(store);
    },
    persisted(store: Store, more: number): void {
      samples.sessions += more;
      const [oldest] = store.sessions.keys();
      if (samples.sessions <= settings.sessionsMax || oldest === undefined) return;
      store.sessions.delete(oldest);
      samples.sessions--;
    },
    remove(store: Store): void {
      samples.sessions -= store.sessions.size;
      store.sessions.clear();
      drop(store, store.packets.length);
      stores.delete(store);
    },
    stop: () => clearInterval(sweep),
  };
}

/** Bytes a value holds in memory, roughly: what a bound on memory needs, at the cost of one walk. */
function measure(value: unknown): number {
  if (typeof value === "string") return value.length + 16;
  if (typeof value !== "object" || value === null) return 8;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength + 64;
  let bytes = 32;
  for (const [key, item] of Object.entries(value)) bytes += key.length + measure(item);
  return bytes;
}
