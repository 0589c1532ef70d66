/**
 * Question: what does an event cost that is written down until its function has answered?
 * Load:     saturated: 100 msgpack sockets with 100 events under way each, in batches of 20 and of 1.
 *           The function checks each socket's order.
 * Control:  the same gateway behind the same Redis, whose calls wait in its memory.
 * Not for:  latency; a Redis with a wire, or one that writes its log to a disk.
 */
import { readFileSync } from "node:fs";
import { type Duo, judgeUse, openDuo, runDuo } from "../rig/duo.ts";
import { judgeDelivery } from "../rig/flags.ts";
import { inLanes, measurePairs, openLanes, warmUp } from "../rig/rounds.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import { startServer } from "../rig/servers.ts";
import { openRedis, redisCommand } from "../rig/site.ts";
import type { BatchLoad, BatchLoaded } from "../subjects/batches-load.ts";
import { CPU_PER_EVENT, EVENTS_PER_S } from "./batches.ts";

const CONNECTIONS = 100;
const SUBJECTS = ["redis", "memory"];
/** Ticks of a process' CPU in a second, as Linux counts them. */
const TICKS_PER_S = 100;

interface Lane extends Duo {
  readonly redis: Redis;
  readonly batch: number;
}

/** One Redis for both. */
interface Redis {
  cpuS(): number;
  /** Bytes that it has received. */
  bytesIn(): Promise<number>;
  readonly url: string;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 5, full: 10 });
  const durationMs = options.number("seconds", { quick: 0.5, short: 1, full: 2 }) * 1000;
  const warmMs = { quick: 500, short: 2000, full: 10_000 }[options.mode];
  const payload = options.number("payload", { quick: 128, short: 128, full: 128 });
  for (const batch of options.numbers("batch", {
    quick: [20],
    short: [20, 1],
    full: [20, 1, 100],
  })) {
    const redis = await startRedis(context);
    const what = `durable: batches of ${batch}`;
    const load = { payload, connections: CONNECTIONS };
    const lanes = await openLanes(context, { what, subjects: SUBJECTS }, async (subject) => {
      const lane = await open(context, { subject, redis, batch });
      await warmUp(warmMs, (turn) => measure(lane, { ...load, ...turn }, turn.pair));
      return lane;
    });
    await measurePairs(
      context,
      { what, subjects: SUBJECTS, blocks },
      inLanes(lanes, (lane, { pair }) => measure(lane, { ...load, durationMs }, pair)),
    );
    await context.closeAll();
  }
}

async function startRedis(context: Context): Promise<Redis> {
  const server = await startServer(redisCommand, context, [context.placement.client]);
  const client = openRedis(context, server);
  return {
    url: `redis://127.0.0.1:${server.port}`,
    cpuS() {
      const [, after = ""] = readFileSync(`/proc/${server.pid}/stat`, "utf8").split(") ");
      const fields = after.split(" ");
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
    },
    bytesIn: async () =>
      Number(/^total_net_input_bytes:(\d+)/m.exec(await client.info("stats"))?.[1]),
  };
}

async function open(
  context: Context,
  { subject, redis, batch }: { subject: string; redis: Redis; batch: number },
): Promise<Lane> {
  const scripts = { server: "batches-server", client: "batches-client" };
  const duo = await openDuo(context, subject, scripts);
  const port = await duo.client.call("listen");
  const build = context.gateway("ours");
  const cluster = { redisUrl: redis.url, prefix: subject };
  const given = { build, port, batchMax: batch, durable: subject, cluster };
  // The answer's shape is that of bench/subjects/batches-server.ts.
  const started = (await duo.server.call("start", given)) as { port: number };
  await duo.client.call("connect", { port: started.port, connections: CONNECTIONS });
  return { ...duo, redis, batch };
}

async function measure(lane: Lane, load: BatchLoad, pair: number): Promise<Round> {
  const { client, redis, batch, subject } = lane;
  await client.call("begin", load.connections);
  const before = { cpuS: redis.cpuS(), bytes: await redis.bytesIn() };
  const [loaded, use] = await runDuo(
    lane,
    async () => (await client.call("load", load)) as BatchLoaded, // its own type
  );
  const after = { cpuS: redis.cpuS(), bytes: await redis.bytesIn() };
  const { sent, requests, delivery } = loaded;
  const each = (sum: number) => sum / Math.max(1, sent);
  return {
    subject,
    pair,
    params: { payload: load.payload, batch },
    values: {
      cpu_us_per_event: each(use.serverCpuS * 1e6),
      redis_cpu_us_per_event: each((after.cpuS - before.cpuS) * 1e6),
      redis_bytes_per_event: each(after.bytes - before.bytes),
      events_per_s: sent / (loaded.elapsedMs / 1000),
      events_per_request: sent / Math.max(1, requests),
      server_share: use.server,
      client_share: use.client,
    },
    delivery,
    flags: [...judgeDelivery(delivery), ...judgeUse(use, true)],
  };
}

/** Events that are written down. */
export const scenario: Scenario = {
  name: "durable",
  question: "What does an event cost that is written down until its function has answered?",
  baseline: "redis",
  metrics: [
    CPU_PER_EVENT,
    {
      name: "redis_cpu_us_per_event",
      unit: "µs",
      better: "lower",
      text: "Redis' own CPU per event.",
      ratio: false,
    },
    {
      name: "redis_bytes_per_event",
      unit: "B",
      better: "lower",
      text: "Bytes that Redis receives per event.",
      ratio: false,
    },
    EVENTS_PER_S,
  ],
  seconds: { quick: 5, short: 60, full: 200 },
  inSet: false,
  run,
};
