import { createAdapterClass } from "../cluster/adapter.ts";
import { createWorkerDelays } from "../cluster/worker-delays.ts";
import { createWorkerSessions } from "../cluster/worker-sessions.ts";
import type { WorkerSide } from "../cluster/workers.ts";
import { messageOf } from "../core/failures.ts";
import { createThrottle, type Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { Recovery } from "../fanout/recovery.ts";
import { createLiveSessions } from "../fanout/recovery-live.ts";
import type { Metrics } from "../metrics/registry.ts";
import { connectionOf } from "../seam/socket-io.ts";
import { closeSafely } from "../socket/drain.ts";
import { listBusRows, listSessionRows } from "./metric-rows.ts";
import type { Between } from "./serve-cluster.ts";

/** What {@link serveWorkers} needs. */
interface ServeWorkersNeeds {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly recovery: Recovery;
  readonly worker: Pick<WorkerSide, "joinBus">;
  /** How to stop what has been started, in the order of starting. */
  readonly undo: (() => unknown)[];
}

/** Connects a worker with the others through their primary. */
export function serveWorkers(
  { cluster, recovery: settings }: Pick<Settings, "cluster" | "recovery">,
  { log, metrics, recovery, worker, undo }: ServeWorkersNeeds,
): Between {
  const { windowMs, packetsMax, bytesMax, sessionBytesMax, checkpointMs } = settings;
  const { timeoutMs, streamPacketsMax } = cluster;
  const recovers = windowMs > 0;
  const bus = worker.joinBus({ settings: cluster, log });
  undo.push(() => bus.stop());
  metrics.source(() => listBusRows(bus.samples()));
  const sessions = createWorkerSessions(bus, sessionBytesMax);
  const liveSessions = createLiveSessions(sessions, {
    checkpointMs,
    historyOf: recovery.historyOf,
  });
  undo.push(() => liveSessions.stop());
  if (recovers) metrics.source(() => listSessionRows(sessions.samples()));
  const write = createThrottle(log, () => performance.now());
  const adapter = createAdapterClass({
    ...{ bus, settings: cluster, samples: bus.samples() },
    failed(error) {
      bus.samples().errors++;
      const fields = { component: "cluster", why: messageOf(error).slice(0, 200) };
      write("warn", "worker", fields, "a message between workers failed");
    },
    lost(namespace, sockets) {
      const fields = { component: "cluster", namespace, streamPacketsMax };
      write("error", "gap", fields, "this worker has missed messages: its connections are closed");
      for (const socket of sockets) closeSafely(connectionOf(socket), "stream_gap");
    },
    ...(recovers && {
      recovery: {
        ...{ packetsMax, bytesMax, timeoutMs, sessions },
        watch(adapter) {
          recovery.watch(adapter);
          if (checkpointMs > 0) liveSessions.watch(adapter);
        },
      },
    }),
  });
  return { adapter, delays: createWorkerDelays(bus), settle: bus.settle };
}
