import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { ThrottledLog } from "../core/log.ts";
import { eachStep, watchSteps } from "../core/loop.ts";
import type { Settings } from "../core/settings-shape.ts";

type OverloadSettings = Settings["overload"];

/** The stages of load shedding. Each one also does what the stages before it do. */
export const STAGES = ["refuse", "idle", "slow"] as const;
/** One of {@link STAGES}. */
export type Stage = (typeof STAGES)[number];

/** How loaded the process is. */
export interface Load {
  /** Mean delay of the event loop since the last sample, in milliseconds. */
  readonly lagMs: number;
  /** Used memory, in percent of the memory available. */
  readonly memoryPercent: number;
}

/** A connection that may be closed to shed load. */
export interface Sheddable {
  readonly transport: { readonly name: string };
  /** Whether it has ever entered a namespace. */
  readonly joined: boolean;
  /** Monotonic time of the last message from its client. */
  readonly heardAt: number;
  /** Bytes queued for it and not sent yet. */
  readonly heldBytes: number;
  /** Bytes received from it of packets that are not complete. */
  readonly inboundBytes: number;
  /** Set once it is closing. A long-polling one may still wait for its client's next poll. */
  readonly closeReason: string | undefined;
  closeAs(reason: "overload" | "overload_outside"): void;
}

/**
 * A stage ends below this share of its threshold. If it ended at the threshold itself, it would
 * start and end all the time.
 */
const CALM_SHARE = 0.8;

/**
 * Returns the monitor that sheds load in stages. The first stage refuses handshakes. The second
 * also closes idle long-polling connections. The third also closes the connections that hold the
 * most bytes, unsent or of incomplete packets. If memory is short, the second and third stage close
 * connections in no namespace first, because what those hold cannot be measured.
 *
 * With each sample the stage rises by at most one, so that a stage can take effect before the next
 * one starts. It falls by one after `calmSamples` samples in a row below 80 % of its threshold. At
 * most `closesPerSample` connections are closed per sample, because closing costs time as well.
 */
export function createOverloadMonitor(
  settings: OverloadSettings,
  needs: {
    /** Returns the load since the last call. */
    sample(): Load;
    /** Calls `tick` every `ms`; the returned function ends it. */
    every(ms: number, tick: () => void): () => void;
    /** Monotonic clock in milliseconds. */
    now(): number;
    /** Called only while connections are closed to shed load. */
    connections(): Iterable<Sheddable>;
    readonly log: ThrottledLog;
  },
) {
  const thresholds: readonly Load[] = [
    { lagMs: settings.refuseLagMs, memoryPercent: settings.refuseMemoryPercent },
    { lagMs: settings.idleLagMs, memoryPercent: settings.idleMemoryPercent },
    { lagMs: settings.slowLagMs, memoryPercent: settings.slowMemoryPercent },
  ];
  let stage = 0;
  let calm = 0;

  function look(): void {
    const load = needs.sample();
    const next = thresholds[stage];
    const own = thresholds[stage - 1];
    if (next && isOver(load, next, 1)) {
      move(stage + 1, load);
    } else if (own && !isOver(load, own, CALM_SHARE)) {
      calm++;
      if (calm >= settings.calmSamples) move(stage - 1, load);
    } else {
      calm = 0;
    }
    if (stage > 1) shed(load.memoryPercent > settings.idleMemoryPercent);
  }

  function move(to: number, load: Load): void {
    const text = to > stage ? "load is shed" : "load is shed less";
    const fields = { stage: STAGES[to - 1] ?? "none", ...round(load) };
    stage = to;
    calm = 0;
    needs.log(to === 0 ? "info" : "warn", `stage ${to}`, { component: "door", ...fields }, text);
  }

  function shed(closesOutside: boolean): void {
    const most = settings.closesPerSample;
    const quietSince = needs.now() - settings.idleMs;
    let left = most;
    const idle: Sheddable[] = [];
    const largest: Sheddable[] = [];
    for (const connection of needs.connections()) {
      const isQuiet = connection.transport.name === "polling" && connection.heardAt <= quietSince;
      if (closesOutside && !connection.joined) {
        if (!connection.closeReason && left-- > 0) connection.closeAs("overload_outside");
      } else if (isQuiet) {
        if (idle.length < most) idle.push(connection);
      } else if (stage > 2 && bytesOf(connection) > 0) {
        keepLargest(largest, connection, most);
      }
    }
    const next = [...idle, ...largest].slice(0, Math.max(0, left));
    for (const connection of next) connection.closeAs("overload");
  }

  const end = settings.enabled ? needs.every(settings.sampleMs, look) : () => {};
  return {
    /** Whether a stage is active. */
    isActive: (asked: Stage) => STAGES.indexOf(asked) < stage,
    stop: end,
  };
}

