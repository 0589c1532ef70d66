import {
  BEGIN,
  type BusSamples,
  type Carrier,
  NOWHERE,
  type Place,
  type PushedEntry,
  type PushedMessage,
  placeOf,
} from "./carrier.ts";
import { compareIds, type EntryId } from "./event-log.ts";
import type { Hearing } from "./hearing.ts";
import { type Behind, createHeld } from "./held.ts";
import { createReplayCheck, msOf } from "./trust.ts";

/**
 * Puts what is pushed, and what is read, in the order of the log, and hands it over. Three places
 * say how far it is: handed over up to `place`, come up to `arrived`, known of up to `newest`.
 */
export interface Order {
  /** Whether the log has begun: its end was found. */
  isOpen(): boolean;
  /** Everything up to here was handed over. */
  place(): EntryId;
  /** Everything that was pushed up to here has come. */
  arrived(): Place;
  newest(): EntryId;
  /** Where this node is: the entry that it hears, or the newest; and the time by the log there. */
  now(): { readonly from: Place; readonly since: number };
  /** Returns behind what more came than may be held, once: that must be read. */
  takeOverflow(): Place | undefined;
  /** How often entries were lost; what was asked before says nothing of what comes after. */
  losses(): number;
  begin(end: Place): void;
  pushed(entry: PushedEntry): void;
  told(message: PushedMessage): void;
  left(node: string): void;
  /**
   * Takes what was read up to `end`, where everything that was pushed has come; with `isAll` what
   * was read is of all channels.
   */
  read(entries: readonly PushedEntry[], end: Place, isAll?: boolean): void;
  /** A reading has ended: the messages that came meanwhile come behind it. */
  settle(end: Place): void;
  /** The log has an entry of this place. */
  know(at: Place): void;
  /** Hands over what may be heard. */
  hand(): void;
  /** Entries are gone: goes on behind a place. */
  lose(at: Place): void;
  /** Resolves when the place is at or behind an id. */
  reached(id: EntryId): Promise<void>;
  /** Whether somebody waits for that. */
  isAwaited(): boolean;
}

/** What the order of a log needs. */
export interface OrderNeeds {
  readonly hearing: Hearing;
  readonly carrier: Pick<Carrier, "signs">;
  readonly samples: BusSamples;
  /** What may be held; beyond is read again. */
  readonly heldBytesMax: number;
  /** Nothing behind this may be heard yet. */
  bound(): EntryId | undefined;
  /** Everything up to here was handed over. */
  passed(place: EntryId): void;
  /**
   * Told how old an entry was when it came, in seconds, by the log's clock and ours: of those that
   * come in one millisecond, the first.
   */
  lagged?: ((seconds: number) => void) | undefined;
}

/** What the log's clock and this node's may differ by between two ids that are known. */
const DRIFT_MS = 5;

