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
  /** Whether a socket is meant, `except` aside, and by another room than `but`. */
  has(id: string, but?: Room): boolean;
  isExcluded(id: string): boolean;
}

const NONE: readonly Ids[] = [];
const NOWHERE: ReadonlySet<Room> = new Set();
/** What no room is: even `undefined` may name one. */
const NO_ROOM: Room = Symbol();

/** Returns who is meant by a broadcast, or undefined when nobody can be. */
export function readCrowd(adapter: AdapterInside, to: Recipients): Crowd | undefined {
  const { rooms: named, except: left = NOWHERE } = to;
  const except = left.size > 0 ? pick(adapter, left).sets : NONE;
  const isExcluded = (id: string) => except.length > 0 && isIn(adapter, id, left);
  if (named.size === 0) {
    if (adapter.sids.size === 0) return undefined;
    return { rooms: [], sets: NONE, except, has: (id) => adapter.sids.has(id), isExcluded };
  }
  const { rooms, sets } = pick(adapter, named);
  if (sets.length === 0) return undefined;
  return { rooms, sets, except, has: (id, but) => isIn(adapter, id, named, but), isExcluded };
}

/** Whether a socket is in one of some rooms, at the cost of the fewer: those, or its own. */
function isIn(
  adapter: AdapterInside,
  id: string,
  rooms: ReadonlySet<Room>,
  but: Room = NO_ROOM,
): boolean {
  const own = adapter.sids.get(id) ?? NOWHERE;
  const [few, many] = own.size < rooms.size ? [own, rooms] : [rooms, own];
  for (const room of few) {
    // While one comes or goes, and listeners hear of it, its list has a room that has it not.
    if (room !== but && many.has(room) && adapter.rooms.get(room)?.has(id)) return true;
  }
  return false;
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
  const { sets, isExcluded } = crowd;
  const [ids] = sets;
  const all = sets.length > 1 ? new Set(idsOf(sets)) : (ids ?? adapter.sids.keys());
  for (const id of all) if (!isExcluded(id)) seen(id);
}

function* idsOf(sets: readonly Ids[]): Generator<string> {
  for (const set of sets) yield* set;
}

/** Lists the recipients among some members, at the cost of the fewer: those, or the crowd. */
export function listRecipients<Member extends { readonly socket: { readonly id: string } }>(
  adapter: AdapterInside,
  crowd: Crowd,
  { some, all }: { some: ReadonlySet<Member>; all: ReadonlyMap<string, Member> },
): Member[] {
  const found: Member[] = [];
  const size = crowd.sets.reduce((sum, ids) => sum + ids.size, 0);
  if (size > 0 && size < some.size) {
    eachRecipient(adapter, crowd, (id) => {
      const member = all.get(id);
      if (member && some.has(member)) found.push(member);
    });
  } else {
    for (const member of some) {
      const { id } = member.socket;
      if (crowd.has(id) && !crowd.isExcluded(id)) found.push(member);
    }
  }
  return found;
}

/** Calls `seen` with what two sets share, at the cost of the smaller one. */
export function eachShared(a: Ids, b: Ids, seen: (id: string) => void): void {
  const [few, many] = a.size < b.size ? [a, b] : [b, a];
  for (const id of few) if (many.has(id)) seen(id);
}
