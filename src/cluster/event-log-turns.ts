import { compareIds, type EntryId } from "./event-log.ts";

/** What is done when its place in the log has come. */
export interface Turn {
  readonly id: EntryId;
  readonly take: (() => void) | undefined;
  /** Whether it comes behind the entry with its id. */
  readonly isBehind?: boolean;
}

/** What a worker hears of a log, in the order of the log. */
export interface Turns {
  /** Everything up to this entry was heard, or is being heard. */
  place(): EntryId;
  /** The latest entry that the log is known to have. */
  newest(): EntryId;
  /** The entry that is being heard. */
  hearing(): EntryId | undefined;
  /** Whether something waits. */
  isWaiting(): boolean;
  /** Something has come, in the order of the log. */
  arrive(turn: Turn): void;
  /** Something has come that is to be heard before what waits; what is there already comes once. */
  insert(turns: readonly Turn[], end: EntryId): void;
  /** Goes on with what waits. */
  go(): void;
  /** Resolves when the place is at an entry, or behind it. */
  reached(id: EntryId): Promise<void>;
}

/** What a log hears through its turns. */
export interface TurnsNeeds {
  /** Lists the entries behind which something may still be inserted. */
  bounds(): Iterable<EntryId>;
  threw(error: unknown): void;
}

const BEGIN: EntryId = "0-0";

/** Returns an empty order. */
export function createTurns({ bounds, threw }: TurnsNeeds): Turns {
  let place = BEGIN;
  let newest = BEGIN;
  let hearing: EntryId | undefined;
  let waiting: Turn[] = [];
  let places: { readonly id: EntryId; resolve(): void }[] = [];

  function moveTo(id: EntryId): void {
    if (compareIds(id, place) <= 0) return;
    place = id;
    if (places.length === 0) return;
    const reached = places.filter((each) => compareIds(each.id, id) <= 0);
    places = places.filter((each) => !reached.includes(each));
    for (const { resolve } of reached) resolve();
  }

  function take(turn: Turn): void {
    moveTo(turn.id);
    if (!turn.take) return;
    hearing = turn.id;
    try {
      turn.take();
    } catch (error) {
      threw(error);
    } finally {
      hearing = undefined;
    }
  }

  function waits({ id }: Turn): boolean {
    for (const bound of bounds()) if (compareIds(id, bound) > 0) return true;
    return false;
  }

  function go(): void {
    let at = 0;
    for (; at < waiting.length; at++) {
      const turn = waiting[at] as Turn; // at < waiting.length
      if (waits(turn)) break;
      take(turn);
    }
    waiting = waiting.slice(at);
  }

  return {
    go,
    place: () => place,
    newest: () => newest,
    hearing: () => hearing,
    isWaiting: () => waiting.length > 0,
    arrive(turn) {
      if (compareIds(turn.id, newest) > 0) newest = turn.id;
      if (waiting.length === 0 && !waits(turn)) {
        take(turn);
        return;
      }
      waiting.push(turn);
      go();
    },
    insert(turns, end) {
      const known = new Set<EntryId>();
      for (const { id, isBehind } of waiting) if (!isBehind) known.add(id);
      for (const turn of turns) if (!known.has(turn.id)) waiting.push(turn);
      if (compareIds(end, newest) > 0) newest = end;
      waiting.push({ id: end, take: undefined, isBehind: true });
      const rank = ({ isBehind }: Turn) => (isBehind ? 1 : 0);
      waiting.sort((a, b) => compareIds(a.id, b.id) || rank(a) - rank(b));
    },
    reached(id) {
      if (compareIds(place, id) >= 0) return Promise.resolve();
      return new Promise((resolve) => {
        places.push({ id, resolve });
      });
    },
  };
}
