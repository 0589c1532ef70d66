import type { Outbox, OutboxMonitor } from "./outbox.ts";
import type { SocketSamples } from "./samples.ts";

const TICK_MS = 100;
/** Every connection is checked once in this many ticks. */
const ROUND_TICKS = 10;

/**
 * Returns the monitor of one engine.
 *
 * Connections under pressure are checked every 100 ms. All others are checked once a second,
 * however many there are: a tenth of them per tick. Each check costs 20–100 ns, and what `checked`
 * does.
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
      needs.checked(next.value, now);
    }
    // Not above the sum: what this round found may have been sent since.
    samples.heldBytesMax = Math.min(samples.heldBytes, Math.max(most, roundMost));
  }

  const timer = setInterval(tick, TICK_MS).unref();

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
    // Works after stop() too. One setImmediate each: a listener that throws stops no other close.
    closeSoon(connection) {
      setImmediate(() => connection.closeSlow("more than socket.bufferBytesMax"));
    },
    stop: () => clearInterval(timer),
  };
}
