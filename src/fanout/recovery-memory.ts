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

interface KeptPacket {
  readonly emittedAt: number;
  readonly data: unknown[];
}

/** A lost session as the in-memory adapter keeps it. */
export interface StoredSession {
  readonly disconnectedAt: number;
  readonly rooms: readonly unknown[];
  readonly data: unknown;
}

/** The private members of the in-memory adapter that keeps sessions, of socket.io-adapter 2.5.8. */
export interface Store {
  packets: KeptPacket[];
  readonly sessions: Map<string, StoredSession>;
  readonly maxDisconnectionDuration: number;
}

/** How much of a full store is dropped at once, so that dropping costs little per packet. */
const DROP_SHARE = 16;
/** Returns the bookkeeping of the in-memory stores: sizes, bounds and expiry. */
export function createMemory(settings: RecoverySettings, samples: RecoverySamples) {
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
    /** The last packet of a store may be new; it does not stay if nobody could ever be sent it. */
    kept(store: Store): void {
      const packet = store.packets.at(-1);
      if (!packet || sizes.has(packet)) return;
      const bytes = sizeOf(packet.data);
      if (bytes === undefined) {
        store.packets.pop();
        return;
      }
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
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength + 64;
  // Sent as what it says it is, asked once; what it holds besides may be endless.
  if (!recast && isRecast(value)) return measure(value.toJSON(), true);
  let bytes = 32;
  for (const [key, item] of Object.entries(value)) bytes += key.length + measure(item);
  return bytes;
}

function isRecast(value: object | bigint): value is { toJSON(): unknown } {
  return "toJSON" in Object(value) && typeof Object(value).toJSON === "function";
}
