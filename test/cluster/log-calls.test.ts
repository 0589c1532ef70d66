/** How entries get into a log in Redis: each once and in order, whatever becomes of a call. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Cluster } from "ioredis";
import { type TestRedis, testRedis, testRedisCluster } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { openNode, redisBus, say } from "./log-kit.ts";

const RED = [":red"];
const KEPT = { streamPacketsMax: 100_000, busKey: "a key of sixteen bytes or more" };

async function open(t: TestContext, url: string, more: Parameters<typeof redisBus>[2] = KEPT) {
  const own = await redisBus(t, url, more);
  const node = Object.assign(openNode(t, own.bus), own);
  await node.log.subscribe(RED);
  return node;
}

type RedisNode = Awaited<ReturnType<typeof open>>;

/** Appends several in each of many turns, without waiting; returns those that were confirmed. */
async function flood(node: RedisNode, name: string, turns: number): Promise<string[]> {
  const confirmed: string[] = [];
  const all: Promise<unknown>[] = [];
  for (let n = 0; n < turns * 3; n++) {
    const text = `${name} ${n}`;
    const done = say(node, RED, text);
    all.push(
      done.then(
        () => void confirmed.push(text),
        () => {},
      ),
    );
    if (n % 3 === 2) await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(all);
  return confirmed;
}

/** Does something to Redis again and again until something else has ended. */
async function during<T>(work: Promise<T>, disturb: () => Promise<unknown>): Promise<T> {
  let ended = false;
  const end = work.finally(() => {
    ended = true;
  });
  while (!ended) await disturb();
  return end;
}

const plain = ({ heard }: RedisNode) => heard.map((text) => text.replace(" (own)", ""));
const of = (texts: readonly string[], name: string) =>
  texts.filter((text) => text.startsWith(`${name} `));

test("a Redis that forgets the script under load: nothing is refused, missed, twice or late", async (t) => {
  // Seen: the calls that Redis did not know the script of took their entries with them.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = [await open(t, redis.url), await open(t, redis.url)];
  let flushed = 0;
  const both = Promise.all([flood(a, "a", 2_000), flood(b, "b", 2_000)]);
  const disturb = async () => {
    await a.link.client.script("FLUSH");
    flushed++;
  };
  const [fromA, fromB] = await during(both, disturb);
  await until(() => a.heard.length >= 12_000 && b.heard.length >= 12_000, "all");
  assert.deepEqual([fromA.length, fromB.length], [6_000, 6_000]);
  for (const node of [a, b]) {
    assert.deepEqual(of(plain(node), "a"), fromA);
    assert.deepEqual(of(plain(node), "b"), fromB);
    assert.equal(node.samples.refused.replay, 0);
  }
  assert.deepEqual(plain(a), plain(b));
  assert.ok(flushed > 10, `flushed: ${flushed}`);
});

test("a Redis that starts again knows no script: what comes then is taken, and nothing is lost", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis: TestRedis = await testRedis(t, ["--appendonly", "yes", "--appendfsync", "always"]);
  const [a, b] = [await open(t, redis.url), await open(t, redis.url)];
  for (let n = 0; n < 3; n++) {
    const confirmed = await during(flood(a, `before ${n}`, 500), async () => {
      await redis.kill();
      await redis.start();
      await until(() => a.link.isHere() && b.link.isHere(), "that it is back");
    });
    const after = await flood(a, `after ${n}`, 10);
    assert.equal(after.length, 30);
    await until(() => b.heard.at(-1) === after.at(-1), "the last");
    const heard = b.heard.filter((text) => confirmed.includes(text));
    assert.deepEqual(heard, confirmed);
  }
  assert.deepEqual([new Set(b.heard).size, b.samples.refused.replay], [b.heard.length, 0]);
  assert.deepEqual([a.lost, b.lost], [0, 0]);
});

test("a Redis Cluster whose connection is lost before its answer: nothing is appended twice", async (t) => {
  // Seen: what had been done on the connection was done again on the next one.
  if (!hasTool(t, "redis-server")) return;
  const { url, nodes } = await testRedisCluster(t, 3);
  const more = { timeoutMs: 60_000 };
  const [a, b] = [await open(t, url, more), await open(t, url, more)];
  const holders = await Promise.all(nodes.map((each) => each.command("EXISTS", "sluice:{/}:log")));
  const master = nodes[holders.indexOf("1")] as TestRedis;
  await say(a, RED, "0");
  master.freeze(true);
  const refused = assert.rejects(say(a, RED, "1"));
  // It is on its way; then its connection is lost, which Redis learns after the command.
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
  for (const each of (a.link.client as Cluster).nodes()) each.stream?.destroy();
  await refused;
  master.freeze(false);
  await until(async () => {
    await say(a, RED, "last").catch(() => {});
    return b.heard.includes("last");
  }, "the last");
  assert.deepEqual(b.heard.slice(0, 3), ["0", "1", "last"]);
  assert.equal(b.lost, 0);
});

test("cluster.pendingMax bounds what waits in all namespaces of a process together", async (t) => {
  // Seen: each namespace had as many of its own, and a process kept so many times as much.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const a = await open(t, redis.url, { timeoutMs: 60_000, pendingMax: 10 });
  const other = openNode(t, a.bus, "/other");
  await other.log.subscribe(RED);
  await redis.command("CLIENT", "PAUSE", "60000", "WRITE");
  const all = Array.from({ length: 12 }, (_, n) => say(n % 2 ? a : other, RED, String(n)));
  for (const last of all.slice(10)) await assert.rejects(last, /Redis is too slow/);
  await redis.command("CLIENT", "UNPAUSE");
  await Promise.all(all.slice(0, 10));
  assert.deepEqual([a.heard.length, other.heard.length], [5, 5]);
});
