import type { CloseReason } from "../core/closes.ts";
import type { Connection } from "./connection.ts";

const STEP_MS = 50;

/**
 * Closes connections over `drainMs` in jittered waves, so that their clients do not come back all
 * at once elsewhere. Resolves when the last wave is out; connections that still owe an ack are
 * left for the last.
 *
 * `seen` is told how many are left after each wave.
 */
export async function closeInWaves(
  connections: () => Iterable<Connection>,
  drainMs: number,
  seen: (left: number) => void,
): Promise<void> {
  const end = performance.now() + drainMs;
  let waiting = shuffle([...connections()]);
  seen(waiting.length);
  while (waiting.length > 0) {
    const steps = Math.max(1, Math.floor((end - performance.now()) / STEP_MS));
    // Between half and one and a half of an even share: no two waves are alike.
    const share = (waiting.length / steps) * (0.5 + Math.random());
    const size = steps === 1 ? waiting.length : Math.floor(share + Math.random());
    const wave = waiting.slice(0, size);
    const busy = steps === 1 ? [] : wave.filter((connection) => connection.owedAcks > 0);
    for (const connection of wave)
      if (!busy.includes(connection)) closeSafely(connection, "shutdown");
    waiting = waiting.slice(size).concat(busy).filter(isOpen);
    seen(waiting.length);
    if (waiting.length > 0) await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  // Those that came in by an upgrade or a handshake that was already under way.
  for (const connection of connections()) closeSafely(connection, "shutdown");
}

/**
 * Closes; what a listener throws goes where it would from any event, and ends no loop of closes.
 */
export function closeSafely(connection: Connection, reason: CloseReason): void {
  try {
    connection.closeAs(reason);
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
  }
}

function isOpen(connection: Connection): boolean {
  return connection.readyState === "open";
}

function shuffle<T>(list: T[]): T[] {
  for (let at = list.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    const kept = list[at] as T; // both indices are within the list
    list[at] = list[other] as T;
    list[other] = kept;
  }
  return list;
}
