import type { Outbox, OutboxMonitor } from "./outbox.ts";
import type { SocketSamples } from "./samples.ts";

/** Watches what connections hold unsent. */
export interface PressureMonitor extends OutboxMonitor {
  stop(): void;
}

/** What {@link createPressureMonitor} needs. */
export interface PressureNeeds {
  readonly samples: SocketSamples;
  /** Told how long a connection was pressured, in seconds. */
  pressuredFor(seconds: number): void;
  /** Told of every connection about once a second, to look at its age. */
  seen(connection: Outbox, nowMs: number): void;
}

const TICK_MS = 100;
/** Ticks in which every connection is looked at once. */
const ROUND_TICKS = 10;

/**
 * Returns the monitor of one engine.
 *
 * Pressured connections are looked at every 100 ms, all others once a second in slices of a tenth:
 * the cost of a tick is 20–100 ns for each of those. A connection is closed when it holds more than
 * `bufferBytesMax`, or drained nothing for `stallMsMax`. Closing always happens from a timer or
 * `setImmediate`, because uWebSockets.js must not be re-entered while it publishes or drains.
 */
export function createPressureMonitor(
  settings: { readonly bufferBytesMax: number; readonly stallMsMax: number },
  needs: PressureNeeds,
): PressureMonitor {
  const { samples } = needs;
  const all = new Set<Outbox>();
  const pressured = new Set<Outbox>();
  let cursor = all.values();
  // The most that one not under pressure held, in this round and the one before: between two polls
  // of a long-polling client everything waits.
  let roundMost = 0;
  let lastMost = 0;

  function tick(): void {
    const now = performance.now();
    let most = lastMost;
    for (const connection of pressured) {
      connection.look();
      most = Math.max(most, connection.heldBytes);
      if (now - connection.progressAt > settings.stallMsMax) {
        connection.closeSlow("nothing drained for socket.stallMsMax");
      }
    }
    for (let left = Math.ceil(all.size / ROUND_TICKS); left > 0; left--) {
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
      needs.seen(next.value, now);
    }
    // What a round has seen may be gone since.
    samples.heldBytesMax = Math.min(samples.heldBytes, Math.max(most, roundMost));
  }

  const timer = setInterval(tick, TICK_MS);
  timer.unref();

  return {
    bytesMax: settings.bufferBytesMax,
    stallMsMax: settings.stallMsMax,
    add: (connection) => void all.add(connection),
    remove: (connection) => void all.delete(connection),
    pressed(connection) {
      pressured.add(connection);
      samples.pressured = pressured.size;
    },
    relieved(connection, drained) {
      pressured.delete(connection);
      samples.pressured = pressured.size;
      if (drained) samples.drains++;
      needs.pressuredFor((performance.now() - connection.pressedAt) / 1000);
    },
    // One each, stopped or not: nothing is sent there any more, and a listener may throw at a
    // close.
    doom(connection) {
      setImmediate(() => connection.closeSlow("more than socket.bufferBytesMax"));
    },
    stop: () => clearInterval(timer),
  };
}
