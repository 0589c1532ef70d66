import type { Client } from "./client.ts";

/** Reads a second that take about a quarter of the generator's core: below, everyone is timed. */
const READS_PER_S = 50_000;
/** A server that is behind its schedule sends several at once, about so often in a second. */
const TURNS_PER_S = 1000;
/** Members that tell latency where not everyone can; the others only check. */
const TIMED = 25;
/** So many of the others are read in a millisecond: about a sixth of the generator's core. */
const READ_PER_MS = 20;
/** Bytes that may wait for a member to be read, so that its connection is never the limit. */
const WAITING_BYTES = 32 * 1024;

/** What members are going to receive. */
export interface Offered {
  readonly members: number;
  readonly ratePerS: number;
  readonly payloadBytes: number;
}

/** Who tells latency, and how often the others are read. */
export interface TimedPlan {
  readonly members: number;
  readonly everyMs: number;
}

/** Returns who is read at once and who in turns; undefined where everyone can be read at once. */
export function planTimed({ members, ratePerS, payloadBytes }: Offered): TimedPlan | undefined {
  const readsPerS = members * Math.min(ratePerS, TURNS_PER_S);
  if (members <= TIMED || readsPerS <= READS_PER_S) return undefined;
  const fullMs = (WAITING_BYTES / (payloadBytes * ratePerS)) * 1000;
  return { members: TIMED, everyMs: Math.max(1, Math.min(members / READ_PER_MS, fullMs)) };
}

/** Returns so many of the items, from everywhere among them. */
export function pickEvenly<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, items.length / count);
  return items.filter((_, i) => Math.floor((i + 1) / step) > Math.floor(i / step));
}

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
