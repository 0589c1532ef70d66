import type { FailureCode } from "../core/failures.ts";
import type { Appended, Journal, JournalEntry, LaneHead, Place } from "../core/journal.ts";
import type { KnownSocket } from "../core/socket-state.ts";
import { within } from "../core/within.ts";
import { type Call, type CallHead, type Lane, readCall, suspect, writeCall } from "./call.ts";
import { createElders } from "./elders.ts";
import type { KeptCalls, LostSockets } from "./kept-calls.ts";

/** A call of a node that is gone. */
type Adopted = JournalEntry & { readonly place: Place };

/**
 * How long the record of a lost socket is left for its older calls, which show what is in it. Not
 * longer: a function that is down is not to keep others from being told.
 */
const RECORD_MS = 5_000;

/** Calls in a journal, which outlives the process. */
export interface Durable {
  /** Writes a call down. Its lane waits until that is confirmed, or will not be. */
  write(lane: Lane, call: Call, strikes?: string): void;
  /** What the first call of a lane has to wait for; `undefined` if it may be delivered. */
  hold(lane: Lane, call: Call): Promise<void> | undefined;
  /** Knows of a call that is in the journal already. */
  know(call: Call): void;
  /** An answer has changed its socket: call it before `forget`. */
  changed(): void;
  /** A call is over. With `isDone` it is removed from the journal. */
  forget(call: Call, isDone: boolean): void;
  /** Whether another node may be delivering what this one has. */
  isUncertain(calls: readonly Call[]): boolean;
  /** Resolves when no other node may. */
  own(): Promise<void>;
  /** From now on nothing is adopted. */
  close(): void;
  /** Lets everything that waits go on. */
  stop(): void;
}

/** What durable calls need. */
export interface DurableNeeds {
  readonly journal: Journal;
  /** Whether a call goes on in memory alone while Redis is away. */
  readonly away: "memory" | "refuse";
  lanes(): Iterable<Lane>;
  /** The first calls of a lane may be delivered now. */
  confirmed(lane: Lane): void;
  /** Another node delivers a call: here it is over. */
  drop(call: Call): void;
  /** A call that was admitted is refused. */
  refuse(call: Call, code: FailureCode): void;
  readonly keptCalls: KeptCalls;
  readonly lost: LostSockets | undefined;
  /** The lane of calls of another node. */
  find(key: string): Lane;
  readmit(lane: Lane, call: Call): void;
  /** A call of another node cannot be delivered by this one. */
  reject(entry: JournalEntry, place: Place, head: CallHead & { readonly route: string }): void;
}

/**
 * Returns the durable calls of this node, and takes over those of nodes that are gone.
 *
 * A call is delivered once it is written down, and while this node's lease certainly runs. So there
 * is one node at a time that delivers it, and after a crash the next one does.
 */
export function createDurable(needs: DurableNeeds): Durable {
  const { journal } = needs;
  const known = new Set<Call>();
  const elders = createElders<LaneHead>({
    headOf: ({ key }, { place }) => place ?? { lane: key },
    elsewhere: journal.elsewhere,
  });
  /** Who waits for the lease. */
  const waiting = new Set<() => void>();
  let closed = false;
  /** How often another node has taken what was adopted. */
  let losses = 0;
  let stopped = false;

  function know(call: Call): void {
    if (call.place) known.add(call);
  }

  function confirm(lane: Lane, call: Call, appended: Appended): void {
    call.written = undefined;
    if (typeof appended === "object") {
      call.place = appended;
      if (call.isOver) journal.remove(appended);
      else {
        know(call);
        tellKept(lane, call);
      }
    } else if (call.isOver) {
      // It was given up meanwhile.
    } else if (appended === "taken") needs.drop(call);
    else if (appended === "full") needs.refuse(call, "UPSTREAM_SATURATED");
    else if (needs.away === "refuse") needs.refuse(call, "UPSTREAM_AWAY");
    needs.confirmed(lane);
  }

  /** Says that a call is written down: of a lost socket, once its older calls need no record. */
  function tellKept(lane: Lane, call: Call): void {
    if (!lane.mayBeElsewhere) call.kept?.();
    else void within(elders.gone(lane, call), RECORD_MS, () => {}).then(call.kept);
  }

  /** Resolves with what the node that is gone has written down of the sockets of these calls. */
  async function recall(entries: readonly Adopted[]): Promise<ReadonlyMap<string, KnownSocket>> {
    const keys = [...new Set(entries.map(({ lane }) => lane))];
    const { journal: node = "" } = entries[0]?.place ?? {};
    // While Redis is away, they are as the calls show them.
    const found = (await needs.lost?.recall(node, keys).catch(() => [])) ?? [];
    return new Map(found.flatMap((one, at) => (one ? [[keys[at] ?? "", one] as const] : [])));
  }

  function adopt(entry: Adopted, known: KnownSocket | undefined): void {
    const { place, text } = entry;
    const kept = readCall(text);
    if (!kept) {
      // Nobody could read it later, either.
      journal.remove(place);
      return;
    }
    const lane = needs.find(`${place.journal} ${entry.lane}`);
    const call = needs.keptCalls.open(lane, kept, { place }, known);
    if (call) {
      know(call);
      needs.readmit(lane, call);
    } else needs.reject(entry, place, kept);
  }

  /** It resolves at a stop, too. */
  function own(): Promise<void> {
    return new Promise((resolve) => {
      if (stopped) return resolve();
      waiting.add(resolve);
      journal.whenOwn(() => {
        waiting.delete(resolve);
        resolve();
      });
    });
  }

  journal.read({
    async adopt(entries) {
      const before = losses;
      const sockets = closed ? undefined : await recall(entries);
      if (closed || losses !== before) return;
      for (const entry of entries) adopt(entry, sockets?.get(entry.lane));
    },
    taken() {
      losses++;
      // What a live socket has told is older than what it tells from now on, and elsewhere.
      for (const lane of needs.lanes()) suspect(lane);
      for (const call of [...known]) {
        if (call.isSent) call.isTaken = true;
        else needs.drop(call);
      }
    },
  });

  return {
    write(lane, call, strikes) {
      const entry = { lane: lane.key, text: writeCall(call), strikes };
      call.written = journal.append(entry).then((appended) => confirm(lane, call, appended));
    },
    hold(lane, call) {
      if (call.written) return call.written;
      if (stopped) return undefined;
      const held = elders.hold(lane, call);
      if (held) return held;
      return call.place && !journal.isOwn() ? own() : undefined;
    },
    know,
    own,
    changed: () => journal.changed(),
    forget(call, isDone) {
      known.delete(call);
      if (isDone && call.place) journal.remove(call.place);
    },
    isUncertain: (calls) => !journal.isOwn() && calls.some(({ place }) => place !== undefined),
    close() {
      closed = true;
    },
    stop() {
      stopped = true;
      elders.stop();
      for (const resolve of waiting) resolve();
    },
  };
}
