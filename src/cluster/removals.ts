import type { Place } from "../core/journal.ts";
import { createPacker } from "./journal-pack.ts";

/** Entries of journals that are to be removed. */
export interface Removals {
  add(place: Place): void;
  /** The first of them, as many as one call of the script carries. */
  first(): Place[];
  /** These are gone. */
  done(places: readonly Place[]): void;
  /** Whether some are of a journal, or of any. */
  has(journal?: string): boolean;
}

/** What one call of the script removes at most. */
const CALL_PLACES = 500;
const NOTHING = Buffer.alloc(0);

/** Returns none yet. There are never more than entries in journals. */
export function createRemovals(): Removals {
  const byJournal = new Map<string, Map<number, Place>>();
  return {
    add(place) {
      const places = byJournal.get(place.journal) ?? new Map<number, Place>();
      byJournal.set(place.journal, places.set(place.number, place));
    },
    first() {
      const all: Place[] = [];
      for (const places of byJournal.values()) {
        for (const place of places.values()) {
          all.push(place);
          if (all.length === CALL_PLACES) return all;
        }
      }
      return all;
    },
    done(places) {
      for (const { journal, number } of places) {
        const left = byJournal.get(journal);
        left?.delete(number);
        if (left?.size === 0) byJournal.delete(journal);
      }
    },
    has: (journal) => (journal === undefined ? byJournal.size > 0 : byJournal.has(journal)),
  };
}

/** Packs places, those of one journal together. */
export function packRemovals(places: readonly Place[]): Buffer {
  if (places.length === 0) return NOTHING;
  const packer = createPacker();
  for (let at = 0; at < places.length; ) {
    const journal = places[at]?.journal ?? "";
    let end = at + 1;
    while (places[end]?.journal === journal) end++;
    packer.remove(journal, places.slice(at, end));
    at = end;
  }
  return packer.pack();
}
