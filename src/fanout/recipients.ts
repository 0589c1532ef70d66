import type { BroadcastOptions, Room } from "../seam/socket-io-adapter.ts";
import type { AdapterInside } from "./audience.ts";

type Ids = ReadonlySet<string>;

/** The recipients of one broadcast, read from the adapter's live room sets. */
export interface RecipientSets {
  /** The addressed rooms that are not empty, largest first. Empty for the whole namespace. */
  readonly rooms: readonly Room[];
  /** The sockets of each of `rooms`. */
  readonly sets: readonly Ids[];
  /** The sockets of each room in `except` that is not empty. */
  readonly except: readonly Ids[];
  /** Whether a socket is addressed by a room other than `but`. Ignores `except`. */
  has(id: string, but?: Room): boolean;
  isExcluded(id: string): boolean;
}

const NONE: readonly Ids[] = [];
const NOWHERE: ReadonlySet<Room> = new Set();
/** A value that names no room. `undefined` would not do: it can be a room. */
const NO_ROOM: Room = Symbol();

/** Returns the recipients of a broadcast, or undefined if nobody is addressed. */
export function readRecipients(
  adapter: AdapterInside,
  to: BroadcastOptions,
): RecipientSets | undefined {
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

/**
 * Whether a socket is in one of `rooms`, `but` aside. Walks the smaller of `rooms` and the socket's
 * own rooms.
 */
// biome-ignore lint/complexity/useMaxParams: an object would be an allocation per recipient.
function isIn(
  adapter: AdapterInside,
  id: string,
  rooms: ReadonlySet<Room>,
  but: Room = NO_ROOM,
): boolean {
  const own = adapter.sids.get(id) ?? NOWHERE;
  const [few, many] = own.size < rooms.size ? [own, rooms] : [rooms, own];
  for (const room of few) {
    // Check both sides: while a socket joins or leaves, and listeners run, its own list can name a
    // room whose set doesn't contain it.
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

/** Calls `seen` once for each recipient that isn't excluded. Walks all recipients. */
export function eachRecipient(
  adapter: AdapterInside,
  recipients: RecipientSets,
  seen: (id: string) => void,
): void {
  const { sets, isExcluded } = recipients;
  const [ids] = sets;
  const all = sets.length > 1 ? new Set(idsOf(sets)) : (ids ?? adapter.sids.keys());
  for (const id of all) if (!isExcluded(id)) seen(id);
}

function* idsOf(sets: readonly Ids[]): Generator<string> {
  for (const set of sets) yield* set;
}

/** Lists the recipients among the members `some`. Walks the smaller of the two. */
export function listRecipients<Member extends { readonly socket: { readonly id: string } }>(
  adapter: AdapterInside,
  recipients: RecipientSets,
  { some, all }: { some: ReadonlySet<Member>; all: ReadonlyMap<string, Member> },
): Member[] {
  const found: Member[] = [];
  const size = recipients.sets.reduce((sum, ids) => sum + ids.size, 0);
  if (size > 0 && size < some.size) {
    eachRecipient(adapter, recipients, (id) => {
      const member = all.get(id);
      if (member && some.has(member)) found.push(member);
    });
  } else {
    for (const member of some) {
      const { id } = member.socket;
      if (recipients.has(id) && !recipients.isExcluded(id)) found.push(member);
    }
  }
  return found;
}

/** Calls `seen` with each id that is in both sets. Walks the smaller set. */
export function eachShared(a: Ids, b: Ids, seen: (id: string) => void): void {
  const [few, many] = a.size < b.size ? [a, b] : [b, a];
  for (const id of few) if (many.has(id)) seen(id);
}
