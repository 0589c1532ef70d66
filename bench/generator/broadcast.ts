import { connect as connectTcp, type Socket } from "node:net";
import { createHistogram, describeLatency, type Latency, recordLatency } from "../rig/latency.ts";
import { nowUs } from "../wire/marker.ts";
import type { Client } from "./client.ts";
import type { Fleet } from "./fleet.ts";

/** How a round of broadcasts is watched. */
export interface WatchOptions {
  readonly firstSequence: number;
  /** Every how many sequence numbers each client's latency is sampled. */
  readonly sampleEvery: number;
  /**
   * Lets the subject be at most `window` messages ahead of the slowest client, told to it at this
   * port of its own every `step` messages; undefined when the subject keeps its own pace.
   */
  readonly credit?: { readonly port: number; readonly window: number; readonly step: number };
  /**
   * Sleep after each turn of the generator's loop. Reads then find several frames, so that the
   * generator's core is not what is measured.
   */
  readonly napMs: number;
  /** Busy work per read, in microseconds: plants a client that is the limit (tests of the rig). */
  readonly burnUs?: number;
}

/** What all clients of a round saw. */
export interface Watched {
  readonly members: number;
  readonly expected: number;
  readonly received: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  /** Messages at clients that should have got none. */
  readonly stray: number;
  /**
   * Messages that arrived before they were due: clocks that disagree, so no latency can be told.
   */
  readonly early: number;
  /** Members whose connection ended during the round. */
  readonly closed: number;
  readonly closeReasons: readonly string[];
  readonly reads: number;
  readonly bytes: number;
  readonly cpuUserS: number;
  readonly cpuSysS: number;
  /** From the beginning of watching to the last message. */
  readonly wallMs: number;
  readonly lastAtUs: number;
  readonly latency: Latency;
}

/** Watches one round; {@link BroadcastWatch.settle} ends it. */
export interface BroadcastWatch {
  /** Waits until every member has `lastSequence`, or nothing has come for `quietMs`. */
  settle(lastSequence: number, quietMs: number): Promise<Watched>;
}

const cell = new Int32Array(new SharedArrayBuffer(4));

/**
 * Begins to watch: members must receive every sequence number once and in order, others nothing.
 */
export async function watchBroadcasts(
  fleet: Fleet,
  options: WatchOptions,
): Promise<BroadcastWatch> {
  const joined = fleet.clients.filter((c) => c.role === "member" && c.state === "joined");
  for (const client of joined) client.order.begin(options.firstSequence);
  const members = joined.filter((client) => !client.stalled);
  const credit = options.credit && (await openCredit(options.credit, members.length));
  const histogram = createHistogram();
  const state = { stray: 0, early: 0, lastAtUs: 0, over: false };
  const cpu = process.cpuUsage();
  const startedUs = nowUs();
  fleet.reads = fleet.bytes = 0;
  fleet.watcher = {
    take(client, sequence, scheduledUs) {
      if (client.role !== "member") return void state.stray++;
      const { order } = client;
      const before = order.next - options.firstSequence;
      order.note(sequence);
      if (client.stalled) return;
      state.lastAtUs = fleet.readAtUs;
      if (fleet.readAtUs < scheduledUs) state.early++;
      if (sequence % options.sampleEvery === 0)
        recordLatency(histogram, fleet.readAtUs - scheduledUs);
      credit?.passed(before, order.next - options.firstSequence);
      if (options.burnUs) burn(options.burnUs);
    },
  };
  if (options.napMs > 0) nap(options.napMs, () => !state.over);

  return {
    async settle(lastSequence, quietMs) {
      const isDone = (client: Client) =>
        client.order.next > lastSequence || client.state === "closed";
      while (!members.every(isDone)) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        if (nowUs() - Math.max(startedUs, state.lastAtUs) > quietMs * 1000) break;
      }
      state.over = true;
      fleet.watcher = undefined;
      credit?.close();
      const { user, system } = process.cpuUsage(cpu);
      return {
        ...sumOrders(members, lastSequence, options.firstSequence),
        stray: state.stray,
        early: state.early,
        reads: fleet.reads,
        bytes: fleet.bytes,
        cpuUserS: user / 1e6,
        cpuSysS: system / 1e6,
        wallMs: (Math.max(startedUs, state.lastAtUs) - startedUs) / 1000,
        lastAtUs: state.lastAtUs,
        latency: describeLatency(histogram),
      };
    },
  };
}

function sumOrders(members: readonly Client[], last: number, first: number) {
  const sum = { members: members.length, received: 0, lost: 0, duplicated: 0, reordered: 0 };
  for (const { order } of members) {
    sum.received += order.received;
    sum.lost += order.lost + Math.max(0, last + 1 - order.next);
    sum.duplicated += order.duplicated;
    sum.reordered += order.reordered;
  }
  const closed = members.filter((client) => client.state === "closed");
  return {
    ...sum,
    expected: members.length * Math.max(0, last + 1 - first),
    closed: closed.length,
    closeReasons: [...new Set(closed.map((client) => client.reason))].slice(0, 10),
  };
}

interface Credit {
  /** A client that had `before` messages of the round behind it now has `after`. */
  passed(before: number, after: number): void;
  close(): void;
}

async function openCredit(
  options: { port: number; window: number; step: number },
  members: number,
): Promise<Credit> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opening = connectTcp({ host: "127.0.0.1", port: options.port }, () => resolve(opening));
    opening.on("error", reject);
  });
  socket.setNoDelay(true);
  const crossed = new Map<number, number>();
  return {
    passed(before, after) {
      const count = after - (after % options.step);
      if (before >= count) return;
      const all = (crossed.get(count) ?? 0) + 1;
      crossed.set(count, all);
      if (all < members) return;
      crossed.delete(count);
      const message = Buffer.alloc(4);
      message.writeUInt32LE(count + options.window);
      socket.write(message);
    },
    close: () => socket.destroy(),
  };
}

function nap(ms: number, isOn: () => boolean): void {
  if (!isOn()) return;
  Atomics.wait(cell, 0, 0, ms);
  setImmediate(nap, ms, isOn);
}

function burn(us: number): void {
  const end = nowUs() + us;
  while (nowUs() < end);
}
