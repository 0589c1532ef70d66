/** Commands with `afterMs`, and nodes that are killed or frozen. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Command } from "../../src/core/command.ts";
import { SECRET as KEY } from "../harness/api.ts";
import { testGateway } from "../harness/gateway.ts";
import { nodeProcess } from "../harness/nodes.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";

const LEASE_MS = 2000;
const ENV = { SLUICE_API_KEYS: `tests:${KEY}`, SLUICE_CLUSTER_LEASE_MS: String(LEASE_MS) };

async function send(url: string, commands: readonly Command[]): Promise<void> {
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  const body = JSON.stringify(commands);
  const answer = await fetch(`${url}/v1/commands`, { method: "POST", headers, body });
  assert.deepEqual(await answer.json(), Array(commands.length).fill({ ok: true }));
}

/** Numbers that are due one after the other. */
const numbers = (count: number, firstMs: number, stepMs: number): Command[] =>
  Array.from({ length: count }, (_, n) => ({
    ...{ do: "emit", event: "n", args: [n], afterMs: firstMs + Math.floor(n * stepMs) },
  }));

/** A node of this process, with a client that notes how often it hears each number. */
async function witness(t: TestContext, redis: TestRedis) {
  const cluster = { redisUrl: redis.url, leaseMs: LEASE_MS, timeoutMs: 10_000 };
  const node = await testGateway(t, { cluster });
  const client = await node.connected();
  const heard = new Map<number, number>();
  client.on("n", (n: number) => heard.set(n, (heard.get(n) ?? 0) + 1));
  return { node, heard };
}

const twice = (heard: ReadonlyMap<number, number>) =>
  [...heard.values()].filter((times) => times > 1).length;

test("kill -9 of the node that was given commands, while it carries them out: none is lost", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const mortal = await nodeProcess(t, redis, ENV);
  const { node, heard } = await witness(t, redis);
  const count = 1000;
  await send(mortal.url, numbers(count, 1000, 1));
  await until(() => heard.size > 300, "some of them", 30_000);
  mortal.run.child.kill("SIGKILL");
  await until(() => heard.size === count, "all of them", 30_000);
  const own = await node.metric("sluice_fanout_delays_total", { outcome: "done" });
  assert.ok(own > 0, "the other node has done some");
  assert.ok(twice(heard) <= 200, `${twice(heard)} were under way`);
});

test("kill -9 of all nodes: what was due meanwhile comes with the next start", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const mortal = await nodeProcess(t, redis, ENV);
  await send(mortal.url, numbers(100, 3000, 20));
  mortal.run.child.kill("SIGKILL");
  await mortal.run.exit();
  const { node, heard } = await witness(t, redis);
  await until(async () => (await redis.command("KEYS", "*delays*")) === "", "all", 30_000);
  assert.equal(await node.metric("sluice_fanout_delays_total", { outcome: "done" }), 100);
  assert.equal(twice(heard), 0);
});

test("a node that was frozen over the time of its claim carries out nothing twice", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const frozen = await nodeProcess(t, redis, ENV);
  const { node, heard } = await witness(t, redis);
  await send(frozen.url, numbers(50, 500, 1));
  frozen.run.child.kill("SIGSTOP");
  await until(() => heard.size === 50, "all, of the other", 30_000);
  frozen.run.child.kill("SIGCONT");
  const counted = () => frozen.metric("sluice_fanout_delays_total", { outcome: "done" });
  await until(async () => (await counted()) === 0, "that it goes on");
  assert.equal(await node.metric("sluice_fanout_delays_total", { outcome: "done" }), 50);
  assert.equal(twice(heard), 0);
});
