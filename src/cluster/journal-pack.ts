import type { LaneHead, Letter, Place } from "../core/journal.ts";

/** Texts, each after its length in four bytes; numbers in eight bytes, and counts in four. */
type Part = string | { readonly number: number } | { readonly count: number } | Kind;

/** What a step does: append a call, take a letter, keep one. It is one byte, without a length. */
export interface Kind {
  readonly kind: "a" | "t" | "l";
}

const APPEND: Kind = { kind: "a" };
const TAKE: Kind = { kind: "t" };
const KEEP: Kind = { kind: "l" };

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

/** Returns an empty packer. */
export function createPacker(): Packer {
  const parts: Part[] = [];
  let size = 0;
  function text(value: string): void {
    parts.push(value);
    size += 4 + Buffer.byteLength(value);
  }
  function number(value: number): void {
    parts.push({ number: value });
    size += 8;
  }
  function start(kind: Kind): void {
    parts.push(kind);
    size += 1;
  }
  function call({ lane, text: body, n, mac }: PackedCall): void {
    for (const each of [lane, body, n, mac]) text(each);
  }
  return {
    append(given, strikes) {
      start(APPEND);
      text(strikes);
      call(given);
    },
    take(given, id) {
      start(TAKE);
      text(id);
      call(given);
    },
    keep({ id, route, reason }, { json, mac }, at) {
      start(KEEP);
      text(at?.journal ?? "");
      number(at?.number ?? 0);
      for (const each of [at?.lane ?? "", id, route, reason, json, mac]) text(each);
    },
    remove(journal, places) {
      text(journal);
      parts.push({ count: places.length });
      size += 4;
      for (const place of places) {
        number(place.number);
        text(place.lane);
      }
    },
    ask(head, journal) {
      text(head.journal ?? journal);
      number(head.number ?? 0);
      text(head.lane);
    },
    pack: () => write(parts, size),
  };
}

function write(parts: readonly Part[], size: number): Buffer {
  const packed = Buffer.allocUnsafe(size);
  let at = 0;
  for (const part of parts) {
    if (typeof part === "string") {
      const bytes = packed.write(part, at + 4);
      packed.writeUInt32BE(bytes, at);
      at += 4 + bytes;
    } else if ("number" in part) at = packed.writeDoubleBE(part.number, at);
    else if ("count" in part) at = packed.writeUInt32BE(part.count, at);
    else at += packed.write(part.kind, at);
  }
  return packed;
}
