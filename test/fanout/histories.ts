import fc from "fast-check";
import type { Kind } from "./company.ts";

/** The connections of every history. */
export const KINDS: readonly Kind[] = [
  { codec: "msgpack", way: "websocket" },
  { codec: "json", way: "websocket" },
  { codec: "msgpack", way: "websocket" },
  { codec: "json", way: "upgrade" },
  { codec: "msgpack", way: "upgrade" },
  { codec: "msgpack", way: "polling" },
  { codec: "json", way: "websocket", eio: 3 },
];

/** Rooms that are texts, numbers, empty, huge or full of separators. */
export const ROOMS: readonly unknown[] = [
  "a",
  "b",
  "c",
  1,
  "1",
  "",
  "/#,\x1f:",
  "r".repeat(70_000),
];

/** A room: one of {@link ROOMS}, or the own room of a client's socket. */
export type RoomRef = { readonly room: number } | { readonly own: number };

/** What happens in a history; `who` is a client. Nothing but `turn` lets the event loop go on. */
export type Step =
  | { readonly do: "join"; readonly who: number; readonly rooms: readonly RoomRef[] }
  | { readonly do: "leave"; readonly who: number; readonly room: RoomRef }
  | { readonly do: "kick" | "close" | "expire" | "hangUp"; readonly who: number }
  | { readonly do: "direct"; readonly who: number }
  | { readonly do: "press" | "relieve" | "upgrade" | "listen"; readonly who: number }
  | {
      readonly do: "enter";
      readonly who: number;
      readonly refused: boolean;
      readonly twice: boolean;
    }
  | {
      readonly do: "cast";
      readonly from: number | undefined;
      readonly to: readonly RoomRef[];
      readonly except: readonly RoomRef[];
      readonly volatile: boolean;
      /** How often it is repeated at once: what is used often, or in a burst, is served differently. */
      readonly times: number;
      readonly body: "short" | "binary" | "big";
    }
  | { readonly do: "turn" };

const who = fc.nat(KINDS.length - 1);
const room: fc.Arbitrary<RoomRef> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ room: fc.constantFrom(0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7) }) },
  { weight: 1, arbitrary: fc.record({ own: who }) },
);
const few = (max: number) => fc.array(room, { maxLength: max });
const refused = fc.constantFrom(true, false, false);
const twice = fc.constantFrom(true, false, false);
const act = <const T extends Step["do"]>(...kinds: T[]) =>
  fc.record({ do: fc.constantFrom(...kinds), who });

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("cast" as const),
      from: fc.option(who, { nil: undefined }),
      to: fc.oneof({ weight: 6, arbitrary: few(3) }, { weight: 1, arbitrary: few(12) }),
      except: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: few(3) }),
      volatile: fc.boolean(),
      times: fc.constantFrom(1, 1, 1, 6, 40),
      body: fc.constantFrom("short" as const, "short" as const, "binary" as const, "big" as const),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("join" as const), who, rooms: few(4) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("leave" as const), who, room }) },
  { weight: 3, arbitrary: act("direct") },
  { weight: 2, arbitrary: act("press", "relieve", "upgrade", "listen") },
  { weight: 1, arbitrary: act("kick", "kick", "close", "expire", "hangUp") },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("enter" as const), who, refused, twice }) },
  { weight: 4, arbitrary: fc.constant({ do: "turn" as const }) },
) satisfies fc.Arbitrary<Step>;

/** A history: who is in the namespace from the start, and what happens then. */
export interface History {
  /** Of each client; the others may enter later. */
  readonly start: readonly { readonly enters: boolean; readonly twice: boolean }[];
  readonly steps: readonly Step[];
}

/** Any history of up to 40 steps. */
export const histories: fc.Arbitrary<History> = fc.record({
  start: fc.array(fc.record({ enters: fc.constantFrom(true, true, true, false), twice }), {
    minLength: KINDS.length,
    maxLength: KINDS.length,
  }),
  steps: fc.array(step, { minLength: 5, maxLength: 40 }),
});
