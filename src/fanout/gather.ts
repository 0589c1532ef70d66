import { FailureError } from "../core/failures.ts";
import type { AnySocket } from "./present.ts";

/** What looking for sockets is bounded by, from the section `fanout`. */
export interface GatherSettings {
  /** Sockets one request may look through before its next list is refused. */
  readonly requestSocketsMax: number;
  /** Sockets that answers may hold until they are given, over all requests. */
  readonly listedSocketsMax: number;
  /** Lists that may wait for their turn. */
  readonly listsWaitingMax: number;
}

/** A search for sockets, in the whole cluster. */
export interface Search {
  find(): Promise<AnySocket[]>;
  /** How many sockets of this node it goes through: those that are left out cost as much. */
  count(): number;
}

/** What one request gathers, until it is answered. */
export interface Gathering {
  /**
   * Looks for sockets when it is this one's turn. Rejects with COMMANDS_TOO_MANY_LISTED,
   * COMMANDS_BUSY, or what the search rejects with.
   */
  sockets(search: Search): Promise<AnySocket[]>;
  /** An answer of the request holds so many sockets. */
  hold(count: number): void;
  /** The request is answered: it holds nothing any more. */
  end(): void;
}

/** Everything that looks through sockets, in one line. */
export interface Gathers {
  open(): Gathering;
  /** Does what costs as much as a list, in a turn of its own. Rejects with COMMANDS_BUSY. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** In a cluster the other nodes take their time, and one that is dead costs its whole timeout. */
const AT_ONCE = 4;

/**
 * Returns the line of those who look through sockets.
 *
 * A list costs as much as its namespace has sockets, whatever little is asked for, and a request
 * may hold a thousand. So a request may look through some and then one list more; at most one list
 * begins in a turn of the event loop, whoever asks; and what their answers hold is bounded.
 */
export function createGathers(settings: GatherSettings): Gathers {
  const line: (() => void)[] = [];
  let running = 0;
  let held = 0;
  let begun = false; // in this turn of the event loop

  function begin(): void {
    running++;
    begun = true;
    setImmediate(() => {
      begun = false;
      advance();
    });
  }
  function advance(): void {
    if (begun || running >= AT_ONCE) return;
    const next = line.shift();
    if (!next) return;
    begin();
    next();
  }

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (line.length >= settings.listsWaitingMax || held >= settings.listedSocketsMax) {
      throw new FailureError("COMMANDS_BUSY");
    }
    if (!begun && running < AT_ONCE) begin();
    else await new Promise<void>((resolve) => void line.push(resolve));
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
      let seen = 0;
      let own = 0;
      return {
        async sockets({ find, count }) {
          if (seen >= settings.requestSocketsMax) {
            throw new FailureError("COMMANDS_TOO_MANY_LISTED");
          }
          const found = await inTurn(find);
          // Of another node only what it found is known.
          seen += Math.max(found.length, count());
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
