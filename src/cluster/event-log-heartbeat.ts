import type { Carrier, CarrierLog } from "./event-log-carrier.ts";
import type { Order } from "./event-log-order.ts";
import type { Reader } from "./event-log-reader.ts";
import type { Readings } from "./event-log-readings.ts";

/** Asks for the end of a log, which moves the place of a node that hears nothing. */
export interface Heartbeat {
  /** Asks now, after what is asked already, as long as somebody waits for a place. */
  ask(): void;
  stop(): void;
}

/** What a heartbeat needs. */
export interface HeartbeatNeeds {
  readonly carrier: Pick<Carrier, "isHere">;
  readonly log: CarrierLog;
  readonly order: Order;
  readonly reader: Reader;
  readonly readings: Readings;
}

const BEAT_MS = 1_000;
const BEAT_MS_MAX = 10_000;

/** Returns the heartbeat of a log, which has begun. */
export function createHeartbeat(needs: HeartbeatNeeds): Heartbeat {
  const { carrier, log, order, reader, readings } = needs;
  let beating: Promise<void> | undefined;
  let beatMs = BEAT_MS;
  /** What had come at the last look. */
  let seen = order.arrived();
  let timer = setTimeout(tick, beatMs).unref();
  let stopped = false;

  function beat(): Promise<void> {
    beating ??= ask().finally(() => {
      beating = undefined;
    });
    return beating;
  }

  async function ask(): Promise<void> {
    const losses = order.losses();
    const asked = order.arrived();
    const page = await log.read(asked, []).catch(() => undefined);
    if (!page || losses !== order.losses() || stopped) return;
    if (page.lost) return reader.lose(page.end);
    beatMs = page.end.id === order.arrived().id ? Math.min(2 * beatMs, BEAT_MS_MAX) : BEAT_MS;
    order.read([], page.end);
    order.hand();
    seen = order.arrived();
  }

  function tick(): void {
    const isQuiet = order.arrived() === seen;
    if (!isQuiet) beatMs = BEAT_MS;
    if (isQuiet && carrier.isHere() && readings.bound() === undefined) void beat();
    seen = order.arrived();
    timer = setTimeout(tick, beatMs).unref();
  }

  return {
    ask() {
      // What is asked already may be answered with an earlier end.
      void Promise.resolve(beating).then(() => {
        if (order.isAwaited() && !stopped) void beat();
      });
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
