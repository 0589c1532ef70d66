/** The connections to Redis, one by one. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { openRedis, type RedisLink } from "../../src/cluster/redis.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";

const PLAIN = { redisCaFile: "", redisCertFile: "", redisKeyFile: "", redisServerName: "" };

/** A link of a test, and how many of its connections were made again. */
function open(t: TestContext, redisUrl: string): { link: RedisLink; again(): number } {
  let again = 0;
  const link = openRedis(
    { ...PLAIN, redisUrl, timeoutMs: 10_000, pendingMax: 100 },
    { changed() {}, failed() {}, reconnected: () => void again++ },
  );
  t.after(() => link.stop());
  return { link, again: () => again };
}

const listeners = async (redis: TestRedis, channel: string) =>
  Number((await redis.command("PUBSUB", "NUMSUB", channel)).split("\n")[1]);

test("a subscription that is asked for while its connection is in the making is there, and stays", async (t) => {
  // Seen: nodes that heard no requests from their start on, or after an outage, now and then. The
  // subscription was granted before the connection was ready, and the connection then made anew.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const { link, again } = open(t, redis.url);
  const client = link.patient();
  const early = new Promise<void>((resolve) => {
    client.once("connect", () => void client.subscribe("early").then(() => resolve()));
  });
  await early;
  await link.ready();
  assert.equal(
    await link.ask((one) => one.echo("later than all of that")),
    "later than all of that",
  );
  assert.equal(await listeners(redis, "early"), 1);
  assert.equal(again(), 0, "and no connection was made twice for it");
  // The next one comes while the connection is made again.
  const reconnects = next(client, "connect");
  await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
  await reconnects;
  await client.subscribe("late");
  await until(async () => (await listeners(redis, "early")) === 1, "the first one's return");
  assert.equal(await listeners(redis, "late"), 1);
  assert.equal(again(), 1);
});
