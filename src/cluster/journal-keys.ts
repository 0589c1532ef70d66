import type { Letter } from "../core/journal.ts";
import type { Seal } from "./seal.ts";

/** How many letters are kept, and for how long. */
export interface LetterBounds {
  readonly max: number;
  readonly bytesMax: number;
  readonly ageMs: number;
}

/** How a journal is kept. */
export interface JournalSettings {
  /** Calls in it, and their bytes; of what was adopted, as many are out at once. */
  readonly max: number;
  readonly bytesMax: number;
  /** Whether calls are appended over these bounds: who appends has bounds of its own. */
  readonly mayExceed?: boolean;
  readonly letters: LetterBounds;
  readonly timeoutMs: number;
  readonly leaseMs: number;
}

/**
 * How long Redis keeps the journal of a node that is gone when no other adopts it: a week, so that
 * it outlives an outage of the gateways over a long weekend.
 */
export const KEPT_MS = 604_800_000;

/** Names of keys in Redis, all in one slot. */
export interface JournalKeys {
  readonly prefix: string;
  readonly alive: string;
  readonly owners: string;
  /** Stream, index by lane and last step of a node's journal. */
  of(node: string): [journal: string, lanes: string, step: string];
  readonly letters: [letters: string, ids: string, bytes: string];
}

/** Returns the names of keys after the first word of every key that goes with leases. */
export function nameKeys(prefix: string): JournalKeys {
  return {
    prefix,
    alive: `${prefix}alive`,
    owners: `${prefix}owners`,
    of: (node) => [`${prefix}journal:${node}`, `${prefix}lanes:${node}`, `${prefix}step:${node}`],
    letters: [`${prefix}letters`, `${prefix}letter-ids`, `${prefix}letter-bytes`],
  };
}

/** An entry as it is signed: `n` grows along the journal, so that none can be put in elsewhere. */
export interface SignedEntry {
  readonly journal: string;
  readonly n: string;
  readonly lane: string;
  readonly text: string;
}

/** Returns the signature of an entry. */
export function signEntry(seal: Seal, { journal, n, lane, text }: SignedEntry): string {
  // Redis gives it back from UTF-8, where half a character is another one.
  return seal.sign(["entry", journal, n, String(Buffer.from(lane)), text]);
}

/** Whether an entry was signed with the same key; without a key, every entry is. */
export function isSignedEntry(seal: Seal, entry: SignedEntry, mac: string): boolean {
  const { journal, n, lane, text } = entry;
  return seal.isSigned(["entry", journal, n, lane, text], mac);
}

/** Returns a letter as it is written down. */
export function writeLetter(seal: Seal, letter: Letter): { json: string; mac: string } {
  const json = JSON.stringify(letter);
  return { json, mac: seal.sign(["letter", json]) };
}

/**
 * Returns a letter that was written with the same key; whoever can write to Redis can write
 * anything.
 */
export function readLetter(seal: Seal, json: string, mac: string): Letter | undefined {
  if (!seal.isSigned(["letter", json], mac)) return undefined;
  try {
    const letter = JSON.parse(json) as Partial<Record<keyof Letter, unknown>> | null;
    const texts = [letter?.id, letter?.route, letter?.reason, letter?.lane, letter?.text];
    const isLetter =
      texts.every((text) => typeof text === "string") &&
      typeof letter?.at === "number" &&
      typeof letter.attempts === "number";
    // The cast holds: the members that every letter has were just looked at.
    return isLetter ? (letter as unknown as Letter) : undefined;
  } catch {
    return undefined;
  }
}
