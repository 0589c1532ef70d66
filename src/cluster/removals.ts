import type { Place } from "../core/journal.ts";
import { createPacker } from "./journal-pack.ts";

/** Entries of journals that are to be removed. */
export interface Removals {
  add(place: Place): void;
  /**
   * What is added from now on is held until this has resolved, and what it is held by already.
   * Resolves then.
   */
  hold(until: Promise<unknown>): Promise<void>;
  /** The first that are not held, as many as one call of the script carries. */
  first(): Place[];
  /** These are gone. */
  done(places: readonly Place[]): void;
  /** Whether some are of a journal. */
  has(journal: string): boolean;
  /** Whether some are not held. */
  isReady(): boolean;
  /** Resolves when none of those that are held now is held any more. */
  released(): Promise<unknown>;
}

/** What one call of the script removes at most. */
const CALL_PLACES = 500;
const NOTHING = Buffer.alloc(0);

/** Returns none yet. There are never more than entries in journals. */
export function createRemovals(): Removals {
  const byJournal = new Map<string, Map<number, Place>>();
  const held: { readonly place: Place; readonly by: number }[] = [];
  /** How often something was held, and up to which time that is over. */
  let holds = 0;
  let over = 0;
  let last = Promise.resolve();

  function put(place: Place): void {
    const places = byJournal.get(place.journal) ?? new Map<number, Place>();
    byJournal.set(place.journal, places.set(place.number, place));
  }

  return {
    add(place) {
      if (over === holds) put(place);
      else held.push({ place, by: holds });
    },
    hold(until) {
      const own = ++holds;
      const done = Promise.all([last, until]).then(() => {
        over = own;
        const next = held.findIndex(({ by }) => by > own);
        for (const { place } of held.splice(0, next < 0 ? held.length : next)) put(place);
      });
      last = done;
      return done;
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
    has: (journal) => byJournal.has(journal) || held.some(({ place }) => place.journal === journal),
    isReady: () => byJournal.size > 0,
    released: () => last,
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
