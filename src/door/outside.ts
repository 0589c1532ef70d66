/** A connection that has not entered a namespace yet. */
export interface OutsideConnection {
  /** Monotonic time in milliseconds. */
  readonly openedAt: number;
  closeAs(reason: "outside_exceeded"): void;
}

/** The connections that have not entered a namespace yet. */
export interface Outside {
  add(connection: OutsideConnection): void;
  delete(connection: OutsideConnection): void;
  /** Whether a new connection must be refused. At the limit it may close the oldest one instead. */
  isFull(): boolean;
  /** Whether a new connection would be refused now. Closes nothing. */
  refuses(): boolean;
  readonly size: number;
}

/**
 * Age at which a connection may be closed for a new one. It is longer than a function may take by
 * default to decide on a client, so a client that waits for a decision is not closed.
 */
const GRACE_MS = 10_000;

/**
 * Counts the connections that are in no namespace yet, and bounds their number.
 *
 * The bytes of an unfinished WebSocket message cannot be measured. With this bound such connections
 * hold at most `max` times `socket.packetBytesMax` together.
 *
 * At `max` the oldest connection is closed to admit a new one, if it has been in no namespace for
 * ten seconds. So idle connections cannot keep others out for long.
 */
export function createOutside(max: number, now: () => number): Outside {
  const all = new Set<OutsideConnection>();
  function refuses(): boolean {
    if (all.size < max) return false;
    const [oldest] = all;
    return !oldest || now() - oldest.openedAt < GRACE_MS;
  }

  return {
    add: (connection) => void all.add(connection),
    delete: (connection) => void all.delete(connection),
    refuses,
    isFull() {
      if (refuses()) return true;
      const [oldest] = all;
      if (!oldest || all.size < max) return false;
      all.delete(oldest);
      oldest.closeAs("outside_exceeded");
      return false;
    },
    get size() {
      return all.size;
    },
  };
}
