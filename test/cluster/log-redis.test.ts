/** Logs in Redis: what becomes of them when connections, Redis or the log are lost. */
import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { Redis } from "ioredis";
import { EVERYONE } from "../../src/cluster/log/event-log.ts";
import { type TestRedis, testRedis, testRedisCluster } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { type Node, openNode, PACKETS_MAX, type RedisBus, redisBus, say } from "./log-kit.ts";

type RedisNode = Node & RedisBus;

const BASE = "sluice:{/}:";

async function open(
  t: TestContext,
  redis: Pick<TestRedis, "url">,
  more: Parameters<typeof redisBus>[2] = {},
) {
  const own = await redisBus(t, redis.url, more);
  const node: RedisNode = Object.assign(openNode(t, own.bus), own);
  await node.log.subscribe([":red"]);
  return node;
}

/** A client of a test's own. */
function clientOf(t: TestContext, { url }: TestRedis): Redis {
  const client = new Redis(url);
  t.after(() => client.disconnect());
  return client;
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => String(n));

test("a connection that is lost again and again: nothing is missing, nothing comes twice", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const client = clientOf(t, redis);
  const a = await open(t, redis, { streamPacketsMax: 100_000 });
  const b = await open(t, redis, { streamPacketsMax: 100_000 });
  for (let n = 0; n < 2_000; n++) {
    await say(a, [n % 3 === 0 ? EVERYONE : ":red"], String(n));
    if (n % 200 === 50) await client.client("KILL", "TYPE", "pubsub");
  }
  await until(() => b.heard.length >= 2_000, "all");
  assert.deepEqual(b.heard, numbers(2_000));
  assert.deepEqual(
    a.heard,
    numbers(2_000).map((n) => `${n} (own)`),
  );
  assert.deepEqual([a.lost, b.lost], [0, 0]);
  assert.ok(b.samples.reconnects >= 5, "it was lost often");
});

test("a log that was trimmed beyond the place of a node is lost, once, and goes on", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  await redis.command("ACL", "SETUSER", "deaf", "on", ">secret", "~*", "&*", "+@all");
  const deaf = { ...redis, url: redis.url.replace("://", "://deaf:secret@") };
  const client = clientOf(t, redis);
  const a = await open(t, redis);
  const b = await open(t, deaf);
  await say(a, [":red"], "0");
  await until(() => b.heard.length === 1, "the first");
  await redis.command("ACL", "SETUSER", "deaf", "-subscribe");
  await client.client("KILL", "USER", "deaf", "TYPE", "pubsub");
  await until(() => b.samples.errors > 0, "that it cannot subscribe");
  for (let n = 0; n < 3 * PACKETS_MAX; n++) await say(a, [":red"], "gone");
  await redis.command("ACL", "SETUSER", "deaf", "+subscribe");
  await until(() => b.lost > 0, "the loss");
  await until(async () => {
    await say(a, [":red"], "after");
    return b.heard.includes("after");
  }, "what comes after");
  assert.deepEqual([b.heard.slice(0, 2), b.lost, a.lost], [["0", "after"], 1, 0]);
});

test("a Redis that comes back with nothing is a loss for each node, and all hear each other again", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = [await open(t, redis), await open(t, redis)];
  await say(a, [":red"], "0");
  await until(() => b.heard.length === 1, "the first");
  await redis.kill();
  await until(() => !a.link.isHere() && !b.link.isHere(), "that it is away");
  await assert.rejects(say(a, [":red"], "away"));
  // A room that is joined meanwhile waits for nobody, and is heard afterwards.
  await b.log.subscribe([":blue"]);
  await redis.start();
  await until(() => a.lost > 0 && b.lost > 0, "the losses");
  await until(async () => {
    await say(a, [":blue"], "after").catch(() => {});
    return b.heard.includes("after");
  }, "what comes after");
  assert.deepEqual([a.lost, b.lost, b.heard[0], b.heard[1]], [1, 1, "0", "after"]);
});

test("what Redis did not confirm is refused, and not heard again when it was kept all the same", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = [await open(t, redis, { timeoutMs: 300 }), await open(t, redis)];
  await say(a, [":red"], "0");
  redis.freeze(true);
  const refused = say(a, [":red"], "1");
  await assert.rejects(refused);
  redis.freeze(false);
  await until(() => b.heard.includes("1"), "that it was kept");
  await until(() => a.link.isHere(), "that it is back");
  await say(a, [":red"], "2");
  await until(() => b.heard.length === 3, "the last");
  assert.deepEqual(
    [a.heard, b.heard],
    [
      ["0 (own)", "2 (own)"],
      ["0", "1", "2"],
    ],
  );
  assert.equal(a.lost, 0);
});

