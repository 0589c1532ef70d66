import type { FailureCode } from "../core/failures.ts";
import type { LetterFilter, LetterStore } from "../core/journal.ts";
import type { Outcome } from "./answer.ts";
import { readCall } from "./call.ts";
import type { Calls } from "./calls.ts";
import type { Durable } from "./durable.ts";
import type { Gone } from "./gone.ts";
import type { KeptCalls } from "./kept-calls.ts";
import type { Lanes } from "./lanes.ts";

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
  readonly keptCalls: KeptCalls;
  readonly durable: Pick<Durable, "know"> | undefined;
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
  const { letters, gone, calls, lanes, keptCalls, durable } = needs;

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
      calls.readmit(lane, call);
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
