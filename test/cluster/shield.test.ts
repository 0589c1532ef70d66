/** What fails between nodes is counted, told to whoever asked, and ends no process. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { member, twoNodes } from "./kit.ts";

const cycle: Record<string, unknown> = {};
cycle.self = cycle;

for (const adapter of ["streams", "sharded", "pubsub"] as const) {
  test(`${adapter}: who asks all clients while Redis is away is told that it took too long`, async (t) => {
    // Seen: the process ended. Socket.IO asks how many nodes there are, and looks at no failure of that.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const gateway = await testGateway(t, { cluster: { redisUrl: redis.url, adapter } });
    const { client, heard } = await member(gateway, "red");
    client.on("ask", (done) => done("near"));
    await redis.kill();
    const up = () => gateway.metric("sluice_cluster_redis_up");
    await until(async () => (await up()) === 0, "the outage");
    const asked = gateway.io.timeout(500).emitWithAck("ask");
    await assert.rejects(asked, (error: Error & { responses?: unknown[] }) => {
      assert.deepEqual(error.responses, ["near"]);
      return /timed out/.test(error.message);
    });
    gateway.io.emit("n", 1);
    await until(() => heard.length === 1, "the next broadcast");
  });
}

for (const adapter of ["streams", "sharded"] as const) {
  test(`${adapter}: a socket whose data cannot be sent is told of without, and ends nothing`, async (t) => {
    // Seen: with a function or a timer in any socket's `data` a request of another node ended this one.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const [a, b] = await twoNodes(t, [redis.url, redis.url], { cluster: { adapter } });
    const one = await member(b, "red");
    const two = await member(b, "red");
    two.socket.data = { color: "red" };
    for (const data of [{ n: 1n, f() {} }, cycle]) {
      one.socket.data = data;
      const found = await a.io.fetchSockets();
      assert.equal(found.length, 2);
      assert.deepEqual(found.find(({ id }) => id === one.socket.id)?.data, {});
      assert.deepEqual(found.find(({ id }) => id === two.socket.id)?.data, { color: "red" });
    }
  });

  test(`${adapter}: a broadcast that cannot be said is counted, and takes nobody's place`, async (t) => {
    // Seen: it ended the process; and each kept one of the places of those who wait for Redis.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const cluster = { adapter, pendingMax: 8, leaseMs: 600_000 };
    const [a, b] = await twoNodes(t, [redis.url, redis.url], { cluster });
    const near = await member(a, "red");
    const far = await member(b, "red");
    const failed = () => a.metric("sluice_cluster_errors_total");
    for (let count = 1; count <= 10; count++) {
      a.io.emit("n", count % 2 === 0 ? cycle : 1n);
      // Once that it was not sent, once that nobody here got it.
      await until(async () => (await failed()) === 2 * count, "that it is counted");
    }
    a.io.of("/").adapter.on("join-room", (room) => {
      if (room === "trap") throw new Error("a listener's own");
    });
    a.io.socketsJoin("trap");
    await until(async () => (await failed()) === 21, "the listener's error");
    a.io.emit("n", 1);
    await until(() => near.heard.length + far.heard.length === 2, "the next broadcast");
    assert.equal(await a.metric("sluice_cluster_missed_total"), 10);
  });
}

test("answers without a shape are refused, and end nothing", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, redis.url], { cluster: { adapter: "sharded" } });
  const { heard } = await member(b, "red");
  for (const type of [8, 9, 10, 11, 12]) {
    for (const data of [undefined, {}, { requestId: "x" }, { packet: ["connection", {}] }]) {
      const text = JSON.stringify({ uid: "someone", nsp: "/", type, data });
      await redis.command("SPUBLISH", "sluice#/#", text);
    }
  }
  b.io.on("connection", () => assert.fail("nobody came"));
  a.io.emit("n", 1);
  await until(() => heard.length === 1, "the next broadcast");
});