test("what was appended before a log had begun is refused when Redis goes away meanwhile", async (t) => {
  // Seen: it waited for Redis, for as long as that took, and so did the clients of its own node.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const a = await open(t, redis, { timeoutMs: 300 });
  redis.freeze(true);
  const other = openNode(t, a.bus, "/other");
  await assert.rejects(say(other, [EVERYONE], "1"), /away/);
  await assert.rejects(other.log.tell(EVERYONE, Buffer.from("2")), /away/);
  redis.freeze(false);
  await until(() => a.link.isHere(), "that it is back");
  await say(other, [EVERYONE], "3");
  assert.deepEqual(other.heard, ["3 (own)"]);
});

test("a stop waits for what was appended before a log had begun, or refuses it in time", async (t) => {
  // Seen: it was not waited for, and its own clients were closed before they had it.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const a = await open(t, redis);
  const first = openNode(t, a.bus, "/first");
  const said = say(first, [EVERYONE], "1");
  await a.bus.settle(60_000);
  assert.deepEqual(first.heard, ["1 (own)"]);
  await said;
  redis.freeze(true);
  const second = openNode(t, a.bus, "/second");
  const refused = assert.rejects(say(second, [EVERYONE], "2"), /not confirm it in time/);
  await a.bus.settle(0);
  await refused;
  redis.freeze(false);
  await say(second, [EVERYONE], "3");
  assert.deepEqual(second.heard, ["3 (own)"]);
});

test("what no node would accept is refused, and takes nothing with it", async (t) => {
  // Seen: Redis kept it, each node refused it, and the clients of its own node never got it.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const a = await open(t, redis, { messageBytesMax: 1_000 });
  const large = "x".repeat(1_000);
  await assert.rejects(say(a, [":red"], large), /cluster\.messageBytesMax/);
  await assert.rejects(a.log.tell(EVERYONE, Buffer.from(large)), /cluster\.messageBytesMax/);
  await say(a, [":red"], "after");
  assert.deepEqual([a.heard, a.samples.refused.size], [["after (own)"], 2]);
});

test("what is for very many channels is heard once, and by who has one of them alone", async (t) => {
  // Seen: it ended the process. Then Redis copied the whole frame for each of its channels.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const more = { messageBytesMax: 1e8, busKey: "a key of sixteen bytes or more" };
  const [a, b] = [await open(t, redis, more), await open(t, redis, more)];
  await b.log.subscribe([":7", ":8"]);
  const many = Array.from({ length: 100_000 }, (_, n) => `:${n}`);
  await say(a, many, "many");
  await say(a, [":red"], "after");
  await until(() => b.heard.includes("after"), "the last");
  assert.deepEqual([a.heard, b.heard], [["after (own)"], ["many", "after"]]);
  assert.deepEqual([a.samples.refused.signature, b.samples.refused.signature], [0, 0]);
});

test("a log that is closed while its connection is made again leaves no subscription", async (t) => {
  // Seen: it subscribed once it had a connection. Then nodes waited for the answers of nobody.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const client = clientOf(t, redis);
  const a = await open(t, redis);
  const heard = ["sluice:{/other}:*", "sluice:{/other}::blue"];
  for (let times = 0; times < 10; times++) {
    const other = a.bus.open("/other", { heard() {}, told() {}, lost() {} });
    await other.subscribe([":blue"]);
    const before = a.samples.reconnects;
    await client.client("KILL", "TYPE", "pubsub");
    // Its subscription is on its way, or about to be.
    await new Promise((resolve) => setTimeout(resolve, times % 5));
    const subscribed = other.subscribe([":green"]);
    other.close();
    await subscribed;
    await until(() => a.samples.reconnects > before, "the next connection");
    await say(a, [":red"], String(times));
    const counts = await client.call("PUBSUB", "NUMSUB", ...heard);
    assert.deepEqual(
      counts,
      heard.flatMap((name) => [name, 0]),
    );
  }
});

/** Stands before Redis; what comes for who has subscribed can be kept back without a word. */
async function mutedRedis(t: TestContext, redis: TestRedis) {
  let muted = false;
  const subscribers = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(redis.port, "127.0.0.1");
    near.on("data", (data) => {
      if (String(data).includes("subscribe")) subscribers.add(near);
      far.write(data);
    });
    far.on("data", (data) => void (muted && subscribers.has(near) ? data : near.write(data)));
    const end = () => {
      subscribers.delete(near);
      for (const each of [near, far]) each.destroy();
    };
    for (const each of [near, far]) each.on("close", end).on("error", end);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => void server.close());
  const { port } = server.address() as AddressInfo; // it listens on a port
  return {
    url: `redis://127.0.0.1:${port}`,
    subscribers,
    mute(now: boolean) {
      muted = now;
    },
  };
}

