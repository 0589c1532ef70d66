import type { Appended, JournalEntry, Letter, Place } from "../core/journal.ts";
import { within } from "../core/within.ts";
import { type JournalKeys, type JournalSettings, KEPT_MS } from "./journal-keys.ts";
import { LIST, WRITE } from "./journal-scripts.ts";
import { createSteps, type Frozen, type WrittenLetter } from "./journal-steps.ts";
import type { Lease } from "./lease.ts";
import { runScript } from "./log/calls.ts";
import { pause, type RedisLink } from "./redis.ts";
import { createRemovals, packRemovals } from "./removals.ts";
import type { Seal } from "./seal.ts";

/** What happened to letters in Redis; held and bytes are those of all. */
export interface LettersSeen {
  readonly dropped: number;
  readonly held: number;
  readonly bytes: number;
}

/** What a writer needs. */
export interface WriterNeeds {
  readonly link: RedisLink;
  readonly lease: Lease;
  readonly keys: JournalKeys;
  readonly seal: Seal;
  /** Resolves when what is known of sockets is written as it is now, or could not be. */
  written(): Promise<unknown>;
  lettersSeen(seen: LettersSeen): void;
  /** A letter was dropped before it was written. */
  letterDropped(): void;
  /** These are gone from Redis. */
  removed(places: readonly Place[]): void;
  /** A letter was taken, but nobody waits for it any more. */
  unclaimed(letter: Letter, place: Place): void;
  /** Redis is here, but did not do what it was asked. */
  failed(error: unknown): void;
}

/** Writes to this node's journal, and removes from any. */
export interface Writer {
  append(entry: JournalEntry): Promise<Appended>;
  remove(place: Place): void;
  /** Sockets were changed: what is removed from now on stays until that is written. */
  changed(patched?: Promise<unknown>): void;
  /** Keeps a letter; it takes the entry's place. */
  keep(letter: Letter, written: WrittenLetter, at?: Place): void;
  /** Takes a letter: resolves with nothing if it is gone. */
  take(letter: Letter): Promise<Appended | undefined>;
  /** Whether something of a journal is still to be removed. */
  isRemoving(journal: string): boolean;
  /** This node's journal was taken; the next has another name. */
  taken(node: string): void;
  /** Goes on, if there is anything to be written. */
  wake(): void;
  readonly samples: { entries: number; bytes: number; unconfirmed: number };
  /** Resolves once everything is written, or Redis is away or has refused it for `timeoutMs`. */
  flushed(): Promise<void>;
  stop(): void;
}

/** Entries that are compared with Redis at once. */
const COMPARED = 100;
const NOTHING = Buffer.alloc(0);

/**
 * Returns the writer of this node's journal.
 *
 * What a turn of the event loop brings goes into one call of the script, and one call waits for the
 * other. A call whose answer was lost is made again with its number, by which Redis knows what it
 * has carried out. So nothing is written twice, or after what followed.
 */
