import type { CallKind } from "../core/call.ts";
import type { FailureCode } from "../core/failures.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { CallHead, Lane } from "./call.ts";

/** What is under way. */
export interface Queued {
  events: number;
  bytes: number;
  /** Bytes of what was taken over the limits, of sockets that wait. */
  pausedBytes: number;
}

/** What the queues may hold, and who waits for room in them. */
export interface Limits {
  /**
   * Why a call of so many bytes does not fit. With `upstream.full` of `pause` events are taken over
   * the limits: they were read before their client could be held back. So is what nobody could be
   * told of, once a socket.
   */
  check(kind: CallKind, lane: Lane, bytes: number): FailureCode | undefined;
  /** Whether a lane, or the whole queue, can take no more. */
  isFull(lane: Lane): boolean;
  /**
   * Calls back once: when half of the lane is free, and if the whole queue was full, half of that.
   * Another call for the same lane replaces it.
   */
  whenRoom(lane: Lane, call: () => void): void;
  /** Nobody waits for this lane any more. */
  forget(lane: Lane): void;
  /** A call is over. */
  freed(call: CallHead): void;
}

interface Waiting {
  readonly lane: Lane;
  readonly call: () => void;
  /** Bytes that were taken since. */
  bytes: number;
}

type LimitSettings = Pick<
  Settings["upstream"],
  "full" | "queueMax" | "queueBytesMax" | "socketQueueMax" | "pausedBytesMax"
>;

/** Returns the limits of what waits, per socket and over all sockets. */
export function createLimits(settings: LimitSettings, queued: Queued): Limits {
  const { queueMax, queueBytesMax, socketQueueMax, pausedBytesMax } = settings;
  const pauses = settings.full === "pause";
  const waiting = new Map<string, Waiting>();
  /** Whether somebody waits for the whole queue. */
  let awaitsAll = false;

  const isLaneFull = ({ calls }: Lane) => calls.length >= socketQueueMax;
  const isAllFull = (bytes: number) =>
    queued.events >= queueMax || queued.bytes + bytes > queueBytesMax;
  /** Without those that are over already: of them nobody hears again. */
  const isHalfFull = ({ calls }: Lane) => {
    let waits = 0;
    return calls.some((call) => !call.isOver && ++waits > socketQueueMax / 2);
  };
  const isHalfFree = () => queued.events <= queueMax / 2 && queued.bytes <= queueBytesMax / 2;

  function forget({ key }: Lane): void {
    queued.pausedBytes -= waiting.get(key)?.bytes ?? 0;
    waiting.delete(key);
  }

  /** Takes an event over the limits, but no more than may be taken so. */
  function take({ key }: Lane, bytes: number): FailureCode | undefined {
    const one = waiting.get(key);
    // Its client is held back as soon as this one is taken.
    if (!one) return undefined;
    if (one.bytes + bytes > pausedBytesMax) return "UPSTREAM_QUEUE_FULL";
    if (queued.pausedBytes + bytes > queueBytesMax) return "UPSTREAM_SATURATED";
    one.bytes += bytes;
    queued.pausedBytes += bytes;
    return undefined;
  }

  /** Lets a lane go on if half of it is free. */
  function look(one: Waiting): void {
    if (isHalfFull(one.lane)) return;
    forget(one.lane);
    one.call();
  }

  return {
    check(kind, lane, bytes) {
      if (kind === "disconnect")
        return !pauses && isAllFull(bytes) ? "UPSTREAM_SATURATED" : undefined;
      if (pauses && kind !== "connect") return take(lane, bytes);
      if (isLaneFull(lane)) return "UPSTREAM_QUEUE_FULL";
      return isAllFull(bytes) ? "UPSTREAM_SATURATED" : undefined;
    },
    isFull: (lane) => isLaneFull(lane) || isAllFull(1),
    whenRoom(lane, call) {
      forget(lane);
      waiting.set(lane.key, { lane, call, bytes: 0 });
      awaitsAll ||= isAllFull(1);
    },
    forget,
    freed({ namespace, socketId }) {
      if (waiting.size === 0) return;
      const one = waiting.get(`${namespace},${socketId}`);
      if (one && isAllFull(1)) awaitsAll = true;
      if (one && !awaitsAll) look(one);
      if (!awaitsAll || !isHalfFree()) return;
      awaitsAll = false;
      for (const each of [...waiting.values()]) look(each);
    },
  };
}
