import {
  applyMove,
  createRoomHistory,
  type Membership,
  type Move,
  narrowRooms,
  type Recipients,
  type RoomChange,
} from "../core/membership.ts";
import { sizeOf, sizeOfSession } from "./recovery-size.ts";

/** The limits of recovery in this process, for all namespaces of a server together. */
export interface RecoverySettings {
  readonly windowMs: number;
  readonly packetsMax: number;
  readonly bytesMax: number;
  readonly sessionsMax: number;
  readonly sessionBytesMax: number;
  readonly roomChangesMax: number;
}

/** What recovery keeps, and its results, as plain numbers. */
export interface RecoverySamples {
  packets: number;
  /** Bytes of packets and sessions together. */
  bytes: number;
  sessions: number;
  /** Packets dropped before they expired because a limit was reached. */
  droppedPackets: number;
  /** Sessions dropped before they expired because a limit was reached, or too large to keep. */
  droppedSessions: number;
  /** Clients that asked for a session, by whether they got it back. */
  recovered: number;
  refused: number;
  /** Missed packets sent to clients that came back. */
  recoveredPackets: number;
}

/** The session of a client that is gone. Only its adapter can compare the times `At`. */
export interface LostSession<At = unknown> extends Membership<At> {
  readonly sid: string;
  readonly pid: string;
  readonly data: unknown;
}

/** What one namespace keeps for recovery. */
export interface Store {
  /** The sessions by secret, in the order in which they were lost. */
  readonly sessions: Map<string, KeptSession>;
  sessionBytes: number;
  /** In the order of their numbers, without gaps. */
  readonly packets: KeptPacket[];
  packetBytes: number;
  /** The number of the first of `packets`, or of the next packet if there is none. */
  first: number;
  /** When the newest dropped packet was kept. */
  droppedAt: number;
  /**
   * Prefix of this store's offsets. It makes it unlikely that a string of the application is one.
   */
  readonly name: string;
  /** The offset of the newest packet. */
  offset: string;
}

/** A lost session, and when it was lost. */
interface KeptSession extends LostSession<number> {
  readonly lostAt: number;
  readonly bytes: number;
  /** The number of the packet that came next. */
  readonly end: number;
  /** Of all packets kept before this time, the client misses none. */
  readonly reachedAt: number;
}

/** A packet, or a move: a join, leave or disconnect that lost sessions have to follow. */
interface KeptPacket {
  readonly keptAt: number;
  readonly bytes: number;
  readonly data: unknown[];
  readonly to: Recipients;
  readonly move?: Move;
}

/** Keeps packets and lost sessions for a limited time, within limits. */
export interface Memory {
  open(): Store;
  /** Empties a store. It keeps nothing from then on. */
  close(store: Store): void;
  /** Appends an offset to a packet's arguments and keeps them, unless they cannot be sent. */
  keep(store: Store, data: unknown[], to: Recipients): void;
  /** Keeps a move for the sessions that are lost now. */
  keepMove(store: Store, move: Move): void;
  /** Keeps a session. `end`: the moves from this number on are not applied to it yet. */
  persist(store: Store, session: SessionToKeep): void;
  /**
   * Removes a session and returns it, with the arguments of the packets it missed: those emitted
   * after `offset` to rooms that it was in at the time and that `narrow` allows. Undefined if the
   * session is not kept, or some of these packets no longer are. An offset of another store counts
   * as none: the client has received nothing since it connected.
   */
  take(
    store: Store,
    at: { readonly pid: string; readonly offset: string },
    narrow: (session: LostSession) => readonly unknown[],
  ): TakenSession | undefined;
  stop(): void;
}

/** A session to keep. */
export type SessionToKeep = LostSession<number> &
  Pick<KeptSession, "reachedAt"> &
  Partial<Pick<KeptSession, "end">>;

/** A session that was removed for its client. */
export interface TakenSession extends LostSession<number> {
  readonly missedPackets: unknown[][];
  /** The session to pass to `persist` if its client is refused. */
  readonly stored: LostSession<number>;
}

const packetsOf = (store: Store) => store.packets.length;
const sessionsOf = (store: Store) => store.sessions.size;
const bytesOf = (store: Store) => store.packetBytes + store.sessionBytes;

/** A full store drops one part in 16 at once, so that dropping costs little per packet. */
const DROP_SHARE = 16;

