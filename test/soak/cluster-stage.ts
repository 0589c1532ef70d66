/** What the players of a play are connected to, and what can befall it. */
import { findFreePort } from "../harness/free-port.ts";
import { nodeProcess, type TestNode } from "../harness/nodes.ts";
import { type Scope, startProcess } from "../harness/process.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { until } from "../harness/wait.ts";
import { listening, ON_PORT } from "../harness/workers.ts";

/** What a stage knows of the players. */
export interface Cast {
  /** The processes of the workers that have clients. */
  pids(): number[];
  /** Resolves when Redis has all sessions. */
  kept(redis: TestRedis): Promise<void>;
}

/** Something that befalls the servers; resolves when it has passed. */
export interface Mishap {
  readonly name: string;
  /** Reasons for which it may close connections. */
  readonly closes: readonly string[];
  /** While it lasts, nodes may not reach Redis. */
  readonly isOfRedis: boolean;
  befall(random: () => number, cast: Cast): Promise<void>;
}

/** Three nodes, or a process with workers. */
export interface Stage {
  readonly mishaps: readonly Mishap[];
  readonly transports: readonly ("websocket" | "polling")[];
  /** Where clients may connect to now. */
  urls(): string[];
  /** Resolves when everything runs. */
  whole(): Promise<void>;
  /** Whether every connection that ends is counted as long as its process lives. */
  readonly countsAll: boolean;
  /** Connections closed so far by the servers that live, by reason, and where. */
  closes(): Promise<Map<string, Map<string, number>>>;
}

/** How a stage is set up. */
export interface StageOptions {
  readonly count: number;
  /** Whether lost sessions can be resumed. */
  readonly recovery: boolean;
}

const TIMEOUT_MS = 1000;
const LEASE_MS = 2000;

