import type { Appended, JournalEntry, Letter, Place } from "../core/journal.ts";
import { type JournalSettings, signEntry } from "./journal-keys.ts";
import { createPacker, type PackedCall } from "./journal-pack.ts";
import type { Seal } from "./seal.ts";

/** A call that is to be written: appended, or taken from the letters. */
export interface CallStep {
  readonly kind: "a" | "t";
  readonly lane: string;
  readonly text: string;
  readonly bytes: number;
  readonly strikes: string;
  readonly letter: Letter | undefined;
  readonly since: number;
  /** Nobody waits any more. */
  isOver: boolean;
  settle(appended: Appended | undefined): void;
}

/** A letter as it is written down. */
export interface WrittenLetter {
  readonly json: string;
  readonly mac: string;
}

interface LetterStep {
  readonly kind: "l";
  readonly letter: Letter;
  readonly written: WrittenLetter;
  readonly at: Place | undefined;
  readonly bytes: number;
}

type Step = CallStep | LetterStep;

/** What one call of the script carries; it is made again until Redis has answered. */
export interface Frozen {
  readonly node: string;
  readonly number: number;
  readonly calls: readonly CallStep[];
  readonly packed: Buffer;
}

/** What waits to be written. */
export interface Steps {
  append(entry: JournalEntry): Promise<Appended>;
  take(letter: Letter): Promise<Appended | undefined>;
  keep(letter: Letter, written: WrittenLetter, at?: Place): void;
  isEmpty(): boolean;
  /** Whether Redis was asked to write something, and has not answered. */
  isUncertain(): boolean;
  /** Returns what is to be written next, the same until it is over; nothing if nothing waits. */
  next(node: string): Frozen | undefined;
  /** What was next is written. */
  done(): void;
  /** What was next was not written, and is to be, under another name. */
  giveBack(): void;
  /** A call is in the journal no longer. */
  release(bytes: number): void;
  readonly samples: { entries: number; bytes: number; unconfirmed: number };
  stop(): void;
}

/** What steps need. */
export interface StepsNeeds {
  readonly seal: Seal;
  /** A letter was dropped, since too many wait for Redis. */
  dropped(): void;
}

/** What one call of the script carries at most. */
const CALL_STEPS = 500;
const CALL_BYTES = 1_048_576;
/** How often is looked at most who has waited for too long. */
const LOOK_MS = 20;

/** Returns an empty queue. Who waits for a call is told `away` after `timeoutMs`. */
export function createSteps(settings: JournalSettings, { seal, dropped }: StepsNeeds): Steps {
  const { timeoutMs } = settings;
  /** Calls that wait or are in the journal, and their bytes. */
  const samples = { entries: 0, bytes: 0, unconfirmed: 0 };
  let queue: Step[] = [];
  /** Letters that wait and are of no call in a journal, which would bound them. */
  let loose = 0;
  let frozen: (Frozen & { readonly steps: readonly Step[] }) | undefined;
  let number = 0;
  let n = 0;
  let timer: NodeJS.Timeout | undefined;

  function freeze(node: string): typeof frozen {
    let bytes = 0;
    let count = 0;
    for (const step of queue) {
      bytes += step.bytes;
      if (count > 0 && (count === CALL_STEPS || bytes > CALL_BYTES)) break;
      count++;
    }
    if (count === 0) return undefined;
    const steps = queue.splice(0, count);
    const packer = createPacker();
    const calls: CallStep[] = [];
    for (const step of steps) {
      if (step.kind === "l") packer.keep(step.letter, step.written, step.at);
      else {
        calls.push(step);
        const call = sign(node, step);
        if (step.kind === "a") packer.append(call, step.strikes);
        else packer.take(call, step.letter?.id ?? "");
      }
    }
    loose -= steps.filter(isLoose).length;
    return { node, number: ++number, steps, calls, packed: packer.pack() };
  }

  function sign(journal: string, { lane, text }: CallStep): PackedCall {
    if (!seal.hasKey) return { lane, text, n: "", mac: "" };
    const entry = { journal, n: String(++n), lane, text };
    return { ...entry, mac: signEntry(seal, entry) };
  }

  /** Ends the waiting of those that have waited for too long. */
  function expire(): void {
    timer = undefined;
    const due = performance.now() - timeoutMs;
    // The oldest come first.
    let next: CallStep | undefined;
    for (const step of frozen?.calls ?? []) {
      if (step.since > due) next ??= step;
      else if (!step.isOver) giveUp(step);
    }
    let count = 0;
    for (; count < queue.length; count++) {
      const step = queue[count] as Step; // below its length
      if (step.kind === "l") continue;
      if (step.since > due) {
        next ??= step;
        break;
      }
      giveUp(step);
    }
    const kept = queue.splice(0, count).filter(dropOver);
    if (kept.length > 0) queue.unshift(...kept);
    if (next) watch(Math.max(LOOK_MS, next.since - due));
  }

  function giveUp(step: CallStep): void {
    step.isOver = true;
    samples.unconfirmed++;
    step.settle("away");
  }

  /** Says whether a step is still to be made. */
  function dropOver(step: Step): boolean {
    if (step.kind === "l" || !step.isOver) return true;
    release(step.bytes);
    return false;
  }

  function watch(ms: number): void {
    timer ??= setTimeout(expire, Math.ceil(ms)).unref();
  }

  function release(bytes: number): void {
    samples.entries--;
    samples.bytes -= bytes;
  }

  function add(step: CallStep): void {
    samples.entries++;
    samples.bytes += step.bytes;
    queue.push(step);
    watch(timeoutMs);
  }

  return {
    append({ lane, text, strikes = "" }) {
      const bytes = Buffer.byteLength(text);
      const isFull = samples.entries >= settings.max || samples.bytes + bytes > settings.bytesMax;
      if (isFull && !settings.mayExceed) return Promise.resolve("full");
      return new Promise((resolve) => {
        // Only a letter can be gone.
        const settle = (appended: Appended | undefined) => resolve(appended ?? "away");
        const since = performance.now();
        const isOver = false;
        add({ kind: "a", lane, text, bytes, strikes, letter: undefined, since, isOver, settle });
      });
    },
    take(letter) {
      const { lane, text } = letter;
      const bytes = Buffer.byteLength(text);
      const since = performance.now();
      return new Promise((settle) =>
        add({ kind: "t", lane, text, bytes, strikes: "", letter, since, isOver: false, settle }),
      );
    },
    keep(letter, written, at) {
      const step: LetterStep = { kind: "l", letter, written, at, bytes: written.json.length };
      queue.push(step);
      if (!isLoose(step) || ++loose <= settings.letters.max) return;
      queue.splice(queue.findIndex(isLoose), 1);
      loose--;
      dropped();
    },
    isEmpty: () => queue.length === 0 && !frozen,
    isUncertain: () => frozen !== undefined,
    next: (node) => (frozen ??= freeze(node)),
    done() {
      frozen = undefined;
    },
    giveBack() {
      const { steps = [] } = frozen ?? {};
      frozen = undefined;
      loose += steps.filter(isLoose).length;
      queue = [...steps.filter(dropOver), ...queue];
    },
    release,
    samples,
    stop() {
      clearTimeout(timer);
      for (const step of [...(frozen?.calls ?? []), ...queue]) {
        if (step.kind !== "l" && !step.isOver) giveUp(step);
      }
    },
  };
}

function isLoose(step: Step): boolean {
  return step.kind === "l" && !step.at;
}
