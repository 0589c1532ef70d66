import type { CallKind } from "../core/call.ts";
import type { Letter, LetterFilter, LetterStore } from "../core/journal.ts";
import { fromTaggedJson } from "../core/value.ts";
import type { Failed } from "./answer.ts";
import { type Call, keptBodyOf, readCall, writeCall } from "./call.ts";
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
