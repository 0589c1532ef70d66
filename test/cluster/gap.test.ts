/** A node that could not read for so long that the stream was trimmed has lost messages. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { PartialSettings } from "../../src/core/settings.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { deafen } from "./kit.ts";
import { openNode, redisBus, say } from "./log-kit.ts";

const PACKETS_MAX = 200;
const BACK = { reconnection: true, reconnectionDelay: 20 };

/** Two nodes, of which the first can be kept from reading the stream. */
async function deafNode(t: TestContext, redis: TestRedis, more: PartialSettings = {}) {
  await redis.command("ACL", "SETUSER", "deaf", "on", ">secret", "~*", "&*", "+@all");
  const lines: string[] = [];
  const log = (_level: string, _fields: object, text: string) => lines.push(text);
  const start = (redisUrl: string) => {
    const cluster = { redisUrl, streamPacketsMax: PACKETS_MAX, timeoutMs: 1000 };
    return testGateway(t, { ...more, cluster }, { log });
  };
  const deaf = await start(redis.url.replace("://", "://deaf:secret@"));
  const loud = await start(redis.url);
  return {
    deaf,
    loud,
    lines,
    /** Keeps the first from reading from here on; it has heard the word "last". */
    async cover(heard: readonly unknown[]) {
      loud.io.emit("n", "last");
      await until(() => heard.includes("last"), "what it can read");
      await deafen(redis, "deaf", deaf);
    },
    uncover: () => redis.command("ACL", "SETUSER", "deaf", "+subscribe"),
  };
}

async function listener(gateway: TestGateway) {
  const client = await gateway.connected(BACK);
  const heard: unknown[] = [];
  client.on("n", (n: unknown) => heard.push(n));
  return { client, heard };
}

for (const windowMs of [0, 60_000]) {
  const how = windowMs > 0 ? "with recovery" : "without recovery";
  test(`${how}: a stream trimmed beyond what was read closes the node's connections, counted and said once`, async (t) => {
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const nodes = await deafNode(t, redis, { recovery: { windowMs } });
    const { deaf, loud, lines } = nodes;
    const { client, heard } = await listener(deaf);
    const elsewhere = await listener(loud);
    await nodes.cover(heard);
    for (let n = 0; n < 3 * PACKETS_MAX; n++) {
      loud.io.emit("n", n);
      // Not more at once than its own reader can follow.
      const read = () => loud.metric("sluice_cluster_messages_total", { direction: "in" });
      if (n % 50 === 0) await until(async () => (await read()) > n, "its reader");
    }
    await until(() => elsewhere.heard.length === 3 * PACKETS_MAX + 1, "all elsewhere");
    const back = next(client, "connect");
    assert.deepEqual(heard, ["last"]);
    await nodes.uncover();
    await back;
    loud.io.emit("n", "after");
    await until(() => heard.includes("after"), "what comes after");
    assert.ok(!client.recovered, "it is not told that it has missed nothing");
    assert.deepEqual(heard.slice(0, 1), ["last"]);
    const closed = { reason: "stream_gap" };
    assert.equal(await deaf.metric("sluice_connections_closed_total", closed), 1);
    assert.equal(await deaf.metric("sluice_cluster_gaps_total"), 1);
    assert.equal(await loud.metric("sluice_cluster_gaps_total"), 0);
    assert.equal(
      lines.filter((line) => /gone from the stream that this node may not have read/.test(line))
        .length,
      1,
    );
    assert.equal(elsewhere.client.connected, true);
  });
}

test("what the stream still has is delivered late and in order, and nobody is closed", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const nodes = await deafNode(t, redis);
  const { deaf, loud } = nodes;
  const { client, heard } = await listener(deaf);
  await nodes.cover(heard);
  for (let n = 0; n < PACKETS_MAX - 10; n++) loud.io.emit("n", n);
  await nodes.uncover();
  await until(() => heard.includes(PACKETS_MAX - 11), "the last");
  assert.deepEqual(heard, ["last", ...Array.from({ length: PACKETS_MAX - 10 }, (_, n) => n)]);
  assert.equal(await deaf.metric("sluice_cluster_gaps_total"), 0);
  assert.equal(client.connected, true);
});

/** A Redis, and a way to it that can be cut for one node alone. */
async function cutRedis(t: TestContext) {
  const redis = await testRedis(t);
  const door = await tcpSwitch(t, redis.port);
  const cut = () => {
    door.stall();
    door.cut();
  };
  return { redis, url: `redis://127.0.0.1:${door.port}`, cut, mend: door.flow };
}

test("a log that is opened while its node is cut off is lost once it begins, if it is listened to", async (t) => {
  // Seen: it began where the log ended then, and nobody was told of what had come before.
  if (!hasTool(t, "redis-server")) return;
  const { redis, url, cut, mend } = await cutRedis(t);
  const near = await redisBus(t, url, { timeoutMs: 300 });
  const far = openNode(t, (await redisBus(t, redis.url)).bus, "/heard");
  await say(far, [":red"], "0");
  cut();
  await until(() => !near.link.isHere(), "that it is cut off");
  const [heard, left, empty] = ["/heard", "/left", "/empty"].map((name) =>
    openNode(t, near.bus, name),
  ) as [typeof far, typeof far, typeof far];
  for (const { log } of [heard, left]) await log.subscribe([":red"]);
  left.log.unsubscribe([":red"]);
  await say(far, [":red"], "1");
  mend();
  const all = [heard, left, empty];
  await until(() => all.every(({ log }) => log.place() !== "0-0"), "that all have begun");
  await say(far, [":red"], "2");
  await until(() => heard.heard.length > 0, "what comes after");
  assert.deepEqual([heard.heard, all.map(({ lost }) => lost)], [["2"], [1, 0, 0]]);
  // What begins while Redis is there has missed nothing.
  const late = openNode(t, near.bus, "/late");
  await late.log.subscribe([":red"]);
  assert.deepEqual([late.lost, near.samples.gaps], [0, 1]);
});

test("clients let in to a namespace that is new while its node is cut off are closed, not left with a hole", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { redis, url, cut, mend } = await cutRedis(t);
  const start = (redisUrl: string) => testGateway(t, { cluster: { redisUrl, timeoutMs: 300 } });
  const [near, far] = [await start(url), await start(redis.url)];
  for (const { io } of [near, far]) io.of(/^\/game-/);
  const elsewhere = await far.connected({ namespace: "/game-1" });
  assert.ok(elsewhere.connected);
  cut();
  await until(async () => (await near.metric("sluice_cluster_redis_up")) === 0, "the cut");
  const client = await near.connected({ namespace: "/game-1", ...BACK });
  const heard: unknown[] = [];
  client.on("n", (n: unknown) => heard.push(n));
  const back = next(client, "connect");
  far.io.of("/game-1").emit("n", 1);
  mend();
  await back;
  far.io.of("/game-1").emit("n", 2);
  await until(() => heard.includes(2), "what comes after");
  assert.deepEqual(heard, [2]);
  const closed = { reason: "stream_gap" };
  assert.equal(await near.metric("sluice_connections_closed_total", closed), 1);
  assert.equal(await near.metric("sluice_cluster_gaps_total"), 1);
});
