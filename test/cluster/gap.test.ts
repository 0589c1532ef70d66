/** A node that could not read for so long that the stream was trimmed has lost messages. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { PartialSettings } from "../../src/core/settings.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { deafen } from "./kit.ts";

const PACKETS_MAX = 200;

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
  const client = await gateway.connected({ reconnection: true, reconnectionDelay: 20 });
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
