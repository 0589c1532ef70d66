import type { Namespace, Socket } from "socket.io";
import { SessionAwareAdapter } from "socket.io-adapter";
import type { Packet } from "../core/packet.ts";

/** What connection state recovery may keep, over all namespaces of a server. */
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

/** Connection state recovery in this process' memory. */
export interface Recovery {
  /** For the `adapter` option of a Socket.IO server. */
  readonly adapter: typeof SessionAwareAdapter;
  samples(): RecoverySamples;
  /** Forgets everything and stops the adapters' timers. */
  stop(): void;
}

interface KeptPacket {
  readonly id: string;
  readonly emittedAt: number;
  readonly data: unknown[];
  readonly opts: { readonly rooms: ReadonlySet<unknown>; readonly except: ReadonlySet<unknown> };
}

interface KeptSession {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly unknown[];
  disconnectedAt: number;
}

/** The adapter's private members, of socket.io-adapter 2.5.8. */
interface Inside {
  packets: KeptPacket[];
  readonly sessions: Map<string, KeptSession>;
  readonly maxDisconnectionDuration: number;
}

/** How much of a full store is dropped at once, so that dropping costs little per packet. */
const DROP_SHARE = 16;

/**
 * Returns connection state recovery whose memory is bounded, and whose sessions are used once.
 *
 * Unlike the stock adapter's, missed packets are sent when the socket is connected, not when it is
 * made: a middleware that refuses a client keeps them from it, and what is broadcast while a
 * middleware waits is not lost. Over a bound the oldest packets go first; a client whose offset went
 * with them is told `recovered: false`, never given a part.
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
  const sizes = new WeakMap<KeptPacket, number>();
  const adapters = new Set<Inside>();
  const sweep = setInterval(() => {
    for (const adapter of adapters) expire(adapter);
  }, 1000);
  sweep.unref();

  function keep(packets: readonly KeptPacket[]): void {
    const packet = packets.at(-1);
    if (!packet || sizes.has(packet)) return;
    const bytes = measure(packet.data);
    sizes.set(packet, bytes);
    samples.packets++;
    samples.bytes += bytes;
  }

  function drop(adapter: Inside, count: number): void {
    for (const packet of adapter.packets.splice(0, count)) {
      samples.packets--;
      samples.bytes -= sizes.get(packet) ?? 0;
    }
  }

  function trim(adapter: Inside): void {
    while (samples.packets > settings.packetsMax || samples.bytes > settings.bytesMax) {
      // The largest store pays, so that a quiet namespace keeps its own.
      let most = adapter;
      for (const other of adapters) if (other.packets.length > most.packets.length) most = other;
      if (most.packets.length === 0) return;
      const count = Math.ceil(most.packets.length / DROP_SHARE);
      samples.droppedPackets += count;
      drop(most, count);
    }
  }

  function expire(adapter: Inside): void {
    const threshold = Date.now() - adapter.maxDisconnectionDuration;
    const firstKept = adapter.packets.findIndex((packet) => packet.emittedAt >= threshold);
    drop(adapter, firstKept === -1 ? adapter.packets.length : firstKept);
    // Sessions stand in the order in which they were lost.
    for (const [pid, session] of adapter.sessions) {
      if (session.disconnectedAt >= threshold) break;
      adapter.sessions.delete(pid);
      samples.sessions--;
    }
  }

  class BoundedSessionAdapter extends SessionAwareAdapter {
    /** Where clients that are on their way in left off, by socket id. */
    readonly #returning = new Map<string, { session: KeptSession; offset: string }>();
    readonly #inside = this as unknown as Inside; // the fields of the stock class, see Inside

    constructor(namespace: Namespace) {
      super(namespace);
      adapters.add(this.#inside);
      namespace.prependListener("connection", (socket: Socket) => this.#resend(socket));
    }

    override broadcast(packet: Packet & { data: unknown[] }, opts: never): void {
      super.broadcast(packet, opts);
      keep(this.#inside.packets);
      trim(this.#inside);
    }

    override persistSession(session: never): void {
      const { sessions } = this.#inside;
      const before = sessions.size;
      super.persistSession(session);
      samples.sessions += sessions.size - before;
      const [oldest] = sessions.keys();
      if (samples.sessions <= settings.sessionsMax || oldest === undefined) return;
      sessions.delete(oldest);
      samples.sessions--;
    }

    override async restoreSession(pid: string, offset: string) {
      expire(this.#inside);
      const found = await super.restoreSession(pid, offset);
      const session = this.#inside.sessions.get(pid);
      if (!found || !session) {
        samples.refused++;
        return found;
      }
      // A session is one connection's: whoever comes second with its secret gets a new one.
      this.#inside.sessions.delete(pid);
      samples.sessions--;
      this.#returning.set(session.sid, { session, offset });
      return { ...found, missedPackets: [] };
    }

    #resend(socket: Socket): void {
      const back = this.#returning.get(socket.id);
      if (!back) return;
      this.#returning.delete(socket.id);
      samples.recovered++;
      const { packets } = this.#inside;
      const last = packets.findIndex((packet) => packet.id === back.offset);
      if (last === -1) {
        // What it missed was dropped while it was in a middleware: better gone than with a hole.
        socket.conn.close();
        return;
      }
      const { rooms } = back.session;
      for (const { opts, data } of packets.slice(last + 1)) {
        if (opts.rooms.size > 0 && !rooms.some((room) => opts.rooms.has(room))) continue;
        if (rooms.some((room) => opts.except.has(room))) continue;
        samples.recoveredPackets++;
        (socket as unknown as PacketSender).packet({ type: 2, nsp: socket.nsp.name, data });
      }
    }

    override delAll(id: string): void {
      const back = this.#returning.get(id);
      if (back) {
        // It was refused, or left on its way in: its session is as it was.
        this.#returning.delete(id);
        this.#inside.sessions.set(back.session.pid, back.session);
        samples.sessions++;
      }
      super.delAll(id);
    }

    override close(): void {
      samples.sessions -= this.#inside.sessions.size;
      this.#inside.sessions.clear();
      drop(this.#inside, this.#inside.packets.length);
      adapters.delete(this.#inside);
      super.close();
    }
  }

  return {
    adapter: BoundedSessionAdapter,
    samples: () => samples,
    stop: () => clearInterval(sweep),
  };
}

/** `Socket.packet`, which socket.io 4.8.4 calls private. */
interface PacketSender {
  packet(packet: Packet): void;
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
