/** What fails between nodes is counted, told to whoever asked, and ends no process. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { member, stranger, twoNodes } from "./kit.ts";

const cycle: Record<string, unknown> = {};
cycle.self = cycle;

for (const adapter of ["streams", "pubsub"] as const) {
  test(`${adapter}: who asks all clients while Redis is away is told that it took too long`, async (t) => {
    // Seen: the process ended. Socket.IO asks how many nodes there are, and looks at no failure of that.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const gateway = await testGateway(t, { cluster: { redisUrl: redis.url, adapter } });
    const { client, heard } = await member(gateway, "red");
    client.on("ask", (done) => done("near"));
    await redis.kill();
    const up = () => gateway.metric("sluice_cluster_redis_up");
    await until(async () => (await up()) === 0, "the outage");
    const asked = gateway.io.timeout(500).emitWithAck("ask");
    await assert.rejects(asked, (error: Error & { responses?: unknown[] }) => {
      assert.deepEqual(error.responses, ["near"]);
      return /timed out/.test(error.message);
    });
    gateway.io.emit("n", 1);
    await until(() => heard.length === 1, "the next broadcast");
  });
}

for (const adapter of ["streams", "pubsub"] as const) {
  test(`${adapter}: a socket whose data cannot be sent is told of with the reason, and ends nothing`, async (t) => {
    // Seen: with a function or a timer in any socket's `data` a request of another node ended this one.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const [a, b] = await twoNodes(t, [redis.url, redis.url], { cluster: { adapter } });
    const one = await member(b, "red");
    const two = await member(b, "red");
    two.socket.data = { color: "red" };
    for (const data of [{ n: 1n, f() {} }, cycle]) {
      one.socket.data = data;
      const found = await a.io.fetchSockets();
      assert.equal(found.length, 2);
      const said = found.find(({ id }) => id === one.socket.id)?.data;
      assert.match(said?.$error, /^cannot be sent: .+/);
      assert.deepEqual(found.find(({ id }) => id === two.socket.id)?.data, { color: "red" });
    }
  });
}

test("a broadcast that cannot be said is counted, and takes nobody's place", async (t) => {
  // Seen: it ended the process; and each kept one of the places of those who wait for Redis.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { pendingMax: 8, leaseMs: 600_000 };
  const [a, b] = await twoNodes(t, [redis.url, redis.url], { cluster });
  const near = await member(a, "red");
  const far = await member(b, "red");
  const failed = () => a.metric("sluice_cluster_errors_total");
  for (let count = 1; count <= 10; count++) {
    a.io.emit("n", count % 2 === 0 ? cycle : 1n);
    // Once that it was not sent, once that nobody here got it.
    await until(async () => (await failed()) === 2 * count, "that it is counted");
  }
  a.io.of("/").adapter.on("join-room", (room) => {
    if (room === "trap") throw new Error("a listener's own");
  });
  a.io.socketsJoin("trap");
  const own = () => a.metric("sluice_handler_errors_total", { kind: "room" });
  await until(async () => (await own()) === 1, "the listener's error");
  assert.equal(await failed(), 20);
  a.io.emit("n", 1);
  await until(() => near.heard.length + far.heard.length === 2, "the next broadcast");
  assert.equal(await a.metric("sluice_cluster_missed_total"), 10);
});

test("what is told without a shape is refused, and ends nothing", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, redis.url]);
  const { heard } = await member(b, "red");
  b.io.on("connection", () => assert.fail("nobody came"));
  const { tell } = await stranger(t, redis);
  const forged: unknown[] = [{}, [], ["fetch"], ["fetch", 1], ["fetch", 1, [[{}], [], {}]]];
  forged.push(["serverEmit", null, null, ["connection", {}]], ["serverEmit", null, null, 1]);
  forged.push(["answer", 1], ["answer", 1, { sockets: [{}] }], ["answer", 1, { count: "1" }]);
  forged.push(["ask", 1, [[], [], {}], ["connect"]], ["ask", 1, [[], [], {}], []]);
  for (const each of forged) await tell(JSON.stringify(each));
  await tell("x");
  const refused = () => b.metric("sluice_cluster_refused_total", { reason: "shape" });
  await until(async () => (await refused()) === forged.length + 1, "the refusals");
  a.io.emit("n", 1);
  await until(() => heard.length === 1, "the next broadcast");
});

test("pubsub: what no node has said is refused, and ends nothing", async (t) => {
  // Seen: any bytes on its channels ended every node; a key was asked for, and nothing signed with it.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { adapter: "pubsub", messageBytesMax: 1024 } as const;
  const [a, b] = await twoNodes(t, [redis.url, redis.url], { cluster });
  const { heard } = await member(b, "red");
  b.io.on("connection", () => assert.fail("nobody came"));
  const say = (channel: string, text: string) => redis.command("PUBLISH", channel, text);
  const forged = { type: 6, data: ["connection", {}] };
  for (const text of ["x", "null", "{", "[1,2]", '{"type":5}', JSON.stringify(forged)]) {
    await say("sluice#/#", text);
    await say("sluice-request#/#", text);
    await say("sluice-response#/#", text);
  }
  await say("sluice#/#", "x".repeat(1025));
  a.io.emit("n", 1);
  await until(() => heard.length === 1, "the next broadcast");
  assert.equal(await b.metric("sluice_cluster_refused_total", { reason: "size" }), 1);
  assert.ok((await b.metric("sluice_cluster_refused_total", { reason: "shape" })) > 10);
  await redis.kill();
  await until(async () => (await a.metric("sluice_cluster_redis_up")) === 0, "the outage");
  a.io.emit("n", 2);
  assert.equal(await a.metric("sluice_cluster_missed_total"), 1);
});

test("pubsub with a key is refused: it would sign nothing", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const busKey = "a key of sixteen bytes or more";
  const cluster = { adapter: "pubsub", busKey, redisUrl: redis.url } as const;
  await assert.rejects(testGateway(t, { cluster }), /cluster\.busKey.*other servers sign nothing/);
});