/** Returns the order of a log that has not begun. */
export function createOrder(needs: OrderNeeds): Order {
  const { hearing, samples, bound } = needs;
  const held = createHeld();
  const isFirstPush = createReplayCheck();
  const waiting = createWaiting();
  const known = createKnown();
  let place = NOWHERE;
  let arrived = BEGIN;
  let overflow: Place | undefined;
  let losses = 0;
  let lookedMs = 0;

  function count({ body }: { readonly body: Uint8Array }): void {
    samples.messages.in++;
    samples.bytes.in += body.length;
  }

  function arrive(at: Place): void {
    if (compareIds(at.id, arrived.id) > 0) arrived = at;
    known.add(at);
  }

  /** What came behind the overflow must be read before anything else is heard. */
  function limit(): EntryId | undefined {
    const to = bound();
    if (!overflow) return to;
    return to !== undefined && compareIds(to, overflow.id) < 0 ? to : overflow.id;
  }

  function hand(): void {
    for (let item = held.shift(limit()); item; item = held.shift(limit())) {
      if ("entry" in item) place = item.id;
      hearing.hear(item);
    }
    const to = limit();
    const at = to !== undefined && compareIds(to, arrived.id) < 0 ? to : arrived.id;
    if (compareIds(at, place) > 0) place = at;
    needs.passed(place);
    waiting.pass(place);
  }

  /** Measures how late it comes; what comes in the same millisecond would say little else. */
  function look(entry: PushedEntry): void {
    if (!needs.lagged) return;
    const nowMs = Date.now();
    if (nowMs !== lookedMs) needs.lagged(Math.max(0, nowMs - msOf(entry.id)) / 1000);
    lookedMs = nowMs;
  }

  function pushed(entry: PushedEntry): void {
    count(entry);
    // Not a second copy, for another of its channels.
    if (overflow || compareIds(entry.id, arrived.id) <= 0) return;
    // Before it moves anything: who repeats it may have given it any id.
    if (needs.carrier.signs && !isFirstPush(entry, entry.id)) {
      samples.refused.replay++;
      return;
    }
    look(entry);
    if (held.bytes() > needs.heldBytesMax) {
      overflow = arrived;
      return;
    }
    arrive(placeOf(entry));
    // What need not wait is not held; nothing that waits is before it.
    if (bound() === undefined) {
      place = entry.id;
      hearing.hear({ id: entry.id, entry });
    } else held.push(entry);
    hand();
  }

  function add(item: Behind): void {
    if (bound() === undefined) hearing.hear(item);
    else held.add(item);
  }

  return {
    isOpen: () => arrived !== BEGIN,
    place: () => place,
    arrived: () => arrived,
    newest: () => known.newest().id,
    losses: () => losses,
    isAwaited: waiting.isAwaited,
    now() {
      const entry = hearing.now();
      if (entry) return { from: placeOf(entry), since: msOf(entry.id) };
      if (arrived === BEGIN) return { from: BEGIN, since: 0 };
      return { from: known.newest(), since: known.clockMs() };
    },
    begin(end) {
      [place, arrived] = [end.id, end];
      known.restart(end);
    },
    pushed,
    told(message) {
      count(message);
      add({ id: arrived.id, message });
    },
    left: (node) => add({ id: arrived.id, left: node }),
    read(entries, end, isAll = false) {
      held.merge(entries, place);
      if (isAll && overflow && compareIds(end.id, overflow.id) > 0) overflow = end;
      arrive(end);
    },
    settle: (end) => held.settle(end.id),
    takeOverflow() {
      const from = overflow;
      overflow = undefined;
      return from;
    },
    know: known.add,
    hand,
    lose(at) {
      losses++;
      samples.gaps++;
      // What was not held for it may be behind the place, and is to be read from there.
      if (overflow) overflow = at;
      held.drop(at.id);
      [place, arrived] = [at.id, at];
      known.restart(at);
      hearing.lost();
      hand();
    },
    reached(id) {
      if (compareIds(id, place) <= 0) return Promise.resolve();
      return waiting.add(id);
    },
  };
}

/** Returns what remembers the newest place that is known, and since when. */
function createKnown() {
  let newest = BEGIN;
  let sinceMs = 0;
  return {
    newest: () => newest,
    /** What the clock of the log shows now, or less: it showed that time, or a later one, then. */
    clockMs: () => msOf(newest.id) + Math.floor(performance.now() - sinceMs - DRIFT_MS),
    add(at: Place): void {
      if (compareIds(at.id, newest.id) < 0) return;
      sinceMs = performance.now();
      newest = at;
    },
    restart(at: Place): void {
      sinceMs = performance.now();
      newest = at;
    },
  };
}

/** Returns those that wait for a place. */
function createWaiting() {
  const waiting = new Set<{ readonly id: EntryId; resolve(): void }>();
  return {
    isAwaited: () => waiting.size > 0,
    add: (id: EntryId) => new Promise<void>((resolve) => void waiting.add({ id, resolve })),
    pass(place: EntryId): void {
      for (const one of waiting) {
        if (compareIds(one.id, place) > 0) continue;
        waiting.delete(one);
        one.resolve();
      }
    },
  };
}
