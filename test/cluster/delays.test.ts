/** Commands with `afterMs` in Redis: any node may be asked, one carries each out. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Command, CommandResult } from "../../src/core/command.ts";
import type { PartialSettings } from "../../src/core/settings.ts";
import { SECRET as KEY } from "../harness/api.ts";
import { SECRET, startFunction } from "../harness/function.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { twoNodes } from "./kit.ts";

const DELAYS = "sluice:{nodes}:delays:";

async function apply(node: TestGateway, ...commands: Command[]): Promise<CommandResult[]> {
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  const answer = await fetch(`${node.url}/v1/commands`, {
    ...{ method: "POST", headers, body: JSON.stringify(commands) },
  });
  const results = (await answer.json()) as CommandResult[] | { code: string };
  assert.ok(Array.isArray(results), JSON.stringify(results));
  return results;
}

async function start(t: TestContext, more: PartialSettings = {}, redis?: TestRedis) {
  const served = redis ?? (await testRedis(t));
  const settings = { api: { keys: [`tests:${KEY}`] }, ...more };
  const [a, b] = await twoNodes(t, [served.url, served.url], settings);
  const sum = async (name: string, labels: Record<string, string> = {}) =>
    (await a.metric(name, labels)) + (await b.metric(name, labels));
  const outcomes = (outcome: string) => sum("sluice_fanout_delays_total", { outcome });
  return { redis: served, a, b, sum, outcomes };
}

/** Connects a client and notes the numbers that it hears. */
async function listen(node: TestGateway, codec: "json" | "msgpack" = "json") {
  const client = await node.connected({ codec });
  const heard: number[] = [];
  client.on("n", (n: number) => heard.push(n));
  return heard;
}

const number = (n: number, afterMs: number, key?: string): Command => ({
  ...{ do: "emit", event: "n", args: [n], afterMs },
  ...(key !== undefined && { key }),
});
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);
const ok = { ok: true };

/** Waits until nothing is left in Redis of commands that waited. */
async function isEmpty(redis: TestRedis): Promise<void> {
  await until(async () => (await redis.command("KEYS", `${DELAYS}*`)) === "", "that none is left");
}

test("of two nodes one carries each command out, at its time, for the clients of both", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { redis, a, b, sum, outcomes } = await start(t);
  const all = [await listen(a), await listen(a, "msgpack"), await listen(b), await listen(b)];
  const commands = upTo(200).map((n) => number(n, 100 + n * 2));
  const odd = commands.filter((_, at) => at % 2 === 1);
  const even = commands.filter((_, at) => at % 2 === 0);
  const results = await Promise.all([apply(a, ...odd), apply(b, ...even)]);
  assert.deepEqual(results.flat(), Array(200).fill(ok));
  await until(() => all.every((heard) => heard.length >= 200), "all");
  await until(async () => (await outcomes("done")) === 200, "all of them");
  for (const heard of all)
    assert.deepEqual(
      heard.toSorted((x, y) => x - y),
      upTo(200),
    );
  for (const heard of all) assert.deepEqual(heard, all[0], "in one order");
  const client = await b.connected({ codec: "msgpack" });
  const bytes = next(client, "bytes");
  const args = [{ $binary: "AQI=" }, { $escape: { $binary: 7 } }];
  await apply(a, { do: "emit", event: "bytes", args, afterMs: 1 });
  // The last is the offset.
  assert.deepEqual((await bytes).slice(0, 2), [Buffer.from([1, 2]), { $binary: 7 }]);
  await isEmpty(redis);
  assert.equal(await sum("sluice_fanout_delay_late_seconds_count"), 201);
  await until(
    async () => (await sum("sluice_fanout_delayed_bytes")) === 0,
    "that both have seen it",
  );
});

test("what one node was given, another replaces and cancels; in the end nothing is left", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { redis, a, b, outcomes } = await start(t);
  for (const node of [a, b]) node.io.of("/other");
  const heard = await listen(b);
  const key = "odd key, \ud800 with half a pair";
  assert.deepEqual(await apply(a, number(1, 60_000, key)), [{ ok: true, key }]);
  assert.deepEqual(await apply(b, number(2, 60_000, key)), [{ ok: true, key }]);
  const other = { do: "cancel", key, namespace: "/other" } as const;
  assert.deepEqual(await apply(a, other), [{ ok: true, cancelled: false }]);
  assert.deepEqual(await apply(a, { do: "cancel", key }), [{ ok: true, cancelled: true }]);
  await apply(b, number(3, 30, key));
  await until(() => heard.length === 1, "the last");
  assert.deepEqual(heard, [3]);
  assert.deepEqual(await apply(b, { do: "cancel", key }), [{ ok: true, cancelled: false }]);
  await isEmpty(redis);
  assert.deepEqual([await outcomes("replaced"), await outcomes("cancelled")], [1, 1]);
});

test("a cancel that races its command says whether it is carried out", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { a, b } = await start(t);
  const heard = await listen(a);
  const kept = upTo(200);
  await apply(a, ...kept.map((n) => number(n, 20 + n, `${n}`)));
  const cancelled: number[] = [];
  for (const n of kept) {
    const [result] = await apply(b, { do: "cancel", key: `${n}` });
    if (result?.ok && result.cancelled) cancelled.push(n);
  }
  await until(() => heard.length + cancelled.length >= kept.length, "each of them");
  assert.deepEqual(
    [...heard, ...cancelled].sort((x, y) => x - y),
    kept,
  );
});

