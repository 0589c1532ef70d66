import { isFor } from "../core/packet.ts";
import type { Recipients, Room } from "./adapter.ts";
import { sizeOf, sizeOfSession } from "./recovery-size.ts";

/** What connection state recovery may keep in this process, over all namespaces of a server. */
export interface RecoverySettings {
  readonly windowMs: number;
  readonly packetsMax: number;
  readonly bytesMax: number;
  readonly sessionsMax: number;
  readonly sessionBytesMax: number;
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

/** The session of a client that is gone. */
export interface Lost {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly Room[];
  readonly data: unknown;
}

/** What one namespace keeps for recovery. */
export interface Store {
  /** The sessions by their secret, in the order in which they were lost. */
  readonly sessions: Map<string, Lost & { readonly lostAt: number; readonly bytes: number }>;
  sessionBytes: number;
  readonly packets: KeptPacket[];
  packetBytes: number;
  /** The number of the first of `packets`, or of the next one. */
  first: number;
  /** Begins this store's offsets: few texts that an application sends look like one. */
  readonly name: string;
}

interface KeptPacket {
  readonly keptAt: number;
  readonly bytes: number;
  readonly data: unknown[];
  readonly to: Recipients;
}

/** Keeps packets and lost sessions for a while, within bounds. */
export interface Memory {
  open(): Store;
  /** Forgets all that a store has. */
  close(store: Store): void;
  /** Keeps a packet's arguments, with their offset as one more, unless they cannot be sent. */
  keep(store: Store, data: unknown[], to: Recipients): void;
  persist(store: Store, session: Lost): void;
  /**
   * Takes a session out, with the arguments of what was emitted after `offset` for the rooms that
   * `narrow` leaves it; undefined when it is not kept, or when some of those packets no longer are.
   */
  take(
    store: Store,
    at: { readonly pid: string; readonly offset: string },
    narrow: (session: Lost) => readonly Room[],
  ): (Lost & { readonly missedPackets: unknown[][] }) | undefined;
  stop(): void;
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
      const sizes = { sessionBytes: 0, packetBytes: 0 };
      const store: Store = { sessions: new Map(), packets: [], ...sizes, first: 0, name };
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
      data.push(offsetOf(store, store.first + store.packets.length));
      store.packets.push({ keptAt: performance.now(), bytes, data, to });
      samples.packets++;
      samples.bytes += bytes;
      store.packetBytes += bytes;
      trim();
    },
    persist(store, session) {
      forget(store, session.pid);
      const bytes = sizeOfSession(session, settings.sessionBytesMax);
      if (bytes > settings.sessionBytesMax) {
        samples.droppedSessions++;
        return;
      }
      store.sessions.set(session.pid, { ...session, bytes, lostAt: performance.now() });
      samples.sessions++;
      samples.bytes += bytes;
      store.sessionBytes += bytes;
      trim();
    },
    take(store, { pid, offset }, narrow) {
      expire(store);
      const kept = store.sessions.get(pid);
      const after = kept && indexAfter(store, offset);
      if (!kept || after === undefined) return undefined;
      // A session is one connection's: whoever comes second with its secret gets a new one.
      forget(store, pid);
      const { lostAt: _, bytes: __, ...session } = { ...kept, rooms: narrow(kept) };
      const missed = store.packets.slice(after).filter(({ to }) => isFor(session.rooms, to));
      return { ...session, missedPackets: missed.map(({ data }) => data) };
    },
    stop: () => clearInterval(sweep),
  };
}

function offsetOf({ name }: Store, number: number): string {
  return `${name}.${number.toString(36)}`;
}

/** Where the packets after an offset begin, if all of those are kept: its own need not be. */
function indexAfter(store: Store, offset: string): number | undefined {
  const number = Number.parseInt(offset.slice(store.name.length + 1), 36);
  if (offset !== offsetOf(store, number)) return undefined;
  const after = number + 1 - store.first;
  return after >= 0 && after <= store.packets.length ? after : undefined;
}