/** Returns the packets and sessions kept in this process. It enforces sizes, limits and expiry. */
export function createMemory(settings: RecoverySettings, samples: RecoverySamples): Memory {
  const stores = new Set<Store>();
  const sweep = setInterval(() => {
    for (const store of stores) expire(store);
  }, 1000);
  sweep.unref();

  function drop(store: Store, count: number): void {
    store.droppedAt = store.packets[count - 1]?.keptAt ?? store.droppedAt;
    for (const { bytes } of store.packets.splice(0, count)) {
      samples.packets--;
      samples.bytes -= bytes;
      store.packetBytes -= bytes;
    }
    store.first += count;
  }

  function forget(store: Store, pid: string): void {
    const bytes = store.sessions.get(pid)?.bytes;
    if (bytes === undefined) return;
    store.sessions.delete(pid);
    samples.sessions--;
    samples.bytes -= bytes;
    store.sessionBytes -= bytes;
  }

  function dropPackets(store: Store): void {
    const count = Math.ceil(store.packets.length / DROP_SHARE);
    samples.droppedPackets += count;
    drop(store, count);
  }

  function dropSessions(store: Store): void {
    let count = Math.ceil(store.sessions.size / DROP_SHARE);
    samples.droppedSessions += count;
    for (const pid of store.sessions.keys()) {
      if (count-- === 0) return;
      forget(store, pid);
    }
  }

  /** Returns the largest store. Dropping from it leaves quiet namespaces alone. */
  function largest(size: (store: Store) => number): Store {
    let most: Store | undefined;
    for (const store of stores) if (!most || size(store) > size(most)) most = store;
    return most as Store; // callers have just added to a store, so there is one
  }

  function add(store: Store, packet: KeptPacket): void {
    // The application may still emit in a removed namespace. No client will come back to it.
    if (!stores.has(store)) return;
    store.packets.push(packet);
    samples.packets++;
    samples.bytes += packet.bytes;
    store.packetBytes += packet.bytes;
    trim();
  }

  function trim(): void {
    while (samples.packets > settings.packetsMax) dropPackets(largest(packetsOf));
    while (samples.sessions > settings.sessionsMax) dropSessions(largest(sessionsOf));
    while (samples.bytes > settings.bytesMax) {
      const store = largest(bytesOf);
      if (store.packetBytes > store.sessionBytes) dropPackets(store);
      else dropSessions(store);
    }
  }

  function expire(store: Store): void {
    const since = performance.now() - settings.windowMs;
    const firstKept = store.packets.findIndex((packet) => packet.keptAt >= since);
    drop(store, firstKept === -1 ? store.packets.length : firstKept);
    for (const [pid, session] of store.sessions) {
      if (session.lostAt >= since) break;
      forget(store, pid);
    }
  }

  return {
    open() {
      const name = Math.random().toString(36).slice(2, 6);
      const begun = { sessions: new Map(), packets: [], first: 0, name, offset: "" };
      const sizes = { sessionBytes: 0, packetBytes: 0, droppedAt: Number.NEGATIVE_INFINITY };
      const store: Store = { ...begun, ...sizes, offset: offsetOf({ name }, -1) };
      stores.add(store);
      return store;
    },
    close(store) {
      for (const pid of [...store.sessions.keys()]) forget(store, pid);
      drop(store, store.packets.length);
      stores.delete(store);
    },
    keep(store, data, to) {
      const bytes = sizeOf(data, to);
      if (bytes === undefined) return;
      store.offset = offsetOf(store, nextOf(store));
      data.push(store.offset);
      add(store, { keptAt: performance.now(), bytes, data, to });
    },
    keepMove(store, move) {
      const bytes = sizeOf(move.rooms, move.to);
      if (bytes === undefined) return;
      add(store, { keptAt: performance.now(), bytes, data: [], to: move.to, move });
    },
    persist(store, session) {
      if (!stores.has(store)) return;
      forget(store, session.pid);
      const bytes = sizeOfSession(session, settings.sessionBytesMax);
      if (bytes > settings.sessionBytesMax) {
        samples.droppedSessions++;
        return;
      }
      const kept = { end: nextOf(store), ...session, bytes, lostAt: performance.now() };
      store.sessions.set(session.pid, kept);
      samples.sessions++;
      samples.bytes += bytes;
      store.sessionBytes += bytes;
      trim();
    },
    take(store, { pid, offset }, narrow) {
      expire(store);
      const kept = store.sessions.get(pid);
      const from = kept && beginOf(store, kept, offset);
      if (!kept || from === undefined) return undefined;
      // A session is handed out once. A second client with the same secret gets a new session.
      forget(store, pid);
      const now = moveAlong(store, kept);
      if (!now) return undefined;
      const narrowed = narrowRooms(now, narrow);
      const wasRecipient = createRoomHistory(narrowed);
      const missedPackets = store.packets.slice(from - store.first).flatMap((packet, i) => {
        if (packet.move || !wasRecipient(packet.to, (at) => at <= from + i)) return [];
        return [packet.data];
      });
      return { ...narrowed, missedPackets, stored: now };
    },
    stop: () => clearInterval(sweep),
  };
}

function offsetOf({ name }: Pick<Store, "name">, number: number): string {
  return `${name}.${number.toString(36)}`;
}

/** Returns the number of the next packet to be kept. */
export function nextOf({ first, packets }: Store): number {
  return first + packets.length;
}

/**
 * Returns the number of the first packet after `offset`, or undefined if a packet that the client
 * may have missed is no longer kept. Without an offset of this store, it starts when the client
 * connected.
 */
function beginOf(store: Store, kept: KeptSession, offset: string): number | undefined {
  const { since, whole, end, reachedAt } = kept;
  const number = Number.parseInt(offset.slice(store.name.length + 1), 36);
  const after = offset === offsetOf(store, number) ? number + 1 : since - 1;
  if (after < since && !whole) return undefined;
  const from = Math.max(after, since);
  if (from > end || (from < store.first && store.droppedAt >= reachedAt)) return undefined;
  return Math.max(from, store.first);
}

/** Applies the moves made since a session was lost. Undefined if one disconnected it. */
function moveAlong(store: Store, session: KeptSession): SessionToKeep | undefined {
  const { lostAt: _, bytes: __, ...lost } = session;
  const inside = new Set(lost.rooms);
  const changes: RoomChange<number>[] = [...lost.changes];
  const end = nextOf(store);
  for (let number = Math.max(lost.end, store.first); number < end; number++) {
    const { move } = store.packets[number - store.first] ?? {};
    if (move && !applyMove(inside, { move, at: number }, changes)) return undefined;
  }
  return { ...lost, rooms: [...inside], changes, end };
}
