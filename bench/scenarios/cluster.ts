/**
 * Question: what do more processes cost: two workers on one machine, two nodes behind Redis?
 * Load:     open loop: one process broadcasts to a room whose members are spread over all of them,
 *           at a rate that none finds hard. Servers and Redis may use both cores.
 * Control:  one process with the same load; two nodes of stock Socket.IO on uWebSockets.js behind a
 *           Redis of their own, with the same adapter.
 * Not for:  how much two processes carry: with the clients they share two cores, and cost is
 *           counted in CPU. Latency of a Redis with a wire.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { io, type Socket } from "socket.io-client";
import { planTimed } from "../generator/turns.ts";
import { UsageError } from "../rig/args.ts";
import { deliveryOf, membersOf } from "../rig/bench.ts";
import { judgeClient, judgeDelivery, judgeGeneratorLag, makeFlag } from "../rig/flags.ts";
import { mergeLatencies } from "../rig/latency.ts";
import { QUIET_MS } from "../rig/paced.ts";
import type { GeneratorHandle } from "../rig/process.ts";
import { inLanes, measurePairs, openLanes, warmUp } from "../rig/rounds.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import { cpuOfTree, type Server, startServer } from "../rig/servers.ts";
import type { Emitted } from "../subjects/emit.ts";
import { OPEN_DOOR } from "../subjects/limits.ts";

/**
 * What is compared: how many processes, and which adapter is between them. Stock nodes have Socket.IO's
 * streams adapter.
 */
const SUBJECTS: Readonly<Record<string, { processes: number; redis?: string; workers?: number }>> =
  {
    one: { processes: 1 },
    "two workers": { processes: 1, workers: 2 },
    "two nodes": { processes: 2, redis: "streams" },
    "two stock nodes": { processes: 2, redis: "stock" },
  };
const SHORT = ["one", "two workers", "two nodes", "two stock nodes"];
const MARK_QUIET_MS = 200;
const CALL_MS = 60_000;
/** A process that has just started on a loud machine may turn clients away for a moment. */
const RETRY_MS = 500;

/** Processes with their clients, and a client of the one that broadcasts. */
interface Site {
  readonly subject: string;
  readonly servers: readonly Server[];
  readonly redis: Server | undefined;
  readonly generator: GeneratorHandle;
  readonly control: Socket;
  next: number;
}

interface Load {
  readonly members: number;
  readonly payload: number;
  readonly rate: number;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 5, full: 5 });
  const durationMs = options.number("seconds", { quick: 0.5, short: 1, full: 3 }) * 1000;
  const members = options.number("members", { quick: 50, short: 200, full: 200 });
  const payload = options.number("payload", { quick: 128, short: 128, full: 128 });
  const rates = options.numbers("rate", { quick: [100], short: [100], full: [50, 200, 800] });
  const byDefault = options.mode === "full" ? Object.keys(SUBJECTS) : SHORT;
  const subjects = withoutMissing(context, options.words("against", byDefault));
  const lanes = await openLanes(context, { what: "cluster", subjects }, async (subject) => {
    const site = await open(context, subject, { members, payload });
    const load = { members, payload, rate: rates[0] ?? 1 };
    await warmUp(durationMs, ({ pair }) => measure(site, load, { pair, durationMs: 300 }));
    return site;
  });
  for (const rate of rates) {
    const load = { members, payload, rate };
    await measurePairs(
      context,
      { what: `cluster: ${rate} broadcasts/s to ${members}`, subjects, blocks },
      inLanes(lanes, (site, { pair }) => measure(site, load, { pair, durationMs })),
    );
  }
  for (const { control } of lanes.values()) control.disconnect();
  await context.closeAll();
}

/** Without a redis-server what needs none is measured all the same. */
function withoutMissing(context: Context, subjects: readonly string[]): string[] {
  const unknown = subjects.filter((name) => SUBJECTS[name] === undefined);
  if (unknown.length > 0)
    throw new UsageError(
      `--against ${unknown.join()} is none of ${Object.keys(SUBJECTS).join(", ")}`,
    );
  if (spawnSync("redis-server", ["--version"]).status === 0) return [...subjects];
  const left = subjects.filter((name) => SUBJECTS[name]?.redis === undefined);
  const why = "redis-server is not installed; Debian has it as redis-server";
  if (left.length < subjects.length) context.flag(makeFlag("error", "subject_failed", why));
  return left;
}

/** Starts everything of a subject, connects its clients and finds out who is whose. */
async function open(
  context: Context,
  subject: string,
  { members, payload }: Omit<Load, "rate">,
): Promise<Site> {
  const { processes, redis: kind } = SUBJECTS[subject] ?? { processes: 0 };
  const { server, client } = context.placement;
  const cores = [server, client];
  const redis = kind === undefined ? undefined : await startServer(startRedis, context, cores);
  const servers: Server[] = [];
  for (let n = 0; n < processes; n++) {
    const command = (port: number) => commandOf(context, subject, port, redis?.port ?? 0);
    servers.push(await startServer(command, context, cores));
  }
  const generator = await context.openGenerator();
  for (const { port } of servers) {
    const connected = await generator.connect({
      ...{ host: "127.0.0.1", port, path: "/socket.io/", codec: "json", namespace: "/" },
      ...{ tls: false, concurrency: 32, timeoutMs: CALL_MS, retryMs: RETRY_MS },
      groups: membersOf(Math.round(members / processes), "rooms=r"),
    });
    if (connected.failed > 0) throw new Error(`${subject}: ${connected.reasons.join("; ")}`);
  }
  const url = `http://127.0.0.1:${servers[0]?.port}`;
  const control = io(url, { transports: ["websocket"], forceNew: true, reconnection: false });
  const marking = generator.mark(MARK_QUIET_MS);
  await control.timeout(CALL_MS).emitWithAck("mark", payload);
  await marking;
  return { subject, servers, redis, generator, control, next: 1 };
}

