import type { Namespace, Socket } from "socket.io";
import { type AdapterNeeds, createAdapterClass } from "../cluster/adapter.ts";
import { arrive, openLink } from "../cluster/bus.ts";
import { createRedisDelays } from "../cluster/delays.ts";
import { createJournal, type RedisJournal } from "../cluster/journal.ts";
import { holdLease, type Lease } from "../cluster/lease.ts";
import { createSamples } from "../cluster/log/carrier.ts";
import { createBus } from "../cluster/log/feed.ts";
import { createRedisCarrier } from "../cluster/log/redis.ts";
import { type LostRecords, openLostRecords } from "../cluster/lost-records.ts";
import { createPubSub } from "../cluster/pubsub.ts";
import type { RedisLink } from "../cluster/redis.ts";
import { createSeal } from "../cluster/seal.ts";
import { createSessions } from "../cluster/sessions.ts";
import type { Delays } from "../core/delays.ts";
import { createThrottle, type Log } from "../core/log.ts";
import { type Settings, SettingsError } from "../core/settings.ts";
import type { Recovery } from "../fanout/recovery.ts";
import { createLiveSessions } from "../fanout/recovery-live.ts";
import type { Metrics } from "../metrics/registry.ts";
import { connectionOf } from "../seam/socket-io.ts";
import { closeSafely } from "../socket/drain.ts";
import { listBusRows, listLeaseRows, listSessionRows } from "./metric-rows.ts";

/** The way to other nodes. */
export interface Between {
  /** For the `adapter` option of a Socket.IO server. */
  readonly adapter: ReturnType<typeof createAdapterClass>;
  /**
   * Resolves when this node's clients have what it has broadcast. What other nodes cannot have
   * within `ms` is delivered here alone.
   */
  settle(ms: number): Promise<void>;
  /** Keeps commands with `afterMs`, for all nodes. */
  readonly delays: Delays;
}

/** The other nodes, reached through Redis. */
export interface ServedCluster extends Between {
  readonly link: RedisLink;
  readonly lease: Lease;
  /** Where calls to functions are written down; nothing is, until somebody does. */
  readonly journal: RedisJournal;
  readonly lostRecords: LostRecords;
}

/** What {@link serveCluster} needs. */
interface ServeClusterNeeds {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly recovery: Recovery;
  /** How to stop what has been started, in the order of starting. */
  readonly undo: (() => unknown)[];
}

/** Resolves when a part of what is known of sockets is written. */
type Writing = () => Promise<void>;

interface Written {
  readonly writing: Writing[];
}

type ClusterSettings = Pick<Settings, "cluster" | "recovery" | "fanout" | "upstream">;

/** Throws `SettingsError` for a key of the bus that nothing would use. */
export function checkPubSub({ adapter, busKey }: Settings["cluster"]): void {
  if (adapter !== "pubsub" || busKey === "") return;
  const bound = "must be empty with cluster.adapter of pubsub: other servers sign nothing";
  throw new SettingsError([{ path: "cluster.busKey", value: "(secret)", bound }]);
}

