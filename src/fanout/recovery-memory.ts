import { isBytes } from "../core/bytes.ts";
import { isFor } from "../core/packet.ts";
import type { Recipients, Room } from "./adapter.ts";

/** What connection state recovery may keep in this process, over all namespaces of a server. */
export interface RecoverySettings {
  readonly windowMs: number;
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
  readonly sessions: Map<string, Lost & { readonly lostAt: number }>;
  readonly packets: KeptPacket[];
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
    }
    store.first += count;
  }

  function forget(store: Store, pid: string): void {
    if (store.sessions.delete(pid)) samples.sessions--;
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
      const store: Store = { sessions: new Map(), packets: [], first: 0, name };
      stores.add(store);
      return store;
    },
    close(store) {
      for (const pid of [...store.sessions.keys()]) forget(store, pid);
      drop(store, store.packets.length);
      stores.delete(store);
    },
    keep(store, data, to) {
      const bytes = sizeOf(data);
      if (bytes === undefined) return;
      data.push(offsetOf(store, store.first + store.packets.length));
      store.packets.push({ keptAt: performance.now(), bytes, data, to });
      samples.packets++;
      samples.bytes += bytes;
      trim(store);
    },
    persist(store, session) {
      forget(store, session.pid);
      store.sessions.set(session.pid, { ...session, lostAt: performance.now() });
      samples.sessions++;
      const [oldest] = store.sessions.keys();
      if (samples.sessions > settings.sessionsMax && oldest !== undefined) forget(store, oldest);
    },
    take(store, { pid, offset }, narrow) {
      expire(store);
      const kept = store.sessions.get(pid);
      const after = kept && indexAfter(store, offset);
      if (!kept || after === undefined) return undefined;
      // A session is one connection's: whoever comes second with its secret gets a new one.
      forget(store, pid);
      const { lostAt: _, ...session } = { ...kept, rooms: narrow(kept) };
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

/** Returns what a packet's data takes; undefined for what cannot be sent: a cycle, a bigint. */
function sizeOf(data: unknown): number | undefined {
  try {
    return measure(data);
  } catch {
    // Whoever was to get it has thrown the same out of `emit`; when nobody was, nothing has.
    return undefined;
  }
}

/** Bytes a value holds in memory, roughly: what a bound on memory needs, at the cost of one walk. */
function measure(value: unknown, recast = false): number {
  if (typeof value === "string") return value.length + 16;
  if (typeof value === "bigint" && !isRecast(value)) throw new TypeError("A bigint cannot be sent");
  if (typeof value !== "object" || value === null) return 8;
  if (isBytes(value)) return value.byteLength + 64;
  // Sent as what it says it is, asked once; what it holds besides may be endless.
  if (!recast && isRecast(value)) return measure(value.toJSON(), true);
  let bytes = 32;
  for (const [key, item] of Object.entries(value)) bytes += key.length + measure(item);
  return bytes;
}

function isRecast(value: object | bigint): value is { toJSON(): unknown } {
  return "toJSON" in Object(value) && typeof Object(value).toJSON === "function";
}