const startRedis = (port: number): string[] => [
  ...["redis-server", "--port", `${port}`, "--bind", "127.0.0.1"],
  ...["--save", "", "--appendonly", "no", "--daemonize", "no"],
];

function commandOf(context: Context, subject: string, port: number, redisPort: number): string[] {
  const { redis, workers = 0 } = SUBJECTS[subject] ?? {};
  if (redis === "stock")
    return [process.execPath, context.script("stock-node"), `${port}`, `${redisPort}`];
  const door = Object.entries(OPEN_DOOR).flatMap(([section, settings]) =>
    Object.entries(settings).flatMap(([name, value]) => [`--${section}.${name}`, `${value}`]),
  );
  return [
    ...[process.execPath, join(context.gateway("ours"), "main.js")],
    ...["--socket.host", "127.0.0.1", "--socket.port", `${port}`],
    ...["--socket.transports", "websocket", "--socket.drainMs", "0"],
    ...["--handlers.module", context.script("cluster-handler"), "--log.level", "silent"],
    ...["--cluster.workers", `${workers}`],
    ...(redis ? ["--cluster.redisUrl", `redis://127.0.0.1:${redisPort}`] : []),
    ...(redis ? ["--cluster.adapter", redis] : []),
    ...door,
  ];
}

async function measure(
  site: Site,
  load: Load,
  { pair, durationMs }: { pair: number; durationMs: number },
): Promise<Round> {
  const { servers, redis, generator, control } = site;
  const firstSequence = site.next;
  const cpu = () => ({
    servers: servers.reduce((sum, { pid }) => sum + cpuOfTree(pid), 0),
    redis: redis ? cpuOfTree(redis.pid) : 0,
  });
  const timed = planTimed({ ...load, ratePerS: load.rate, payloadBytes: load.payload });
  await generator.watch({
    ...{ firstSequence, tellsLatency: true, napMs: 0 },
    ...(timed ? { timed } : {}),
  });
  const before = cpu();
  const paced = { shape: "room", firstSequence, payloadBytes: load.payload, durationMs };
  // The answer's shape is that of bench/subjects/cluster-handler.ts.
  const emitted = (await control
    .timeout(CALL_MS)
    .emitWithAck("pace", { ...paced, ratePerS: load.rate })) as Emitted;
  const watched = await generator.settle(emitted.lastSequence, QUIET_MS);
  const after = cpu();
  site.next = emitted.lastSequence + 1;
  const received = Math.max(1, watched.received);
  const serversS = after.servers - before.servers;
  const client = (watched.cpuUserS + watched.cpuSysS) / (watched.wallMs / 1000 || 1);
  const { latency: near, far } = watched;
  const all = mergeLatencies(far ? [near, far] : [near]);
  const perDelivery = (seconds: number) => (seconds * 1e6) / received;
  return {
    subject: site.subject,
    pair,
    params: { ...load },
    values: {
      cpu_us_per_delivery: perDelivery(serversS),
      deliveries_per_cpu_s: received / (serversS || 1),
      ...(redis ? { redis_cpu_us_per_delivery: perDelivery(after.redis - before.redis) } : {}),
      p50_us: all.p50,
      p99_us: all.p99,
      ...(far && far.count > 0 ? { near_p50_us: near.p50, far_p50_us: far.p50 } : {}),
      client_share: client,
    },
    delivery: deliveryOf(watched),
    latency: all,
    flags: [
      ...judgeDelivery(watched),
      ...judgeGeneratorLag(watched.lag.p99Us),
      ...judgeClient(client),
    ],
  };
}

/** More processes. */
export const scenario: Scenario = {
  name: "cluster",
  question: "What do more processes cost: two workers on one machine, two nodes behind Redis?",
  baseline: "one",
  metrics: [
    {
      name: "cpu_us_per_delivery",
      unit: "µs",
      better: "lower",
      text: "CPU of all server processes, user and system, per message delivered; without Redis.",
      ratio: true,
    },
    {
      name: "deliveries_per_cpu_s",
      unit: "",
      better: "higher",
      text: "Messages delivered per second of CPU of all server processes; without Redis.",
      ratio: false,
    },
    {
      name: "redis_cpu_us_per_delivery",
      unit: "µs",
      better: "lower",
      text: "Redis' own CPU per message delivered.",
      ratio: false,
    },
    {
      name: "p50_us",
      unit: "µs",
      better: "lower",
      text: "From a broadcast's scheduled time to its arrival at a member, median.",
      ratio: true,
    },
    { name: "p99_us", unit: "µs", better: "lower", text: "The same, 99th.", ratio: false },
    {
      name: "near_p50_us",
      unit: "µs",
      better: "lower",
      text: "The median at members of the process that broadcasts.",
      ratio: false,
    },
    {
      name: "far_p50_us",
      unit: "µs",
      better: "lower",
      text: "The median at members of the other process.",
      ratio: false,
    },
  ],
  seconds: { quick: 10, short: 60, full: 380 },
  inSet: false,
  run,
};
