/**
 * A log that pushes: the one thing through which nodes reach each other. Redis carries it, or the
 * primary of workers; the same contract holds for both (test/cluster/log.test.ts).
 *
 * Each namespace has a log of its own. An entry is appended for some channels, gets the next id of
 * the log, and is pushed to every node that has subscribed to one of them. What a node hears is a
 * subsequence of the log, in the log's order, each entry once.
 */

/** The place of an entry, `<number>-<number>`: see {@link compareIds}. */
export type EntryId = string;

/** What was appended to a log. */
export interface Entry {
  readonly id: EntryId;
  /** The node that appended it. */
  readonly from: string;
  /** Which of that node's entries it is, from 1 on. */
  readonly n: number;
  readonly channels: readonly string[];
  readonly body: Uint8Array;
}

/** What the end of a log holds. */
export interface LogPart {
  /** Oldest first. */
  readonly entries: readonly Entry[];
  /** All entries up to this one were looked at. */
  readonly end: EntryId;
}

/** Nodes: their names, or how many they are where that is all that is known. */
export type Reached = readonly string[] | number;

/** Who listens to a log. Everything is called in the order of the log. */
export interface LogListener<Own> {
  /**
   * An entry for a subscribed channel. `own` is what this node gave to `append`, so that it need
   * not decode its own entries; it may be gone if this node was not to hear the entry when the log
   * had it, and then subscribed inside an earlier one.
   */
  heard(entry: Entry, own: Own | undefined): void;
  /** A message that is not in the log: a request, or an answer to one. */
  told(from: string, body: Uint8Array): void;
  /**
   * Entries that this node should have heard are gone. It goes on with what comes next; called
   * before that.
   */
  lost(): void;
  /**
   * A node is gone, so it answers nothing any more. Called in order with `told`. Workers hear this
   * at once; Redis cannot tell, and never calls it.
   */
  left?(node: string): void;
  /**
   * What this node gave to `append` was refused, which rejects next. Called in order with `heard`:
   * behind what was appended before, and ahead of what is appended later.
   */
  refused?(own: Own): void;
}

/** The log of one namespace, as one node uses it. */
export interface EventLog<Own> {
  /**
   * Appends an entry, and resolves with its id when the log has it and this node, if it is to hear
   * it, has. Appends of one turn of the event loop go out together, in the order of the calls.
   *
   * Rejects if the log cannot be reached, or did not confirm it in time. Then `refused` delivers it
   * to this node's own clients. If the log has it all the same, this node does not hear it again.
   */
  append(channels: readonly string[], body: Uint8Array, own: Own): Promise<EntryId>;
  /**
   * Subscribes to channels, and resolves when the subscription stands. Every entry for them that is
   * appended after the call is heard, and maybe what was appended a few milliseconds before it and
   * had not come. Until then what comes later in the log waits, so the order is kept. While the log
   * cannot be reached it resolves at once: what is appended then comes later. Inside `heard`,
   * everything after the entry that is being heard is heard.
   */
  subscribe(channels: readonly string[]): Promise<void>;
  unsubscribe(channels: readonly string[]): void;
  /** Whether this node hears entries of one of these channels. */
  hears(channels: readonly string[]): boolean;
  /**
   * The place of this node: everything up to it that it hears has been handed to `heard`, or is
   * being handed now.
   */
  place(): EntryId;
  /** Resolves when this node's place is at or behind `id`; asks the log for its end if need be. */
  reached(id: EntryId): Promise<void>;
  /**
   * Returns all entries after an id, whatever their channels, up to a moment not before this call.
   * Undefined if the log does not go back that far any more, lost entries after it, or has more
   * than can be held.
   */
  after(id: EntryId): Promise<LogPart | undefined>;
  /**
   * Pushes a message that is not kept to who has subscribed to `channel`. It comes behind the
   * entries appended before, of the channels whose `subscribe` had resolved; entries of later ones
   * may come after it. While a channel is read, what is appended after it may come before it.
   * Resolves with the nodes that it reached, this one included.
   */
  tell(channel: string, body: Uint8Array): Promise<Reached>;
  /** How many nodes have opened this log, this one included. Rejects if it cannot find out. */
  nodes(): Promise<number>;
  close(): void;
}

/** The channel that every node with the log has subscribed to: entries and messages for all. */
export const EVERYONE = "*";

/** The channel of one node, for answers. */
export function nodeChannel(node: string): string {
  return `@${node}`;
}

/** The channel of a Socket.IO room; the number 1 and the text "1" are two rooms. */
export function roomChannel(room: string | number): string {
  return typeof room === "number" ? `#${room}` : `:${room}`;
}

/** Connects a node with the others: opens the logs of its namespaces. */
export interface Bus {
  /** This node's name, the `from` of its entries. */
  readonly node: string;
  /**
   * Opens the log of a namespace, at its end. Nothing is heard of what was appended before that was
   * found: at once, or when the log can be reached. Calls made before wait for it, or reject as
   * above. Who has subscribed meanwhile to a log that could not be reached is told of a loss.
   */
  open<Own>(namespace: string, listener: LogListener<Own>): EventLog<Own>;
  /**
   * Resolves when the logs have all that was appended, and this node has heard it. What they do not
   * have after `ms` is rejected, as if they could not be reached.
   */
  settle(ms: number): Promise<void>;
  stop(): Promise<void>;
}

const ID = /^\d{1,16}-\d{1,16}$/;

/** Whether a text is the id of an entry. */
export function isId(text: string): boolean {
  return ID.test(text);
}

/** Compares two ids: below 0 if the first is earlier in the log. */
export function compareIds(a: EntryId, b: EntryId): number {
  if (a === b) return 0;
  // As text, if both have as many digits: it is asked for every entry, several times.
  const dash = a.indexOf("-");
  if (a.length === b.length && b.indexOf("-") === dash) return a < b ? -1 : 1;
  const [ms, seq] = split(a);
  const [otherMs, otherSeq] = split(b);
  return ms - otherMs || seq - otherSeq;
}

/**
 * Returns where the first entry after an id is, of entries in the order of the log; those before
 * `start` are not looked at. The length of the list if none is.
 */
export function findAfter(
  entries: readonly { readonly id: EntryId }[],
  id: EntryId,
  start = 0,
): number {
  let low = start;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = entries[middle] as { readonly id: EntryId }; // low <= middle < high
    if (compareIds(entry.id, id) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function split(id: EntryId): [number, number] {
  const at = id.indexOf("-");
  return [Number(id.slice(0, at)), Number(id.slice(at + 1))];
}