test("the node that was given a command is gone, or a node claims it and is: another does it", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { redis, a, b } = await start(t, { cluster: { leaseMs: 500 } });
  const heard = await listen(b);
  await apply(a, number(1, 200));
  await a.stop();
  await until(() => heard.includes(1), "the command of a node that stopped");
  await apply(b, number(2, 1500, "k"));
  // As a node does that is killed before it has carried the command out.
  const id = await redis.command("ZRANGE", `${DELAYS}due`, "0", "0");
  await redis.command("ZADD", `${DELAYS}claimed`, `${Date.now() + 500}`, id);
  assert.equal(await redis.command("ZREM", `${DELAYS}due`, id), "1");
  await until(() => heard.includes(2), "the claimed one");
  assert.deepEqual(heard, [1, 2]);
});

test("while Redis is away a command is refused by name, and those that wait come when it is back", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const wire = await tcpSwitch(t, redis.port);
  const url = `redis://127.0.0.1:${wire.port}`;
  const settings: PartialSettings = {
    api: { keys: [`tests:${KEY}`] },
    cluster: { away: "local", timeoutMs: 10_000 },
  };
  const [a] = await twoNodes(t, [url, url], settings);
  const heard = await listen(a);
  await apply(a, number(1, 400));
  const dueAt = performance.now() + 400;
  wire.to(1);
  wire.cut();
  await until(async () => (await a.metric("sluice_cluster_redis_up")) === 0, "the outage");
  const [kept, cancelled] = await apply(a, number(2, 1), { do: "cancel", key: "k" });
  assert.equal(kept?.ok === false && kept.code, "COMMANDS_DELAYED_AWAY");
  assert.equal(cancelled?.ok === false && cancelled.code, "COMMANDS_DELAYED_AWAY");
  await until(() => performance.now() > dueAt, "its time");
  assert.deepEqual(heard, []);
  wire.to(redis.port);
  await until(() => heard.length > 0, "the first");
  assert.deepEqual(heard, [1]);
  assert.equal(await a.metric("sluice_fanout_delays_total", { outcome: "away" }), 1);
});

test("more that are due at once than a node claims at once all come, and nothing is left", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a] = await twoNodes(t, [redis.url, redis.url], { api: { keys: [`tests:${KEY}`] } });
  const heard = await listen(a);
  const all = upTo(1500).map((n) => number(n, 500));
  await apply(a, ...all.slice(0, 1000));
  await apply(a, ...all.slice(1000));
  await until(() => heard.length >= 1500, "all of them", 30_000);
  assert.deepEqual(
    heard.toSorted((x, y) => x - y),
    upTo(1500),
  );
  await isEmpty(redis);
});

test("the bounds are those of all nodes together", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { a, b, sum } = await start(t, { fanout: { delayedMax: 2 } });
  const [one] = await apply(a, number(1, 60_000, "k"));
  const [two, three, again] = await apply(
    b,
    number(2, 60_000),
    number(3, 60_000),
    number(4, 60_000, "k"),
  );
  assert.deepEqual([one?.ok, two?.ok, again?.ok], [true, true, true]);
  assert.equal(three?.ok === false && three.code, "COMMANDS_DELAYED_FULL");
  await until(async () => (await sum("sluice_fanout_delayed_commands")) === 4, "two on each");
  await apply(a, { do: "cancel", key: "k" });
  assert.deepEqual(await apply(a, number(5, 60_000)), [ok]);
});

test("with cluster.busKey, a command that no node has written is not carried out", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { redis, a, b, outcomes } = await start(t, { cluster: { busKey: "a key of the nodes" } });
  const heard = await listen(b);
  await apply(a, number(1, 60_000, "1"), number(2, 60_000, "2"), number(3, 300, "3"));
  const forge = async (id: string, text: string) => {
    await redis.command("HSET", `${DELAYS}texts`, id, text);
    await redis.command("ZADD", `${DELAYS}due`, "1", id);
  };
  const ids = (await redis.command("ZRANGE", `${DELAYS}due`, "0", "-1")).split("\n");
  for (const id of ids) {
    const text = await redis.command("HGET", `${DELAYS}texts`, id);
    if (id.endsWith("1")) await forge("1 1 someone /,other", text);
    if (id.endsWith("2")) await forge("1 2 someone /,2", text.replace("[2]", "[7]"));
  }
  await until(() => heard.includes(3), "the signed one");
  await until(async () => (await outcomes("unreadable")) === 2, "the others");
  assert.deepEqual(heard, [3]);
});

test("a function's answer and its delayed commands: another node carries them out", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const fn = await startFunction(t, () => {
    const commands: Command[] = [
      number(1, 100, "gone"),
      { do: "cancel", key: "gone" },
      number(2, 2000), // later than the stop of its node, on a busy machine too
    ];
    return { body: { ack: ["kept"], commands } };
  });
  const upstream = { url: fn.url, secrets: [SECRET], calls: ["event" as const] };
  const { a, b, redis, outcomes } = await start(t, { upstream });
  const heard = await listen(b, "msgpack");
  const client = await a.connected();
  assert.equal(await client.emitWithAck("later"), "kept");
  assert.equal(await redis.command("ZCARD", `${DELAYS}due`), "1", "the ack says that it is kept");
  const gone = next(client, "disconnect");
  await Promise.all([a.stop(), gone]);
  await until(() => heard.length === 1, "the command");
  assert.deepEqual(heard, [2]);
  assert.equal(await b.metric("sluice_commands_total", { command: "emit", caller: "upstream" }), 1);
  assert.equal(await outcomes("done"), 1);
});
