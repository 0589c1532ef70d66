import type { Delays } from "../core/delays.ts";
import { createThrottle, type Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { Executor } from "../fanout/apply.ts";
import { createMemoryDelays } from "../fanout/delays.ts";
import type { Metrics } from "../metrics/registry.ts";
import { listDelayRows } from "./metric-rows.ts";

/** What {@link keepDelays} needs. */
interface KeepDelaysNeeds {
  readonly log: Log;
  readonly metrics: Metrics;
  /** How to stop what has been started, in the order of starting. */
  readonly undo: (() => unknown)[];
  /** Keeps them for all nodes or workers; left out: in this process' memory. */
  readonly delays?: Delays | undefined;
}

/** The commands with `afterMs` of a gateway. */
interface KeptDelays extends Pick<Delays, "keep" | "cancel"> {
  /** Has those that are due carried out from now on. */
  carryOut(executor: Pick<Executor, "apply">): void;
}

/** Keeps commands with `afterMs` until their time. */
export function keepDelays(
  { fanout }: Pick<Settings, "fanout">,
  { log, metrics, undo, delays = createMemoryDelays(fanout) }: KeepDelaysNeeds,
): KeptDelays {
  const throttled = createThrottle(log, () => performance.now());
  metrics.source(() => listDelayRows(delays.samples));
  undo.push(async () => {
    const { outcomes } = delays.samples;
    await delays.stop();
    const lost = { component: "fanout", commands: outcomes.lost };
    if (outcomes.lost > 0) log("warn", lost, "commands that waited for their time are lost");
  });
  return {
    keep: delays.keep,
    cancel: delays.cancel,
    carryOut: (executor) =>
      delays.begin(async ({ command, caller, trace }, lateMs) => {
        metrics.observe("sluice_fanout_delay_late_seconds", lateMs / 1000);
        const [result] = await executor.apply([command], caller, trace);
        if (!result || result.ok) return true;
        const { code, detail } = result;
        const about = { command: command.do, namespace: command.namespace ?? "/", caller };
        const fields = { component: "fanout", code, ...about, detail };
        throttled("warn", code, fields, "a command that was due was refused");
        return false;
      }),
  };
}
