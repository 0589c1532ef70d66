import type { CallKind } from "../core/call.ts";
import type { FailureCode } from "../core/failures.ts";
import type { Letter, LetterFilter, LetterStore } from "../core/journal.ts";
import { fromTaggedJson } from "../core/value.ts";
import type { Failed, Outcome } from "./answer.ts";
import type { Gone } from "./breaker.ts";
import { type Call, keptBodyOf, type Lane, readCall, writeCall } from "./call.ts";
import type { Durable } from "./durable.ts";
import type { KeptCalls } from "./kept-calls.ts";
import type { Lanes } from "./lanes.ts";
import { createLine } from "./line.ts";

/** A call that no function took, as it is shown. */
export interface DeadLetter extends Omit<Letter, "lane" | "text"> {
  readonly type: CallKind;
  readonly namespace: string;
  readonly socketId: string;
  /** Its body, with its bytes as they were. */
  readonly data: unknown;
}

/** What dead letters are bounded by. */
export interface DeadLetterSettings {
  readonly deadLettersMax: number;
  readonly deadLetterBytesMax: number;
  readonly deadLetterAgeMs: number;
}

/** What a letter costs besides the call. */
const LETTER_BYTES = 512;

interface Held {
  readonly letter: Letter;
  /** Grows along the list. */
  readonly number: number;
  leave(): void;
}

/**
 * Returns an empty list in memory. Over `deadLettersMax` letters or `deadLetterBytesMax` bytes the
 * oldest is dropped and counted; those older than `deadLetterAgeMs` are gone. `now` is the wall
 * clock.
 */
export function createDeadLetters(settings: DeadLetterSettings, now: () => number): LetterStore {
  const letters = new Map<string, Held>();
  // The oldest is taken out of a line: a map looks past every letter that has left it.
  const line = createLine<Held>();
  const counts = { held: 0, bytes: 0, added: 0, dropped: 0 };
  let count = 0;

  function remove(id: string): Letter | undefined {
    const held = letters.get(id);
    if (!held) return undefined;
    letters.delete(id);
    held.leave();
    counts.held--;
    counts.bytes -= sizeOf(held.letter);
    return held.letter;
  }

  function oldest(): Letter | undefined {
    for (const { letter } of line.values()) return letter;
    return undefined;
  }

  function expire(): void {
    const before = now() - settings.deadLetterAgeMs;
    for (let first = oldest(); first && first.at < before; first = oldest()) remove(first.id);
  }

  return {
    add(letter) {
      remove(letter.id);
      const held: Held = { letter, number: ++count, leave: () => {} };
      held.leave = line.push(held);
      letters.set(letter.id, held);
      counts.added++;
      counts.held++;
      counts.bytes += sizeOf(letter);
      expire();
      while (counts.held > settings.deadLettersMax || counts.bytes > settings.deadLetterBytesMax) {
        const first = oldest();
        if (!first) return;
        remove(first.id);
        counts.dropped++;
      }
    },
    async list({ limit, after, ...filter }) {
      expire();
      const items: Letter[] = [];
      let last = 0;
      for (const { letter, number } of line.values()) {
        if (number <= Number(after ?? 0) || !matches(letter, filter)) continue;
        if (items.length === limit) return { items, next: `${last}` };
        items.push(letter);
        last = number;
      }
      return { items };
    },
    async take(id) {
      expire();
      const letter = remove(id);
      return letter && { letter };
    },
    get samples() {
      expire();
      return counts;
    },
  };
}

function matches(letter: Letter, { route, reason }: LetterFilter): boolean {
  return (
    (route === undefined || letter.route === route) &&
    (reason === undefined || letter.reason === reason)
  );
}

function sizeOf({ text }: Letter): number {
  return LETTER_BYTES + Buffer.byteLength(text);
}

/** Returns the dead letter of a call that was given up. */
export function letterOf(call: Call, failed: Failed, at: number): Letter {
  const { id, route, attempts, namespace, socketId } = call;
  const { code: reason, status, detail } = failed;
  const lane = `${namespace},${socketId}`;
  return {
    id,
    route: route.name,
    reason,
    attempts,
    status,
    detail,
    at,
    lane,
    text: writeCall(call),
  };
}

/** Returns a letter as it is shown; `undefined` for what no gateway of this version wrote. */
export function showLetter(letter: Letter): DeadLetter | undefined {
  const { lane, text, ...about } = letter;
  const call = readCall(text);
  if (!call) return undefined;
  const { kind: type, namespace, socketId } = call;
  try {
    const data = fromTaggedJson(JSON.parse(keptBodyOf(call)));
    return { ...about, type, namespace, socketId, data };
  } catch {
    return undefined;
  }
}

/** Which dead letters are tried again: those with these ids, or all that match. */
export interface ReplayWanted extends LetterFilter {
  readonly ids?: readonly string[] | undefined;
}

/** What came of one dead letter that was tried again. */
export interface Replayed {
  readonly id: string;
  /** `unknown` when there is no such letter, or it is being tried already. */
  readonly outcome: "delivered" | "failed" | "unknown";
  readonly code?: FailureCode;
}

/** What replays need. */
export interface ReplayNeeds {
  readonly letters: LetterStore;
  readonly gone: Pick<Gone, "revive">;
  readonly lanes: Lanes;
  readonly keptCalls: KeptCalls;
  readonly durable: Pick<Durable, "know"> | undefined;
  readmit(lane: Lane, call: Call): void;
}

type Taken = NonNullable<Awaited<ReturnType<LetterStore["take"]>>>;

/** Letters that are looked for at once. */
const PAGE = 1000;

/**
 * Returns the replay of dead letters: one attempt each, those of one socket in their order and
 * behind what it has queued. A function that answered 410 is called again; what fails is a dead
 * letter again.
 */
export function createReplay(needs: ReplayNeeds) {
  const { letters, gone, lanes, keptCalls, durable } = needs;

  async function replay(wanted: ReplayWanted): Promise<Replayed[]> {
    const ended: Promise<Replayed>[] = [];
    for (const id of await idsOf(letters, wanted)) {
      // Out of the list while it is tried: nobody else may try it too.
      const taken = await letters.take(id);
      ended.push(taken ? tryAgain(taken) : Promise.resolve({ id, outcome: "unknown" }));
    }
    return Promise.all(ended);
  }

  async function tryAgain(taken: Taken): Promise<Replayed> {
    const { letter, place } = taken;
    const { id } = letter;
    const outcome = await new Promise<Outcome>((resolve) => {
      const lane = lanes.find(letter.lane);
      const kept = readCall(letter.text);
      const call = kept && keptCalls.open(lane, kept, { once: true, ended: resolve, place });
      if (!call) {
        letters.add({ ...letter, reason: "UPSTREAM_NO_ROUTE" }, place);
        return resolve({ ok: false, code: "UPSTREAM_NO_ROUTE" });
      }
      gone.revive(call.route);
      durable?.know(call);
      needs.readmit(lane, call);
    });
    if (outcome.ok) return { id, outcome: "delivered" };
    return { id, outcome: "failed", code: outcome.code };
  }

  return replay;
}

async function idsOf(letters: LetterStore, { ids, ...filter }: ReplayWanted): Promise<string[]> {
  if (ids) return [...ids];
  const all: string[] = [];
  let after: string | undefined;
  do {
    const { items, next } = await letters.list({ ...filter, limit: PAGE, after });
    for (const { id } of items) all.push(id);
    after = next;
  } while (after !== undefined);
  return all;
}
