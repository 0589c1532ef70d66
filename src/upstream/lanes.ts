import type { Item } from "./request.ts";

/** The events of one socket: one after the other, in the order they came. */
export interface LaneState {
  readonly key: string;
  readonly items: Item[];
  /** Something of it is on its way. */
  busy: boolean;
  /** The open batch that its last event is in. */
  batch: Batch | undefined;
  /** How many sockets use it: a resumed session has the id of the one before. */
  users: number;
}

/** Events that wait to go out together. */
export interface Batch {
  readonly path: string;
  readonly members: { readonly lane: LaneState; readonly item: Item }[];
  readonly lanes: Set<LaneState>;
  bytes: number;
  timer: NodeJS.Timeout | undefined;
}

/** What carries the head of a lane; it calls `advance` when the lane may go on. */
export interface LanesNeeds {
  carry(lane: LaneState, item: Item): void;
  join(lane: LaneState, item: Item): void;
  /** Whether an item goes out in batches. */
  isBatchable(item: Item): boolean;
  /** Whether the batch that its lane is in has room for an item. */
  hasRoom(batch: Batch, item: Item): boolean;
}

/** All lanes. */
export interface Lanes {
  open(key: string): LaneState;
  /** Its socket is gone; the lane lives until it is empty. */
  leave(lane: LaneState): void;
  push(lane: LaneState, item: Item): void;
  /** Puts items back at the head, in their order. */
  putBack(lane: LaneState, items: readonly Item[]): void;
  /** Takes an item that waits out again: nobody wants it any more. */
  take(lane: LaneState, item: Item): void;
  /** Takes the next item on its way unless something of the lane still is. */
  advance(lane: LaneState): void;
  all(): Iterable<LaneState>;
  readonly size: number;
}

/** Returns no lanes yet. */
export function createLanes({ carry, join, isBatchable, hasRoom }: LanesNeeds): Lanes {
  const lanes = new Map<string, LaneState>();

  function advance(lane: LaneState): void {
    while (!lane.busy) {
      const item = lane.items.shift();
      if (!item) {
        if (lane.users === 0) lanes.delete(lane.key);
        return;
      }
      lane.busy = true;
      if (isBatchable(item)) join(lane, item);
      else carry(lane, item);
    }
  }

  return {
    open(key) {
      const known = lanes.get(key);
      const lane = known ?? {
        key,
        items: [],
        busy: false,
        batch: undefined,
        users: 0,
      };
      lane.users++;
      if (!known) lanes.set(key, lane);
      return lane;
    },
    leave(lane) {
      lane.users--;
      advance(lane);
    },
    push(lane, item) {
      // What its own batch still has room for need not wait for that batch to come back.
      if (lane.batch && lane.items.length === 0 && hasRoom(lane.batch, item)) {
        return join(lane, item);
      }
      lane.items.push(item);
      advance(lane);
    },
    putBack(lane, items) {
      lane.items.unshift(...items);
    },
    take(lane, item) {
      const at = lane.items.indexOf(item);
      if (at >= 0) lane.items.splice(at, 1);
    },
    advance,
    all: () => lanes.values(),
    get size() {
      return lanes.size;
    },
  };
}
