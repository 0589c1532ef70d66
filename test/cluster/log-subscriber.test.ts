/** The channels of several logs on one connection to Redis: each log hears its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NOWHERE } from "../../src/cluster/log/carrier.ts";
import { EVERYONE } from "../../src/cluster/log/event-log.ts";
import { createRedisCarrier } from "../../src/cluster/log/redis.ts";
import { createSubscriberPool } from "../../src/cluster/log/subscriber.ts";
import { testRedis, testRedisCluster } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { fed, openNode, redisBus, say } from "./log-kit.ts";

const RED = [":red"];

test("a channel that is left and subscribed to again at once is heard, the only one or not", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const { link } = await redisBus(t, redis.url);
  const pool = createSubscriberPool(link);
  t.after(() => pool.stop());
  const subscriber = await pool.find("any", () => {});
  const heard: string[] = [];
  const hear = (message: Buffer) => void heard.push(String(message));
  // More than one command names.
  const many = Array.from({ length: 2_500 }, (_, n) => `many ${n}`);
  for (const channels of [["one"], many]) {
    await subscriber.subscribe(channels, hear);
    for (let times = 0; times < 5; times++) {
      subscriber.unsubscribe(channels, hear);
      const subscribed = subscriber.subscribe(channels, hear);
      if (times % 2 === 0) await subscribed;
    }
    await subscriber.subscribe(channels, hear);
    await Promise.all(channels.map((channel) => link.client.publish(channel, channel)));
    await until(() => heard.length === channels.length, "each once");
    assert.deepEqual(heard.splice(0), channels);
    subscriber.unsubscribe(channels, hear);
  }
  await subscriber.subscribe(["other"], hear);
  await subscriber.subscribe(["other"], () => {});
  // Who does not hear it any more cannot leave it for who does.
  subscriber.unsubscribe(["other"], hear);
  await subscriber.subscribe(["last"], hear);
  assert.equal(await link.client.publish("other", "1"), 1);
});

test("nodes in two databases of one Redis do not hear each other", async (t) => {
  // Seen: Redis' channels are those of all databases. Each heard the other's entries, whose ids had
  // it take some of its own for second copies.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  for (const busKey of ["", "a key of sixteen bytes or more"]) {
    const buses = [0, 1].map((number) => redisBus(t, `${redis.url}/${number}`, { busKey }));
    const nodes = (await Promise.all(buses)).map(({ bus }) => openNode(t, bus));
    for (const { log } of nodes) await log.subscribe(RED);
    for (const text of ["first", "last"]) {
      await Promise.all(nodes.map((node, at) => say(node, RED, `${text} of ${at}`)));
    }
    assert.deepEqual(
      nodes.map(({ heard }) => heard),
      [0, 1].map((at) => [`first of ${at} (own)`, `last of ${at} (own)`]),
    );
    assert.deepEqual(await Promise.all(nodes.map(({ log }) => log.nodes())), [1, 1]);
    for (const { bus } of nodes) await bus.stop();
  }
});

test("two nodes over one link, and namespaces of like names: each hears its own channels", async (t) => {
  // Seen: the name of a room and of a namespace made one channel with that of another namespace.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const own = await redisBus(t, redis.url);
  const limits = { streamPacketsMax: 200, messageBytesMax: 1e6, timeoutMs: 5_000 };
  const settings = { ...limits, prefix: "sluice", busKey: "", pendingMax: 100 };
  const second = fed(createRedisCarrier(settings, own));
  const names = ["/a", "/a}::", "/a%7D::"];
  const logs = [own.bus, second].flatMap((bus) => names.map((name) => openNode(t, bus, name)));
  const channels = [...RED, ":}:*", ":%7D:*", EVERYONE];
  for (const node of logs) await node.log.subscribe(channels);
  await Promise.all(
    logs.flatMap((node, at) => channels.map((channel) => say(node, [channel], `${at} ${channel}`))),
  );
  // One that ends leaves the others what they hear.
  logs[0]?.log.close();
  const rest = logs.slice(1);
  await Promise.all(rest.map((node, at) => say(node, RED, `last of ${at + 1}`)));
  for (const [at, node] of rest.entries()) {
    const sames = [0, 1].map((bus) => bus * names.length + ((at + 1) % names.length));
    const lasts = sames.filter((same) => same > 0);
    await until(() => node.heard.length === 8 + lasts.length, `all of ${at + 1}`);
    const expected = sames.flatMap((same) => [
      ...channels.map((channel) => `${same} ${channel}`),
      ...(same > 0 ? [`last of ${same}`] : []),
    ]);
    const plain = node.heard.map((text) => text.replace(" (own)", ""));
    assert.deepEqual(plain.sort(), expected.sort());
  }
});

test("many logs opened in one turn in a Redis Cluster: nothing fails meanwhile", async (t) => {
  // Seen: 500 of them counted 700 errors, for commands to masters not connected to yet.
  if (!hasTool(t, "redis-server")) return;
  const { url } = await testRedisCluster(t, 3);
  const { bus, samples } = await redisBus(t, url);
  t.after(() => bus.stop());
  const logs = Array.from({ length: 100 }, (_, n) =>
    bus.open(`/${n}`, { heard() {}, told() {}, lost() {} }),
  );
  await Promise.all(logs.map((log) => log.subscribe(RED)));
  await until(() => logs.every((log) => log.place() !== NOWHERE), "that all have begun");
  assert.equal(samples.errors, 0);
});