test("a connection on which nothing comes any more is noticed, and nothing is missing", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const proxy = await mutedRedis(t, redis);
  const a = await open(t, redis);
  const b = await open(t, { ...redis, ...proxy }, { timeoutMs: 300 });
  await say(a, [":red"], "0");
  await until(() => b.heard.length === 1, "the first");
  proxy.mute(true);
  const [silent] = proxy.subscribers;
  await say(a, [":red"], "1");
  await until(() => silent?.destroyed === true, "that it is noticed");
  assert.deepEqual(b.heard, ["0"]);
  proxy.mute(false);
  await until(() => b.heard.length === 2, "what it missed");
  assert.deepEqual([b.heard, b.lost, b.samples.reconnects > 0], [["0", "1"], 0, true]);
});

test("a log that nobody reads any more is given up by Redis after two hours", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const a = await open(t, redis);
  await say(a, [":red"], "0");
  const client = clientOf(t, redis);
  const ttl = await client.ttl(`${BASE}log`);
  assert.ok(ttl > 7_000 && ttl <= 7_200);
});

test("with a key, what is pushed or appended again, forged or changed is refused and counted", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const busKey = "a key of sixteen bytes or more";
  const client = clientOf(t, redis);
  const spy = clientOf(t, redis);
  const pushed: [string, Buffer][] = [];
  await spy.psubscribe("*");
  spy.on("pmessageBuffer", (_pattern, channel, message) => pushed.push([String(channel), message]));
  const [a, b] = [await open(t, redis, { busKey }), await open(t, redis, { busKey })];
  await say(a, [":red"], "0");
  await a.log.tell(EVERYONE, Buffer.from("told"));
  await until(() => b.heard.length === 2, "both");
  const captured = pushed.filter(([channel]) => /:red|:\*$/.test(channel));
  assert.equal(captured.length, 2);
  const later = (message: Buffer) =>
    message.toString("latin1").replace(/^e\S+/, "e9999999999999-0");
  const { refused } = b.samples;
  for (const [channel, message] of captured) {
    await client.publish(channel, message);
    await client.publish(channel, Buffer.from(later(message), "latin1"));
    // On a channel that it was not for.
    await client.publish(channel === `${BASE}*` ? `${BASE}:red` : `${BASE}*`, message);
    const changed = Buffer.from(message);
    changed[changed.length - 1] = 0x21;
    await client.publish(channel, changed);
    await client.publish(channel, message.subarray(0, 40));
  }
  for (const message of ["e9999999999999-0 no frame at all", "t", "what?"]) {
    await client.publish(`${BASE}:red`, message);
  }
  const [kept] = (await client.xrangeBuffer(`${BASE}log`, "-", "+")).slice(-1);
  await client.xadd(`${BASE}log`, "*", ...((kept?.[1] ?? []) as Buffer[]));
  await say(a, [":red"], "1");
  await until(() => b.heard.length === 3, "the next");
  assert.deepEqual(b.heard, ["0", `told from ${a.bus.node}`, "1"]);
  assert.deepEqual(refused, { size: 0, shape: 1, signature: 8, replay: 3 });
  // Who reads the log is not given it a second time either.
  const part = await b.log.after(a.entries[0]?.id ?? "");
  assert.deepEqual(
    part?.entries.map(({ body }) => String(body)),
    ["1"],
  );
});

test("a log whose slot moves to another Redis of the cluster is heard there, with nothing missing", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { url, nodes } = await testRedisCluster(t, 3);
  const log = `${BASE}log`;
  const slot = await (nodes[0] as TestRedis).command("CLUSTER", "KEYSLOT", log);
  const more = { timeoutMs: 1_000, streamPacketsMax: 10_000 };
  const [a, b] = [await open(t, { url }, more), await open(t, { url }, more)];
  const holders = await Promise.all(nodes.map((redis) => redis.command("EXISTS", log)));
  const at = holders.indexOf("1");
  const [from, to] = [nodes[at], nodes[(at + 1) % 3]] as [TestRedis, TestRedis];
  const [fromId, toId] = [
    await from.command("CLUSTER", "MYID"),
    await to.command("CLUSTER", "MYID"),
  ];
  let n = 0;
  const kept: string[] = [];
  const go = async (count: number) => {
    for (const end = n + count; n < end; n++) {
      const text = String(n);
      // One that was refused is not in the log: its node delivers it by itself.
      await say(a, [":red"], text).then(
        () => kept.push(text),
        () => {},
      );
    }
  };
  await go(50);
  await to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
  await from.command("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
  await from.command("MIGRATE", "127.0.0.1", String(to.port), log, "0", "5000");
  for (const each of [to, from, ...nodes])
    await each.command("CLUSTER", "SETSLOT", slot, "NODE", toId);
  await go(50);
  await until(() => b.heard.length >= kept.length, "all", 20_000);
  assert.deepEqual([b.heard, a.lost, b.lost], [kept, 0, 0]);
  assert.ok(kept.length > 90);
});
