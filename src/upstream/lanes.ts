import type { Outcome } from "./answer.ts";
import type { Attempts } from "./attempts.ts";
import type { Batches } from "./batches.ts";
import type { Call, Lane } from "./call.ts";

/** What lanes need. */
export interface LanesNeeds {
  readonly attempts: Attempts;
  readonly batches: Batches;
  /** A call is over. */
  settle(call: Call, outcome: Outcome): void;
}

/** All lanes. */
export interface Lanes {
  open(key: string): Lane;
  /** The lane of a key, for calls of a socket that may not be here. */
  find(key: string): Lane;
  /** Its socket is gone; the lane lives until it is empty. */
  leave(lane: Lane): void;
  push(lane: Lane, call: Call): void;
  /** Takes a call that waits out again: nobody wants it any more. */
  take(lane: Lane, call: Call): void;
  all(): Iterable<Lane>;
}

/** Returns a lane without calls. */
export function newLane(key: string): Lane {
  return { key, calls: [], isBusy: false, users: 0, order: 0, socket: undefined };
}

/** Returns no lanes yet. */
export function createLanes({ attempts, batches, settle }: LanesNeeds): Lanes {
  const lanes = new Map<string, Lane>();

  async function run(lane: Lane): Promise<void> {
    lane.isBusy = true;
    for (let call = lane.calls.shift(); call; call = lane.calls.shift()) {
      if (batches.takes(call)) await deliverBatched(lane, call);
      else settle(call, await attempts.deliver(call));
    }
    lane.isBusy = false;
    forget(lane);
  }

  async function deliverBatched(lane: Lane, call: Call): Promise<void> {
    const again = await batches.join(lane, call);
    const [first] = again;
    if (!first) return;
    lane.calls.unshift(...again);
    await attempts.backOff(first.attempts);
  }

  function forget(lane: Lane): void {
    if (lane.users === 0 && !lane.isBusy) lanes.delete(lane.key);
  }

  return {
    open(key) {
      const lane = lanes.get(key) ?? newLane(key);
      lane.users++;
      lanes.set(key, lane);
      return lane;
    },
    find(key) {
      const lane = lanes.get(key) ?? newLane(key);
      lanes.set(key, lane);
      return lane;
    },
    leave(lane) {
      lane.users--;
      forget(lane);
    },
    push(lane, call) {
      // What its own batch still has room for need not wait for that batch to come back.
      if (lane.calls.length === 0 && batches.follow(lane, call)) return;
      lane.calls.push(call);
      if (!lane.isBusy) void run(lane);
    },
    take(lane, call) {
      const at = lane.calls.indexOf(call);
      if (at >= 0) lane.calls.splice(at, 1);
    },
    all: () => lanes.values(),
  };
}
