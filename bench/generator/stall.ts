import { nowUs } from "../wire/marker.ts";
import type { Client } from "./client.ts";
import type { Fleet } from "./fleet.ts";

/** How long stalled clients are listened to once they read again. */
export interface ResumeOptions {
  readonly lastSequence: number;
  /** It is over when nothing has come for this long. */
  readonly quietMs: number;
}

/** What clients that had stopped reading found when they read again. */
export interface Resumed {
  readonly stalled: number;
  /** Connections that the server had closed: the client knows that it missed something. */
  readonly closed: number;
  /** Connections that got a later message after a missing one, or stayed open without the last. */
  readonly withHole: number;
  /** Messages missing on connections that stayed open, or before a later one: nobody was told. */
  readonly lostSilently: number;
  readonly received: number;
}

/** Makes the first `count` members stop reading from their sockets. */
export function stallSome(fleet: Fleet, count: number): void {
  const members = fleet.clients.filter((c) => c.role === "member" && c.state === "joined");
  for (const client of members.slice(0, count)) setStalled(client, true);
}

/** Lets stalled clients read again and waits until nothing more comes. */
export async function resumeStalled(fleet: Fleet, options: ResumeOptions): Promise<Resumed> {
  const stalled = fleet.clients.filter((client) => client.stalled);
  let lastUs = nowUs();
  fleet.watcher = {
    take(client, sequence) {
      if (client.role === "member") client.order.note(sequence);
      lastUs = nowUs();
    },
  };
  for (const client of stalled) setStalled(client, false);
  const isDone = () =>
    stalled.every((c) => c.state === "closed" || c.order.next > options.lastSequence);
  while (!isDone() && nowUs() - lastUs < options.quietMs * 1000)
    await new Promise((resolve) => setTimeout(resolve, 5));
  fleet.watcher = undefined;
  let lostSilently = 0;
  let withHole = 0;
  let received = 0;
  for (const { order, state } of stalled) {
    const tail = state === "closed" ? 0 : Math.max(0, options.lastSequence + 1 - order.next);
    received += order.received;
    lostSilently += order.lost + tail;
    if (order.lost + tail > 0) withHole++;
  }
  const closed = stalled.filter((client) => client.state === "closed").length;
  return { stalled: stalled.length, closed, withHole, lostSilently, received };
}

function setStalled(client: Client, stalled: boolean): void {
  client.stalled = stalled;
  client.read(!stalled);
}
