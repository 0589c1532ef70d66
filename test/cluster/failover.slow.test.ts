/** Sentinel under two nodes: a master that dies, and a Sentinel that keeps silent. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { findFreePort } from "../harness/free-port.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { startProcess, type TestProcess, testFolder } from "../harness/process.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";

const SLOW_MS = 30_000;

interface Watched {
  readonly sentinel: TestProcess;
  readonly url: string;
}

/** Has a real Sentinel watch over a master. */
async function watchOver(t: TestContext, master: TestRedis): Promise<Watched> {
  const port = await findFreePort();
  const file = join(testFolder(t), "sentinel.conf");
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
    // Less, and a busy machine fails over before anything was killed.
    "sentinel down-after-milliseconds mymaster 3000",
    "sentinel failover-timeout mymaster 2000",
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const sentinel = startProcess(t, ["redis-sentinel", file]);
  await sentinel.said("+monitor master");
  return { sentinel, url: `redis+sentinel://127.0.0.1:${port}/mymaster` };
}

/** Resolves when all of the nodes say that Redis answers. */
function here(nodes: readonly TestGateway[]): Promise<void> {
  const isHere = async (node: TestGateway) => (await node.metric("sluice_cluster_redis_up")) === 1;
  const all = async () => !(await Promise.all(nodes.map(isHere))).includes(false);
  return until(all, "every node at the master", SLOW_MS);
}

test("a failover by Sentinel: the bus goes on with the new master by itself", async (t) => {
  if (!hasTool(t, "redis-server") || !hasTool(t, "redis-sentinel")) return;
  const master = await testRedis(t);
  const replica = await testRedis(t, ["--replicaof", "127.0.0.1", String(master.port)]);
  const { sentinel, url } = await watchOver(t, master);
  await until(() => sentinel.output().includes("+slave slave"), "the replica", SLOW_MS);
  const settings = { cluster: { redisUrl: url, timeoutMs: 1000 } };
  const a = await testGateway(t, settings);
  const b = await testGateway(t, settings);
  // A replica that was behind closes it.
  const far = await b.connected({ reconnection: true, reconnectionDelay: 20 });
  const heard: unknown[] = [];
  far.on("n", (n) => heard.push(n));
  await until(async () => (await a.io.of("/").adapter.serverCount()) === 2, "both nodes", SLOW_MS);
  a.io.emit("n", "before");
  await until(() => heard.includes("before"), "the bus");
  await master.kill();
  await sentinel.said("+switch-master");
  await here([a, b]);
  await until(
    () => {
      a.io.emit("n", "after");
      return heard.includes("after");
    },
    "the bus",
    SLOW_MS,
  );
  assert.match(await replica.command("INFO", "replication"), /role:master/);
});

test("a Sentinel that keeps silent for long is asked again, and the node is back", async (t) => {
  // Seen: nodes that never came back from a failover on a busy machine. What was silent was cut off
  // every `timeoutMs`, connections in the making included, and those asked no Sentinel again.
  if (!hasTool(t, "redis-server") || !hasTool(t, "redis-sentinel")) return;
  const master = await testRedis(t);
  const { sentinel, url } = await watchOver(t, master);
  const node = await testGateway(t, { cluster: { redisUrl: url, timeoutMs: 100 } });
  const client = await node.connected();
  const heard: unknown[] = [];
  client.on("n", (n) => heard.push(n));
  sentinel.child.kill("SIGSTOP");
  await master.command("CLIENT", "KILL", "TYPE", "normal");
  await until(async () => (await node.metric("sluice_cluster_redis_up")) === 0, "it is away");
  const before = await node.metric("sluice_cluster_errors_total");
  await until(
    async () => (await node.metric("sluice_cluster_errors_total")) > before + 6,
    "several attempts",
    SLOW_MS,
  );
  sentinel.child.kill("SIGCONT");
  await here([node]);
  const received = await node.metric("sluice_cluster_messages_total", { direction: "in" });
  await until(
    async () => {
      node.io.emit("n", 1);
      return (await node.metric("sluice_cluster_messages_total", { direction: "in" })) > received;
    },
    "its reader is back, too",
    SLOW_MS,
  );
});
