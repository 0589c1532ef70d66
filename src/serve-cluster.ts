import { type Bus, openBus } from "./cluster/bus.ts";
import { holdLease, type Lease } from "./cluster/lease.ts";
import type { Log } from "./core/log.ts";
import type { Settings } from "./core/settings.ts";
import type { Recovery } from "./fanout/recovery.ts";
import type { Metrics } from "./metrics/registry.ts";
import { publishBus, publishLease } from "./publish.ts";

/** What the connection to the other nodes is built from. */
export interface ServeClusterNeeds {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly recovery: Recovery;
  /** How to stop what has been started, in the order of starting. */
  readonly undo: (() => unknown)[];
}

/** Connects to the other nodes behind Redis; throws one sentence when Redis must be there. */
export async function serveCluster(
  settings: Settings["cluster"],
  { log, metrics, recovery, undo }: ServeClusterNeeds,
): Promise<Bus & { readonly lease: Lease }> {
  const bus = openBus(settings, {
    log,
    watch: recovery.watch,
    lagged: (seconds) => metrics.observe("sluice_cluster_lag_seconds", seconds),
  });
  undo.push(() => bus.stop());
  metrics.source(() => publishBus(bus.samples()));
  await bus.arrive(settings.startup === "wait" ? undefined : settings.timeoutMs);
  const lease = holdLease(settings, { link: bus.link, log });
  undo.push(() => lease.stop());
  metrics.source(() => publishLease(lease.samples()));
  return { ...bus, lease };
}
