/** What publishers and requests are told while Redis, or a node, does not answer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PartialSettings } from "../../src/core/settings.ts";
import { SECRET } from "../harness/api.ts";
import { testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";

const API = { keys: [`tests:${SECRET}`] };

function post(url: string, command: object): Promise<Response> {
  const headers = { authorization: `Bearer ${SECRET}`, "content-type": "application/json" };
  return fetch(`${url}/v1/commands`, { method: "POST", headers, body: JSON.stringify(command) });
}

for (const away of ["refuse", "local"] as const) {
  test(`commands over HTTP while Redis is away, with cluster.away of ${away}`, async (t) => {
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const cluster = { redisUrl: redis.url, timeoutMs: 300, away };
    const gateway = await testGateway(t, { api: API, cluster });
    const client = await gateway.connected();
    const heard: unknown[] = [];
    client.on("n", (n) => heard.push(n));
    const emit = (n: number) => post(gateway.url, { do: "emit", event: "n", args: [n] });
    assert.equal((await emit(1)).status, 200);
    redis.freeze(true);
    await until(async () => (await gateway.metric("sluice_cluster_redis_up")) === 0, "the outage");
    const answer = await emit(2);
    const list = await fetch(`${gateway.url}/v1/sockets`, {
      headers: { authorization: `Bearer ${SECRET}` },
    });
    if (away === "refuse") {
      for (const refused of [answer, list]) {
        assert.equal(refused.status, 503);
        assert.match(refused.headers.get("retry-after") ?? "", /^\d+$/);
        assert.equal(((await refused.json()) as { code: string }).code, "CLUSTER_AWAY");
      }
    } else {
      assert.equal(answer.status, 200);
      await until(() => heard.includes(2), "the local emit");
    }
    redis.freeze(false);
    await until(async () => (await emit(3)).status === 200, "that it resumes");
    await until(() => heard.includes(3), "the emit");
    assert.deepEqual(
      heard.filter((n) => n !== 3),
      away === "refuse" ? [1] : [1, 2],
    );
  });
}

test("a full Redis: rooms work here, each message is counted as missed, nothing else breaks", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const gateway = await testGateway(t, { cluster: { redisUrl: redis.url, timeoutMs: 1000 } });
  const client = await gateway.connected();
  const heard: unknown[] = [];
  client.on("n", (n) => heard.push(n));
  await redis.command("CONFIG", "SET", "maxmemory", "1");
  for (let n = 0; n < 20; n++) gateway.io.emit("n", n);
  await until(() => heard.length === 20, "the local broadcasts");
  assert.deepEqual(
    heard,
    Array.from({ length: 20 }, (_, n) => n),
  );
  assert.equal(await gateway.metric("sluice_cluster_missed_total"), 20);
  assert.equal(await gateway.metric("sluice_cluster_redis_up"), 1);
  await redis.command("CONFIG", "SET", "maxmemory", "0");
  gateway.io.emit("n", 20);
  await until(() => heard.includes(20), "the broadcast after");
  assert.equal(await gateway.metric("sluice_cluster_missed_total"), 20);
});

const nobody: PartialSettings["cluster"] = { timeoutMs: 1000, requestTimeoutMs: 200 };

test("requests that a node does not answer end in time, are counted, and bounded", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { ...nobody, redisUrl: redis.url, requestsMax: 3 };
  const gateway = await testGateway(t, { cluster });
  // Somebody who listens on the bus and never answers.
  const { Redis } = await import("ioredis");
  const mute = new Redis(redis.url);
  t.after(() => mute.disconnect());
  await mute.subscribe("sluice:{/}:*");
  await until(async () => (await gateway.io.of("/").adapter.serverCount()) === 2, "two nodes");
  const asked = [1, 2, 3, 4].map(() => gateway.io.fetchSockets());
  const ends = await Promise.allSettled(asked);
  const reasons = ends.map((end) => (end.status === "rejected" ? String(end.reason) : "answered"));
  assert.equal(reasons.filter((reason) => /timeout reached/.test(reason)).length, 3);
  assert.match(reasons[3] ?? "", /cluster\.requestsMax requests are open already/);
  await assert.rejects(gateway.io.serverSideEmitWithAck("ask"), /timeout reached/);
  assert.equal(await gateway.metric("sluice_cluster_request_timeouts_total"), 4);
});

test("requests of a node that stops end with it", async (t) => {
  // Seen: they kept the process for requestTimeoutMs.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { redisUrl: redis.url, requestTimeoutMs: 60_000 };
  const [a, b] = [await testGateway(t, { cluster }), await testGateway(t, { cluster })];
  await until(async () => (await a.io.of("/").adapter.serverCount()) === 2, "two nodes");
  const told = next(b.io, "ask");
  const asked = assert.rejects(a.io.serverSideEmitWithAck("ask"), /closed/);
  await told;
  await a.stop();
  await asked;
});

test("who is asked for an ack gets the event here, though Redis brings it after its time", async (t) => {
  // Seen: the node's own clients never got it. Its turn came when nobody waited for it any more.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const gateway = await testGateway(t, { cluster: { redisUrl: redis.url, timeoutMs: 60_000 } });
  const client = await gateway.connected();
  const heard: unknown[] = [];
  client.on("n", (n, done) => done(heard.push(n)));
  await redis.command("CLIENT", "PAUSE", "60000", "WRITE");
  await assert.rejects(gateway.io.timeout(100).emitWithAck("n", 1), /timed out/);
  await until(() => heard.length > 0, "the event");
  await redis.command("CLIENT", "UNPAUSE");
  assert.deepEqual(await gateway.io.timeout(5_000).emitWithAck("n", 2), [2]);
  assert.deepEqual(heard, [1, 2]);
});

test("a request to other nodes while Redis is away fails, and ends nothing but itself", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const gateway = await testGateway(t, { cluster: { ...nobody, redisUrl: redis.url } });
  await redis.kill();
  await until(async () => (await gateway.metric("sluice_cluster_redis_up")) === 0, "the outage");
  await assert.rejects(gateway.io.fetchSockets());
  await assert.rejects(gateway.io.serverSideEmitWithAck("ask"));
  gateway.io.serverSideEmit("tell");
  const client = await gateway.connected();
  const answered = next<[number]>(client, "n");
  gateway.io.emit("n", 1);
  assert.equal((await answered)[0], 1);
});

test("above cluster.pendingMax messages that wait for Redis, the next are missed; all come in order", async (t) => {
  // Seen: those that were refused came to the node's own clients at once, ahead of those that
  // waited.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { redisUrl: redis.url, timeoutMs: 60_000, leaseMs: 600_000, pendingMax: 10 };
  const gateway = await testGateway(t, { cluster });
  await until(async () => (await gateway.metric("sluice_cluster_nodes")) === 1, "the lease");
  const client = await gateway.connected();
  const heard: unknown[] = [];
  client.on("n", (n) => heard.push(n));
  const numbers = (end: number) => Array.from({ length: end }, (_, n) => n);
  const pauseAndEmit = async (from: number, to: number) => {
    await redis.command("CLIENT", "PAUSE", "60000", "WRITE");
    for (let n = from; n < to; n++) gateway.io.emit("n", n);
  };
  await pauseAndEmit(0, 30);
  await redis.command("CLIENT", "UNPAUSE");
  await until(() => heard.length === 30, "all here");
  assert.deepEqual(heard, numbers(30));
  // Ten waited, a session's or lease's command perhaps among them.
  const missed = await gateway.metric("sluice_cluster_missed_total");
  assert.ok(missed >= 20 && missed < 25, `missed: ${missed}`);
  // However slow Redis is, only so many wait.
  await pauseAndEmit(30, 2_000);
  await until(() => heard.length >= 1_000, "those that cannot wait");
  await redis.command("CLIENT", "UNPAUSE");
  gateway.io.emit("n", 2_000);
  await until(() => heard.at(-1) === 2_000, "the last");
  assert.deepEqual(heard, numbers(2_001));
});

test("a subscription that Redis refused is asked for again", async (t) => {
  // Seen: a node whose subscription failed answered no other's request from then on.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const grant = (words: string) => redis.command("ACL", "SETUSER", "mute", ...words.split(" "));
  await grant("on >secret ~* &* +@all -subscribe -ssubscribe -psubscribe");
  const redisUrl = redis.url.replace("://", "://mute:secret@");
  const gateway = await testGateway(t, { cluster: { redisUrl, timeoutMs: 10_000 } });
  const refused = () => gateway.metric("sluice_cluster_errors_total");
  await until(async () => (await refused()) > 1, "that it is refused, and asks again");
  await grant("+subscribe");
  const servers = () => gateway.io.of("/").adapter.serverCount();
  await until(async () => (await servers()) === 1, "the subscription");
});
