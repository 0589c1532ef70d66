import type { FailureCode } from "../core/failures.ts";
import type { Letter, LetterFilter, LetterStore } from "../core/journal.ts";
import type { Outcome } from "./answer.ts";
import { type Call, type KeptCall, readCall } from "./call.ts";
import { type Calls, FRESH } from "./calls.ts";
import type { Gone } from "./gone.ts";
import type { Learn } from "./kept-socket.ts";
import type { Lanes } from "./lanes.ts";
import type { Routes } from "./routes.ts";

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
  readonly calls: Calls;
  readonly lanes: Lanes;
  readonly routes: Routes;
  readonly learn: Learn;
}

/** Letters that are looked for at once. */
const PAGE = 1000;

/**
 * Returns the replay of dead letters: one attempt each, those of one socket in their order and
 * behind what it has queued. A function that answered 410 is called again; what fails is a dead
 * letter again.
 */
export function createReplay(needs: ReplayNeeds) {
  const { letters, gone, calls, lanes, routes, learn } = needs;

  async function replay(wanted: ReplayWanted): Promise<Replayed[]> {
    const ended: Promise<Replayed>[] = [];
    for (const id of await idsOf(letters, wanted)) {
      // Out of the list while it is tried: nobody else may try it too.
      const taken = await letters.take(id);
      ended.push(taken ? tryAgain(taken.letter) : Promise.resolve({ id, outcome: "unknown" }));
    }
    return Promise.all(ended);
  }

  async function tryAgain(letter: Letter): Promise<Replayed> {
    const { id } = letter;
    const outcome = await new Promise<Outcome>((resolve) => {
      const kept = readCall(letter.text);
      const way = kept && wayOf(kept, routes);
      if (!way) {
        letters.add({ ...letter, reason: "UPSTREAM_NO_ROUTE" });
        return resolve({ ok: false, code: "UPSTREAM_NO_ROUTE" });
      }
      gone.revive(way.route);
      const lane = lanes.find(letter.lane);
      calls.readmit(lane, callOf(kept, { ...way, state: learn(lane, kept), ended: resolve }));
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

/** Where a kept call goes. */
function wayOf({ route: name, namespace, kind, subject }: KeptCall, routes: Routes) {
  const route = routes.named(name);
  const path = route?.path(namespace, kind === "event" ? subject : kind);
  return route && path !== undefined ? { route, path } : undefined;
}

function callOf(
  kept: KeptCall,
  given: Pick<Call, "route" | "path" | "state"> & { ended(outcome: Outcome): void },
): Call {
  const bytes = Buffer.byteLength(kept.members);
  const { rooms: _, socket: __, ...head } = kept;
  const once = { deadline: undefined, once: true, handshake: undefined } as const;
  return { ...head, ...given, ...once, bytes, ...FRESH };
}
