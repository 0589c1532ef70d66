import { compareIds, type EntryId } from "../../src/cluster/event-log.ts";
import type { PushedMessage } from "../../src/cluster/event-log-carrier.ts";
import {
  type Draft,
  type Page,
  type Place,
  type PushedEntry,
  placeOf,
} from "../../src/cluster/event-log-carrier.ts";

/** What one node's side of a ring is told. */
export interface RingMember {
  pushed(entry: PushedEntry): void;
  told(message: PushedMessage): void;
}

/** What one node does with a ring. All of it happens at once. */
export interface RingSide {
  append(draft: Draft): EntryId;
  tell(draft: Draft): number;
  subscribe(channels: readonly string[]): void;
  unsubscribe(channels: readonly string[]): void;
  /** As `read` of a `CarrierLog`; of the place only the id counts. */
  read(
    after: Pick<Place, "id"> | undefined,
    channels: readonly string[] | "all",
    since?: number,
  ): Page;
  leave(): void;
}

/** The log of one namespace in memory. */
export interface Ring {
  join(node: string, member: RingMember): RingSide;
  /** How many nodes have joined. */
  nodes(): number;
}

/** How much a ring keeps, the newest; and how much is read at once. */
export interface RingLimits {
  readonly packetsMax: number;
  readonly bytesMax: number;
}

/** How many entries a page has at most. */
const PAGE = 250;
/** What an entry takes in memory beside its body, roughly. */
const ENTRY_BYTES = 200;

/**
 * Returns a log in memory. Whoever has several of an entry's channels is pushed it once, while it is
 * appended.
 */
export function createRing({ packetsMax, bytesMax }: RingLimits): Ring {
  const members = new Set<RingMember>();
  const interested = new Map<string, Set<RingMember>>();
  /** The oldest entry that is kept is at `first`; what lies before it is dropped now and then. */
  let entries: PushedEntry[] = [];
  let first = 0;
  let bytes = 0;
  let [ms, seq] = [Date.now(), 0];
  let last: Place = { id: `${ms}-${seq}`, mark: "", count: 0 };
  let dropped: EntryId = last.id;

  function nextId(): EntryId {
    const now = Date.now();
    // The clock may be set back, ids may not.
    if (now > ms) [ms, seq] = [now, 0];
    else seq++;
    return `${ms}-${seq}`;
  }

  function keep(entry: PushedEntry): void {
    entries.push(entry);
    bytes += entry.body.length + ENTRY_BYTES;
    while (entries.length - first > packetsMax || bytes > bytesMax) {
      const oldest = entries[first] as PushedEntry; // there is the one just added, at least
      bytes -= oldest.body.length + ENTRY_BYTES;
      dropped = oldest.id;
      first++;
      if (first === entries.length) break;
    }
    if (first < packetsMax / 8 + PAGE) return;
    entries = entries.slice(first);
    first = 0;
  }

  function read(
    after: Pick<Place, "id"> | undefined,
    channels: readonly string[] | "all",
    since = 0,
  ): Page {
    const none = { entries: [], end: last, more: false };
    if (!after) return { ...none, lost: false };
    if (compareIds(after.id, last.id) > 0) return { ...none, lost: true };
    if (channels.length === 0) return { ...none, lost: false };
    if (compareIds(after.id, dropped) < 0) return { ...none, lost: true };
    // A clock that was set back gives earlier times to later entries.
    const isClockBack = since > Date.now() || ms > Date.now();
    const start = isClockBack || since === 0 ? after.id : laterOf(after.id, `${since - 1}-0`);
    const from = search(entries, first, start);
    const page = entries.slice(from, from + PAGE);
    const more = from + PAGE < entries.length;
    const end = more ? placeOf(page.at(-1) as PushedEntry) : last; // a page of more is full
    const wanted = new Set(channels);
    const isWanted = (entry: PushedEntry) => entry.channels.some((channel) => wanted.has(channel));
    return { entries: channels === "all" ? page : page.filter(isWanted), end, more, lost: false };
  }

  return {
    nodes: () => members.size,
    join(node, member) {
      const own = new Set<string>();
      members.add(member);
      function unsubscribe(channels: Iterable<string>): void {
        for (const channel of channels) {
          own.delete(channel);
          const set = interested.get(channel);
          set?.delete(member);
          if (set?.size === 0) interested.delete(channel);
        }
      }
      return {
        append({ n, at, channels, body }) {
          const entry: PushedEntry = { id: nextId(), from: node, n, at, channels, body };
          keep(entry);
          last = { ...placeOf(entry), count: last.count + 1 };
          const to = new Set<RingMember>();
          for (const channel of channels) {
            for (const each of interested.get(channel) ?? []) to.add(each);
          }
          for (const each of to) each.pushed(entry);
          return entry.id;
        },
        tell({ n, at, channels: [channel = ""], body }) {
          const to = interested.get(channel) ?? new Set();
          for (const each of to) each.told({ from: node, n, at, channel, body });
          return to.size;
        },
        subscribe(channels) {
          for (const channel of channels) {
            own.add(channel);
            const set = interested.get(channel);
            if (set) set.add(member);
            else interested.set(channel, new Set([member]));
          }
        },
        unsubscribe,
        read,
        leave() {
          members.delete(member);
          unsubscribe([...own]);
        },
      };
    },
  };
}

function laterOf(a: EntryId, b: EntryId): EntryId {
  return compareIds(a, b) < 0 ? b : a;
}

/** Returns where the first entry after an id is. */
function search(entries: readonly PushedEntry[], first: number, after: EntryId): number {
  let low = first;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareIds((entries[middle] as PushedEntry).id, after) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
