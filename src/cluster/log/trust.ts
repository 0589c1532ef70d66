import type { EntryId } from "./event-log.ts";

/** What of an entry or message says whether it comes for the first time. */
export interface Numbered {
  readonly from: string;
  readonly n: number;
  readonly at: EntryId;
}

/**
 * How far behind a node that appends may be, in milliseconds of the log's clock. Heartbeats keep it
 * within seconds.
 */
const BEHIND_MS = 60_000;
/** Publishers that are remembered, those heard of lately. */
const PUBLISHERS_MAX = 1_000;

/**
 * Returns a memory of the numbers that each publisher has used, which only grow in the order of the
 * log. What it returns says whether one comes for the first time; from then on it does not.
 *
 * Nothing is believed that is old: what was said long ago and comes again says so itself.
 */
export function createReplayCheck(): (given: Numbered, now: EntryId) => boolean {
  const publishers = new Map<string, number>();
  return ({ from, n, at }, now) => {
    if (n <= (publishers.get(from) ?? 0) || isOld(at, now)) return false;
    publishers.delete(from);
    publishers.set(from, n);
    const [oldest] = publishers.keys();
    if (publishers.size > PUBLISHERS_MAX && oldest !== undefined) publishers.delete(oldest);
    return true;
  };
}

/** Whether something was said too long ago to be believed: `at` is the time its node knew. */
export function isOld(at: EntryId, now: EntryId): boolean {
  return msOf(at) < msOf(now) - BEHIND_MS;
}

/** Returns when an entry was appended, by the log's clock. */
export function msOf(id: EntryId): number {
  return Number(id.slice(0, id.indexOf("-")));
}
