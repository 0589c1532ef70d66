import {
  type Draft,
  NOWHERE,
  type Page,
  type Place,
  type PushedEntry,
  type PushedMessage,
  placeOf,
} from "./carrier.ts";
import { compareIds, type EntryId, findAfter } from "./event-log.ts";
import { msOf } from "./trust.ts";

/** What one node's side of a ring is told, while others append and tell. */
export interface RingMember {
  readonly node: string;
  pushed(entry: PushedEntry): void;
  /** Returns whether it takes messages now. */
  told(message: PushedMessage): boolean;
}

/** What one node does with a ring. All of it happens at once. */
export interface RingSide {
  /** Returns the entry, which is pushed to all others that are to hear it. */
  append(draft: Omit<Draft, "at">): PushedEntry;
  /** Returns the names of those that were told. */
  tell(draft: Omit<Draft, "at">): string[];
  subscribe(channels: readonly string[]): void;
  unsubscribe(channels?: Iterable<string>): void;
  /** As `read` of a `CarrierLog`; of the place only the id counts. Without one nothing is read. */
  read(after: EntryId | undefined, channels: readonly string[] | "all", since?: number): Page;
  leave(): void;
}

/** The log of one namespace in memory. */
export interface Ring {
  join(member: RingMember): RingSide;
  /** How many nodes have joined. */
  nodes(): number;
  /** Forgets everything. */
  clear(): void;
}

/** How much rings keep, the newest. */
export interface RingLimits {
  /** Entries of each. */
  readonly packetsMax: number;
  /** Bytes of the entries of all. */
  readonly bytesMax: number;
}

/** The first id of a millisecond: all have as many digits, so they are compared as texts. */
const FIRST = 100_000;
/** What is read at once. */
const PAGE = 250;
const PAGE_BYTES = 1_048_576;
/** What an entry takes in memory beside its body, roughly. */
const ENTRY_BYTES = 200;

/**
 * Returns what makes rings that share a limit of bytes: over it, the largest one loses its oldest
 * entries.
 */
export function createRings({ packetsMax, bytesMax }: RingLimits): () => Ring {
  const rings = new Set<Kept>();
  let total = 0;
  let [ms, seq] = [Date.now(), FIRST];

  function nextId(): EntryId {
    const now = Date.now();
    // The clock may be set back, ids may not.
    if (now > ms) [ms, seq] = [now, FIRST];
    else seq++;
    return `${ms}-${seq}`;
  }

  function trim(): void {
    while (total > bytesMax) {
      let largest: Kept | undefined;
      for (const each of rings) if (each.bytes() > (largest?.bytes() ?? 0)) largest = each;
      if (!largest) return;
      total -= largest.dropOldest();
    }
  }

  return () => {
    const kept = createKept(nextId());
    rings.add(kept);
    const keep = (entry: PushedEntry) => {
      total += kept.add(entry);
      while (kept.length() > packetsMax) total -= kept.dropOldest();
      trim();
    };
    const clear = () => {
      total -= kept.bytes();
      rings.delete(kept);
    };
    return { ...createRing(kept, { nextId, keep }), clear };
  };
}

/** The entries of a ring. Bytes are those of entries with what they take beside their bodies. */
interface Kept {
  readonly end: Place;
  bytes(): number;
  length(): number;
  add(entry: PushedEntry): number;
  dropOldest(): number;
  read: RingSide["read"];
}

