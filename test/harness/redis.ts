import { findFreePort } from "./free-port.ts";
import { hasFailed, type Scope, startProcess, type TestProcess, testFolder } from "./process.ts";
import { runTool } from "./tool.ts";
import { until } from "./wait.ts";

/** A real Redis of one test. */
export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** Ends it without a word; its data is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  /** Stops its process for a while, or lets it go on. */
  freeze(frozen: boolean): void;
  /** Runs one command of redis-cli and returns what it printed. */
  command(...words: string[]): Promise<string>;
}

/** Starts Debian's redis-server on a free port; it ends with the test. */
export async function testRedis(t: Scope, options: readonly string[] = []): Promise<TestRedis> {
  const port = await findFreePort();
  const folder = testFolder(t);
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
  let running: TestProcess | undefined;
  const start = async (): Promise<void> => {
    const server = startProcess(t, ["redis-server", ...args, ...options]);
    running = server;
    await server.said("Ready to accept connections");
  };
  // Before it ends, and before the gateways do: who was there, and listened to what.
  t.after(() => {
    if (hasFailed(t)) t.diagnostic(`the clients of Redis on ${port}:\n${listClients(port)}`);
  });
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    start,
    async kill() {
      running?.child.kill("SIGKILL");
      await running?.exit();
    },
    freeze: (frozen) => void running?.child.kill(frozen ? "SIGSTOP" : "SIGCONT"),
    async command(...words) {
      const cli = startProcess(t, ["redis-cli", "-p", String(port), ...words]);
      await cli.exit();
      return cli.output().trim();
    },
  };
}

/** Returns who is connected to a Redis, one a line; why not, when it does not answer. */
function listClients(port: number): string {
  const ask = (...words: string[]) =>
    runTool("timeout", ["5", "redis-cli", "-p", String(port), ...words]).text;
  const short = (line: string) => line.match(/ (name|age|idle|sub|psub|ssub|cmd)=\S*/g)?.join("");
  return ask("CLIENT", "LIST")
    .split("\n")
    .map((line) => short(line) ?? line)
    .join("\n");
}

const SLOTS = 16_384;

/** A Redis Cluster of masters of one test. */
export interface TestRedisCluster {
  readonly url: string;
  readonly nodes: readonly TestRedis[];
}

/** Starts a Redis Cluster of `count` masters without replicas; it ends with the test. */
export async function testRedisCluster(t: Scope, count: number): Promise<TestRedisCluster> {
  const nodes: TestRedis[] = [];
  const busPorts: string[] = [];
  for (let at = 0; at < count; at++) {
    const busPort = String(await findFreePort());
    busPorts.push(busPort);
    nodes.push(await testRedis(t, ["--cluster-enabled", "yes", "--cluster-port", busPort]));
  }
  const bound = (at: number) => Math.round((at * SLOTS) / count);
  for (const [at, node] of nodes.entries()) {
    const range = [String(bound(at)), String(bound(at + 1) - 1)];
    await node.command("CLUSTER", "ADDSLOTSRANGE", ...range);
    await node.command("CLUSTER", "SET-CONFIG-EPOCH", String(at + 1));
    const first = [String(nodes[0]?.port), busPorts[0] ?? ""];
    if (at > 0) await node.command("CLUSTER", "MEET", "127.0.0.1", ...first);
  }
  await until(
    async () => {
      const infos = await Promise.all(nodes.map((node) => node.command("CLUSTER", "INFO")));
      const isWhole = (info: string) =>
        info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${count}`);
      return infos.every(isWhole);
    },
    "the cluster",
    30_000,
  );
  return { url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join()}`, nodes };
}
