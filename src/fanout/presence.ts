import type { Namespace, Server } from "socket.io";
import { type CountedOthers, sizeOfRoom } from "../core/membership.ts";
import { namespacesOf } from "../seam/socket-io.ts";
import { isAlone } from "./namespaces.ts";

/** How many sockets, over all nodes, are in each of some rooms. */
export type Counts = Readonly<Record<string, number>>;

/** Counts the sockets of rooms. */
export interface Presence {
  /**
   * Returns the counts, or what resolves with them if other nodes have to be asked. This node's
   * sockets are counted now; those of other nodes were at most `presenceMs` ago, as far as these
   * have answered within a second: of one that has not, what it said before. Never rejects.
   */
  count(namespace: string, rooms: readonly string[]): Counts | Promise<Counts>;
  /** Questions to the other nodes. */
  readonly samples: { asked: number };
}

/** What counting needs. */
export interface PresenceNeeds {
  readonly server: Server;
  /** For how long what other nodes have said is used. */
  readonly presenceMs: number;
  /** Monotonic clock in milliseconds. */
  now(): number;
}

/** An adapter that can ask other nodes for numbers alone. */
interface CountingAdapter {
  countOthers?(rooms: readonly string[], timeoutMs: number): Promise<CountedOthers>;
}

/** How many sockets of other nodes were in a room, and until when that is used. */
interface Known {
  readonly count: number;
  readonly until: number;
}

/** The rooms of one namespace. */
interface Rooms {
  /** The one asked for last is the last. */
  readonly known: Map<string, Known>;
  /** What will be asked once the question that is open is answered, and who waits for it. */
  next: { readonly rooms: Set<string>; readonly answered: Promise<void> } | undefined;
  /** Resolves when the question that is open is answered. */
  open: Promise<void>;
}

/** For how long a caller waits for other nodes. */
const WAIT_MS = 1000;
/** Rooms of one question, and rooms of a namespace whose counts are known. */
const ASKED_MAX = 1000;
const KNOWN_MAX = 10_000;

/**
 * Returns what counts the sockets in rooms for many callers.
 *
 * At most one question of a namespace is open: whoever comes meanwhile shares the next one. So
 * other nodes are asked as often as they answer, and not once a call; a room is asked for once in
 * `presenceMs`. With an adapter that cannot count, the sockets themselves are listed.
 */
export function createPresence({ server, presenceMs, now }: PresenceNeeds): Presence {
  const all = new WeakMap<Namespace, Rooms>();
  const samples = { asked: 0 };

  async function ask(namespace: Namespace, known: Rooms["known"], rooms: readonly string[]) {
    samples.asked++;
    const { counts, whole } = await countOthers(namespace, rooms);
    // If not all have answered, the next callers do not wait for that as well.
    const until = now() + (whole ? presenceMs : Math.max(presenceMs, WAIT_MS));
    for (const [at, room] of rooms.entries()) {
      const before = whole ? 0 : (known.get(room)?.count ?? 0);
      known.delete(room);
      known.set(room, { count: Math.max(counts[at] ?? 0, before), until });
    }
    for (const room of known.keys()) {
      if (known.size <= KNOWN_MAX) break;
      known.delete(room);
    }
  }

  function share(namespace: Namespace, of: Rooms, rooms: readonly string[]): Promise<void> {
    if (!of.next || of.next.rooms.size + rooms.length > ASKED_MAX) {
      const asked = new Set<string>();
      const answered = of.open.then(() => {
        if (of.next?.rooms === asked) of.next = undefined;
        return ask(namespace, of.known, [...asked]);
      });
      of.next = { rooms: asked, answered };
      of.open = answered;
    }
    for (const room of rooms) of.next.rooms.add(room);
    return of.next.answered;
  }

  return {
    count(name, rooms) {
      const namespace = namespacesOf(server).get(name);
      if (!namespace || rooms.length === 0) return {};
      if (isAlone(namespace)) return sum(namespace, rooms);
      const of = roomsOf(all, namespace);
      const stale = rooms.filter((room) => (of.known.get(room)?.until ?? 0) <= now());
      if (stale.length === 0) return sum(namespace, rooms, of.known);
      return share(namespace, of, stale).then(() => sum(namespace, rooms, of.known));
    },
    samples,
  };
}

function roomsOf(all: WeakMap<Namespace, Rooms>, namespace: Namespace): Rooms {
  let of = all.get(namespace);
  if (!of) {
    of = { known: new Map(), next: undefined, open: Promise.resolve() };
    all.set(namespace, of);
  }
  return of;
}

function sum(namespace: Namespace, rooms: readonly string[], others?: Rooms["known"]): Counts {
  const { rooms: there } = namespace.adapter;
  const counts = rooms.map((room) => {
    const count = sizeOfRoom(there, room) + (others?.get(room)?.count ?? 0);
    return [room, count] as const;
  });
  return Object.fromEntries(counts);
}

async function countOthers(namespace: Namespace, rooms: readonly string[]): Promise<CountedOthers> {
  const adapter = namespace.adapter as CountingAdapter;
  try {
    if (adapter.countOthers) return await adapter.countOthers(rooms, WAIT_MS);
    const found = await namespace
      .in([...rooms])
      .timeout(WAIT_MS)
      .fetchSockets();
    const counts = rooms.map((room) => {
      const there = found.filter((socket) => socket.rooms.has(room)).length;
      return there - sizeOfRoom(namespace.adapter.rooms, room);
    });
    return { counts, whole: true };
  } catch {
    return { counts: [], whole: false };
  }
}
