import type { Outcome } from "./answer.ts";
import type { Attempts } from "./attempts.ts";
import type { Batches } from "./batches.ts";
import type { Call, Lane } from "./call.ts";
import type { Durable } from "./durable.ts";

/** What lanes need. */
export interface LanesNeeds {
  readonly attempts: Attempts;
  readonly batches: Batches;
  /** A call is over. */
  end(lane: Lane, call: Call, outcome: Outcome): void;
  /** There is none where calls are in memory alone. */
  durable(): Pick<Durable, "hold"> | undefined;
}

/** All lanes. */
export interface Lanes {
  open(key: string): Lane;
  /**
   * The lane of a key, for calls of a socket that may not be here. `isAdopted`: they are another
   * node's.
   */
  find(key: string, isAdopted?: boolean): Lane;
  /** The lane of a key, if it is there. */
  peek(key: string): Lane | undefined;
  /** Its socket is gone; the lane lives until it is empty. */
  leave(lane: Lane): void;
  push(lane: Lane, call: Call): void;
  /** Takes a call that waits out again: nobody wants it any more. */
  take(lane: Lane, call: Call): void;
  /** Its first call may be delivered now: it joins the batch that the lane is in, if it fits. */
  advance(lane: Lane): void;
  all(): Iterable<Lane>;
}

/** Returns a lane without calls. */
export function newLane(key: string, isAdopted = false): Lane {
  return {
    ...{ key, calls: [], isBusy: false, isLeft: false, users: 0, order: 0, socket: undefined },
    ...{ isAdopted, mayBeElsewhere: isAdopted, mixedUpTo: 0, cleared: undefined },
  };
}

/** Returns no lanes yet. */
export function createLanes({ attempts, batches, end, durable }: LanesNeeds): Lanes {
  const lanes = new Map<string, Lane>();

  async function run(lane: Lane): Promise<void> {
    lane.isBusy = true;
    for (let [call] = lane.calls; call && !lane.isLeft; [call] = lane.calls) {
      const held = call.isOver ? undefined : durable()?.hold(lane, call);
      if (held) {
        await held;
        // It may not be the first any more.
        continue;
      }
      lane.calls.shift();
      if (call.isOver) continue;
      if (batches.takes(call)) await deliverBatched(lane, call);
      else end(lane, call, await attempts.deliver(call));
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
    if (lane.users === 0 && !lane.isBusy && lane.calls.length === 0) lanes.delete(lane.key);
  }

  return {
    open(key) {
      const lane = lanes.get(key) ?? newLane(key);
      lane.users++;
      lanes.set(key, lane);
      return lane;
    },
    peek: (key) => lanes.get(key),
    find: (key, isAdopted) => lanes.get(key) ?? newLane(key, isAdopted),
    leave(lane) {
      lane.users--;
      forget(lane);
    },
    push(lane, call) {
      // What its own batch still has room for need not wait for that batch to come back.
      if (lane.calls.length === 0 && batches.follow(lane, call)) return;
      lane.calls.push(call);
      if (lane.isBusy) return;
      lanes.set(lane.key, lane);
      if (!lane.isLeft) void run(lane);
    },
    advance(lane) {
      for (let [call] = lane.calls; call && batches.follow(lane, call); [call] = lane.calls) {
        lane.calls.shift();
      }
    },
    take(lane, call) {
      const at = lane.calls.indexOf(call);
      if (at >= 0) lane.calls.splice(at, 1);
    },
    all: () => lanes.values(),
  };
}
