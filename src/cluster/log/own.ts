import { compareIds, type EntryId } from "./event-log.ts";

/** An entry of this node that it has not heard yet. */
export interface Pending<Own> {
  readonly own: Own;
  resolve(id: EntryId): void;
  reject(error: Error): void;
}

/** The entries that this node has appended. */
export interface OwnEntries<Own> {
  add(n: number, pending: Pending<Own>): void;
  /** Whether it is neither heard nor refused. */
  has(n: number): boolean;
  /**
   * The log has it. Those that this node `hears`, and has not passed yet, are kept until they are
   * heard or passed.
   */
  confirm(n: number, id: EntryId, hears: boolean): void;
  /**
   * The log did not confirm it. It is rejected when those before it were heard or refused; they are
   * refused as well when too many wait for them. Returns whether that is news.
   */
  refuse(n: number, error: Error): boolean;
  /** Refuses all, in their order. */
  refuseAll(error: Error): void;
  /** Returns the one that is heard now; false if it must not be heard, having been refused. */
  take(n: number): Pending<Own> | undefined | false;
  /** Everything up to an id was heard. */
  pass(place: EntryId): void;
  isEmpty(): boolean;
}

/** Refused entries that wait for those before them. */
const WAITING_MAX = 1_000;
/** Refused entries that are remembered: the log may have them all the same. */
const REFUSED_MAX = 100_000;

/** Returns no entries. `n` is a number of this node's, which grows with each. */
export function createOwnEntries<Own>(): OwnEntries<Own> {
  const pending = new Map<number, Pending<Own> & { id?: EntryId; error?: Error }>();
  const refused = new Set<number>();
  /** How many of the pending ones are refused. */
  let waiting = 0;

  function reject(n: number, error: Error): void {
    const one = pending.get(n);
    if (!one) return;
    pending.delete(n);
    if (one.error) waiting--;
    refused.add(n);
    const [oldest] = refused;
    if (refused.size > REFUSED_MAX && oldest !== undefined) refused.delete(oldest);
    one.reject(one.error ?? error);
  }

  function rejectAll(error: Error): void {
    for (const n of [...pending.keys()]) reject(n, error);
  }

  /** One was heard or passed: those that were refused behind it go. */
  function settle(n: number, id: EntryId): void {
    const one = pending.get(n);
    pending.delete(n);
    one?.resolve(id);
    go();
  }

  function go(): void {
    if (waiting === 0) return;
    for (const [n, { error }] of pending) {
      if (!error) return;
      reject(n, error);
    }
  }

  /** What came before one that was heard will not be heard. */
  function forgetBefore(n: number): void {
    for (const one of refused) {
      if (one >= n) break;
      refused.delete(one);
    }
  }

  return {
    isEmpty: () => pending.size === 0,
    has: (n) => pending.has(n),
    add(n, one) {
      pending.set(n, { ...one });
    },
    confirm(n, id, hears) {
      const one = pending.get(n);
      if (!one) return;
      one.id = id;
      if (!hears) settle(n, id);
    },
    refuse(n, error) {
      const one = pending.get(n);
      if (!one || one.error) return false;
      one.error = error;
      waiting++;
      if (waiting > WAITING_MAX) rejectAll(error);
      else go();
      return true;
    },
    refuseAll: rejectAll,
    take(n) {
      forgetBefore(n);
      if (refused.delete(n)) return false;
      const one = pending.get(n);
      pending.delete(n);
      const resolve = (id: EntryId) => {
        one?.resolve(id);
        go();
      };
      return one && { ...one, resolve };
    },
    pass(place) {
      // Both numbers and ids grow.
      for (const [n, { id }] of pending) {
        if (id === undefined || compareIds(id, place) > 0) break;
        settle(n, id);
      }
    },
  };
}
