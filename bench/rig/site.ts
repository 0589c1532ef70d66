import { join } from "node:path";
import { Redis, type RedisOptions } from "ioredis";
import { io, type Socket } from "socket.io-client";
import type { Watched } from "../generator/broadcast.ts";
import type { Group } from "../generator/fleet.ts";
import type { ClusterPace } from "../subjects/cluster-handler.ts";
import type { Emitted } from "../subjects/emit.ts";
import { OPEN_DOOR } from "../subjects/limits.ts";
import {
  type Flag,
  judgeClient,
  judgeDelivery,
  judgeDuration,
  judgeGeneratorLag,
} from "./flags.ts";
import { QUIET_MS } from "./paced.ts";
import type { GeneratorHandle } from "./process.ts";
import type { Context } from "./scenario.ts";
import { cpuOfTree, type Server, startServer } from "./servers.ts";

/** What processes a site has: nodes behind a Redis of their own, or one by itself. */
export interface SiteOptions {
  readonly kind: "ours" | "stock";
  /** Nodes behind Redis; 0 is one process without it. */
  readonly nodes: number;
  readonly workers?: number;
}

/** Servers that belong together. */
export interface Site {
  readonly servers: readonly Server[];
  readonly redis: { readonly server: Server; readonly client: Redis } | undefined;
  /** A client of each process that broadcasts when it is told to. */
  readonly controls: readonly Control[];
}

/** Tells one process what to do. */
export interface Control {
  readonly socket: Socket;
  /** Of the process. */
  readonly pid: number;
}

/** Clients that get the same broadcasts, in a generator of their own. */
export interface Crowd {
  readonly generator: GeneratorHandle;
  /** The next sequence number. */
  next: number;
}

const CALL_MS = 60_000;
/** A process that has just started on a loud machine may turn clients away for a moment. */
const RETRY_MS = 100;
/** How late the last broadcast of a round may be given to its server. */
const GRACE_MS = 300;

/**
 * Starts Redis and the processes, on both cores, and a control for each of them. All of it ends with
 * the scenario.
 */
export async function openSite(context: Context, options: SiteOptions): Promise<Site> {
  const { nodes, workers = 0 } = options;
  const cores = [context.placement.server, context.placement.client];
  const server = nodes > 0 ? await startServer(redisCommand, context, cores) : undefined;
  const client = server && openRedis(context, server);
  const servers: Server[] = [];
  for (let n = 0; n < Math.max(1, nodes); n++) {
    const command = (port: number) => commandOf(context, options, port, server?.port ?? 0);
    servers.push(await startServer(command, context, cores));
  }
  const controls = await openControls(context, servers, Math.max(1, nodes, workers));
  return { servers, controls, redis: server && client && { server, client } };
}

/** Connects to a Redis until the scenario ends. */
export function openRedis(context: Context, { port, pid }: Server, options: RedisOptions = {}) {
  const client = new Redis(port, "127.0.0.1", options);
  context.keep({ pid, end: async () => client.disconnect() });
  return client;
}

/** Connects until every process has one: which worker takes a connection is the kernel's choice. */
async function openControls(
  context: Context,
  servers: readonly Server[],
  wanted: number,
): Promise<Control[]> {
  const controls = new Map<number, Control>();
  for (let tried = 0; controls.size < wanted; tried++) {
    if (tried === 100 * wanted) throw new Error(`${controls.size} of ${wanted} processes answer`);
    const url = `http://127.0.0.1:${servers[tried % servers.length]?.port}`;
    const socket = io(url, { transports: ["websocket"], forceNew: true, reconnectionDelay: 100 });
    const pid = await socket.timeout(CALL_MS).emitWithAck("pid");
    if (controls.has(pid)) socket.disconnect();
    else controls.set(pid, { socket, pid });
    // Workers are children of a child, which the watch for foreign processes does not know.
    context.keep({ pid, end: async () => void socket.disconnect() });
  }
  return [...controls.values()];
}

/** The command that starts a Redis which keeps nothing on disk. */
export const redisCommand = (port: number): string[] => [
  ...["redis-server", "--port", `${port}`, "--bind", "127.0.0.1"],
  ...["--save", "", "--appendonly", "no", "--daemonize", "no"],
];

function commandOf(
  context: Context,
  { kind, nodes, workers = 0 }: SiteOptions,
  port: number,
  redisPort: number,
): string[] {
  if (kind === "stock")
    return [process.execPath, context.script("stock-node"), `${port}`, `${redisPort}`];
  const door = Object.entries(OPEN_DOOR).flatMap(([section, settings]) =>
    Object.entries(settings).flatMap(([name, value]) => [`--${section}.${name}`, `${value}`]),
  );
  return [
    ...[process.execPath, join(context.gateway("ours"), "main.js")],
    ...["--socket.host", "127.0.0.1", "--socket.port", `${port}`],
    ...["--socket.transports", "websocket", "--socket.drainMs", "0"],
    ...["--handlers.module", context.script("cluster-handler"), "--log.level", "silent"],
    ...["--cluster.workers", `${workers}`, "--limits.roomsMax", "1000000"],
    ...(nodes > 0 ? ["--cluster.redisUrl", `redis://127.0.0.1:${redisPort}`] : []),
    ...door,
  ];
}

