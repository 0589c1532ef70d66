/** Logs in Redis: very many channels at once, and many that come and go. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NOWHERE } from "../../src/cluster/log/carrier.ts";
import { createChannels } from "../../src/cluster/log/channels.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { type Node, openNode, redisBus, say } from "./log-kit.ts";

test("very many channels that are subscribed to at once are heard", async (t) => {
  // Seen: each was an argument of a function, which threw each time that it was tried again. Above
  // some 120,000 the node never heard anything any more.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const nodes = await Promise.all([0, 1].map(() => redisBus(t, redis.url)));
  const [a, b] = nodes.map(({ bus }) => openNode(t, bus));
  const many = Array.from({ length: 200_000 }, (_, n) => `:${n}`);
  await b?.log.subscribe([":red"]);
  await b?.log.subscribe(many);
  if (a) for (const channel of [":0", ":199999"]) await say(a, [channel], channel);
  await until(() => b?.heard.length === 2, "both");
  assert.deepEqual(b?.heard, [":0", ":199999"]);
});

test("channels that come and go while Redis is away are not subscribed to when it is back", async (t) => {
  // Seen: all that had come were, for good. The node was pushed what was for rooms without members,
  // and held the name of each room of an outage as often as it had come.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const { bus, link } = await redisBus(t, redis.url, { timeoutMs: 500 });
  const { log } = openNode(t, bus);
  const old = [":old 1", ":old 2"];
  await log.subscribe([":red", ...old]);
  await redis.kill();
  await until(() => !link.isHere(), "that Redis is away");
  const brief = [":brief 1", ":brief 2"];
  await log.subscribe(brief);
  log.unsubscribe([...old, ...brief]);
  let isOver = false;
  const later = createChannels<undefined>(() => {
    isOver = true;
  });
  const state = { from: NOWHERE, after: NOWHERE, since: 0, reading: undefined, lingers: false };
  later.set(":any", state);
  later.drop([":any"]);
  await until(() => isOver, "that they are kept no longer");
  await log.subscribe([":late"]);
  await redis.start();
  const heard = async () => (await redis.command("PUBSUB", "CHANNELS")).split("\n");
  await until(async () => (await heard()).some((each) => each.endsWith(":late")), "the last");
  const rooms = (await heard()).flatMap((name) => name.match(/::(.*)/)?.[1] ?? []);
  assert.deepEqual(rooms.sort(), ["late", "red"]);
});

test("what was dropped because too much is held is read, also while a subscription reads on", async (t) => {
  // Seen: what came behind the first page of a subscription was heard before what had been dropped
  // meanwhile, which then counted as heard: hundreds of entries were missing, and nobody was told.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const more = { heldBytesMax: 65_536, streamPacketsMax: 100_000 };
  const nodes = await Promise.all([0, 1].map(() => redisBus(t, redis.url, more)));
  const [a, b] = nodes.map(({ bus }) => openNode(t, bus)) as [Node, Node];
  for (const { log } of [a, b]) await log.subscribe([":red"]);
  const texts: string[] = [];
  for (let round = 0; round < 5; round++) {
    const subscribed = [a, b].map(({ log }) => log.subscribe([`:${round}`]));
    for (let n = 0; n < 1_000; n++) {
      const text = `${round} ${n} ${"x".repeat(200)}`;
      texts.push(text);
      void say(a, [":red"], text);
    }
    await Promise.all(subscribed);
    await until(() => [a, b].every(({ heard }) => heard.length >= texts.length), "all");
  }
  assert.deepEqual(b.heard, texts);
  assert.deepEqual(
    a.heard,
    texts.map((text) => `${text} (own)`),
  );
  assert.deepEqual([a.lost, b.lost], [0, 0]);
});
