/** A connection that is in no namespace yet. */
export interface Outsider {
  readonly openedAt: number;
  closeAs(reason: "outside_exceeded"): void;
}

/** The connections that are in no namespace yet. */
export interface Outside {
  add(connection: Outsider): void;
  delete(connection: Outsider): void;
  /**
   * Whether one more would be too many; closes the one that has been there for too long, if any.
   */
  isFull(): boolean;
  /** The same, and closes none. */
  refuses(): boolean;
  readonly size: number;
}

/** Longer than whoever decides on a client may take by default: who is waited for is not closed. */
const GRACE_MS = 10_000;

/**
 * Returns the count of connections outside every namespace, whose unfinished WebSocket messages
 * nobody sees: together they hold at most `max` times `socket.packetBytesMax`.
 *
 * At `max` the oldest makes room if it has been outside for ten seconds: those who do nothing keep
 * nobody else out for long.
 */
export function createOutside(max: number, now: () => number): Outside {
  const all = new Set<Outsider>();
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
