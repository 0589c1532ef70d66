import type { CloseReason } from "../core/closes.ts";
import { throwLater } from "../core/uncaught.ts";
import type { Connection } from "./connection.ts";

const STEP_MS = 50;

/**
 * Closes connections over `drainMs` in waves of random size, so that their clients do not all
 * reconnect elsewhere at once. Connections that still owe an ack are closed last. Resolves after
 * the last wave.
 *
 * Calls `seen` after each wave with the number of connections left.
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
    // Random between 0.5 and 1.5 times an even share, so that reconnects spread out.
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
  // Connections whose handshake was already under way when the drain began.
  for (const connection of connections()) closeSafely(connection, "shutdown");
}

/**
 * Closes a connection. If a listener throws, its error is thrown later, so that a loop over
 * connections goes on.
 */
export function closeSafely(connection: Connection, reason: CloseReason, how?: "cut"): void {
  try {
    connection.closeAs(reason, undefined, how);
  } catch (error) {
    throwLater(error);
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
