import { eachStep } from "../core/loop.ts";
import type { Outbox, OutboxMonitor } from "./outbox.ts";
import type { SocketSamples } from "./samples.ts";

const TICK_MS = 100;
/** Every connection is checked once in this time. */
const ROUND_MS = 1000;
/** How long closing slow connections may hold up all others, in one turn of the event loop. */
const CLOSE_MS = 1;

/**
 * Returns the monitor of one engine.
 *
 * Connections under pressure are checked every 100 ms. All others are checked once a second,
 * however many there are: a tenth of them at each tick, or half of them while the process does next
 * to nothing and ticks come every 500 ms. Each check costs 20–100 ns, and what `checked` does.
 * Without connections there are no ticks.
 *
 * A connection is closed when it holds more than `bufferBytesMax`, or drained nothing for
 * `stallMsMax`. Closing always happens from a timer or `setImmediate`, because uWebSockets.js must
 * not be re-entered while it publishes or drains.
 */
export function createPressureMonitor(
  settings: { readonly bufferBytesMax: number; readonly stallMsMax: number },
  needs: {
    readonly samples: SocketSamples;
    /** Called when pressure ends, with how long it lasted in seconds. */
    pressuredFor(seconds: number): void;
    /** Called for every connection about once a second, to check its age and its tokens. */
    checked(connection: Outbox, nowMs: number): void;
  },
): OutboxMonitor & { stop(): void } {
  const { samples } = needs;
  const all = new Set<Outbox>();
  const pressured = new Set<Outbox>();
  let cursor = all.values();
  // The most bytes that one connection without pressure held, in this round of checks and in the
  // one before. Long-polling connections hold all packets between two polls.
  let roundMost = 0;
  let lastMost = 0;
  const isStalled = ({ pressured, progressAt }: Outbox, nowMs: number) =>
    pressured && nowMs - progressAt > settings.stallMsMax;
  const closes = createCloses((one, nowMs) => !one.accepts || isStalled(one, nowMs));
  const ticks = createTicks((now, elapsedMs) => {
    let most = lastMost;
    for (const connection of pressured) {
      connection.look();
      most = Math.max(most, connection.heldBytes);
      if (isStalled(connection, now)) {
        closes.add(connection, "nothing drained for socket.stallMsMax");
      }
    }
    const share = Math.min(1, elapsedMs / ROUND_MS);
    for (let left = Math.ceil(all.size * share); left > 0; left--) {
      let next = cursor.next();
      if (next.done) {
        cursor = all.values();
        next = cursor.next();
        lastMost = roundMost;
        roundMost = 0;
        if (next.done) break;
      }
      next.value.look();
      if (!next.value.pressured) roundMost = Math.max(roundMost, next.value.heldBytes);
      needs.checked(next.value, now);
    }
    // Not above the sum: what this round found may have been sent since.
    samples.heldBytesMax = Math.min(samples.heldBytes, Math.max(most, roundMost));
  });

  return {
    bytesMax: settings.bufferBytesMax,
    stallMsMax: settings.stallMsMax,
    add(connection) {
      all.add(connection);
      ticks.begin();
    },
    remove(connection) {
      all.delete(connection);
      if (all.size > 0) return;
      ticks.pause();
      samples.heldBytesMax = 0;
    },
    pressed(connection) {
      pressured.add(connection);
      ticks.hurry(() => pressured.size > 0);
      samples.pressured = pressured.size;
    },
    relieved(connection, drained) {
      pressured.delete(connection);
      samples.pressured = pressured.size;
      if (drained) samples.drains++;
      needs.pressuredFor((performance.now() - connection.pressedAt) / 1000);
    },
    // Works after stop() too.
    closeSoon: (connection) => closes.add(connection, "more than socket.bufferBytesMax"),
    stop: ticks.stop,
  };
}

/**
 * Closes connections as slow consumers from a clean stack, in their order. In a room whose members
 * stop reading many become slow at once, and each close takes a fraction of a millisecond: so after
 * a millisecond of them, the others wait for the next turn of the event loop. Whoever has drained
 * meanwhile, so that `isDue` says no, stays open. A listener that throws stops no other close.
 */
function createCloses(isDue: (connection: Outbox, nowMs: number) => boolean): {
  add(connection: Outbox, why: string): void;
} {
  const waiting = new Map<Outbox, string>();
  function run(): void {
    const begun = performance.now();
    const end = begun + CLOSE_MS;
    for (const [connection, why] of waiting) {
      waiting.delete(connection);
      if (!isDue(connection, begun)) continue;
      try {
        connection.closeSlow(why);
      } catch (error) {
        setImmediate(() => {
          throw error;
        });
      }
      if (performance.now() >= end) break;
    }
    if (waiting.size > 0) setImmediate(run);
  }
  return {
    add(connection, why) {
      if (waiting.size === 0) setImmediate(run);
      waiting.set(connection, why);
    },
  };
}

/**
 * Returns calls of `tick`, with the monotonic time and the time since its last call: at each step
 * (`core/loop.ts`) from `begin` to `pause`, 100 ms apart or more, and every 100 ms from
 * `hurry` on while `isHurried` says so.
 */
function createTicks(tick: (now: number, elapsedMs: number) => void) {
  let last = 0;
  let stopped = false;
  let endSteps: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;
  function run(now: number): void {
    const elapsedMs = now - last;
    last = now;
    tick(now, elapsedMs);
  }
  function pause(): void {
    endSteps?.();
    endSteps = undefined;
  }
  return {
    begin(): void {
      if (endSteps || stopped) return;
      last = performance.now();
      endSteps = eachStep(run, TICK_MS);
    },
    pause,
    hurry(isHurried: () => boolean): void {
      if (stopped) return;
      timer ??= setInterval(() => {
        run(performance.now());
        if (isHurried()) return;
        clearInterval(timer);
        timer = undefined;
      }, TICK_MS).unref();
    },
    stop(): void {
      stopped = true;
      pause();
      clearInterval(timer);
    },
  };
}
