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
  /**
   * The log has it. Those that this node `hears`, and has not passed yet, are kept until they are
   * heard or passed.
   */
  confirm(n: number, id: EntryId, hears: boolean): void;
  /** The log did not confirm it. Returns whether that is news. */
  refuse(n: number, error: Error): boolean;
  /** Refuses all, in their order. */
  refuseAll(error: Error): void;
  /** Returns the one that is heard now; false if it must not be heard, having been refused. */
  take(n: number): Pending<Own> | undefined | false;
  /** Everything up to an id was heard. */
  pass(place: EntryId): void;
  isEmpty(): boolean;
}

/** Refused entries that are remembered: the log may have them all the same. */
const REFUSED_MAX = 100_000;

export function createOwnEntries<Own>(): OwnEntries<Own> {
  const pending = new Map<number, Pending<Own> & { id?: EntryId }>();
  const refused = new Set<number>();

  function refuse(n: number, error: Error): boolean {
    const one = pending.get(n);
    if (!one) return false;
    pending.delete(n);
    refused.add(n);
    const [oldest] = refused;
    if (refused.size > REFUSED_MAX && oldest !== undefined) refused.delete(oldest);
    one.reject(error);
    return true;
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
    add(n, one) {
      pending.set(n, { ...one });
    },
    confirm(n, id, hears) {
      const one = pending.get(n);
      if (!one) return;
      one.id = id;
      if (hears) return;
      pending.delete(n);
      one.resolve(id);
    },
    refuse,
    refuseAll(error) {
      for (const n of [...pending.keys()]) refuse(n, error);
    },
    take(n) {
      forgetBefore(n);
      if (refused.delete(n)) return false;
      const one = pending.get(n);
      pending.delete(n);
      return one;
    },
    pass(place) {
      // Both numbers and ids grow.
      for (const [n, { id, resolve }] of pending) {
        if (id === undefined || compareIds(id, place) > 0) break;
        pending.delete(n);
        resolve(id);
      }
    },
  };
}
