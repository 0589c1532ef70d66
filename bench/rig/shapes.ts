import type { Group } from "../generator/fleet.ts";
import type { Shape } from "../subjects/host.ts";
import { UsageError } from "./args.ts";

/**
 * Who receives a broadcast, as the command line says it. `except-10` leaves ten members of the room
 * out. `union` is of two rooms with half the recipients in both, used again and again;
 * `union-first` is the same union as if it had never been used.
 */
export type ShapeWord =
  | "namespace"
  | "room"
  | "sender"
  | "union"
  | "union-first"
  | `except-${number}`;

const WORDS: readonly ShapeWord[] = ["namespace", "room", "sender", "union", "union-first"];
const EXCEPTED_MAX = 1000;

/** Returns the shape of a word of the command line; throws {@link UsageError}. */
export function readShape(word: string): ShapeWord {
  const known = WORDS.find((one) => one === word);
  if (known) return known;
  const excepted = Number(/^except-(\d{1,4})$/.exec(word)?.[1]);
  if (excepted >= 1 && excepted <= EXCEPTED_MAX) return `except-${excepted}`;
  throw new UsageError(`--shapes ${word} is none of ${WORDS.join(", ")}, except-1, except-10, …`);
}

/** Returns what a subject has to emit for a shape. */
export function kindOf(word: ShapeWord): Shape {
  if (word.startsWith("except")) return "except";
  return word === "union-first" ? "union" : (word as Shape); // the other words are kinds
}

/** Members, and those who must not receive anything: the sender, the excluded, an outsider. */
export function groupsOf(word: ShapeWord, members: number): Group[] {
  const kind = kindOf(word);
  const outsider: Group = { role: "excluded", count: 1, query: "" };
  const inRoom: Group = { role: "member", count: members, query: "rooms=r" };
  if (kind === "namespace") return [inRoom];
  if (kind === "sender")
    return [inRoom, outsider, { role: "sender", count: 1, query: "rooms=r&role=sender" }];
  if (kind === "except") {
    const count = Number(word.slice("except-".length));
    return [inRoom, outsider, { role: "excluded", count, query: "rooms=r.x" }];
  }
  if (kind === "room") return [inRoom, outsider];
  // Half of them are in both rooms and must still receive everything once.
  const both = Math.floor(members / 2);
  const left = Math.ceil((members - both) / 2);
  return [
    { role: "member", count: both, query: "rooms=a.b" },
    { role: "member", count: left, query: "rooms=a" },
    { role: "member", count: members - both - left, query: "rooms=b" },
    outsider,
  ];
}
