import type { Failed, Outcome } from "./answer.ts";
import type { Attempts } from "./attempts.ts";
import { bodyOf, type Call, type Lane } from "./call.ts";
import type { Elders } from "./elders.ts";

/** What lanes need. */
export interface LanesNeeds {
  readonly attempts: Attempts;
  readonly batches: Batches;
  /** A call is over. */
  end(lane: Lane, call: Call, outcome: Outcome): void;
  /** There is none where calls are in the memory of one process. */
  holder(): Pick<Elders, "hold"> | undefined;
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
  /** Whether the lane of a key has calls that are older than this `order` and not over. */
  hasOlder(key: string, order: number): boolean;
  all(): Iterable<Lane>;
}

/** Returns a lane without calls. */
export function newLane(key: string, isAdopted = false): Lane {
  return {
    ...{ key, calls: [], isBusy: false, isLeft: false, users: 0, order: 0, socket: undefined },
    ...{ begun: undefined, isAdopted, mayBeElsewhere: isAdopted, mixedUpTo: 0, cleared: undefined },
  };
}

/** Returns no lanes yet. */
export function createLanes({ attempts, batches, end, holder }: LanesNeeds): Lanes {
  const lanes = new Map<string, Lane>();

  async function run(lane: Lane): Promise<void> {
    lane.isBusy = true;
    for (let [call] = lane.calls; call && !lane.isLeft; [call] = lane.calls) {
      const held = call.isOver ? undefined : holder()?.hold(lane, call);
      if (held) {
        await held;
        // It may not be the first any more.
        continue;
      }
      lane.calls.shift();
      if (call.isOver) continue;
      lane.begun = call.order;
      if (batches.takes(call)) await deliverBatched(lane, call);
      else end(lane, call, (await attempts.deliver(call)).of(call.id));
      lane.begun = undefined;
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
    hasOlder(key, order) {
      const lane = lanes.get(key);
      const oldest = lane?.begun ?? lane?.calls.find(({ isOver }) => !isOver)?.order;
      return oldest !== undefined && oldest < order;
    },
    all: () => lanes.values(),
  };
}

/** Fills batches and sends them off. */
export interface Batches {
  /** Whether a call goes out in batches. */
  takes(call: Call): boolean;
  /**
   * Adds the first call of a lane, and those behind it that fit, to the batch of its function.
   * Resolves when the batch is over, with those calls of the lane that are to be tried again.
   */
  join(lane: Lane, call: Call): Promise<Call[]>;
  /** Adds a call to the batch that waits with its lane, if it fits; else returns false. */
  follow(lane: Lane, call: Call): boolean;
  /** Sends off whatever waits to be filled; from now on nothing waits for that. */
  flush(): void;
}

/** What batches are bounded by. */
export interface BatchSettings {
  readonly batchMax: number;
  readonly batchBytesMax: number;
  readonly batchMs: number;
}

/** What batches need. */
export interface BatchesNeeds {
  readonly attempts: Attempts;
  newId(): string;
  /** So many calls have gone out in a batch. */
  sent(calls: number): void;
  /** A call is over. */
  end(lane: Lane, call: Call, outcome: Outcome): void;
  /** A call failed in a batch that did not. */
  failed(call: Call, failed: Failed): void;
}

/** Calls that wait to go out together. */
interface Batch {
  /** Where it goes. */
  readonly url: string;
  readonly members: { readonly lane: Lane; readonly call: Call }[];
  /** Who waits for its end. */
  readonly lanes: Map<Lane, (again: Call[]) => void>;
  bytes: number;
  timer: NodeJS.Timeout | undefined;
}

/** What a batch adds to a call's body: its attributes, roughly. */
const ENVELOPE_BYTES = 400;

/**
 * Returns no batches yet. One is open per URL; it goes out when it is full or `batchMs` old. The
 * lanes in it wait for its end, so that events of one socket are never in two requests at once.
 */
export function createBatches(settings: BatchSettings, needs: BatchesNeeds): Batches {
  const open = new Map<string, Batch>();
  /** The open batch that a lane is in. */
  const joined = new Map<Lane, Batch>();
  let flushed = false;

  function openFor(url: string): Batch {
    const known = open.get(url);
    if (known) return known;
    const batch: Batch = { url, members: [], lanes: new Map(), bytes: 0, timer: undefined };
    batch.timer = setTimeout(() => void sendOff(batch), settings.batchMs);
    open.set(url, batch);
    return batch;
  }

  async function sendOff(batch: Batch): Promise<void> {
    clearTimeout(batch.timer);
    open.delete(batch.url);
    for (const lane of batch.lanes.keys()) joined.delete(lane);
    const calls = batch.members.map(({ call }) => call);
    needs.sent(calls.length);
    const outcomes = await needs.attempts.deliverBatch(needs.newId(), calls);
    const again = new Map<Lane, Call[]>();
    for (const { lane, call } of batch.members) {
      const outcome = outcomes.of(call.id);
      if (outcome.ok || !needs.attempts.mayRetry(outcome, call)) needs.end(lane, call, outcome);
      else again.set(lane, [...(again.get(lane) ?? []), call]);
      if (!outcome.ok && !outcomes.failed) needs.failed(call, outcome);
    }
    for (const [lane, resolve] of batch.lanes) resolve(again.get(lane) ?? []);
  }

  function hasRoom(batch: Batch, call: Call): boolean {
    if (!takes(call) || urlOf(call) !== batch.url) return false;
    return batch.bytes + sizeOf(call) <= settings.batchBytesMax;
  }

  function add(batch: Batch, lane: Lane, call: Call): void {
    batch.members.push({ lane, call });
    batch.bytes += sizeOf(call);
    const isFull = batch.members.length >= settings.batchMax;
    if (isFull || batch.bytes >= settings.batchBytesMax) void sendOff(batch);
  }

  function follow(lane: Lane, call: Call): boolean {
    const batch = joined.get(lane);
    if (!batch || !mayFollow(lane, call) || !hasRoom(batch, call)) return false;
    add(batch, lane, call);
    return true;
  }

  return {
    takes,
    follow,
    join(lane, call) {
      const url = urlOf(call);
      // The socket may have changed since it was looked at for an earlier batch.
      call.body = undefined;
      let batch = openFor(url);
      // One that is too large for any batch goes alone.
      if (batch.members.length > 0 && !hasRoom(batch, call)) {
        void sendOff(batch);
        batch = openFor(url);
      }
      const ended = new Promise<Call[]>((resolve) => batch.lanes.set(lane, resolve));
      joined.set(lane, batch);
      add(batch, lane, call);
      for (let [next] = lane.calls; next && follow(lane, next); [next] = lane.calls) {
        lane.calls.shift();
      }
      if (flushed && joined.has(lane)) void sendOff(batch);
      return ended;
    },
    flush() {
      flushed = true;
      for (const batch of [...open.values()]) void sendOff(batch);
    },
  };
}

function takes({ deadline, once, route, kind }: Call): boolean {
  return deadline === undefined && !once && route.batch && kind === "event";
}

/** Whether a call may be delivered with those before it in its lane. */
function mayFollow({ mayBeElsewhere, isLeft }: Lane, { written, isOver }: Call): boolean {
  return written === undefined && !isOver && !mayBeElsewhere && !isLeft;
}

function urlOf({ route, path }: Call): string {
  return route.origin + path;
}

function sizeOf(call: Call): number {
  call.body ??= bodyOf(call);
  return Buffer.byteLength(call.body) + ENVELOPE_BYTES;
}
