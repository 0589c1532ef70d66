import { createHistogram, describeLatency, type Latency, recordLatency } from "../rig/latency.ts";
import { createBodies, nowUs } from "../wire/marker.ts";
import { type Codec, eventFrame } from "../wire/packets.ts";
import type { Client } from "./client.ts";
import type { Fleet } from "./fleet.ts";
import { createOrder, type Order } from "./order.ts";
import { onSchedule } from "./pace.ts";
import { pickEvenly, planTimed, readInTurns } from "./turns.ts";

/** How a room of a foreign Socket.IO server is loaded. */
export interface LoadOptions {
  readonly codec: Codec;
  readonly namespace: string;
  readonly room: string;
  /** Event that joins: emitted with the room's name. Empty: the server puts clients into rooms. */
  readonly joinEvent: string;
  /** Event that the senders emit. */
  readonly sendEvent: string;
  /** Whether the room's name is the event's first argument, before the payload. */
  readonly sendsRoom: boolean;
  readonly payloadBytes: number;
  readonly ratePerS: number;
  readonly durationMs: number;
  /** Time between joining and the first message. */
  readonly settleMs: number;
}

/** What the members of the room received. */
export interface Loaded {
  readonly members: number;
  readonly senders: number;
  readonly sent: number;
  readonly expected: number;
  readonly received: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly closed: number;
  readonly closeReasons: readonly string[];
  readonly wallMs: number;
  readonly lateUsMax: number;
  readonly cpuUserS: number;
  readonly cpuSysS: number;
  readonly latency: Latency;
}

/** Messages that have not come this long after the last one are lost. */
const QUIET_MS = 3000;

/**
 * Lets the fleet's senders emit into one room on schedule, and its members receive. Each sender's
 * messages must reach every member once and in the sender's order.
 */
export async function runLoad(fleet: Fleet, options: LoadOptions): Promise<Loaded> {
  const joined = fleet.clients.filter((client) => client.state === "joined");
  const senders = joined.filter((client) => client.role === "sender");
  const members = joined.filter((client) => client.role === "member");
  const orders = new Map<Client, Order[]>(members.map((m) => [m, senders.map(createOrder)]));
  for (const own of orders.values()) for (const order of own) order.begin(0);
  if (options.joinEvent) {
    const join = eventFrame(options.codec, options.namespace, [options.joinEvent, options.room]);
    for (const client of joined) client.send(join);
  }
  await new Promise((resolve) => setTimeout(resolve, options.settleMs));
  const plan = planTimed({ ...options, members: members.length });
  const timed = new Set(pickEvenly(members, plan?.members ?? members.length));
  const others = members.filter((client) => !timed.has(client));
  const turns = plan && readInTurns(others, plan.everyMs);
  const histogram = createHistogram();
  const cpu = process.cpuUsage();
  const startedUs = nowUs();
  let lastUs = startedUs;
  fleet.watcher = {
    take(client, sequence, marker) {
      const order = orders.get(client)?.[sequence % senders.length];
      order?.note(Math.floor(sequence / senders.length));
      lastUs = fleet.readAtUs;
      if (order && timed.has(client)) recordLatency(histogram, fleet.readAtUs - marker.scheduledUs);
    },
  };
  const sent = Math.floor((options.ratePerS * options.durationMs) / 1000);
  const bodies = createBodies(options.payloadBytes);
  const lateUsMax = await onSchedule(
    { startedUs, gapUs: 1e6 / options.ratePerS, total: sent },
    (n, dueUs) => {
      const data = [
        options.sendEvent,
        ...(options.sendsRoom ? [options.room] : []),
        bodies(n, dueUs),
      ];
      senders[n % senders.length]?.send(eventFrame(options.codec, options.namespace, data));
    },
  );
  const due = (index: number) => Math.floor((sent + senders.length - 1 - index) / senders.length);
  const isDone = () =>
    members.every((m) => m.state === "closed" || orders.get(m)?.every((o, i) => o.next >= due(i)));
  while (!isDone() && nowUs() - lastUs < QUIET_MS * 1000)
    await new Promise((resolve) => setTimeout(resolve, 5));
  turns?.stop();
  fleet.watcher = undefined;
  const closed = joined.filter((client) => client.state === "closed");
  const { user, system } = process.cpuUsage(cpu);
  return {
    members: members.length,
    senders: senders.length,
    sent,
    expected: sent * members.length,
    ...sumOrders(orders.values(), due),
    closed: closed.length,
    closeReasons: [...new Set(closed.map((client) => client.reason))].slice(0, 10),
    wallMs: (lastUs - startedUs) / 1000,
    lateUsMax,
    cpuUserS: user / 1e6,
    cpuSysS: system / 1e6,
    latency: describeLatency(histogram),
  };
}

/** Adds up what became of every sender's messages; `due` tells how many those are. */
function sumOrders(all: Iterable<readonly Order[]>, due: (sender: number) => number) {
  const sum = { received: 0, lost: 0, duplicated: 0, reordered: 0 };
  for (const own of all) {
    for (const [index, order] of own.entries()) {
      sum.received += order.received;
      sum.lost += order.lost + Math.max(0, due(index) - order.next);
      sum.duplicated += order.duplicated;
      sum.reordered += order.reordered;
    }
  }
  return sum;
}