function isOver(load: Load, threshold: Load, share: number): boolean {
  return (
    load.lagMs > threshold.lagMs * share || load.memoryPercent > threshold.memoryPercent * share
  );
}

const bytesOf = ({ heldBytes, inboundBytes }: Sheddable) => heldBytes + inboundBytes;

/** Adds a connection to the list of the `max` that hold the most bytes, sorted, largest first. */
function keepLargest(list: Sheddable[], one: Sheddable, max: number): void {
  const last = list[max - 1];
  if (last && bytesOf(last) >= bytesOf(one)) return;
  let low = 0;
  for (let high = list.length; low < high; ) {
    const middle = (low + high) >> 1;
    const other = list[middle];
    if (other && bytesOf(other) >= bytesOf(one)) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, one);
  if (list.length > max) list.pop();
}

const round = (load: Load) => ({
  lagMs: Math.round(load.lagMs),
  memoryPercent: Math.round(load.memoryPercent),
});

/**
 * Returns the shedding of this process's load, or of the load that `needs.load` returns. The own
 * load counts as zero until `begin`. Call that when clients can connect: a start itself lags.
 */
export function createOverload(
  settings: OverloadSettings,
  needs: {
    readonly load: (() => Load) | undefined;
    readonly log: ThrottledLog;
    now(): number;
    connections(): Iterable<Sheddable>;
  },
) {
  const { load, ...rest } = needs;
  let sampler: ReturnType<typeof createLoadSampler> | undefined;
  const monitor = createOverloadMonitor(settings, {
    ...rest,
    sample: load ?? (() => sampler?.sample() ?? { lagMs: 0, memoryPercent: 0 }),
    every: (ms, tick) => eachStep(tick, ms, ms),
  });
  return {
    isActive: monitor.isActive,
    begin(): void {
      if (settings.enabled && !load) sampler = createLoadSampler(settings.memoryBytesMax);
    },
    stop(): void {
      monitor.stop();
      sampler?.stop();
    },
  };
}

/**
 * Returns the sampler of this process's load. It measures from the first step on, because work done
 * while the process starts delays no client.
 *
 * Lag is how late the event loop is at a random moment. Each delay since the last sample is
 * weighted by its length: one garbage collection of 100 ms in half a second is 20 ms of lag, and a
 * loop that is always 300 ms late has about 300 ms.
 *
 * Memory is the larger of two shares: resident bytes of the memory that the container (or the
 * machine) has, and used bytes of Node.js' heap limit, at which the process ends. If
 * `memoryBytesMax` is above 0 it replaces the memory of the container.
 */
function createLoadSampler(memoryBytesMax: number) {
  const limit = memoryBytesMax > 0 ? memoryBytesMax : readMemoryLimit();
  let begun = false;
  let elapsed = 0;
  let weighted = 0;
  const stop = watchSteps(({ elapsedMs, lateMs }) => {
    if (begun) {
      elapsed += elapsedMs;
      weighted += lateMs * lateMs;
    }
    begun = true;
  });
  return {
    /** Returns the load since the last call. */
    sample(): Load {
      const lagMs = elapsed > 0 ? weighted / elapsed : 0;
      elapsed = 0;
      weighted = 0;
      const heap = getHeapStatistics();
      const shares = [readResident() / limit, heap.used_heap_size / heap.heap_size_limit];
      return { lagMs, memoryPercent: Math.max(...shares) * 100 };
    },
    stop,
  };
}

/** Returns the resident bytes, or 0 if the system does not tell, as without /proc. */
function readResident(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}

function readMemoryLimit(): number {
  const machine = totalmem();
  // A control group without a limit reports a number larger than the machine's memory.
  const limit = process.constrainedMemory();
  return limit > 0 && limit < machine ? limit : machine;
}
