/** A master that dies: Sentinel makes its replica the master, and the nodes go on with that. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findFreePort } from "../harness/free-port.ts";
import { testGateway } from "../harness/gateway.ts";
import { startProcess, testFolder } from "../harness/process.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";

test("a failover by Sentinel: the bus goes on with the new master by itself", async (t) => {
  if (!hasTool(t, "redis-server") || !hasTool(t, "redis-sentinel")) return;
  const master = await testRedis(t);
  const replica = await testRedis(t, ["--replicaof", "127.0.0.1", String(master.port)]);
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
  await until(() => sentinel.output().includes("+slave slave"), "Sentinel's view", 30_000);
  const redisUrl = `redis+sentinel://127.0.0.1:${port}/mymaster`;
  const settings = { cluster: { redisUrl, timeoutMs: 1000 } };
  const a = await testGateway(t, settings);
  const b = await testGateway(t, settings);
  const far = await b.connected();
  const heard: unknown[] = [];
  far.on("n", (n) => heard.push(n));
  await until(async () => (await a.io.of("/").adapter.serverCount()) === 2, "both nodes", 30_000);
  a.io.emit("n", "before");
  await until(() => heard.includes("before"), "the bus");
  await master.kill();
  await until(() => sentinel.output().includes("+switch-master"), "the failover", 30_000);
  await until(
    async () =>
      (await a.metric("sluice_cluster_redis_up")) + (await b.metric("sluice_cluster_redis_up")) ===
      2,
    "both nodes at the new master",
    30_000,
  );
  await until(
    async () => {
      a.io.emit("n", "after");
      await new Promise((resolve) => setTimeout(resolve, 50));
      return heard.includes("after");
    },
    "the bus",
    30_000,
  );
  assert.match(await replica.command("INFO", "replication"), /role:master/);
});
