import { streamName } from "../cluster/adapters.ts";
import { type Bus, type BusNeeds, openBus } from "../cluster/bus.ts";
import { holdLease, type Lease } from "../cluster/lease.ts";
import { recoverExactly } from "../cluster/recover.ts";
import { createSessions } from "../cluster/sessions.ts";
import { createTail } from "../cluster/tail.ts";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings.ts";
import type { Recovery } from "../fanout/recovery.ts";
import { createLiveSessions } from "../fanout/recovery-live.ts";
import type { Metrics } from "../metrics/registry.ts";
import { connectionOf } from "../seam/socket-io.ts";
import { listBusRows, listLeaseRows, listSessionRows } from "./metric-rows.ts";

/** What {@link serveCluster} needs. */
interface ServeClusterNeeds {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly recovery: Recovery;
  /** How to stop what has been started, in the order of starting. */
  readonly undo: (() => unknown)[];
}

/** Connects to the other nodes through Redis. Throws if Redis is required and cannot be reached. */
export async function serveCluster(
  settings: Pick<Settings, "cluster" | "recovery">,
  needs: ServeClusterNeeds,
): Promise<Bus & { readonly lease: Lease }> {
  const { log, metrics, undo } = needs;
  const { adapter } = settings.cluster;
  let watch: BusNeeds["watch"] = () => {};
  const bus = openBus(settings.cluster, {
    log,
    watch: (each) => watch(each),
    lagged: (seconds) => metrics.observe("sluice_cluster_lag_seconds", seconds),
  });
  undo.push(() => bus.stop());
  metrics.source(() => listBusRows(bus.samples()));
  await bus.arrive();
  const lease = holdLease(settings.cluster, { link: bus.link, log });
  undo.push(() => lease.stop());
  metrics.source(() => listLeaseRows(lease.samples()));
  if (adapter === "streams" && settings.recovery.windowMs > 0) {
    watch = recoverOver({ ...bus, lease }, settings, needs);
  }
  return { ...bus, lease };
}

/** Returns the function that makes an adapter recover sessions from Redis, also of dead nodes. */
function recoverOver(
  { link, lease, seal, position, isReplay }: Bus & { readonly lease: Lease },
  { cluster, recovery: settings }: Pick<Settings, "cluster" | "recovery">,
  { metrics, recovery, undo }: ServeClusterNeeds,
): BusNeeds["watch"] {
  const { windowMs, packetsMax, bytesMax, sessionBytesMax, checkpointMs } = settings;
  const { leaseMs, timeoutMs, messageBytesMax } = cluster;
  const sessions = createSessions(
    { windowMs, leaseMs, bytesMax: sessionBytesMax },
    {
      ...{ link, lease, seal },
      moved(names) {
        for (const name of names) {
          const socket = liveSessions.find(name);
          if (socket) connectionOf(socket).closeAs("session_moved");
        }
      },
    },
  );
  const liveSessions = createLiveSessions(sessions, {
    checkpointMs,
    historyOf: recovery.historyOf,
  });
  const tail = createTail({
    ...{ link, packetsMax, bytesMax, messageBytesMax },
    stream: streamName(cluster),
    ...{ seal, isReplay },
  });
  metrics.source(() => listSessionRows(sessions.samples()));
  undo.push(
    () => sessions.stop(),
    () => liveSessions.stop(),
    () => tail.stop(),
  );
  return (adapter) => {
    recoverExactly(adapter, { sessions, tail, position, timeoutMs });
    recovery.watch(adapter);
    if (checkpointMs > 0) liveSessions.watch(adapter);
  };
}
