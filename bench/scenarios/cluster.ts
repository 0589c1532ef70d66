/**
 * Question: what do more processes cost: nodes behind Redis, and workers on one machine?
 * Load:     open loop, one row after the other: `away` and `idle`, a node without members;
 *           `publish`, one member on the node that broadcasts; `latency`, members on the other node;
 *           `shared`, a room on two nodes; `union`, of ten rooms; `nodes`, rooms of their own on 1 to
 *           8 nodes; `redis`, a room on one of 2 to 8; `workers`, the same on one port; `own-rooms`,
 *           20,000 subscriptions of one node. Servers and Redis may use both cores.
 * Control:  one process without Redis, one node behind it, two nodes of stock Socket.IO on
 *           uWebSockets.js with its streams adapter, a plain client of Redis: in the same row.
 * Not for:  how much several processes carry: with the clients they share two cores, and cost is
 *           counted in CPU. Latency of a Redis with a wire.
 */
import { spawnSync } from "node:child_process";
import { UsageError } from "../rig/args.ts";
import { makeFlag } from "../rig/flags.ts";
import type { Context, Metric, Scenario } from "../rig/scenario.ts";
import { measureNodes, measureWorkers } from "./cluster/nodes.ts";
import { measureOwnRooms } from "./cluster/own-rooms.ts";
import { measurePair } from "./cluster/pair.ts";

const ROWS = [
  ...["away", "publish", "latency", "shared", "union", "nodes", "redis", "workers", "own-rooms"],
];

async function run(context: Context): Promise<void> {
  const { options } = context;
  const rows = options.words("only", ROWS);
  const unknown = rows.filter((row) => !ROWS.includes(row));
  if (unknown.length > 0) throw new UsageError(`--only ${unknown} is none of ${ROWS.join(", ")}`);
  const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;
  const why = "redis-server is not installed; Debian has it as redis-server";
  if (!hasRedis) context.flag(makeFlag("error", "subject_failed", why));
  const how = {
    blocks: options.number("rounds", { quick: 1, short: 5, full: 10 }),
    durationMs: options.number("seconds", { quick: 0.2, short: 0.8, full: 2 }) * 1000,
    warmMs: options.mode === "quick" ? 100 : 1500,
    isSmall: options.mode === "quick",
    // Without a redis-server what needs none is measured all the same.
    wants: (row: string) => rows.includes(row) && (hasRedis || row === "workers"),
  };
  await measurePair(context, how);
  await measureNodes(context, how);
  await measureWorkers(context, how);
  await measureOwnRooms(context, how);
}

const lower = (name: string, unit: string, text: string): Metric => ({
  ...{ name, unit, text, better: "lower", ratio: true },
});
const plain = (metric: Metric): Metric => ({ ...metric, ratio: false });
const higher = (metric: Metric): Metric => ({ ...plain(metric), better: "higher" });

/** Each row has those that its rounds tell; the first of them is its primary one. */
const METRICS: readonly Metric[] = [
  lower(
    "cpu_us_per_delivery",
    "µs",
    "CPU of all server processes, user and system, per message delivered; without Redis.",
  ),
  higher(lower("deliveries_per_cpu_s", "", "Messages delivered per second of that.")),
  lower(
    "away_cpu_us_per_broadcast",
    "µs",
    "CPU of a node without members per broadcast of another; all that it does meanwhile.",
  ),
  plain(lower("away_share", "", "The same as a share of a core.")),
  plain(lower("away_messages_per_broadcast", "", "Messages of the bus that such a node receives.")),
  lower("idle_share", "", "Share of a core that such a node takes while nobody broadcasts."),
  lower(
    "publisher_cpu_us_per_broadcast",
    "µs",
    "CPU of the node that broadcasts, its delivery to one member included.",
  ),
  lower("p50_us", "µs", "From a broadcast's scheduled time to its arrival at a member, median."),
  lower("p99_us", "µs", "The same, 99th."),
  lower(
    "far_cpu_us_per_broadcast",
    "µs",
    "CPU of the node with the members, per broadcast of the other to ten of them.",
  ),
  lower("redis_cpu_us_per_broadcast", "µs", "Redis' own CPU per broadcast."),
  lower("redis_bytes_per_broadcast", "B", "Bytes that Redis sends per broadcast."),
  lower("redis_bytes_per_channel", "B", "Memory of Redis per subscribed channel."),
  lower("heard_again_ms", "ms", "From a lost connection until Redis has every channel again."),
  higher(lower("heard_again_per_s", "", "Channels that are subscribed to again per second of it.")),
];

/** More processes. */
export const scenario: Scenario = {
  name: "cluster",
  question: "What do more processes cost: nodes behind Redis, and workers on one machine?",
  baseline: "ours",
  baselines: {
    nodes: "1 node",
    redis: "2 nodes",
    workers: "one process",
    union: "union",
  },
  metrics: METRICS,
  seconds: { quick: 30, short: 330, full: 1200 },
  inSet: false,
  run,
};