/** Connects clients to each of the servers. */
export async function openCrowd(
  context: Context,
  servers: readonly Server[],
  groups: readonly Group[],
): Promise<Crowd> {
  const generator = await context.openGenerator();
  for (const { port } of servers) {
    const connected = await generator.connect({
      ...{ host: "127.0.0.1", port, path: "/socket.io/", codec: "json", namespace: "/" },
      ...{ tls: false, concurrency: 32, timeoutMs: CALL_MS, retryMs: RETRY_MS, groups },
    });
    if (connected.failed > 0) throw new Error(connected.reasons.join("; "));
  }
  return { generator, next: 1 };
}

/** What is broadcast in a round. */
export interface Play extends Pick<ClusterPace, "payloadBytes" | "framesPerTurn" | "durationMs"> {
  /** Who is to receive everything. */
  readonly crowd: Crowd;
  /** Who broadcasts, each at this rate. */
  readonly from: readonly { readonly control: Control; readonly targets: ClusterPace["targets"] }[];
  readonly ratePerS: number;
  readonly tellsLatency?: boolean;
}

/** What a round took. */
export interface Played {
  readonly watched: Watched;
  readonly broadcasts: number;
  readonly seconds: number;
  /** CPU of each server with its children, user and system. */
  readonly cpuS: readonly number[];
  readonly redisS: number;
  readonly redisBytesOut: number;
  readonly clientShare: number;
  readonly flags: readonly Flag[];
}

/** Without latency the generator sleeps between its reads: it shares the machine. */
const NAP_MS = 10;

/** Broadcasts on schedule, waits until everyone has everything, and tells what that took. */
export async function play(site: Site, how: Play): Promise<Played> {
  const { crowd, from, tellsLatency = false, durationMs } = how;
  const firstSequence = crowd.next;
  await crowd.generator.watch({
    ...{ firstSequence, tellsLatency, napMs: tellsLatency ? 0 : NAP_MS },
  });
  const before = await look(site);
  const emitted = await Promise.all(
    from.map(async ({ control, targets }) => {
      const { payloadBytes, ratePerS, framesPerTurn } = how;
      const pace = { targets, firstSequence, payloadBytes, ratePerS, durationMs, framesPerTurn };
      return (await control.socket.timeout(CALL_MS).emitWithAck("pace", pace)) as Emitted;
    }),
  );
  // Everyone's streams are of one length: those who broadcast do the same.
  const last = Math.max(...emitted.map(({ lastSequence }) => lastSequence));
  const watched = await crowd.generator.settle(last, QUIET_MS);
  const after = await look(site);
  crowd.next = last + 1;
  const seconds = after.atS - before.atS;
  const clientShare = (watched.cpuUserS + watched.cpuSysS) / seconds;
  return {
    watched,
    broadcasts: emitted.reduce((sum, { broadcasts }) => sum + broadcasts, 0),
    seconds,
    cpuS: after.cpuS.map((s, at) => s - (before.cpuS[at] ?? 0)),
    redisS: after.redisS - before.redisS,
    redisBytesOut: after.redisBytesOut - before.redisBytesOut,
    clientShare,
    flags: [
      ...judgeDelivery(watched),
      ...judgeClient(clientShare),
      ...(tellsLatency ? judgeGeneratorLag(watched.lag.p99Us) : []),
      ...judgeDuration(Math.max(...emitted.map((one) => one.wallMs)), durationMs, GRACE_MS),
    ],
  };
}

/** Looks at what a site has used so far. */
export async function look({ servers, redis }: Site) {
  return {
    atS: performance.now() / 1000,
    redisS: redis ? cpuOfTree(redis.server.pid) : 0,
    redisBytesOut: redis ? await readInfo(redis.client, "total_net_output_bytes") : 0,
    cpuS: servers.map(({ pid }) => cpuOfTree(pid)),
  };
}

/** Reads one number of what Redis tells about itself. */
export async function readInfo(client: Redis, name: string): Promise<number> {
  const text = await client.info(name === "used_memory" ? "memory" : "stats");
  const value = new RegExp(`^${name}:(\\d+)`, "m").exec(text)?.[1];
  if (value === undefined) throw new Error(`Redis does not tell ${name}`);
  return Number(value);
}
