import type { Carrier, CarrierLog } from "./carrier.ts";
import type { Order } from "./order.ts";
import type { Reader } from "./reader.ts";
import type { Readings } from "./readings.ts";

/** Asks for the end of a log, which moves the place of a node that hears nothing. */
export interface Heartbeat {
  /** Asks now, after what is asked already, as long as somebody waits for a place. */
  ask(): void;
  stop(): void;
}

/** What a heartbeat needs. */
export interface HeartbeatNeeds {
  readonly carrier: Pick<Carrier, "isHere">;
  readonly log: Pick<CarrierLog, "read">;
  readonly order: Pick<Order, "arrived" | "losses" | "isAwaited" | "read" | "hand">;
  readonly reader: Pick<Reader, "lose">;
  readonly readings: Pick<Readings, "bound">;
  readonly ticks: Ticks;
}

/** Has functions called regularly, all in one turn: what they ask can go out together. */
export interface Ticks {
  add(tick: () => void): void;
  remove(tick: () => void): void;
}

const TICK_MS = 1_000;
/** A log in which nothing comes is asked for its end after 1, 2, 4, 8 and then every 10 ticks. */
const WAIT_MAX = 10;
/** Any other after so many: Redis would give up one that is only appended to, but never read. */
const BUSY_WAIT = 600;

/** Returns the ticks of the logs of a node. */
export function createTicks(): Ticks {
  const all = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;

  function run(): void {
    timer = setTimeout(run, TICK_MS).unref();
    for (const tick of all) tick();
  }

  return {
    add(tick) {
      all.add(tick);
      timer ??= setTimeout(run, TICK_MS).unref();
    },
    remove(tick) {
      all.delete(tick);
      if (all.size > 0) return;
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

/** Returns the heartbeat of a log. */
export function createHeartbeat(needs: HeartbeatNeeds): Heartbeat {
  const { carrier, log, order, reader, readings, ticks } = needs;
  let beating: Promise<void> | undefined;
  /** How many ticks it waits if nothing comes, and how many have passed. */
  let wait = 1;
  let passed = 0;
  /** What had come at the last look. */
  let seen = order.arrived();
  let stopped = false;
  ticks.add(tick);

  function beat(): Promise<void> {
    beating ??= ask().finally(() => {
      beating = undefined;
    });
    return beating;
  }

  async function ask(): Promise<void> {
    passed = 0;
    const losses = order.losses();
    const page = await log.read(order.arrived(), []).catch(() => undefined);
    if (losses !== order.losses() || stopped) return;
    const isSame = page?.end.id === order.arrived().id;
    wait = isSame ? Math.min(2 * wait, WAIT_MAX) : 1;
    if (!page) return;
    if (page.lost) return reader.lose(page.end);
    order.read([], page.end);
    order.hand();
    seen = order.arrived();
  }

  function tick(): void {
    const isQuiet = order.arrived() === seen;
    seen = order.arrived();
    if (!isQuiet) wait = 1;
    const isDue = ++passed >= (isQuiet ? wait : BUSY_WAIT);
    if (isDue && carrier.isHere() && readings.bound() === undefined) void beat();
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
      ticks.remove(tick);
    },
  };
}
