import { FailureError } from "../core/failures.ts";
import type { AnySocket } from "./present.ts";

/** The limits of searches for sockets, from the settings section `fanout`. */
export interface SearchSettings {
  /** Sockets that one request may search before its next search is refused. */
  readonly requestSocketsMax: number;
  /** Sockets that unfinished answers of all requests may hold together. */
  readonly listedSocketsMax: number;
  /** Searches that may wait for their turn. */
  readonly listsWaitingMax: number;
}

/** A search for sockets, in the whole cluster. */
export interface Search {
  find(): Promise<AnySocket[]>;
  /** How many sockets of this node it walks. Excluded ones count: they cost as much. */
  count(): number;
}

/** The searches of one request, until it is answered. */
export interface RequestSearches {
  /**
   * Waits for its turn, then searches. Rejects with COMMANDS_TOO_MANY_LISTED, COMMANDS_BUSY, or the
   * error of the search.
   */
  sockets(search: Search): Promise<AnySocket[]>;
  /** Counts `count` sockets that an answer of the request holds. */
  hold(count: number): void;
  /** Call when the request is answered. Its answers then no longer count. */
  end(): void;
}

/** Runs searches for sockets in turns. */
export interface SearchQueue {
  open(): RequestSearches;
  /** Runs work that costs as much as a search, in its turn. Rejects with COMMANDS_BUSY. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** More than one, because in a cluster a search waits for other nodes, up to a whole timeout. */
const RUNNING_MAX = 4;

/**
 * Returns the queue of searches for sockets.
 *
 * A search walks all sockets of its namespace, however few are asked for, and one request may hold
 * a thousand searches. So a request that has searched `requestSocketsMax` sockets may not begin
 * another search, at most one search of all requests begins per turn of the event loop, and the
 * sockets that their answers hold are bounded.
 */
export function createSearchQueue(settings: SearchSettings): SearchQueue {
  const waiting: (() => void)[] = [];
  let running = 0;
  let held = 0;
  let startedThisTurn = false; // of the event loop

  function start(): void {
    running++;
    startedThisTurn = true;
    setImmediate(() => {
      startedThisTurn = false;
      advance();
    });
  }
  function advance(): void {
    if (startedThisTurn || running >= RUNNING_MAX) return;
    const next = waiting.shift();
    if (!next) return;
    start();
    next();
  }

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (waiting.length >= settings.listsWaitingMax || held >= settings.listedSocketsMax) {
      throw new FailureError("COMMANDS_BUSY");
    }
    if (!startedThisTurn && running < RUNNING_MAX) start();
    else await new Promise<void>((resolve) => void waiting.push(resolve));
    try {
      return await work();
    } finally {
      running--;
      advance();
    }
  }

  return {
    inTurn,
    open() {
      let searched = 0;
      let own = 0;
      return {
        async sockets({ find, count }) {
          if (searched >= settings.requestSocketsMax) {
            throw new FailureError("COMMANDS_TOO_MANY_LISTED");
          }
          const found = await inTurn(find);
          // Other nodes tell only what they found, not what they walked.
          searched += Math.max(found.length, count());
          return found;
        },
        hold(count) {
          own += count;
          held += count;
        },
        end() {
          held -= own;
          own = 0;
        },
      };
    },
  };
}
