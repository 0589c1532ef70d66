/**
 * What waits for functions, written down where it outlives the process: the port between
 * `upstream/`, which uses it, and `cluster/`, which keeps it in Redis.
 *
 * A node has one journal. It alone writes there, under the name of its lease. The node that takes
 * an ended lease adopts the journal with it: from then on only that node delivers what is there.
 */

/** Where one entry is. */
export interface Place {
  /** The journal's name: the lease under which it was written. */
  readonly journal: string;
  /** Its place in the order of all journals: what was written later has a greater one. */
  readonly number: number;
  readonly lane: string;
}

/** The call that a lane would deliver next. Without a number it is newer than what is written. */
export type LaneHead = Pick<Place, "lane"> & Partial<Place>;

/** One call as it is written down. */
export interface JournalEntry {
  /** The socket that it is about: `<namespace>,<id>`. Calls of one lane are delivered in order. */
  readonly lane: string;
  /** The call. Only `upstream/` reads it. */
  readonly text: string;
  /** Name of the socket's record in the lease, which is struck in the same step. */
  readonly strikes?: string | undefined;
}

/**
 * How an append ended. `away`: Redis did not confirm it in time; if it was written all the same, it
 * is removed as soon as Redis can be reached. `full`: the journal has reached its bounds. `taken`:
 * it was written, but another node has taken the journal since, and delivers it.
 */
export type Appended = Place | "away" | "full" | "taken";

/** One call that was given up, as it is kept. */
export interface Letter {
  /** The call's id, which is its `webhook-id` too. */
  readonly id: string;
  /** Name of its route. */
  readonly route: string;
  /** Why the last attempt failed: a row of the table of failures. */
  readonly reason: string;
  readonly attempts: number;
  /** HTTP status of the last answer, if there was one. */
  readonly status?: number | undefined;
  readonly detail?: string | undefined;
  /** When it was given up, in milliseconds since 1970. */
  readonly at: number;
  readonly lane: string;
  /** The call, as in {@link JournalEntry}. */
  readonly text: string;
}

/** Which letters are meant; nothing set: all. */
export interface LetterFilter {
  readonly route?: string | undefined;
  readonly reason?: string | undefined;
}

/** A page of letters, the oldest first. */
export interface LetterPage {
  readonly items: readonly Letter[];
  /** To be passed as `after` for the next page; not there on the last. */
  readonly next?: string;
}

/** The dead letters: of this process, or of all nodes. */
export interface LetterStore {
  /**
   * Keeps a letter, and removes the entry at `place` in the same step. Over the bounds the oldest
   * are dropped and counted.
   */
  add(letter: Letter, place?: Place): void;
  list(
    page: LetterFilter & { readonly limit: number; readonly after?: string | undefined },
  ): Promise<LetterPage>;
  /**
   * Takes one out, to be tried again: into this node's journal, in the same step, if there is one.
   * Resolves with `undefined` if there is no such letter, or another has taken it.
   */
  take(id: string): Promise<{ readonly letter: Letter; readonly place?: Place } | undefined>;
  /** Plain numbers: `held` and `bytes` as last known, `added` and `dropped` by this node. */
  readonly samples: LetterSamples;
}

/** What a store of letters counts. */
export interface LetterSamples {
  readonly held: number;
  readonly bytes: number;
  readonly added: number;
  readonly dropped: number;
}

/** Who delivers what is in journals. */
export interface JournalReader {
  /**
   * Gets entries of one journal that this node has adopted, the oldest first. The next of it come
   * once it resolves and there is room: the journal bounds how many adopted calls are out, as it
   * does its own. Several journals may be adopted at once, and have calls of one lane: before one
   * is delivered, `elsewhere` is to say no for its place.
   */
  adopt(entries: readonly (JournalEntry & { readonly place: Place })[]): Promise<void>;
  /**
   * Another node has taken this node's lease, and with it all that was written under it and what
   * this node had adopted: none of that is to be delivered here any more. What was not confirmed
   * yet goes into the new journal.
   */
  taken(): void;
}

/** The journal of this node. */
export interface Journal {
  /** Writes an entry down, those of one turn together, in the order of the calls. */
  append(entry: JournalEntry): Promise<Appended>;
  /** The call is over. Kept until Redis has heard it. */
  remove(place: Place): void;
  /**
   * The answer to a call has changed its socket. What is removed from now on stays until that is
   * written, and `patched` has resolved: a crash before makes the call again, and loses nothing.
   */
  changed(patched?: Promise<unknown>): void;
  /** Whether this node's lease certainly runs, so that nobody else delivers what is here. */
  isOwn(): boolean;
  /** Calls back once `isOwn` holds; at once if it does. */
  whenOwn(call: () => void): void;
  /**
   * Says for each head, in their order, whether a journal other than its own has older calls of its
   * lane; a head without a journal is this node's own. One script for all; rejects while Redis is
   * away.
   */
  elsewhere(heads: readonly LaneHead[]): Promise<readonly boolean[]>;
  /** Names who delivers. Adopting begins then. */
  read(reader: JournalReader): void;
  readonly letters: LetterStore;
  samples(): JournalSamples;
  /**
   * Resolves once all that was appended and removed is written, or Redis is away, or has refused to
   * write for as long as an append is waited for.
   */
  flushed(): Promise<void>;
}

/** What a journal counts, as plain numbers. */
export interface JournalSamples {
  /** Calls in this node's journal, and their bytes. */
  readonly entries: number;
  readonly bytes: number;
  /** Calls of other nodes that this node has adopted. */
  readonly adopted: number;
  /** Appends that were not confirmed in time. */
  readonly unconfirmed: number;
}
