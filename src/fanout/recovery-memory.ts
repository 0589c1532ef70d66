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

/** What connection state recovery may keep in this process, over all namespaces of a server. */
export interface RecoverySettings {
  readonly windowMs: number;
  readonly packetsMax: number;
  readonly bytesMax: number;
  readonly sessionsMax: number;
  readonly sessionBytesMax: number;
  readonly roomChangesMax: number;
}

/** What is kept for recovery, and what came of it; plain numbers. */
export interface RecoverySamples {
  packets: number;
  /** Bytes of packets and sessions together. */
  bytes: number;
  sessions: number;
  /** Packets dropped before their time because a bound was reached. */
  droppedPackets: number;
  /** Sessions dropped before their time because a bound was reached, or too large to be kept. */
  droppedSessions: number;
  /** Clients that came with a session and an offset, by whether they got it back. */
  recovered: number;
  refused: number;
  /** Missed packets sent to clients that came back. */
  recoveredPackets: number;
}

/** The session of a client that is gone. What orders its rooms' times is its adapter's own. */
export interface Lost<At = unknown> extends Membership<At> {
  readonly sid: string;
  readonly pid: string;
  readonly data: unknown;
}

/** What one namespace keeps for recovery. */
export interface Store {
  /** The sessions by their secret, in the order in which they were lost. */
  readonly sessions: Map<string, Kept>;
  sessionBytes: number;
  /** In the order of their numbers, without a gap. */
  readonly packets: KeptPacket[];
  packetBytes: number;
  /** The number of the first of `packets`, or of the next one. */
  first: number;
  /** When the newest of those that are dropped was kept. */
  droppedAt: number;
  /** Begins this store's offsets: few texts that an application sends look like one. */
  readonly name: string;
  /** The offset of the newest packet. */
  offset: string;
}

/** A lost session, and when it was lost. */
interface Kept extends Lost<number> {
  readonly lostAt: number;
  readonly bytes: number;
  /** The number of what came next. */
  readonly end: number;
  /** What was kept before this moment its client has, or it was not for it. */
  readonly reachedAt: number;
}

/** A packet, or what was done to sockets while somebody was away. */
interface KeptPacket {
  readonly keptAt: number;
  readonly bytes: number;
  readonly data: unknown[];
  readonly to: Recipients;
  readonly move?: Move;
}

/** Keeps packets and lost sessions for a while, within bounds. */
export interface Memory {
  open(): Store;
  /** Forgets all that a store has; from then on it keeps nothing. */
  close(store: Store): void;
  /** Keeps a packet's arguments, with their offset as one more, unless they cannot be sent. */
  keep(store: Store, data: unknown[], to: Recipients): void;
  /** Keeps what is done to sockets, for those that are away. */
  keepMove(store: Store, move: Move): void;
  /** Keeps a session; with `end` if what was kept from that number on has not been looked at. */
  persist(store: Store, session: Losing): void;
  /**
   * Takes a session out, with the arguments of what was emitted after `offset` to rooms that it was
   * in then, of those that `narrow` leaves it; undefined when it is not kept, or when some of those
   * packets no longer are. An offset of another store is none: its client has received nothing
   * since it connected.
   */
  take(
    store: Store,
    at: { readonly pid: string; readonly offset: string },
    narrow: (session: Lost) => readonly unknown[],
  ): Found | undefined;
  stop(): void;
}

/** A session to be kept. */
export type Losing = Lost<number> & Pick<Kept, "reachedAt"> & Partial<Pick<Kept, "end">>;

/** A session that was taken out. */
export interface Found extends Lost<number> {
  readonly missedPackets: unknown[][];
  /** For `persist`, should its client not get in. */
  readonly stored: Lost<number>;
}

const packetsOf = (store: Store) => store.packets.length;
const sessionsOf = (store: Store) => store.sessions.size;
const bytesOf = (store: Store) => store.packetBytes + store.sessionBytes;

/** How much of a full store is dropped at once, so that dropping costs little per packet. */
const DROP_SHARE = 16;

/** Returns the bookkeeping of what is kept in this process: sizes, bounds and expiry. */
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

  /** The largest store pays, so that a quiet namespace keeps its own. */
  function largest(size: (store: Store) => number): Store {
    let most: Store | undefined;
    for (const store of stores) if (!most || size(store) > size(most)) most = store;
    return most as Store; // whoever asks has put something into one
  }

  function add(store: Store, packet: KeptPacket): void {
    // The application may emit in a namespace that was taken away: nobody will come back to it.
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
      // A session is one connection's: whoever comes second with its secret gets a new one.
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

/** The number of what will be kept next. */
export function nextOf({ first, packets }: Store): number {
  return first + packets.length;
}

/**
 * The number after an offset of a session, if all that its client may have missed is kept: the rest
 * had reached it, so that without an offset of it none was for it.
 */
function beginOf(store: Store, kept: Kept, offset: string): number | undefined {
  const { since, whole, end, reachedAt } = kept;
  const number = Number.parseInt(offset.slice(store.name.length + 1), 36);
  const after = offset === offsetOf(store, number) ? number + 1 : since - 1;
  if (after < since && !whole) return undefined;
  const from = Math.max(after, since);
  if (from > end || (from < store.first && store.droppedAt >= reachedAt)) return undefined;
  return Math.max(from, store.first);
}

/** Does to a session what was done to others since it was lost; undefined if that ended it. */
function moveAlong(store: Store, session: Kept): Losing | undefined {
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
