import type { FailureCode } from "../core/failures.ts";
import type { Queued } from "./admission.ts";
import type { Courier } from "./courier.ts";
import type { DeadLetters, Undelivered } from "./dead-letters.ts";
import type { Lanes } from "./lanes.ts";
import type { Failed } from "./outcome.ts";
import type { Item } from "./request.ts";

/** What came of one dead letter that was tried again. */
export interface Replayed {
  readonly id: string;
  /** `unknown` when there is no such letter, or it is being tried already. */
  readonly outcome: "delivered" | "failed" | "unknown";
  readonly code?: FailureCode;
}

/** What replays need. */
export interface ReplayNeeds {
  readonly letters: DeadLetters;
  readonly courier: Courier;
  readonly lanes: Lanes;
  readonly queued: Queued;
}

/**
 * Returns the replay of dead letters: one attempt each, those of one socket in their order and
 * behind what it has queued. A function that answered 410 is called again; what fails is a dead
 * letter again.
 */
export function createReplay({ letters, courier, lanes, queued }: ReplayNeeds) {
  async function replayOne(id: string): Promise<Replayed> {
    const letter = letters.get(id);
    if (!letter) return { id, outcome: "unknown" };
    // Out of the list while it is tried: nobody else may try it too.
    letters.remove(id);
    courier.revive(letter.route);
    const failed = await new Promise<Failed | undefined>((resolve) => {
      const { namespace, socketId } = letter.event;
      const lane = lanes.open(`${namespace},${socketId}`);
      const item = itemOf(letter, resolve);
      queued.events++;
      queued.bytes += item.bytes;
      lanes.push(lane, item);
      lanes.leave(lane);
    });
    return failed ? { id, outcome: "failed", code: failed.code } : { id, outcome: "delivered" };
  }

  return (ids: readonly string[] | undefined): Promise<Replayed[]> =>
    Promise.all((ids ?? letters.ids()).map(replayOne));
}

function itemOf({ event, route, path }: Undelivered, replayed: Item["replayed"]): Item {
  return {
    event,
    route,
    path,
    bytes: Buffer.byteLength(event.data),
    deadline: undefined,
    tell: undefined,
    replayed,
    attempts: 0,
    over: false,
    timer: undefined,
    leave: undefined,
  };
}
