/** Knows which numbers of whom have come. */
export interface Once {
  /**
   * Whether a publisher's number comes for the first time; from then on it does not. Of a publisher
   * that is not remembered nothing is taken that is not `recent`.
   */
  isFirst(publisher: string, n: number, recent?: boolean): boolean;
}

interface Seen {
  top: number;
  /** A bit for each of the last numbers, by the number's remainder. */
  readonly bits: Uint32Array;
}

/** How far behind the newest a number may be: connections to a Redis Cluster change their order. */
const WINDOW = 256;
/** Publishers that are remembered, those heard of lately. */
const PUBLISHERS_MAX = 1_000;

/**
 * Returns a memory of numbers that only grow, each publisher's for itself. It asks no clock. What
 * is far behind the newest, or came before the first that was heard, counts as seen.
 */
export function createOnce(): Once {
  const publishers = new Map<string, Seen>();

  function begin(publisher: string, n: number): true {
    publishers.set(publisher, { top: n, bits: new Uint32Array(WINDOW / 32).fill(0xffff_ffff) });
    const [oldest] = publishers.keys();
    if (publishers.size > PUBLISHERS_MAX && oldest !== undefined) publishers.delete(oldest);
    return true;
  }

  return {
    isFirst(publisher, n, recent = true) {
      if (!Number.isSafeInteger(n) || n < 1) return false;
      const seen = publishers.get(publisher);
      if (!seen) return recent && begin(publisher, n);
      publishers.delete(publisher);
      publishers.set(publisher, seen);
      if (n <= seen.top - WINDOW) return false;
      // What lies between has not come, and may still.
      for (let at = Math.max(seen.top + 1, n - WINDOW + 1); at <= n; at++) flip(seen, at, false);
      seen.top = Math.max(seen.top, n);
      return flip(seen, n, true);
    },
  };
}

/** Sets a number's bit, and returns whether it was another. */
function flip({ bits }: Seen, n: number, to: boolean): boolean {
  const [word, bit] = [(n % WINDOW) >> 5, 1 << (n % 32)];
  const was = ((bits[word] ?? 0) & bit) !== 0;
  if (was !== to) bits[word] = (bits[word] ?? 0) ^ bit;
  return was !== to;
}
