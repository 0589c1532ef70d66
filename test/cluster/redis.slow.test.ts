/** The connections to Redis, one by one. */
import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import type { Redis } from "ioredis";
import { createConnect } from "../../src/cluster/connect.ts";
import { openRedis, type RedisLink } from "../../src/cluster/redis.ts";
import { testGateway } from "../harness/gateway.ts";
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

/** A way to Redis on which the connections that have said `word` fall silent when told to. */
async function quietWay(t: TestContext, redis: TestRedis, word: string) {
  let quiet = false;
  const server = createServer((inner) => {
    const outer = connect(redis.port, "127.0.0.1");
    let said = false;
    const pass = (from: Socket, to: Socket) =>
      from.on("data", (data) => {
        said ||= from === inner && String(data).toLowerCase().includes(word);
        if (!(said && quiet)) to.write(data);
      });
    pass(inner, outer);
    pass(outer, inner);
    for (const each of [inner, outer]) {
      each.on("error", () => {});
      each.on("close", () => [inner, outer].map((other) => other.destroy()));
    }
  });
  server.listen(0, "127.0.0.1");
  await next(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return {
    url: `redis://127.0.0.1:${port}`,
    /** Those that are open; what they say meanwhile is lost for good. */
    async hush(whileTrue: () => Promise<boolean>) {
      quiet = true;
      await until(async () => !(await whileTrue()), "that it is noticed", 30_000);
      quiet = false;
    },
  };
}

for (const word of ["evalsha", "subscribe", "info"]) {
  test(`a connection that falls silent after ${word} is made again, while all others answer`, async (t) => {
    // Seen: a node that got no message, or no request, from the moment on at which a firewall forgot
    // one connection, until the system noticed; and one that never started, waiting for an INFO.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const way = await quietWay(t, redis, word);
    const cluster = { redisUrl: way.url, timeoutMs: 500, requestTimeoutMs: 500 };
    const start = () => testGateway(t, { cluster });
    // Its Redis never falls silent: what a busy one is slow to take must not stay on this node.
    const b = await testGateway(t, { cluster: { redisUrl: redis.url, timeoutMs: 10_000 } });
    let tries = 0;
    if (word === "info") {
      const starting = start();
      await way.hush(async () => ++tries < 100);
      await starting;
      return;
    }
    const a = await start();
    const client = await a.connected();
    const heard: unknown[] = [];
    client.on("n", (n) => heard.push(n));
    const servers = () => b.io.of("/").adapter.serverCount();
    await until(async () => (await servers()) === 2, "two nodes");
    const again = () => a.metric("sluice_cluster_reconnects_total");
    const before = await again();
    await way.hush(async () => {
      b.io.emit("n", tries++);
      return (await again()) === before;
    });
    await until(() => heard.length === tries, "what was published meanwhile");
    assert.deepEqual(heard, [...heard.keys()]);
    await until(async () => (await servers()) === 2, "its subscription");
    assert.equal((await b.io.fetchSockets()).length, 1);
    assert.equal(await a.metric("sluice_cluster_redis_up"), 1);
  });
}

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

test("hosts of a URL are names or addresses of either kind, with a port or without", () => {
  // Seen: of [::1]:26380 the host was "[".
  const at = (hosts: string) => {
    const connect = createConnect({ ...PLAIN, redisUrl: `redis+sentinel://${hosts}/main` });
    return (connect({ lazyConnect: true }) as Redis).options.sentinels;
  };
  assert.deepEqual(at("[::1]:26380,b.test,10.0.0.1:5"), [
    { host: "::1", port: 26_380 },
    { host: "b.test", port: 26_379 },
    { host: "10.0.0.1", port: 5 },
  ]);
  assert.throws(
    () => at("a,b:c"),
    /cluster\.redisUrl = \(secret\): has no host or host:port in place 2;/,
  );
});
