import { compareIds, type Entry, type EntryId } from "./event-log.ts";

/** A subscription to a channel. */
export interface Channel<Reading> {
  /** Entries after this one are heard. */
  from: EntryId;
  /** All entries come that are after this one and were not appended before `since`. */
  readonly after: EntryId;
  /** In milliseconds of the log's clock. */
  readonly since: number;
  /** What must be read until it stands. */
  reading: Reading | undefined;
  lingers: boolean;
}

/** The channels of one log. */
export interface Channels<Reading> {
  get(channel: string): Channel<Reading> | undefined;
  set(channel: string, state: Channel<Reading>): void;
  /** They are not heard any more, but kept for a moment, lest they come and go at a cost. */
  drop(channels: readonly string[]): void;
  /** Forgets those that are only kept, and returns the others. */
  prune(): string[];
  /** Whether an entry is to be heard. */
  concerns(entry: Entry): boolean;
  hears(channels: readonly string[]): boolean;
  /** How many are heard. */
  count(): number;
  stop(): void;
}

const LINGER_MS = 1_000;

/** Returns the channels of a log; `unsubscribe` is called some time after they were dropped. */
export function createChannels<Reading>(
  unsubscribe: (channels: readonly string[]) => void,
): Channels<Reading> {
  const states = new Map<string, Channel<Reading>>();
  /** Those of this period, and those of the one before, which end with it. */
  let dropped = new Set<string>();
  let ending = new Set<string>();
  let timer: NodeJS.Timeout | undefined;

  function sweep(): void {
    const ended = [...ending].filter((channel) => states.get(channel)?.lingers);
    for (const channel of ended) states.delete(channel);
    if (ended.length > 0) unsubscribe(ended);
    [ending, dropped] = [dropped, new Set()];
    timer = ending.size > 0 ? setTimeout(sweep, LINGER_MS).unref() : undefined;
  }

  return {
    get: (channel) => states.get(channel),
    set(channel, state) {
      states.set(channel, state);
    },
    drop(channels) {
      for (const channel of channels) {
        const state = states.get(channel);
        if (!state) continue;
        state.lingers = true;
        ending.delete(channel);
        dropped.add(channel);
      }
      timer ??= setTimeout(sweep, LINGER_MS).unref();
    },
    prune() {
      for (const [channel, { lingers }] of states) if (lingers) states.delete(channel);
      return [...states.keys()];
    },
    concerns({ id, channels }) {
      return channels.some((channel) => {
        const state = states.get(channel);
        return state && !state.lingers && compareIds(id, state.from) > 0;
      });
    },
    hears: (channels) => channels.some((channel) => states.get(channel)?.lingers === false),
    count: () => [...states.values()].filter(({ lingers }) => !lingers).length,
    stop: () => clearTimeout(timer),
  };
}
