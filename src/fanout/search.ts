import type { RemoteSocket, Socket } from "socket.io";
import type { PresentSocket } from "../core/command.ts";
import { FailureError } from "../core/failures.ts";
import type { Settings } from "../core/settings-shape.ts";

/** A socket of this node or of another one of the cluster. */
export type AnySocket = Socket | RemoteSocket<Record<string, never>, unknown>;

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
export function createSearchQueue(
  settings: Pick<Settings["fanout"], "requestSocketsMax" | "listedSocketsMax" | "listsWaitingMax">,
) {
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

  /** Runs work that costs as much as a search, in its turn. Rejects with COMMANDS_BUSY. */
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
    /** Begins a request. */
    open(): RequestSearches {
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

/** Returns the public part of a socket. Headers and `auth` are left out: they carry credentials. */
export function showSocket(socket: AnySocket): PresentSocket {
  const { address, issued, secure, query } = socket.handshake;
  return {
    id: socket.id,
    rooms: [...socket.rooms].map(String), // a room may be a number
    data: socket.data,
    handshake: { address, issued, secure, query },
  };
}

/** The page of a list to return. */
export interface PageRequest {
  readonly limit: number;
  readonly after?: string | undefined;
}

/** One page of a longer list. */
export interface Page<T> {
  readonly items: T[];
  /** The name after which the next page starts; missing on the last page. */
  readonly next?: string;
}

/**
 * Returns the `limit` items with the smallest names after `after`, sorted. Pages stay correct while
 * items come and go. Most items cost one comparison: the whole list is not sorted.
 */
export function pageOf<T>(
  all: Iterable<T>,
  nameOf: (item: T) => string,
  { limit, after }: PageRequest,
): Page<T> {
  const page: T[] = [];
  let more = false;
  for (const item of all) {
    const name = nameOf(item);
    if (after !== undefined && name <= after) continue;
    const last = page[page.length - 1];
    if (page.length === limit) {
      more = true;
      if (last !== undefined && name > nameOf(last)) continue;
      page.pop();
    }
    page.splice(placeOf(page, name, nameOf), 0, item);
  }
  const last = page[page.length - 1];
  return more && last !== undefined ? { items: page, next: nameOf(last) } : { items: page };
}

function placeOf<T>(page: readonly T[], name: string, nameOf: (item: T) => string): number {
  let low = 0;
  let high = page.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = page[middle];
    if (item !== undefined && nameOf(item) < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
