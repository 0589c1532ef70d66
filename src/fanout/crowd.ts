import type { AdapterInside, Recipients, Room } from "./adapter.ts";

type Ids = ReadonlySet<string>;

/** The recipients of one broadcast, as the adapter's rooms have them at that moment. */
export interface Crowd {
  /** The rooms that have anyone, largest first; empty when the whole namespace is meant. */
  readonly rooms: readonly Room[];
  /** The sockets of each of `rooms`. */
  readonly sets: readonly Ids[];
  /** The sockets of each room in `except` that has anyone. */
  readonly except: readonly Ids[];
  /** Whether a socket is meant, `except` aside. */
  has(id: string): boolean;
  isExcluded(id: string): boolean;
}

const NONE: readonly Ids[] = [];

/** Returns who is meant by a broadcast, or undefined when nobody can be. */
export function readCrowd(adapter: AdapterInside, to: Recipients): Crowd | undefined {
  const except = to.except && to.except.size > 0 ? pick(adapter, to.except).sets : NONE;
  const isExcluded = (id: string) => except.some((set) => set.has(id));
  if (to.rooms.size === 0) {
    if (adapter.sids.size === 0) return undefined;
    return { rooms: [], sets: NONE, except, has: (id) => adapter.sids.has(id), isExcluded };
  }
  const { rooms, sets } = pick(adapter, to.rooms);
  if (sets.length === 0) return undefined;
  return { rooms, sets, except, has: (id) => sets.some((set) => set.has(id)), isExcluded };
}

function pick(adapter: AdapterInside, rooms: ReadonlySet<Room>) {
  const found: { room: Room; set: Ids }[] = [];
  for (const room of rooms) {
    const set = adapter.rooms.get(room);
    if (set && set.size > 0) found.push({ room, set });
  }
  if (found.length > 1) found.sort((a, b) => b.set.size - a.set.size);
  return { rooms: found.map((one) => one.room), sets: found.map((one) => one.set) };
}

/** Calls `seen` once for every socket of a crowd that isn't excluded: O(crowd). */
export function eachRecipient(
  adapter: AdapterInside,
  crowd: Crowd,
  seen: (id: string) => void,
): void {
  if (crowd.sets.length === 0) {
    for (const id of adapter.sids.keys()) if (!crowd.isExcluded(id)) seen(id);
    return;
  }
  const done = new Set<string>();
  for (const set of crowd.sets) {
    for (const id of set) {
      if (done.has(id) || crowd.isExcluded(id)) continue;
      done.add(id);
      seen(id);
    }
  }
}

/** Calls `seen` with what two sets share, at the cost of the smaller one. */
export function eachShared(a: Ids, b: Ids, seen: (id: string) => void): void {
  const [few, many] = a.size < b.size ? [a, b] : [b, a];
  for (const id of few) if (many.has(id)) seen(id);
}