function createKept(begin: EntryId): Kept {
  /** The oldest entry that is kept is at `first`; what lies before it is dropped now and then. */
  let entries: PushedEntry[] = [];
  let first = 0;
  let bytes = 0;
  let dropped = begin;
  let end: Place = { id: begin, mark: "", count: -1 };

  function readPage(from: number, channels: readonly string[] | "all"): Page {
    const wanted = new Set(channels);
    const found: PushedEntry[] = [];
    let at = from;
    for (let size = 0; at < entries.length && at < from + PAGE && size <= PAGE_BYTES; at++) {
      const entry = entries[at] as PushedEntry; // at < entries.length
      if (channels !== "all" && !entry.channels.some((channel) => wanted.has(channel))) continue;
      found.push(entry);
      size += entry.body.length;
    }
    const more = at < entries.length;
    const read = more ? placeOf(entries[at - 1] as PushedEntry) : end; // one was read, at least
    return { entries: found, end: read, more, lost: false };
  }

  return {
    get end() {
      return end;
    },
    bytes: () => bytes,
    length: () => entries.length - first,
    add(entry) {
      entries.push(entry);
      end = { id: entry.id, mark: "", count: -1 };
      bytes += sizeOf(entry);
      return sizeOf(entry);
    },
    dropOldest() {
      const oldest = entries[first++] as PushedEntry; // a ring with bytes has entries
      bytes -= sizeOf(oldest);
      dropped = oldest.id;
      if (first >= 1_024 && first >= entries.length / 2) {
        entries = entries.slice(first);
        first = 0;
      }
      return sizeOf(oldest);
    },
    read(after, channels, since = 0) {
      const nothing = { entries: [], end, more: false };
      if (after === undefined) return { ...nothing, lost: false };
      if (compareIds(after, end.id) > 0) return { ...nothing, lost: true };
      if (channels.length === 0) return { ...nothing, lost: false };
      // A clock that was set back gives earlier times to later entries.
      const isClockBack = Math.max(since, msOf(end.id)) > Date.now();
      const from = isClockBack || since === 0 ? after : laterOf(after, `${since - 1}-0`);
      if (compareIds(from, dropped) < 0) return { ...nothing, lost: true };
      return readPage(findAfter(entries, from, first), channels);
    },
  };
}

function sizeOf({ body }: PushedEntry): number {
  return body.length + ENTRY_BYTES;
}

function laterOf(a: EntryId, b: EntryId): EntryId {
  return compareIds(a, b) < 0 ? b : a;
}

/** A member, and the number of the last entry that it was pushed: each comes once. */
interface Listening {
  readonly member: RingMember;
  pushed: number;
}

function createRing(
  kept: Kept,
  { nextId, keep }: { nextId(): EntryId; keep(entry: PushedEntry): void },
): Omit<Ring, "clear"> {
  const interested = new Map<string, Set<Listening>>();
  let nodes = 0;
  let appended = 0;

  function join(member: RingMember): RingSide {
    const { node: from } = member;
    const me: Listening = { member, pushed: 0 };
    const own = new Set<string>();
    nodes++;
    function unsubscribe(channels: Iterable<string> = [...own]): void {
      for (const channel of channels) {
        own.delete(channel);
        const set = interested.get(channel);
        set?.delete(me);
        if (set?.size === 0) interested.delete(channel);
      }
    }
    return {
      append({ n, channels, body }) {
        const entry = { id: nextId(), from, n, at: NOWHERE, channels, body };
        keep(entry);
        me.pushed = ++appended;
        for (const channel of channels) {
          for (const each of interested.get(channel) ?? []) {
            if (each.pushed === appended) continue;
            each.pushed = appended;
            each.member.pushed(entry);
          }
        }
        return entry;
      },
      tell({ n, channels: [channel = ""], body }) {
        const to = [...(interested.get(channel) ?? [])].map((each) => each.member);
        const message = { from, n, at: NOWHERE, channel, body };
        return to.filter((each) => each.told(message)).map(({ node }) => node);
      },
      subscribe(channels) {
        for (const channel of channels) {
          own.add(channel);
          const set = interested.get(channel);
          if (set) set.add(me);
          else interested.set(channel, new Set([me]));
        }
      },
      unsubscribe,
      read: kept.read,
      leave() {
        nodes--;
        unsubscribe();
      },
    };
  }

  return { join, nodes: () => nodes };
}
