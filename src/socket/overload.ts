import type { Settings } from "../core/settings.ts";
import type { ThrottledLog } from "../core/throttle.ts";

type OverloadSettings = Settings["overload"];

/** The stages of shedding, each doing what those before it do as well. */
export const STAGES = ["refuse", "idle", "slow"] as const;
/** One of {@link STAGES}. */
export type Stage = (typeof STAGES)[number];

/** How loaded the process is. */
export interface Load {
  /** Mean delay of the event loop since the last sample, in milliseconds. */
  readonly lagMs: number;
  /** Used memory, in percent of what there is. */
  readonly memoryPercent: number;
}

/** A connection that may be shed. */
export interface Sheddable {
  readonly transport: { readonly name: string };
  /** Whether it is in a namespace, or was. */
  readonly joined: boolean;
  /** Monotonic time of the last message from its client. */
  readonly heardAt: number;
  /** Bytes it holds unsent. */
  readonly heldBytes: number;
  /** Bytes it has sent of packets that are not complete. */
  readonly inboundBytes: number;
  /** Set once it is being closed; one of long-polling may still wait for its client's next poll. */
  readonly closeReason: string | undefined;
  closeAs(reason: "overload" | "overload_outside"): void;
}

/** What the monitor needs of the process. */
export interface OverloadNeeds {
  /** Returns the load since it was last asked. */
  sample(): Load;
  /** Calls `tick` every `ms`; the returned function ends it. */
  every(ms: number, tick: () => void): () => void;
  /** Monotonic clock in milliseconds. */
  now(): number;
  /** The connections of now; only walked in the closing stages. */
  connections(): Iterable<Sheddable>;
  readonly log: ThrottledLog;
}

/** Watches load and sheds some of it. */
export interface OverloadMonitor {
  /** Whether a stage is active. */
  isActive(stage: Stage): boolean;
  stop(): void;
}

/** Below this share of its threshold a stage counts as calm: enter and leave are never one line. */
const CALM_SHARE = 0.8;

/**
 * Returns the monitor that sheds load in stages: it refuses handshakes, then closes idle
 * long-polling connections too, then those that hold most, unsent or unfinished. Where it is
 * memory, connections outside every namespace go before the idle ones: what they hold cannot be
 * seen.
 *
 * With each sample the stage rises by at most one, so that every stage may help before the next is
 * tried, and falls by one after `calmSamples` in a row that are below 80 % of its threshold. At
 * most `closesPerSample` connections are closed per sample: closing is work too.
 */
export function createOverloadMonitor(
  settings: OverloadSettings,
  needs: OverloadNeeds,
): OverloadMonitor {
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
    needs.log(to === 0 ? "info" : "warn", `stage ${to}`, { room: "socket", ...fields }, text);
  }

  function shed(outsiders: boolean): void {
    const most = settings.closesPerSample;
    const quietSince = needs.now() - settings.idleMs;
    let left = most;
    const idle: Sheddable[] = [];
    const largest: Sheddable[] = [];
    for (const connection of needs.connections()) {
      const isQuiet = connection.transport.name === "polling" && connection.heardAt <= quietSince;
      if (outsiders && !connection.joined) {
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
  return { isActive: (asked) => STAGES.indexOf(asked) < stage, stop: end };
}

function isOver(load: Load, threshold: Load, share: number): boolean {
  return (
    load.lagMs > threshold.lagMs * share || load.memoryPercent > threshold.memoryPercent * share
  );
}

const bytesOf = ({ heldBytes, inboundBytes }: Sheddable) => heldBytes + inboundBytes;

/** Keeps a short list of the connections that hold the most, largest first. */
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
