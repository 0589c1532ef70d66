import type { Namespace, Socket } from "socket.io";
import type { Membership, Move, Recipients, RoomChange } from "../core/membership.ts";
import type { Packet } from "../core/packet.ts";
import type { LostSession, Narrow, RestoredSession } from "./recovery-memory.ts";

/** Records when the sockets of one adapter joined and left rooms. */
export interface RoomHistories {
  /** Returns the history of a socket, without its current rooms. */
  of(id: string): History | undefined;
  /** Call before a socket is given the rooms of its session. */
  resume(id: string, session: Membership): void;
  forget(id: string): void;
}

/** When a socket joined and left its rooms: see {@link Membership}. */
export type History = Omit<Membership, "rooms">;

/** An adapter that restores sessions, with the members that recovery uses or sets. */
export interface SessionAdapter {
  readonly nsp: Namespace;
  /** The rooms per socket id, also of sockets that have a session and are not connected yet. */
  readonly sids: ReadonlyMap<string, ReadonlySet<unknown>>;
  on(event: "join-room" | "leave-room", heard: (room: unknown, id: string) => void): void;
  addAll(id: string, rooms: ReadonlySet<unknown>): void;
  del(id: string, room: unknown): void;
  delAll(id: string): void;
  restoreSession(
    pid: string,
    offset: string,
    narrow: Narrow,
  ): Promise<RestoredSession | null> | null;
  persistSession(session: LostSession): void;
  /** Returns the place of its next packet in its log. Two calls are equal if none came between. */
  here(): unknown;
  /**
   * Returns an id that a missed packet and its later delivery share. Without it, `data` is the id.
   */
  identify?(data: unknown[]): string | undefined;
  /** Keeps a move for lost sessions. Missing where the adapter has its own log of moves. */
  keepMove?(move: Move, anyReconnects: boolean): void;
  /** Called by fan-out before it delivers a packet on this node. */
  delivering?: (packet: Packet, to: Recipients) => void;
  /** Called by fan-out before it applies a move to sockets of this node. */
  moving?: (move: Move) => void;
}

/** Returns the history of a socket's rooms, or undefined if recovery does not follow the socket. */
export type HistoryOf = (socket: Socket) => History | undefined;

interface TrackedSocket {
  since: unknown;
  whole: boolean;
  readonly changes: RoomChange[];
  undoneAt?: unknown;
  /** Rooms of its session that it has not been given yet. */
  readonly restoring: Set<unknown>;
}

/** One part in 8 of the changes, the oldest, is dropped at once. */
const DROP_SHARE = 8;

/**
 * Follows the rooms of an adapter's sockets and keeps the latest `changesMax` changes of each.
 *
 * Rooms that a socket joins before the next packet is delivered need no entry: it counts as having
 * been in them from the start.
 */
export function followRooms(adapter: SessionAdapter, changesMax: number): RoomHistories {
  const tracked = new Map<string, TrackedSocket>();

  function begin(since: unknown): TrackedSocket {
    return { since, whole: true, changes: [], restoring: new Set() };
  }

  function record(history: TrackedSocket, change: RoomChange): void {
    const { changes } = history;
    if (change.at === history.since) return;
    const last = changes.at(-1);
    // Joined and left again, with no packet in between: both entries go.
    if (last && last.at === change.at && last.room === change.room) {
      changes.pop();
      // The first may have been done to others, too: that is not to be done again.
      history.undoneAt = change.at;
    } else changes.push(change);
    if (changes.length <= changesMax) return;
    const dropped = changes.splice(0, Math.ceil(changes.length / DROP_SHARE));
    history.since = dropped.at(-1)?.at;
    history.whole = false;
  }

  function changed(room: unknown, id: string, joined: boolean): void {
    const history = tracked.get(id);
    if (history?.restoring.delete(room)) return;
    if (history) record(history, { at: adapter.here(), room, joined });
    // A connected socket without a history has just joined its first room, its own.
    else if (joined && adapter.nsp.sockets.has(id)) tracked.set(id, begin(adapter.here()));
  }

  adapter.on("join-room", (room, id) => changed(room, id, true));
  adapter.on("leave-room", (room, id) => changed(room, id, false));

  return {
    of(id) {
      const history = tracked.get(id);
      if (!history) return undefined;
      const { since, whole, changes, undoneAt } = history;
      return { since, whole, changes, undoneAt };
    },
    resume(id, { since, whole, changes, undoneAt, rooms }) {
      const restoring = new Set(rooms);
      tracked.set(id, { since, whole, changes: [...changes], undoneAt, restoring });
    },
    forget: (id) => void tracked.delete(id),
  };
}
