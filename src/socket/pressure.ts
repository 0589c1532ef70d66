import { eachStep } from "../core/loop.ts";
import { throwLater } from "../core/uncaught.ts";
import type { Outbox, OutboxMonitor } from "./outbox.ts";
import type { SocketSamples } from "./samples.ts";

const TICK_MS = 100;
/** Longest time between two ticks while the process does next to nothing. */
const QUIET_TICK_MS = 500;
/** Every connection is checked once in this time, or more often: see `beatMs`. */
const ROUND_MS = 1000;
const MIN_ROUND_MS = 5;
/** A heartbeat is found a round and a tick late at most, which is 10 % of `beatMs` or less. */
const ROUND_SHARE = 0.1 / 1.5;
/** For so long the unsent bytes are looked at after something was written: once is not sure. */
const LOOKED_ROUNDS = 3;
/** How long closes and heartbeats may hold up all else, in one turn of the event loop. */
const TURN_MS = 1;

/**
 * Returns the monitor of one engine.
 *
 * Connections under pressure are checked every 100 ms. All others are checked once a second,
 * however many there are: a tenth of them at each tick, or half of them while the process does next
 * to nothing and ticks come every 500 ms. Each check costs 20–100 ns, and what `checked` does. To
 * ask uWebSockets.js for the unsent bytes is half of that. Where nothing but pings was written for
 * three rounds, there are no new ones.
 * Without connections there are no ticks. With heartbeats of less than 15 s checks come more often.
 *
 * A check also finds the heartbeats that are due. Two timers of each connection would wake the
 * process for each one, and again for its pong, with cold caches: here those of a tick leave
 * together, at most a millisecond of them in one turn.
 *
 * A connection is closed when it holds more than `bufferBytesMax`, or drained nothing for
 * `stallMsMax`. Closing always happens from a timer or `setImmediate`, because uWebSockets.js must
 * not be re-entered while it publishes or drains.
 */
export function createPressureMonitor(
  settings: {
    readonly bufferBytesMax: number;
    readonly stallMsMax: number;
    /** The shorter one of the heartbeats' interval and their timeout. */
    readonly beatMs: number;
  },
  needs: {
    readonly samples: SocketSamples;
    /** Called when pressure ends, with how long it lasted in seconds. */
    pressuredFor(seconds: number): void;
    /** Grows with everything that is written to the connections, but for what `samples` count. */
    written(): number;
    /** Called for every connection about once a second, to check its age and its tokens. */
    checked(connection: Outbox, nowMs: number): void;
  },
): OutboxMonitor & { stop(): void } {
  const { samples } = needs;
  const all = new Set<Outbox>();
  const pressured = new Set<Outbox>();
  let stopped = false;
  const isStalled = ({ pressured, progressAt }: Outbox, nowMs: number) =>
    pressured && nowMs - progressAt > settings.stallMsMax;
  // Whoever has drained meanwhile stays open.
  const closes = createTurns((connection, nowMs, why) => {
    if (!connection.accepts || isStalled(connection, nowMs)) connection.closeSlow(why);
  });
  // Not in the walk itself, which runs before anything is read: after a block of the event loop
  // the pong of an overdue ping may still be unread.
  const beats = createTurns((connection, nowMs) => connection.beat(nowMs));
  const walk = createWalk(all, (connection, now) => {
    if (now >= connection.beatAt) beats.add(connection, "");
    if (stopped) return 0;
    if (mayHaveUnsent) connection.look();
    const held = connection.pressured ? 0 : connection.heldBytes;
    needs.checked(connection, now);
    return held;
  });
  const roundMs = Math.min(ROUND_MS, Math.max(MIN_ROUND_MS, settings.beatMs * ROUND_SHARE));
  const isWritten = createWrittenLately(LOOKED_ROUNDS * roundMs, needs);
  let mayHaveUnsent = true;
  const ticks = createTicks(roundMs, (now, elapsedMs) => {
    let most = 0;
    mayHaveUnsent = isWritten(now);
    for (const connection of stopped ? [] : pressured) {
      connection.look();
      most = Math.max(most, connection.heldBytes);
      if (isStalled(connection, now)) {
        closes.add(connection, "nothing drained for socket.stallMsMax");
      }
    }
    most = Math.max(most, walk(now, Math.min(1, elapsedMs / roundMs)));
    // Not above the sum: what this round found may have been sent since.
    samples.heldBytesMax = Math.min(samples.heldBytes, most);
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
      if (!stopped) ticks.hurry(() => pressured.size > 0);
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
    // Connections that stay open are still pinged.
    stop() {
      stopped = true;
      ticks.calm();
    },
  };
}

/**
 * Returns whether anything but pings was written in the last `forMs`, as of the calls. Of a ping a
 * connection learns at once whether it was sent, because no callback of uWebSockets.js sends one.
 */
function createWrittenLately(
  forMs: number,
  needs: { readonly samples: SocketSamples; written(): number },
): (nowMs: number) => boolean {
  let last = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  return (nowMs) => {
    const { ping, ...others } = needs.samples.sent;
    const count = Object.values(others).reduce((sum, sent) => sum + sent, needs.written());
    if (count !== last) lastAt = nowMs;
    last = count;
    return nowMs - lastAt <= forMs;
  };
}

/**
 * Returns the function that calls `check` for a share of the connections, of 1 for all of them, in
 * turn. It returns the most that `check` has returned in this round and in the one before.
 */
function createWalk(
  all: ReadonlySet<Outbox>,
  check: (connection: Outbox, now: number) => number,
): (now: number, share: number) => number {
  let cursor = all.values();
  let roundMost = 0;
  let lastMost = 0;
  return (now, share) => {
    for (let left = Math.ceil(all.size * share); left > 0; left--) {
      let next = cursor.next();
      if (next.done) {
        cursor = all.values();
        next = cursor.next();
        lastMost = roundMost;
        roundMost = 0;
        if (next.done) break;
      }
      roundMost = Math.max(roundMost, check(next.value, now));
    }
    return Math.max(lastMost, roundMost);
  };
}

/**
 * Calls `act` for connections from a clean stack, in their order, once what has arrived is read.
 * Many may come at once: the members of a room that stop reading are closed, the connections of
 * one moment are pinged. So after a millisecond, the others wait for the next turn of the event
 * loop. A listener that throws stops no other.
 */
function createTurns(act: (connection: Outbox, nowMs: number, why: string) => void): {
  add(connection: Outbox, why: string): void;
} {
  const waiting = new Map<Outbox, string>();
  function run(): void {
    const begun = performance.now();
    const end = begun + TURN_MS;
    for (const [connection, why] of waiting) {
      waiting.delete(connection);
      try {
        act(connection, begun, why);
      } catch (error) {
        throwLater(error);
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
 * (`core/loop.ts`) from `begin` to `pause`, 100 ms apart or more, or half a round if that is less,
 * and every 100 ms from `hurry` on while `isHurried` says so, until `calm`.
 */
function createTicks(roundMs: number, tick: (now: number, elapsedMs: number) => void) {
  let last = 0;
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
      if (endSteps) return;
      last = performance.now();
      endSteps = eachStep(
        run,
        Math.min(TICK_MS, roundMs / 2),
        Math.min(QUIET_TICK_MS, roundMs / 2),
      );
    },
    pause,
    hurry(isHurried: () => boolean): void {
      timer ??= setInterval(() => {
        run(performance.now());
        if (isHurried()) return;
        clearInterval(timer);
        timer = undefined;
      }, TICK_MS).unref();
    },
    calm(): void {
      clearInterval(timer);
      timer = undefined;
    },
  };
}
