import { compareIds, type EntryId } from "./event-log.ts";
import { comesAfter, type Pushed, sharedNow } from "./worker-pipe.ts";

/** How much is kept. */
export interface KeptLimits {
  /** Entries of each log. */
  readonly packetsMax: number;
  /** Bytes of the entries of all logs. */
  readonly bytesMax: number;
}

/** An entry that is kept. */
export interface Kept {
  readonly entry: Pushed;
  /** When it came. */
  readonly at: number;
  /** Whether its worker alone heard it, and gave it the id. */
  readonly wasAlone: boolean;
}

/** The newest entries of one log, in the order in which they came. */
export interface KeptLog {
  /** The latest id of the log. */
  end: EntryId;
  /** The numbers of the oldest entry that is kept, and of the next one to come. */
  first(): number;
  next(): number;
  keep(entry: Pushed, wasAlone: boolean): void;
  /** Returns the entry of a number from `first` to below `next`. */
  read(number: number): Kept;
  /** Whether nothing is missing of what came after an entry, or since a time. */
  goesBackTo(after: EntryId | number): boolean;
  /** Lists the wanted entries after an entry, or since a time, in the order of their ids. */
  listAfter(after: EntryId | number, isWanted: (entry: Pushed) => boolean): Pushed[];
  /** Forgets everything. */
  clear(): void;
}

/** What an entry takes in memory beside its body, roughly. */
export const ENTRY_BYTES = 200;

/**
 * Returns what makes logs in memory that share a limit of bytes: over it, the largest one loses its
 * oldest entries.
 */
export function createKeptLogs(limits: KeptLimits): (end: EntryId) => KeptLog {
  const logs = new Map<KeptLog, { bytes: number; dropOldest(): void }>();
  let total = 0;

  function trim(): void {
    while (total > limits.bytesMax) {
      let largest: { bytes: number; dropOldest(): void } | undefined;
      for (const each of logs.values()) if (each.bytes > (largest?.bytes ?? 0)) largest = each;
      if (!largest) return;
      largest.dropOldest();
    }
  }

  return (end) => {
    let kept: Kept[] = [];
    /** The oldest is here; what lies before is removed now and then, `removed` so far. */
    let oldest = 0;
    let removed = 0;
    /** The latest entry that is no longer kept, and when it came. */
    let dropped = end;
    let droppedAt = Number.NEGATIVE_INFINITY;

    function dropOldest(): void {
      const { entry, at, wasAlone } = kept[oldest] as Kept; // a log with bytes has entries
      oldest++;
      count(-entry[4].length - ENTRY_BYTES);
      droppedAt = at;
      // One that was heard alone may have come after one with a later id.
      if (!wasAlone || compareIds(entry[0], dropped) > 0) dropped = entry[0];
      if (oldest < 1_024 || oldest < kept.length / 2) return;
      kept = kept.slice(oldest);
      removed += oldest;
      oldest = 0;
    }

    function count(bytes: number): void {
      size.bytes += bytes;
      total += bytes;
    }

    const size = { bytes: 0, dropOldest };
    const log: KeptLog = {
      end,
      first: () => removed + oldest,
      next: () => removed + kept.length,
      read: (number) => kept[number - removed] as Kept, // so it is asked for
      keep(entry, wasAlone) {
        kept.push({ entry, at: sharedNow(), wasAlone });
        count(entry[4].length + ENTRY_BYTES);
        if (!wasAlone || compareIds(entry[0], log.end) > 0) log.end = entry[0];
        if (kept.length - oldest > limits.packetsMax) dropOldest();
        trim();
      },
      goesBackTo(after) {
        return typeof after === "number" ? droppedAt < after : compareIds(after, dropped) >= 0;
      },
      listAfter(after, isWanted) {
        const found: Pushed[] = [];
        for (let at = kept.length - 1; at >= oldest; at--) {
          const { entry, at: cameAt, wasAlone } = kept[at] as Kept; // in bounds
          const isBefore = !comesAfter(entry[0], cameAt, after);
          if (!isBefore && isWanted(entry)) found.push(entry);
          // What came before it has an earlier id, unless it was heard alone.
          if (isBefore && !wasAlone) break;
        }
        return found.reverse().sort(([a], [b]) => compareIds(a, b));
      },
      clear() {
        count(-size.bytes);
        kept = [];
        logs.delete(log);
      },
    };
    logs.set(log, size);
    return log;
  };
}