function settingsOf({ recovery }: StageOptions): Record<string, string> {
  return {
    SLUICE_SOCKET_HOST: "127.0.0.1",
    SLUICE_HANDLERS_MODULE: "test/soak/performer.ts",
    SLUICE_RECOVERY_WINDOW_MS: recovery ? "60000" : "0",
    SLUICE_RECOVERY_ROOM_CHANGES_MAX: "5000",
    SLUICE_LIMITS_ADDRESS_HANDSHAKES_PER_SECOND: "0",
    SLUICE_LIMITS_HANDSHAKES_PER_SECOND: "0",
    SLUICE_METRICS_DEFAULTS: "false",
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function readCloses(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.matchAll(/^sluice_connections_closed_total\{.*?reason="(\w+)".*\} (\d+)$/gm);
  const closes = new Map<string, number>();
  for (const [, reason = "", count] of found) {
    if (Number(count) > 0) closes.set(reason, (closes.get(reason) ?? 0) + Number(count));
  }
  return closes;
}

/** Starts nodes behind one Redis, which keeps what it has over a restart. */
export async function stageNodes(t: Scope, options: StageOptions): Promise<Stage> {
  // With "everysec" it may answer before it has written, while the disk is busy; then a kill loses
  // what was said to be in the log, and all connections are rightly closed. The system's own cache
  // outlives the process.
  const redis = await testRedis(t, ["--appendonly", "yes", "--appendfsync", "no"]);
  const env = {
    ...settingsOf(options),
    SLUICE_CLUSTER_STARTUP: "wait",
    SLUICE_CLUSTER_TIMEOUT_MS: options.recovery ? String(TIMEOUT_MS) : "60000",
    SLUICE_CLUSTER_LEASE_MS: String(LEASE_MS),
  };
  const start = () => nodeProcess(t, redis, env);
  const nodes: (TestNode | undefined)[] = await Promise.all(
    Array.from({ length: options.count }, start),
  );
  const frozen = new Set<TestNode>();
  const living = () => nodes.filter((node) => node !== undefined);
  const open = () => living().filter((node) => !frozen.has(node));
  const restarts: Promise<void>[] = [];

  function pick(random: () => number): TestNode {
    return open()[Math.floor(random() * open().length)] as TestNode; // one is left open
  }

  async function freeze(node: TestNode, ms: number): Promise<void> {
    frozen.add(node);
    node.run.child.kill("SIGSTOP");
    await pause(ms);
    node.run.child.kill("SIGCONT");
    frozen.delete(node);
  }

  async function kill(node: TestNode): Promise<void> {
    const at = nodes.indexOf(node);
    nodes[at] = undefined;
    node.run.child.kill("SIGKILL");
    await node.run.exit();
    const again = start().then((fresh) => {
      nodes[at] = fresh;
    });
    restarts.push(again);
  }

  const without = (words: readonly string[]) => redis.command(...words).then(() => {});
  const mishaps: Mishap[] = [
    mishap("kill -9 of a node", async (random, cast) => {
      await cast.kept(redis);
      await kill(pick(random));
    }),
    mishap("Redis restarts", async (random) => {
      await redis.kill();
      await pause(random() * 600);
      await redis.start();
    }),
    mishap("Redis forgets", async () => {
      await redis.command("FLUSHALL");
      await redis.kill();
      await redis.start();
    }, ["stream_gap"]),
    mishap("CLIENT KILL of subscribers", () => without(["CLIENT", "KILL", "TYPE", "pubsub"])),
    mishap("CLIENT KILL of the others", () => without(["CLIENT", "KILL", "TYPE", "normal"])),
    mishap("CLIENT PAUSE", async () => {
      await without(["CLIENT", "PAUSE", String(TIMEOUT_MS * 0.4)]);
      await pause(TIMEOUT_MS * 0.4);
    }),
    mishap("CLIENT PAUSE over the timeout", async () => {
      await without(["CLIENT", "PAUSE", String(TIMEOUT_MS * 1.4)]);
      await pause(TIMEOUT_MS * 1.4);
    }),
    mishap("a node is frozen", (random) => freeze(pick(random), LEASE_MS * 0.3)),
    mishap("a node is frozen over its lease", (random) => freeze(pick(random), LEASE_MS * 1.5)),
  ];
  return {
    // Without recovery no client knows what never reached the log.
    mishaps: options.recovery ? mishaps : mishaps.filter(({ isOfRedis }) => !isOfRedis),
    transports: ["websocket", "polling"],
    countsAll: true,
    urls: () => open().map(({ url }) => url),
    async whole() {
      await Promise.all(restarts.splice(0));
      const isUp = async (node: TestNode) => (await node.metric("sluice_cluster_redis_up")) === 1;
      await until(
        async () => (await Promise.all(living().map(isUp))).every((up) => up),
        "all nodes at Redis",
        30_000,
      );
    },
    async closes() {
      const all = living().map(async ({ url }) => [url, await readCloses(url)] as const);
      return new Map(await Promise.all(all));
    },
  };
}

function mishap(name: string, befall: Mishap["befall"], closes: readonly string[] = []): Mishap {
  // A machine that is busy lets a lease end by itself.
  // Who was taken for dead is cut off from Redis.
  const isOfRedis = /Redis|CLIENT|over its lease/.test(name);
  return { name, befall, isOfRedis, closes: ["node_lost", "session_moved", ...closes] };
}

/** Starts one process with workers, without Redis. */
export async function stageWorkers(t: Scope, options: StageOptions): Promise<Stage> {
  const port = await findFreePort();
  const more = ["--cluster.workers", String(options.count), "--socket.transports", "websocket"];
  // A primary that is busy is no outage: without recovery nobody could tell what it cost.
  const env = { ...settingsOf(options), SLUICE_CLUSTER_TIMEOUT_MS: "60000" };
  const run = startProcess(t, [...ON_PORT, String(port), ...more], env);
  let listened = options.count;
  await listening(run, listened);
  const url = `http://127.0.0.1:${port}`;

  async function freeze(cast: Cast, random: () => number, ms: number): Promise<void> {
    const pids = cast.pids();
    const pid = pids[Math.floor(random() * pids.length)];
    if (pid === undefined) return;
    process.kill(pid, "SIGSTOP");
    await pause(ms);
    process.kill(pid, "SIGCONT");
  }

  const mishaps: Mishap[] = [
    mishap("kill -9 of a worker", async (random, cast) => {
      const pids = cast.pids();
      const pid = pids[Math.floor(random() * pids.length)];
      if (pid === undefined) return;
      process.kill(pid, "SIGKILL");
      listened++;
    }),
    mishap("a worker is frozen", (random, cast) => freeze(cast, random, TIMEOUT_MS * 0.1)),
    mishap("a worker is frozen for longer than its primary may wait", (random, cast) =>
      freeze(cast, random, TIMEOUT_MS * 1.5),
    ),
  ];
  return {
    mishaps,
    transports: ["websocket"],
    // With a worker goes what it has counted.
    countsAll: false,
    urls: () => [url],
    whole: () => listening(run, listened),
    closes: async () => new Map([[url, await readCloses(url)]]),
  };
}
