import { BEGIN, type Carrier, type Place } from "./carrier.ts";
import type { Channels } from "./channels.ts";
import { compareIds, type EntryId } from "./event-log.ts";
import type { Order } from "./order.ts";

/** What must be read before what comes after `from` is heard. */
export interface Reading {
  /** Where the log begins, while that is not known. */
  from: Place;
  /** What was appended before this time, by the log's clock, need not be read. */
  since: number;
  /** Channels to subscribe to before. */
  readonly channels: Set<string>;
  /** Entries of all channels are read: this is about a lost connection. */
  readonly isAll: boolean;
  /** Its channels count as subscribed to: the log was away, and nobody waited for them. */
  isLetGo: boolean;
  readonly done: Promise<void>;
  resolve(): void;
}

/**
 * What a log must read up: what was appended between a call of `subscribe` and when that stands,
 * and what a lost connection has missed. Everything that comes later in the log is held meanwhile.
 *
 * There are two readings at most, one that runs and one that collects the channels of the next. So
 * what is held waits for these, however many come after them.
 */
export interface Readings {
  running(): Reading | undefined;
  /** Nothing behind this may be heard yet. */
  bound(): EntryId | undefined;
  /** Resolves when the channels are subscribed to, or cannot be now. */
  subscribe(channels: readonly string[]): Promise<void>;
  /** Nobody waits for these channels any more: they are not subscribed to. */
  forget(channels: readonly string[]): void;
  /** Returns a reading in the place of both. */
  restart(from: Place, channels: Iterable<string>): Reading;
  /** What is collected is next if nothing runs; returns it then. */
  next(): Reading | undefined;
  /** Ends the one that runs; who waits for it is not told yet. */
  end(): void;
  /** Moves both to a place; or those that know none, if the log begins there. */
  move(to: Place, begins?: boolean): void;
  /** The one that is next. */
  collected(): Reading | undefined;
  /** Lets nobody wait: what is subscribed to now is read when the log is back. */
  letGo(): void;
  /** Whether somebody did not wait for a log that had not begun: nothing says where to read on. */
  wereLetGo(): boolean;
  stop(): void;
}

/** What readings need. */
export interface ReadingsNeeds {
  readonly carrier: Pick<Carrier, "isHere">;
  readonly order: Pick<Order, "now">;
  readonly channels: Channels<Reading>;
  /** Something is collected: `next` is to be run. */
  collects(): void;
}

/** Returns no readings. */
export function createReadings({ carrier, order, channels, collects }: ReadingsNeeds): Readings {
  let running: Reading | undefined;
  let collecting: Reading | undefined;
  let wereLetGo = false;

  const both = () => [running, collecting].filter((each) => each !== undefined);
  const release = (reading: Reading) => {
    if (reading.from === BEGIN) wereLetGo = true;
    reading.isLetGo = true;
    reading.resolve();
  };
  const letGo = () => both().forEach(release);

  function create(given: Pick<Reading, "from" | "since" | "channels" | "isAll">): Reading {
    let resolve = (): void => {};
    const done = new Promise<void>((settle) => {
      resolve = settle;
    });
    const reading = { ...given, isLetGo: false, done, resolve };
    if (!carrier.isHere()) release(reading);
    return reading;
  }

  /** Returns the reading that subscribes to a channel: all of this turn share one. */
  function collect(channel: string, { from, since }: ReturnType<Order["now"]>): Reading {
    if (!collecting) {
      collecting = create({ from, since, channels: new Set(), isAll: false });
      collects();
    }
    collecting.channels.add(channel);
    collecting.from = oldest(collecting.from, from);
    collecting.since = Math.min(collecting.since, since);
    const { id } = from;
    const known = channels.get(channel);
    // What an earlier subscription is owed may not have come yet.
    const isOwedMore = known && !known.lingers && compareIds(known.from, id) < 0;
    const more = { after: id, since, reading: collecting, lingers: false };
    channels.set(channel, { from: isOwedMore ? known.from : id, ...more });
    return collecting;
  }

  /** Returns the reading that a channel waits for, if any. */
  function follow(channel: string, now: ReturnType<Order["now"]>): Reading | undefined {
    const { id } = now.from;
    const state = channels.get(channel);
    // Who subscribed to it before may have done so later in the log than the entry that is heard.
    const comes = state && compareIds(state.after, id) <= 0 && state.since <= now.since;
    if (!comes) return collect(channel, now);
    if (state.lingers || compareIds(id, state.from) < 0) state.from = id;
    state.lingers = false;
    return state.reading;
  }

  return {
    running: () => running,
    bound: () => (running ? oldest(running.from, collecting?.from) : collecting?.from)?.id,
    async subscribe(wanted) {
      const now = order.now();
      const awaited = new Set<Promise<void>>();
      for (const channel of wanted) {
        const reading = follow(channel, now);
        if (reading) awaited.add(reading.done);
      }
      await Promise.all(awaited);
    },
    forget(ended) {
      for (const { channels: wanted } of both()) for (const each of ended) wanted.delete(each);
    },
    restart(from, to) {
      const reading = create({ from, since: 0, channels: new Set(to), isAll: true });
      for (const old of both()) reading.done.then(old.resolve);
      for (const channel of reading.channels) {
        const state = channels.get(channel);
        if (state) state.reading = reading;
      }
      [running, collecting] = [reading, undefined];
      return reading;
    },
    next() {
      if (running || !collecting) return undefined;
      [running, collecting] = [collecting, undefined];
      return running;
    },
    end() {
      for (const channel of running?.channels ?? []) {
        const state = channels.get(channel);
        if (state && state.reading === running) state.reading = undefined;
      }
      running = undefined;
    },
    move(to, begins = false) {
      for (const reading of both()) if (!begins || reading.from === BEGIN) reading.from = to;
    },
    collected: () => collecting,
    letGo,
    wereLetGo: () => wereLetGo,
    stop() {
      letGo();
      [running, collecting] = [undefined, undefined];
    },
  };
}

/** Returns the first of the places in the order of the log. */
export function oldest(place: Place, ...others: (Place | undefined)[]): Place {
  let first = place;
  for (const other of others) if (other && compareIds(other.id, first.id) < 0) first = other;
  return first;
}
