import { createHistogram, describeLatency, type Latency, recordLatency } from "../rig/latency.ts";
import { nowUs } from "../wire/marker.ts";
import type { Codec, Protocol } from "../wire/packets.ts";
import type { Client } from "./client.ts";
import { createEvents, type Events } from "./events.ts";
import type { Fleet } from "./fleet.ts";
import { nap, onSchedule } from "./pace.ts";

/** How events with acks are sent. */
export interface EchoOptions {
  readonly codec: Codec;
  /** Socket.IO unless said otherwise. */
  readonly protocol?: Protocol;
  readonly payloadBytes: number;
  readonly durationMs: number;
  /**
   * Open loop: events per second over all clients. Without it, `depth` are kept open per client.
   */
  readonly ratePerS?: number;
  readonly depth: number;
  /** Sleep after answering while saturated, so that acks are read and answered in batches. */
  readonly napMs: number;
}

/** What came back. */
export interface Echoed {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly closed: number;
  readonly wallMs: number;
  readonly cpuUserS: number;
  readonly cpuSysS: number;
  readonly reads: number;
  /** How late the generator itself sent, at worst: the open loop's own fault. */
  readonly lateUsMax: number;
  readonly latency: Latency;
}

/** Acks that have not come this long after the last one are lost. */
const QUIET_MS = 2000;

/** A client with what it has sent. */
interface Lane {
  readonly client: Client;
  readonly events: Events;
  sent: number;
  /** Acks that have come and are to be answered by an event each. */
  owed: number;
}

/** Sends events that expect an ack; each client's acks must come back once and in order. */
export async function runEcho(fleet: Fleet, options: EchoOptions): Promise<Echoed> {
  const lanes = new Map<Client, Lane>();
  for (const client of fleet.clients) {
    if (client.state !== "joined") continue;
    client.order.begin(0);
    const events = createEvents(options, options.payloadBytes);
    lanes.set(client, { client, events, sent: 0, owed: 0 });
  }
  const histogram = createHistogram();
  const startedUs = nowUs();
  let lastUs = startedUs;
  const cpu = process.cpuUsage();
  fleet.reads = 0;
  const answer =
    options.ratePerS === undefined
      ? createAnswering(startedUs + options.durationMs * 1000, options.napMs)
      : undefined;
  fleet.watcher = {
    take(client, sequence, marker) {
      client.order.note(sequence);
      lastUs = fleet.readAtUs;
      const lane = lanes.get(client);
      if (answer === undefined) recordLatency(histogram, fleet.readAtUs - marker.scheduledUs);
      else if (lane) answer(lane);
    },
  };
  const all = [...lanes.values()];
  let lateUsMax = 0;
  if (options.ratePerS === undefined) {
    for (const lane of all) send(lane, options.depth, nowUs());
    await new Promise((resolve) => setTimeout(resolve, options.durationMs));
  } else {
    const total = Math.floor((options.ratePerS * options.durationMs) / 1000);
    const plan = { startedUs, gapUs: 1e6 / options.ratePerS, total };
    lateUsMax = await onSchedule(plan, (n, dueUs) => {
      const lane = all[n % all.length];
      if (lane) send(lane, 1, dueUs);
    });
  }
  // Not when the last one is there: where no order is asked for, others are still under way.
  const isDone = () =>
    all.every(({ client, sent }) => client.state === "closed" || client.order.received >= sent);
  while (!isDone() && nowUs() - lastUs < QUIET_MS * 1000)
    await new Promise((resolve) => setTimeout(resolve, 2));
  fleet.watcher = undefined;
  const { user, system } = process.cpuUsage(cpu);
  return {
    ...sumEchoes(all),
    wallMs: (lastUs - startedUs) / 1000,
    cpuUserS: user / 1e6,
    cpuSysS: system / 1e6,
    reads: fleet.reads,
    lateUsMax,
    latency: describeLatency(histogram),
  };
}

function send(lane: Lane, count: number, dueUs: number): void {
  lane.sent += count;
  lane.client.send(lane.events(count, dueUs));
}

/** Returns what answers each ack by the next event, once a turn of the loop, until `endUs`. */
function createAnswering(endUs: number, napMs: number): (lane: Lane) => void {
  let owing: Lane[] = [];
  const flush = () => {
    const due = owing;
    owing = [];
    const now = nowUs();
    for (const lane of due) {
      if (now < endUs) send(lane, lane.owed, now);
      lane.owed = 0;
    }
    if (napMs > 0) nap(napMs);
  };
  return (lane) => {
    if (lane.owed++ > 0) return;
    if (owing.length === 0) setImmediate(flush);
    owing.push(lane);
  };
}

function sumEchoes(lanes: readonly Lane[]) {
  const sum = { sent: 0, received: 0, lost: 0, duplicated: 0, reordered: 0, closed: 0 };
  for (const { client, sent } of lanes) {
    const { order } = client;
    sum.sent += sent;
    sum.received += order.received;
    sum.lost += order.lost + Math.max(0, sent - order.next);
    sum.duplicated += order.duplicated;
    sum.reordered += order.reordered;
    if (client.state === "closed") sum.closed++;
  }
  return sum;
}
