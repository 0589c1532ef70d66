import type { Entry, EntryId, LogListener, Reached } from "./event-log.ts";

/**
 * What a log needs of Redis, or of the primary of workers: it keeps entries and pushes them. The
 * order, what is heard and what is lost are the same over each: feed.ts.
 */

/** Where a reader is in a log: at an entry. */
export interface Place {
  readonly id: EntryId;
  /**
   * Whose entry it is, and which of theirs: a log that begins anew under an earlier clock gives the
   * same ids to others.
   */
  readonly mark: string;
  /** How many entries the log had had up to this one; below 0 if that is not known. */
  readonly count: number;
}

/** What a node gives to a log. */
export interface Draft {
  /** Which of this node's entries it is, or which of its messages: both are numbered from 1. */
  readonly n: number;
  /** The newest id that this node knew. */
  readonly at: EntryId;
  readonly channels: readonly string[];
  readonly body: Uint8Array;
}

/** An entry as it is pushed or read. */
export interface PushedEntry extends Entry {
  /** The newest id that its node knew, or a later time of the log's clock. */
  readonly at: EntryId;
}

/** A message as it is pushed. */
export interface PushedMessage {
  readonly from: string;
  readonly n: number;
  readonly at: EntryId;
  readonly channel: string;
  readonly body: Uint8Array;
}

/** A part of a log. */
export interface Page {
  /** Oldest first. */
  readonly entries: readonly PushedEntry[];
  /** Up to here everything was looked at: the end of the log, unless there is `more`. */
  readonly end: Place;
  readonly more: boolean;
  /** Entries after the place may be gone: nothing was read, and `end` is the end of the log. */
  readonly lost: boolean;
  /** The note of a node that found entries gone, if one was read; the others may miss them too. */
  readonly note?: EntryId | undefined;
}

/** Told what comes from the log. Nothing is called inside a call of {@link CarrierLog}. */
export interface CarrierListener {
  /** In the order of the log; a second copy may follow for another channel. */
  pushed(entry: PushedEntry): void;
  told(message: PushedMessage): void;
  /** See {@link LogListener.left}; in order with `told`. */
  left(node: string): void;
  /** Another node noted that entries are gone which this one may have missed as well. */
  noted(note: EntryId): void;
  /** Nothing is pushed any more: every channel must be subscribed to again. */
  reset(): void;
  /** Whether the log can be reached has changed. */
  changed(here: boolean): void;
}

/** The log of one namespace. Every promise rejects when the log cannot be reached. */
export interface CarrierLog {
  /** Resolves with the entry's id. Drafts of one turn, and messages, go out together, in order. */
  append(draft: Draft): Promise<EntryId>;
  /** Resolves with the nodes that hear it. Its only channel is where it goes. */
  tell(draft: Draft): Promise<Reached>;
  /**
   * Resolves when the subscriptions stand. Rejects, or never resolves, if they are lost before:
   * `reset` says so.
   */
  subscribe(channels: readonly string[]): Promise<void>;
  unsubscribe(channels: readonly string[]): void;
  /**
   * Reads what comes after a place, for some channels or for all; for none it skips to the end,
   * which is lost only if it lies before the place. What was appended before `since`, in
   * milliseconds of the log's clock, may be left out.
   *
   * Resolves after all that was pushed up to `end` was handed to the listener.
   */
  read(after: Place, channels: readonly string[] | "all", since?: number): Promise<Page>;
  /**
   * Like `read` of all after an id, for who need not know what was pushed. The log must have its
   * entry, unless the id `isTime` of the log's clock: then it must go back that far.
   */
  look(after: EntryId, isTime?: boolean): Promise<Page>;
  /** Returns the end of the log: its newest entry, one for nobody if there was none. */
  end(): Promise<Place>;
  nodes(): Promise<number>;
  /** Its listener is told nothing any more. */
  close(): void;
}

/** What carries the logs of one node. */
export interface Carrier {
  readonly node: string;
  /** Whether entries are signed: then one that comes again is refused. */
  readonly signs: boolean;
  /** Whether its logs can be reached now. */
  isHere(): boolean;
  open(namespace: string, listener: CarrierListener): CarrierLog;
  stop(): Promise<void>;
}

/** What the bus counts, as plain numbers. */
export interface BusSamples {
  readonly messages: { in: number; out: number };
  readonly bytes: { in: number; out: number };
  /** Messages from the bus that were not believed. */
  readonly refused: { size: number; shape: number; signature: number; replay: number };
  /** Messages that other nodes did not get, for whatever reason. */
  missed: number;
  /** Times messages of other nodes were gone before this node had read them. */
  gaps: number;
  errors: number;
  /** Requests that not all other nodes answered in time. */
  timeouts: number;
  reconnects: number;
  /** 1 while Redis, or the primary, answers. */
  here: 0 | 1;
}

/** Returns samples of a bus that has just begun. */
export function createSamples(): BusSamples {
  return {
    messages: { in: 0, out: 0 },
    bytes: { in: 0, out: 0 },
    refused: { size: 0, shape: 0, signature: 0, replay: 0 },
    missed: 0,
    gaps: 0,
    errors: 0,
    timeouts: 0,
    reconnects: 0,
    here: 0,
  };
}

/** Before every entry there is. */
export const NOWHERE: EntryId = "0-0";
/** Where a log is that has not begun. */
export const BEGIN: Place = placeAt(NOWHERE);

/** Returns the place of an entry. */
export function placeOf({ id, from, n }: Pick<Entry, "id" | "from" | "n">): Place {
  return { id, mark: `${from}:${n}`, count: -1 };
}

/** Returns the place at an id of which no more is known: there is no entry of that mark. */
export function placeAt(id: EntryId): Place {
  return { id, mark: "", count: -1 };
}
