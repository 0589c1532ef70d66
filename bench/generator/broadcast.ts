import { createHistogram, describeLatency, type Latency, recordLatency } from "../rig/latency.ts";
import { nowUs } from "../wire/marker.ts";
import type { Client } from "./client.ts";
import { openCredit } from "./credit.ts";
import type { Fleet } from "./fleet.ts";
import { nap } from "./pace.ts";
import { pickEvenly, readInTurns, type TimedPlan } from "./turns.ts";

/** How a round of broadcasts is watched. */
export interface WatchOptions {
  readonly firstSequence: number;
  /** Whether latency is told: a saturated round forgets those who waited, so it has none. */
  readonly tellsLatency: boolean;
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
  /** Latency is told by so many members; the others are only checked. Undefined: everyone tells. */
  readonly timed?: TimedPlan;
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
  /** From the beginning of watching to the last message at a member that tells latency. */
  readonly wallMs: number;
  readonly lastAtUs: number;
  readonly latency: Latency;
}

/** Watches one round; {@link BroadcastWatch.settle} ends it. */
export interface BroadcastWatch {
  /** Waits until every member has `lastSequence`, or nothing has come for `quietMs`. */
  settle(lastSequence: number, quietMs: number): Promise<Watched>;
}

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
  const timed = new Set(pickEvenly(members, options.timed?.members ?? members.length));
  const others = members.filter((client) => !timed.has(client));
  const turns = options.timed && readInTurns(others, options.timed.everyMs);
  const credit = options.credit && (await openCredit(options.credit, members.length));
  const histogram = createHistogram();
  const tell = (us: number) => {
    if (us < 0) state.early++;
    recordLatency(histogram, us);
  };
  const state = { stray: 0, early: 0, lastAtUs: 0, over: false };
  const cpu = process.cpuUsage();
  const startedUs = nowUs();
  fleet.reads = fleet.bytes = 0;
  fleet.watcher = {
    take(client, sequence, marker) {
      if (client.role !== "member") return void state.stray++;
      const { order } = client;
      const before = order.next - options.firstSequence;
      order.note(sequence);
      if (client.stalled) return;
      if (turns === undefined || timed.has(client)) {
        state.lastAtUs = fleet.readAtUs;
        if (options.tellsLatency) tell(fleet.readAtUs - marker.scheduledUs);
      }
      credit?.passed(before, order.next - options.firstSequence);
      if (options.burnUs) burn(options.burnUs);
    },
  };
  if (options.napMs > 0) napBetween(options.napMs, () => !state.over);

  return {
    async settle(lastSequence, quietMs) {
      const isDone = (client: Client) =>
        client.order.next > lastSequence || client.state === "closed";
      while (!members.every(isDone)) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        if (nowUs() - Math.max(startedUs, fleet.readAtUs) > quietMs * 1000) break;
      }
      state.over = true;
      turns?.stop();
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

function napBetween(ms: number, isOn: () => boolean): void {
  if (!isOn()) return;
  nap(ms);
  setImmediate(napBetween, ms, isOn);
}

function burn(us: number): void {
  const end = nowUs() + us;
  while (nowUs() < end);
}
