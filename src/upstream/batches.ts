import type { Batch, LaneState } from "./lanes.ts";
import type { CallRequest, Item } from "./request.ts";

/** Fills batches and sends them off. */
export interface Batches {
  /** Adds an item, and those behind it in its lane that fit, to the batch of its function. */
  join(lane: LaneState, item: Item): void;
  /** Whether events like this one go out in batches. */
  isBatchable(item: Item): boolean;
  /** Whether a batch has room for an item, and goes where the item goes. */
  hasRoom(batch: Batch, item: Item): boolean;
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
  newId(): string;
  send(request: CallRequest, batch: Batch): void;
}

function isBatchable(item: Item): boolean {
  if (item.deadline !== undefined || item.replayed) return false;
  return item.route.batch && item.event.kind === "event";
}

/** What a batch adds to an event's body: its attributes, roughly. */
const ENVELOPE_BYTES = 400;

/**
 * Returns no batches yet. One is open per URL; it goes out when it is full or `batchMs` old. The
 * lanes in it wait for its end, so that events of one socket are never in two requests at once.
 */
export function createBatches(settings: BatchSettings, needs: BatchesNeeds): Batches {
  const open = new Map<string, Batch>();
  let flushed = false;

  function openFor(path: string): Batch {
    const known = open.get(path);
    if (known) return known;
    const batch: Batch = { path, members: [], lanes: new Set(), bytes: 0, timer: undefined };
    batch.timer = setTimeout(() => sendOff(batch), settings.batchMs);
    open.set(path, batch);
    return batch;
  }

  function sendOff(batch: Batch): void {
    clearTimeout(batch.timer);
    open.delete(batch.path);
    for (const lane of batch.lanes) lane.batch = undefined;
    const items = batch.members.map(({ item }) => item);
    const [first] = items;
    if (!first) return;
    const { route, path } = first;
    const request = {
      id: needs.newId(),
      batch: true,
      once: false,
      items,
      route,
      path,
      attempts: 0,
    };
    needs.send(request, batch);
  }

  function hasRoom(batch: Batch, item: Item): boolean {
    if (!isBatchable(item) || item.route.origin + item.path !== batch.path) return false;
    return batch.bytes + item.bytes + ENVELOPE_BYTES <= settings.batchBytesMax;
  }

  function add(lane: LaneState, item: Item): void {
    const path = item.route.origin + item.path;
    let batch = openFor(path);
    // One that is too large for any batch goes alone.
    if (batch.members.length > 0 && !hasRoom(batch, item)) {
      sendOff(batch);
      batch = openFor(path);
    }
    batch.members.push({ lane, item });
    batch.lanes.add(lane);
    batch.bytes += item.bytes + ENVELOPE_BYTES;
    lane.batch = batch;
    const full = batch.members.length >= settings.batchMax || batch.bytes >= settings.batchBytesMax;
    if (full) sendOff(batch);
  }

  function mayFollow(lane: LaneState): Item | undefined {
    const [next] = lane.items;
    return lane.batch && next && !next.over && hasRoom(lane.batch, next) ? next : undefined;
  }

  return {
    isBatchable,
    hasRoom,
    join(lane, item) {
      add(lane, item);
      for (let next = mayFollow(lane); next; next = mayFollow(lane)) {
        lane.items.shift();
        add(lane, next);
      }
      if (flushed && lane.batch) sendOff(lane.batch);
    },
    flush() {
      flushed = true;
      for (const batch of [...open.values()]) sendOff(batch);
    },
  };
}
