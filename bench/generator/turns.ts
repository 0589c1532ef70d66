import type { Client } from "./client.ts";

/** Clients that are read in turns. */
export interface Turns {
  /** Reads all of them at once again. */
  stop(): void;
}

/**
 * Reads each of the clients only every `everyMs`, a few of them each millisecond. A read then finds
 * several frames, and the loop is free for those whose latency is told: reading everyone at once
 * costs about as much as a server's writing, and the generator would measure itself.
 */
export function readInTurns(clients: readonly Pick<Client, "read">[], everyMs: number): Turns {
  const size = Math.max(1, Math.ceil(clients.length / everyMs));
  let open: typeof clients = [];
  let next = 0;
  for (const client of clients) client.read(false);
  const timer = setInterval(() => {
    for (const client of open) client.read(false);
    open = clients.slice(next, next + size);
    next = next + size >= clients.length ? 0 : next + size;
    for (const client of open) client.read(true);
  }, 1);
  return {
    stop() {
      clearInterval(timer);
      for (const client of clients) client.read(true);
    },
  };
}
