import { eachStep } from "../core/loop.ts";
import {
  applyMove,
  createRoomHistory,
  type Membership,
  type Move,
  narrowRooms,
  type Recipients,
  type RoomChange,
} from "../core/membership.ts";
import type { Settings } from "../core/settings-shape.ts";
import { sizeOf, sizeOfSession } from "./recovery-size.ts";

/** The limits of recovery in this process, for all namespaces of a server together. */
export type RecoverySettings = Omit<Settings["recovery"], "checkpointMs">;

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

/** A lost session that its client gets back. */
export interface RestoredSession<At = unknown> extends LostSession<At> {
  readonly missedPackets: unknown[][];
  /** The session to keep again if the client is refused. */
  readonly stored: LostSession<At>;
  /**
   * Whether `missedPackets` already covers a packet that was delivered to others meanwhile, known
   * by its data: it is in there, or was not for this client. Also whether the session already has
   * what a move did, known by its recipients.
   */
  settled?(of: object): boolean;
}

/** Returns those rooms of a session that its client may still be in. */
export type Narrow = (session: Pick<LostSession, "rooms" | "data">) => readonly unknown[];

/** The packets and lost sessions of all namespaces, which share the limits. */
export interface Memory {
  readonly settings: RecoverySettings;
  readonly samples: RecoverySamples;
  readonly stores: Set<Store>;
  /** Ends forgetting, once a second, what is older than the window. */
  stopSweeps(): void;
}

/** What one namespace keeps for recovery. */
export interface Store {
  readonly memory: Memory;
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

/**
 * A session to keep. Moves with numbers from `end` on, or from now on, are not applied to it yet.
 */
type SessionToKeep = LostSession<number> &
  Pick<KeptSession, "reachedAt"> &
  Partial<Pick<KeptSession, "end">>;

/** A full store drops one part in 16 at once, so that dropping costs little per packet. */
const DROP_SHARE = 16;

/** Returns a memory that keeps nothing yet. Call its `stopSweeps` in the end. */
export function createMemory(settings: RecoverySettings, samples: RecoverySamples): Memory {
  const stores = new Set<Store>();
  const stopSweeps = eachStep(() => {
    for (const store of stores) expire(store);
  }, 1000);
  return { settings, samples, stores, stopSweeps };
}

/** Returns the empty store of one more namespace. */
export function openStore(memory: Memory): Store {
  const name = Math.random().toString(36).slice(2, 6);
  const store: Store = {
    memory,
    sessions: new Map(),
    sessionBytes: 0,
    packets: [],
    packetBytes: 0,
    first: 0,
    droppedAt: Number.NEGATIVE_INFINITY,
    name,
    offset: offsetOf(name, -1),
  };
  memory.stores.add(store);
  return store;
}

/** Empties a store. It keeps nothing from then on. */
export function closeStore(store: Store): void {
  for (const pid of [...store.sessions.keys()]) forget(store, pid);
  drop(store, store.packets.length);
  store.memory.stores.delete(store);
}

/** Appends an offset to a packet's arguments and keeps them, unless they cannot be sent. */
export function keepPacket(store: Store, data: unknown[], to: Recipients): void {
  const bytes = sizeOf(data, to);
  if (bytes === undefined) return;
  store.offset = offsetOf(store.name, nextOf(store));
  data.push(store.offset);
  add(store, { keptAt: performance.now(), bytes, data, to });
}

/** Keeps a move for the sessions that are lost now. */
export function keepMove(store: Store, move: Move): void {
  const bytes = sizeOf(move.rooms, move.to);
  if (bytes === undefined) return;
  add(store, { keptAt: performance.now(), bytes, data: [], to: move.to, move });
}

/** Keeps a session, unless it is too large. */
export function keepSession(store: Store, session: SessionToKeep): void {
  const { settings, samples, stores } = store.memory;
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
  trim(store.memory);
}

/**
 * Removes a session and returns it, with the arguments of the packets it missed: those emitted
 * after `offset` to rooms that it was in at the time and that `narrow` allows. Undefined if the
 * session is not kept, or some of these packets no longer are. An offset of another store counts as
 * none: the client has received nothing since it connected.
 */
export function takeSession(
  store: Store,
  { pid, offset }: { readonly pid: string; readonly offset: string },
  narrow: Narrow,
): RestoredSession<number> | undefined {
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
}

function add(store: Store, packet: KeptPacket): void {
  const { memory } = store;
  // The application may still emit in a removed namespace. No client will come back to it.
  if (!memory.stores.has(store)) return;
  store.packets.push(packet);
  memory.samples.packets++;
  memory.samples.bytes += packet.bytes;
  store.packetBytes += packet.bytes;
  trim(memory);
}

/** Drops the first `count` packets. */
function drop(store: Store, count: number): void {
  const { samples } = store.memory;
  store.droppedAt = store.packets[count - 1]?.keptAt ?? store.droppedAt;
  for (const { bytes } of store.packets.splice(0, count)) {
    samples.packets--;
    samples.bytes -= bytes;
    store.packetBytes -= bytes;
  }
  store.first += count;
}

function forget(store: Store, pid: string): void {
  const { samples } = store.memory;
  const bytes = store.sessions.get(pid)?.bytes;
  if (bytes === undefined) return;
  store.sessions.delete(pid);
  samples.sessions--;
  samples.bytes -= bytes;
  store.sessionBytes -= bytes;
}

function expire(store: Store): void {
  const since = performance.now() - store.memory.settings.windowMs;
  const firstKept = store.packets.findIndex((packet) => packet.keptAt >= since);
  drop(store, firstKept === -1 ? store.packets.length : firstKept);
  for (const [pid, session] of store.sessions) {
    if (session.lostAt >= since) break;
    forget(store, pid);
  }
}

/** Drops from the largest stores until all limits are kept. This leaves quiet namespaces alone. */
function trim(memory: Memory): void {
  const { settings, samples } = memory;
  while (samples.packets > settings.packetsMax) dropPackets(largest(memory, packetsOf));
  while (samples.sessions > settings.sessionsMax) dropSessions(largest(memory, sessionsOf));
  while (samples.bytes > settings.bytesMax) {
    const store = largest(memory, bytesOf);
    if (store.packetBytes > store.sessionBytes) dropPackets(store);
    else dropSessions(store);
  }
}

const packetsOf = (store: Store) => store.packets.length;
const sessionsOf = (store: Store) => store.sessions.size;
const bytesOf = (store: Store) => store.packetBytes + store.sessionBytes;

function largest({ stores }: Memory, size: (store: Store) => number): Store {
  let most: Store | undefined;
  for (const store of stores) if (!most || size(store) > size(most)) most = store;
  return most as Store; // callers have just added to a store, so there is one
}

function dropPackets(store: Store): void {
  const count = Math.ceil(store.packets.length / DROP_SHARE);
  store.memory.samples.droppedPackets += count;
  drop(store, count);
}

function dropSessions(store: Store): void {
  let count = Math.ceil(store.sessions.size / DROP_SHARE);
  store.memory.samples.droppedSessions += count;
  for (const pid of store.sessions.keys()) {
    if (count-- === 0) return;
    forget(store, pid);
  }
}

function offsetOf(name: string, number: number): string {
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
  const after = offset === offsetOf(store.name, number) ? number + 1 : since - 1;
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
