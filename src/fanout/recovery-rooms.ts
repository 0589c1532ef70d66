import type { Namespace, Socket } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import type { Membership, RoomChange } from "../core/membership.ts";

/** Records when the sockets of one adapter joined and left rooms. */
export interface RoomHistories {
  /** Returns the history of a socket, without its current rooms. */
  of(id: string): History | undefined;
  /** Call before a socket is given the rooms of its session. */
  resume(id: string, session: Membership): void;
  forget(id: string): void;
}

/** When a socket joined and left its rooms: see {@link Membership}. */
export type History = Pick<Membership, "since" | "whole" | "changes">;

/** The members of an adapter that histories need. */
interface TrackedAdapter {
  readonly nsp: Namespace;
  readonly sids: ReadonlyMap<string, ReadonlySet<unknown>>;
  /** Returns the place of its next packet in its log. Two calls are equal if none came between. */
  here(): unknown;
  on(event: "join-room" | "leave-room", heard: (room: unknown, id: string) => void): void;
}

interface TrackedSocket {
  since: unknown;
  whole: boolean;
  readonly changes: RoomChange[];
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
export function followRooms(adapter: Adapter, changesMax: number): RoomHistories {
  // Recovery is given adapters with these members.
  const inside = adapter as unknown as TrackedAdapter;
  const tracked = new Map<string, TrackedSocket>();

  function begin(since: unknown): TrackedSocket {
    return { since, whole: true, changes: [], restoring: new Set() };
  }

  function record(history: TrackedSocket, change: RoomChange): void {
    const { changes } = history;
    if (change.at === history.since) return;
    const last = changes.at(-1);
    // Joined and left again, with no packet in between: both entries go.
    if (last && last.at === change.at && last.room === change.room) changes.pop();
    else changes.push(change);
    if (changes.length <= changesMax) return;
    const dropped = changes.splice(0, Math.ceil(changes.length / DROP_SHARE));
    history.since = dropped.at(-1)?.at;
    history.whole = false;
  }

  function changed(room: unknown, id: string, joined: boolean): void {
    const history = tracked.get(id);
    if (history?.restoring.delete(room)) return;
    if (history) record(history, { at: inside.here(), room, joined });
    // A connected socket without a history has just joined its first room, its own.
    else if (joined && inside.nsp.sockets.has(id)) tracked.set(id, begin(inside.here()));
  }

  inside.on("join-room", (room, id) => changed(room, id, true));
  inside.on("leave-room", (room, id) => changed(room, id, false));

  return {
    of(id) {
      const history = tracked.get(id);
      if (!history) return undefined;
      const { since, whole, changes } = history;
      return { since, whole, changes };
    },
    resume(id, { since, whole, changes, rooms }) {
      tracked.set(id, { since, whole, changes: [...changes], restoring: new Set(rooms) });
    },
    forget: (id) => void tracked.delete(id),
  };
}

/** Returns the history of a socket's rooms, or undefined if recovery does not follow the socket. */
export type HistoryOf = (socket: Socket) => History | undefined;
