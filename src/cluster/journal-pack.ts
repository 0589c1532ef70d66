import type { LaneHead, Letter, Place } from "../core/journal.ts";

/** What a step does: append calls of a lane, take a letter, keep one. */
type Kind = "a" | "t" | "l";

/** A call that is appended. */
export interface PackedCall {
  readonly lane: string;
  readonly text: string;
  /** Number and signature, or two empty texts. */
  readonly n: string;
  readonly mac: string;
}

/** Packs many values into one argument of a script: as many arguments would cost more than them. */
export interface Packer {
  /** With the name of a record that is struck, or an empty text. */
  append(call: PackedCall, strikes: string): void;
  /** The call of a letter that is taken. */
  take(call: PackedCall, id: string): void;
  keep(letter: Letter, written: { readonly json: string; readonly mac: string }, at?: Place): void;
  /** Entries of one journal. */
  remove(journal: string, places: readonly Place[]): void;
  ask(head: LaneHead, journal: string): void;
  pack(): Buffer;
}

/** What a packer begins with; it grows by doubling. */
const BYTES = 4096;
/** What a unit of a string takes in UTF-8 at most. */
const UNIT_BYTES = 3;

/**
 * Returns an empty packer. Texts stand after their length in four bytes; numbers take eight bytes,
 * counts four, and the kind of a step one. Neighbours of one lane stand behind its name and their
 * count. All is written where it stays: to measure each text first costs as much again.
 */
export function createPacker(): Packer {
  let packed = Buffer.allocUnsafe(BYTES);
  let at = 0;
  /** The lane that is written last, and where it is counted. */
  let run: { readonly lane: string; readonly at: number; count: number } | undefined;
  function reserve(bytes: number): void {
    if (at + bytes <= packed.length) return;
    const grown = Buffer.allocUnsafe(Math.max(2 * packed.length, at + bytes));
    packed.copy(grown, 0, 0, at);
    packed = grown;
  }
  function text(value: string): void {
    reserve(4 + UNIT_BYTES * value.length);
    const bytes = value === "" ? 0 : packed.write(value, at + 4);
    packed.writeUInt32BE(bytes, at);
    at += 4 + bytes;
  }
  function number(value: number): void {
    reserve(8);
    at = packed.writeDoubleBE(value, at);
  }
  function count(value: number): void {
    reserve(4);
    at = packed.writeUInt32BE(value, at);
  }
  function start(kind: Kind): void {
    run = undefined;
    reserve(1);
    at += packed.write(kind, at, "latin1");
  }
  /** Counts one more of a lane; `begin` stands before a lane that is not the one before. */
  function countIn(lane: string, begin?: Kind): void {
    if (run?.lane === lane) {
      packed.writeUInt32BE(++run.count, run.at);
      return;
    }
    if (begin) start(begin);
    text(lane);
    run = { lane, at, count: 1 };
    count(1);
  }
  return {
    append({ lane, text: body, n, mac }, strikes) {
      countIn(lane, "a");
      for (const each of [strikes, body, n, mac]) text(each);
    },
    take({ lane, text: body, n, mac }, id) {
      start("t");
      for (const each of [id, lane, body, n, mac]) text(each);
    },
    keep({ id, route, reason }, { json, mac }, place) {
      start("l");
      text(place?.journal ?? "");
      number(place?.number ?? 0);
      for (const each of [place?.lane ?? "", id, route, reason, json, mac]) text(each);
    },
    remove(journal, places) {
      run = undefined;
      text(journal);
      count(places.length);
      for (const place of places) {
        countIn(place.lane);
        number(place.number);
      }
    },
    ask(head, journal) {
      text(head.journal ?? journal);
      number(head.number ?? 0);
      text(head.lane);
    },
    pack: () => packed.subarray(0, at),
  };
}
