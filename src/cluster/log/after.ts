import type { CarrierLog, PushedEntry } from "./carrier.ts";
import { compareIds, type EntryId, type LogPart } from "./event-log.ts";
import { createReplayCheck } from "./trust.ts";

interface Looked extends LogPart {
  readonly entries: readonly PushedEntry[];
}

/** How a part of a log is read. */
export interface AfterSettings {
  /** Whether entries that come again are refused. */
  readonly signs: boolean;
  readonly bytesMax: number;
}

/** Returns all entries after an id; undefined if some are gone, or if they are too many. */
export async function readAfter(
  log: CarrierLog,
  id: EntryId,
  { signs, bytesMax }: AfterSettings,
): Promise<LogPart | undefined> {
  const part = await look(log, { id, bytesMax });
  if (!part || !signs) return part;
  // Whoever knew less than this id may have appended it before, and what was read be a copy.
  const old = part.entries.filter(({ at }) => compareIds(at, id) < 0);
  const [first] = old.map(({ at }) => at).sort(compareIds);
  const before =
    first === undefined ? { entries: [] } : await look(log, { id: first, bytesMax }, id);
  if (!before) return undefined;
  const isNew = createReplayCheck();
  for (const entry of before.entries) if (compareIds(entry.id, id) <= 0) isNew(entry, entry.id);
  return { ...part, entries: part.entries.filter((entry) => isNew(entry, entry.id)) };
}

/** Reads all after an id; or after a time, up to an id. */
async function look(
  log: CarrierLog,
  { id, bytesMax }: { readonly id: EntryId; readonly bytesMax: number },
  to?: EntryId,
): Promise<Looked | undefined> {
  const entries: PushedEntry[] = [];
  let bytes = 0;
  for (let from = id; ; ) {
    const page = await log.look(from, to !== undefined);
    if (page.lost || page.note !== undefined) return undefined;
    for (const entry of page.entries) bytes += entry.body.length;
    entries.push(...page.entries);
    if (bytes > bytesMax) return undefined;
    const isEnd = to !== undefined && compareIds(page.end.id, to) >= 0;
    if (!page.more || isEnd) return { entries, end: page.end.id };
    from = page.end.id;
  }
}