export function createWriter(settings: JournalSettings, needs: WriterNeeds): Writer {
  const { link, lease, keys, seal } = needs;
  const { timeoutMs, leaseMs, letters } = settings;
  const bounds = [letters.max, letters.bytesMax, letters.ageMs];
  const steps = createSteps(settings, { seal, dropped: needs.letterDropped });
  const removals = createRemovals();
  /** Bytes of each entry in this node's journal. */
  const own = new Map<number, number>();
  let greatest = 0;
  /** The node whose journal was begun, and one that is known to be taken. */
  let begun = "";
  let lost = "";
  let running = false;
  let stopped = false;
  let mayDiffer = false;
  /** What changes sockets in this turn of the event loop. */
  let changing: Promise<unknown>[] | undefined;
  let awaySince: number | undefined;
  let failingSince: number | undefined;
  const waiting: (() => void)[] = [];

  link.watch((here) => {
    if (here) {
      // A Redis that was started again may have lost what it had confirmed.
      mayDiffer = awaySince !== undefined;
      awaySince = undefined;
      wake();
    } else {
      awaySince ??= performance.now();
      rest();
    }
  });

  const isAway = (): boolean =>
    stopped || (awaySince !== undefined && performance.now() - awaySince >= timeoutMs);

  const hasWork = (): boolean =>
    removals.isReady() || mayDiffer || (lease.node !== lost && !steps.isEmpty());

  function wake(): void {
    if (running || stopped) return;
    running = true;
    setImmediate(() => void run());
  }

  function rest(): void {
    for (const resolve of waiting.splice(0)) resolve();
  }

  async function run(): Promise<void> {
    while (!stopped && link.isHere()) {
      try {
        if (!(await writeOnce())) break;
        failingSince = undefined;
      } catch (error) {
        if (!link.isHere()) break;
        // It may be full: what is removed goes through all the same.
        needs.failed(error);
        failingSince ??= performance.now();
        // Nobody is to wait for as long as it is full: a stop would not end.
        if (performance.now() - failingSince >= timeoutMs) rest();
        await pause();
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    running = false;
    rest();
    // It may have come back, or something have been added, since the loop looked.
    if (link.isHere() && hasWork()) wake();
  }

  /** Resolves when the changes of this turn are written. */
  async function written(patches: readonly Promise<unknown>[]): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    changing = undefined;
    await within<unknown>(Promise.allSettled([needs.written(), ...patches]), timeoutMs, () => {});
  }

  /** Writes what one call carries; says whether there was anything. */
  async function writeOnce(): Promise<boolean> {
    if (mayDiffer && !steps.isUncertain()) await compare();
    const { node } = lease;
    const call = node === lost ? undefined : steps.next(node);
    const places = removals.first();
    if (!call && places.length === 0) return false;
    const [isTaken, answer] = await send(call, places);
    forget(places);
    if (!call) return true;
    if (answer !== "") {
      steps.done();
      confirm(call, answer, isTaken);
    } else if (isTaken) {
      lost = call.node;
      steps.giveBack();
      lease.doubt();
    }
    return true;
  }

  async function send(call: Frozen | undefined, places: readonly Place[]) {
    const node = call?.node ?? lease.node;
    const { prefix, alive } = keys;
    const names = [...keys.of(node), `${prefix}taken:${node}`, alive, `${prefix}numbers`];
    const all = [...names, `${prefix}sockets:${node}`, ...keys.letters];
    const given = [
      ...[prefix, node, leaseMs, ...bounds, call && node !== begun ? KEPT_MS : 0],
      ...[call?.number ?? 0, call?.calls.length ?? 0, greatest],
      ...[call?.packed ?? NOTHING, packRemovals(places)],
    ];
    const answers = await link.ask((client) => runScript(client, WRITE, all, given));
    if (call) begun = node;
    const [isTaken, answer] = answers as [number, Buffer]; // as the script says
    return [isTaken === 1, String(answer)] as const;
  }

  function confirm({ node: journal, calls }: Frozen, answer: string, wasTaken: boolean): void {
    // It may have become known while Redis answered.
    const isTaken = wasTaken || journal === lost || journal !== lease.node;
    const [first = 0, dropped = 0, held = 0, bytes = 0] = answer.split(" ").map(Number);
    const failed = new Set(answer.split(" ")[4]?.split(",").filter(Boolean).map(Number));
    if (held >= 0) needs.lettersSeen({ dropped, held, bytes });
    for (const [at, call] of calls.entries()) {
      const place = { journal, number: first + at, lane: call.lane };
      greatest = Math.max(greatest, place.number);
      if (failed.has(at) || isTaken) {
        steps.release(call.bytes);
        // A letter that another node has now is gone, too.
        if (!call.isOver) call.settle(call.letter ? undefined : "taken");
        continue;
      }
      own.set(place.number, call.bytes);
      if (!call.isOver) call.settle(place);
      else if (call.letter) needs.unclaimed(call.letter, place);
      else remove(place);
    }
  }

  function remove(place: Place): void {
    removals.add(place);
    wake();
  }

  function forget(places: readonly Place[]): void {
    if (places.length === 0) return;
    removals.done(places);
    for (const { journal, number } of places) {
      const bytes = journal === lease.node ? own.get(number) : undefined;
      if (bytes === undefined) continue;
      own.delete(number);
      steps.release(bytes);
    }
    needs.removed(places);
  }

  /** Removes what Redis has and this node does not know: what was removed before has come back. */
  async function compare(): Promise<void> {
    // What an answer has changed meanwhile comes before the removal of its call here, too.
    await needs.written();
    const { node } = lease;
    // What is in a journal that was taken is another node's.
    const isOwn = () => node === lease.node && node !== lost;
    const [journal] = keys.of(node);
    let after = "0-0";
    let found: Buffer[]; // ids and lanes in turn
    do {
      const given = [after, `${greatest}-0`, COMPARED];
      found = (await link.ask((client) => runScript(client, LIST, [journal], given))) as Buffer[];
      for (let at = 0; at < found.length && isOwn(); at += 2) {
        after = String(found[at]);
        const number = Number.parseInt(after, 10);
        if (!own.has(number)) remove({ journal: node, number, lane: String(found[at + 1]) });
      }
    } while (found.length === 2 * COMPARED && isOwn());
    mayDiffer = false;
  }

  return {
    append(entry) {
      if (isAway()) return Promise.resolve("away");
      const appended = steps.append(entry);
      wake();
      return appended;
    },
    remove,
    changed(patched) {
      if (!changing) {
        changing = [];
        void removals.hold(written(changing)).then(wake);
      }
      if (patched) changing.push(patched);
    },
    keep(letter, written, at) {
      steps.keep(letter, written, at);
      wake();
    },
    take(letter) {
      if (isAway()) return Promise.resolve("away");
      const taken = steps.take(letter);
      wake();
      return taken;
    },
    isRemoving: removals.has,
    taken(node) {
      lost = node;
      for (const bytes of own.values()) steps.release(bytes);
      own.clear();
    },
    wake,
    samples: steps.samples,
    async flushed() {
      // Not what is held later: under load there is always some.
      await removals.released();
      if (!link.isHere() || (!running && !hasWork())) return;
      wake();
      await new Promise<void>((resolve) => waiting.push(resolve));
    },
    stop() {
      stopped = true;
      steps.stop();
    },
  };
}