/** Connects to the other nodes through Redis. Throws if Redis is required and cannot be reached. */
export async function serveCluster(
  settings: ClusterSettings,
  needs: ServeClusterNeeds,
): Promise<ServedCluster> {
  const { log, metrics, undo } = needs;
  const { cluster } = settings;
  const samples = createSamples();
  const link = openLink(cluster, { log, samples });
  undo.push(() => link.stop());
  metrics.source(() => listBusRows(samples));
  await arrive(link, cluster, log);
  const lease = holdLease(cluster, { link, log });
  undo.push(() => lease.stop());
  metrics.source(() => listLeaseRows(lease.samples()));
  const delays = createRedisDelays(
    { ...settings.fanout, leaseMs: cluster.leaseMs },
    { link, prefix: lease.prefix, seal: createSeal(cluster.busKey, cluster.prefix) },
  );
  const writing: Writing[] = [lease.written];
  const journal = openJournal({ link, lease, writing }, settings, needs);
  const records = { link, prefix: lease.prefix };
  const lostRecords = openLostRecords(records, settings.upstream.dataBytesMax);
  const served = { link, lease, delays, journal, lostRecords };
  const failed = (error: unknown): void => {
    samples.errors++;
    const why = error instanceof Error ? error.stack : String(error);
    log(
      "error",
      { component: "cluster", why },
      "what goes between nodes, or came of it here, failed",
    );
  };
  const write = createThrottle(log, () => performance.now());
  const lost = (namespace: string, sockets: Iterable<Socket>): void => {
    const { adapter, streamPacketsMax } = cluster;
    const fields = { component: "cluster", adapter, namespace, streamPacketsMax };
    write("error", "gap", fields, `${LOST[adapter]}: its connections are closed`);
    for (const socket of sockets) closeSafely(connectionOf(socket), "stream_gap");
  };
  if (cluster.adapter === "pubsub") {
    const missed = ({ name, sockets }: Namespace) => lost(name, sockets.values());
    const given = { settings: cluster, link, samples, failed, lost: missed };
    // Its own broadcasts do not wait for Redis.
    return { ...served, adapter: createPubSub(given), settle: async () => {} };
  }
  const bus = createBus(createRedisCarrier(cluster, { link, samples }), {
    ...{ samples, threw: failed },
    lagged: (seconds) => metrics.observe("sluice_cluster_lag_seconds", seconds),
    heldBytesMax: cluster.heldBytesMax,
  });
  undo.push(() => bus.stop());
  const recovery = recoverOver({ link, lease, journal, writing }, settings, needs);
  const given: AdapterNeeds = { bus, settings: cluster, samples, failed, lost, recovery };
  return { ...served, adapter: createAdapterClass(given), settle: bus.settle };
}

function openJournal(
  { link, lease, writing }: Pick<ServedCluster, "link" | "lease"> & Written,
  { cluster, upstream }: ClusterSettings,
  { log, undo }: ServeClusterNeeds,
): RedisJournal {
  const { queueMax, queueBytesMax, full } = upstream;
  const { deadLettersMax, deadLetterBytesMax, deadLetterAgeMs } = upstream;
  const { timeoutMs, leaseMs, busKey, prefix } = cluster;
  const journal = createJournal(
    {
      ...{ max: queueMax, bytesMax: queueBytesMax, timeoutMs, leaseMs },
      // What was read before a client could be held back is taken over the limits.
      mayExceed: full === "pause",
      letters: { max: deadLettersMax, bytesMax: deadLetterBytesMax, ageMs: deadLetterAgeMs },
    },
    {
      ...{ link, lease, log, seal: createSeal(busKey, prefix) },
      async written() {
        // The lease first: it knows whether this node still writes under its name.
        for (const written of writing) await written();
      },
    },
  );
  undo.push(() => journal.stop());
  return journal;
}

const LOST = {
  streams: "messages are gone from the stream that this node may not have read",
  pubsub: "this node did not hear the others for a while",
} as const;

/** Returns what adapters need to recover sessions from Redis, also of dead nodes. */
function recoverOver(
  { link, lease, journal, writing }: Pick<ServedCluster, "link" | "lease" | "journal"> & Written,
  { cluster, recovery: settings }: ClusterSettings,
  { metrics, recovery, undo }: ServeClusterNeeds,
): AdapterNeeds["recovery"] {
  const { windowMs, packetsMax, bytesMax, sessionBytesMax, checkpointMs } = settings;
  const { leaseMs, timeoutMs } = cluster;
  if (windowMs === 0) return undefined;
  const sessions = createSessions(
    { windowMs, leaseMs, bytesMax: sessionBytesMax },
    {
      ...{ link, lease, seal: createSeal(cluster.busKey, cluster.prefix) },
      written: journal.appended,
      moved(names) {
        for (const name of names) {
          const socket = liveSessions.find(name);
          if (socket) connectionOf(socket).closeAs("session_moved");
        }
      },
    },
  );
  writing.push(sessions.flushed);
  const { historyOf } = recovery;
  const liveSessions = createLiveSessions(sessions, { checkpointMs, historyOf });
  metrics.source(() => listSessionRows(sessions.samples()));
  undo.push(
    () => sessions.stop(),
    () => liveSessions.stop(),
  );
  return {
    ...{ sessions, packetsMax, bytesMax, timeoutMs },
    watch(adapter) {
      recovery.watch(adapter);
      if (checkpointMs > 0) liveSessions.watch(adapter);
    },
  };
}
