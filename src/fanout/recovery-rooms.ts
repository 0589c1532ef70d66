import type { Namespace, Socket } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import type { Membership, RoomChange } from "../core/membership.ts";

/** Remembers when the sockets of one adapter joined and left their rooms. */
export interface RoomHistories {
  /** What is known of a socket, its rooms aside. */
  of(id: string): History | undefined;
  /** A socket is about to be given the rooms of its session back. */
  resume(id: string, session: Membership): void;
  forget(id: string): void;
}

/** When a socket joined and left its rooms: see {@link Membership}. */
export type History = Pick<Membership, "since" | "whole" | "changes">;

/** What the adapter of such histories says. */
interface Inside {
  readonly nsp: Namespace;
  readonly sids: ReadonlyMap<string, ReadonlySet<unknown>>;
  /** Where what it delivers next is among all it delivers; equal when nothing was in between. */
  here(): unknown;
  on(event: "join-room" | "leave-room", heard: (room: unknown, id: string) => void): void;
}

interface Living {
  since: unknown;
  whole: boolean;
  readonly changes: RoomChange[];
  /** Rooms that it is being given back. */
  readonly back: Set<unknown>;
}

/** How many of the oldest changes go at once. */
const DROP_SHARE = 8;

/**
 * Follows the rooms of an adapter's sockets, at most `changesMax` changes of each.
 *
 * What a socket joins before anything else is delivered costs nothing: it has always been there.
 */
export function followRooms(adapter: Adapter, changesMax: number): RoomHistories {
  const inside = adapter as unknown as Inside; // see Inside
  const living = new Map<string, Living>();

  function begin(since: unknown): Living {
    return { since, whole: true, changes: [], back: new Set() };
  }

  function note(history: Living, change: RoomChange): void {
    const { changes } = history;
    if (change.at === history.since) return;
    const last = changes.at(-1);
    // Joined and left again, with nothing in between.
    if (last && last.at === change.at && last.room === change.room) changes.pop();
    else changes.push(change);
    if (changes.length <= changesMax) return;
    const dropped = changes.splice(0, Math.ceil(changes.length / DROP_SHARE));
    history.since = dropped.at(-1)?.at;
    history.whole = false;
  }

  function heard(room: unknown, id: string, joined: boolean): void {
    const history = living.get(id);
    if (history?.back.delete(room)) return;
    if (history) note(history, { at: inside.here(), room, joined });
    // Its own room is the first that a socket is in.
    else if (joined && inside.nsp.sockets.has(id)) living.set(id, begin(inside.here()));
  }

  inside.on("join-room", (room, id) => heard(room, id, true));
  inside.on("leave-room", (room, id) => heard(room, id, false));

  return {
    of(id) {
      const history = living.get(id);
      if (!history) return undefined;
      const { since, whole, changes } = history;
      return { since, whole, changes };
    },
    resume(id, { since, whole, changes, rooms }) {
      living.set(id, { since, whole, changes: [...changes], back: new Set(rooms) });
    },
    forget: (id) => void living.delete(id),
  };
}

/**
 * Returns what a socket's session is but for its rooms; empty of one that recovery does not follow.
 */
export type HistoryOf = (socket: Socket) => History | undefined;
