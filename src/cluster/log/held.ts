import type { PushedEntry, PushedMessage } from "./carrier.ts";
import { compareIds, type EntryId } from "./event-log.ts";

/** An entry, or what comes behind an id: a message, or that a node is gone. */
export type Item = { readonly id: EntryId; readonly entry: PushedEntry } | Behind;

export type Behind =
  | { readonly id: EntryId; readonly message: PushedMessage }
  | { readonly id: EntryId; readonly left: string };

/** What has come and may not be heard yet, in the order of the log. */
export interface Held {
  /** Adds an entry that is behind all that are held. */
  push(entry: PushedEntry): void;
  /** Adds what comes behind the entries of all readings that run as well. */
  add(item: Behind): void;
  /** Adds entries that were read; those that are held already come once. */
  merge(entries: readonly PushedEntry[], after: EntryId): void;
  /** What was added comes behind an id, too. */
  settle(end: EntryId): void;
  /** Returns the oldest if it may be heard, and removes it. */
  shift(bound: EntryId | undefined): Item | undefined;
  /** Drops the entries up to an id. */
  drop(to: EntryId): void;
  bytes(): number;
}

/** What an item takes in memory beside its body, roughly. */
const ITEM_BYTES = 200;

export function createHeld(): Held {
  /** The oldest is at `first`. */
  let items: Item[] = [];
  let first = 0;
  let unplaced: Behind[] = [];
  let bytes = 0;

  function rest(): Item[] {
    const old = first === 0 ? items : items.slice(first);
    first = 0;
    return old;
  }

  return {
    bytes: () => bytes,
    push(entry) {
      bytes += sizeOf(entry);
      items.push({ id: entry.id, entry });
    },
    add(item) {
      bytes += sizeOfItem(item);
      unplaced.push(item);
    },
    merge(entries, after) {
      const known = new Set<EntryId>();
      for (let at = first; at < items.length; at++) {
        const item = items[at] as Item;
        if ("entry" in item) known.add(item.id);
      }
      const fresh = entries.filter(({ id }) => compareIds(id, after) > 0 && !known.has(id));
      for (const entry of fresh) bytes += sizeOf(entry);
      // Before the messages that were placed behind the same id.
      const more = fresh.map((entry) => ({ id: entry.id, entry }));
      items = mergeItems(more, rest());
    },
    settle(end) {
      const place = (item: Behind) => (compareIds(item.id, end) < 0 ? { ...item, id: end } : item);
      const all = unplaced.map(place);
      unplaced = [];
      items = mergeItems(rest(), all);
    },
    shift(bound) {
      const item = items[first];
      if (!item || (bound !== undefined && compareIds(item.id, bound) > 0)) return undefined;
      first++;
      bytes -= sizeOfItem(item);
      if (first === items.length) {
        items = [];
        first = 0;
      }
      return item;
    },
    drop(to) {
      const isKept = (item: Item) => !("entry" in item) || compareIds(item.id, to) > 0;
      items = items.slice(first).filter(isKept);
      first = 0;
      bytes = 0;
      for (const item of items) bytes += sizeOfItem(item);
      for (const item of unplaced) bytes += sizeOfItem(item);
    },
  };
}

function sizeOf({ body }: { readonly body: Uint8Array }): number {
  return body.length + ITEM_BYTES;
}

function sizeOfItem(item: Item): number {
  if ("left" in item) return ITEM_BYTES;
  return sizeOf("entry" in item ? item.entry : item.message);
}

/** Merges two lists by id; of equal ids those of the first come first. */
function mergeItems(one: Item[], other: Item[]): Item[] {
  if (other.length === 0) return one;
  if (one.length === 0) return other;
  const merged: Item[] = [];
  let at = 0;
  for (const item of other) {
    while (at < one.length && compareIds((one[at] as Item).id, item.id) <= 0) {
      merged.push(one[at++] as Item);
    }
    merged.push(item);
  }
  while (at < one.length) merged.push(one[at++] as Item);
  return merged;
}
