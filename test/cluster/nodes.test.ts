/** Two gateways behind a real Redis behave as one. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { LogFields } from "../../src/core/log.ts";
import type { PartialSettings } from "../../src/core/settings.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { LOG, member, stranger } from "./kit.ts";

type Cluster = PartialSettings["cluster"];

async function nodes(
  t: TestContext,
  redis: TestRedis,
  count: number,
  cluster: Cluster = {},
  more: PartialSettings = {},
): Promise<TestGateway[]> {
  const made: TestGateway[] = [];
  for (let at = 0; at < count; at++) {
    const settings = { ...more, cluster: { redisUrl: redis.url, timeoutMs: 1000, ...cluster } };
    made.push(await testGateway(t, settings));
  }
  // Every node listens to the bus when each hears the others.
  await until(async () => {
    const seen = await Promise.all(
      made.map((node) =>
        node.io
          .of("/")
          .adapter.serverCount()
          .catch(() => 0),
      ),
    );
    return seen.every((servers) => servers === count);
  }, "all nodes on the bus");
  return made;
}

for (const adapter of ["streams", "pubsub"] as const) {
  test(`${adapter}: every shape reaches exactly its recipients on every node, natively`, async (t) => {
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const [a, b] = (await nodes(t, redis, 2, { adapter })) as [TestGateway, TestGateway];
    const one = await member(a, "red");
    const two = await member(b, "red", { codec: "json" });
    const three = await member(b, "blue", { transports: ["polling"] });
    const all = [one, two, three];
    const sent: [string, () => unknown, typeof all][] = [
      ["namespace", () => a.io.emit("n", "namespace"), all],
      ["room", () => b.io.to("red").emit("n", "room"), [one, two]],
      ["union", () => a.io.to(["red", "blue"]).emit("n", "union"), all],
      ["except", () => a.io.except("red").emit("n", "except"), [three]],
      ["sender", () => one.socket.to("red").emit("n", "sender"), [two]],
      ["id", () => a.io.to(three.socket.id).emit("n", "id"), [three]],
      ["local", () => a.io.local.emit("n", "local"), [one]],
      ["bytes", () => b.io.emit("n", Buffer.from("bytes")), all],
    ];
    for (const [name, send, to] of sent) {
      const before = all.map(({ heard }) => heard.length);
      send();
      await until(
        () =>
          all.every(
            (each, at) => each.heard.length >= (before[at] ?? 0) + (to.includes(each) ? 1 : 0),
          ),
        name,
      );
    }
    a.io.emit("n", "end");
    await until(() => all.every(({ heard }) => heard.at(-1) === "end"), "the end");
    for (const each of all) {
      const wanted = sent.filter(([, , to]) => to.includes(each)).map(([name]) => name);
      assert.deepEqual(each.heard.map(String), [...wanted, "end"]);
    }
  });
}

test("sockets of other nodes are fetched, moved and disconnected, and asked for acks", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = (await nodes(t, redis, 2)) as [TestGateway, TestGateway];
  const far = await member(b, "red");
  far.socket.data.user = "ada";
  const near = await member(a, "red");
  const found = await a.io.in("red").fetchSockets();
  assert.deepEqual(found.map(({ id }) => id).sort(), [far.socket.id, near.socket.id].sort());
  assert.deepEqual(found.find(({ id }) => id === far.socket.id)?.data, { user: "ada" });
  a.io.in("red").socketsJoin("blue");
  await until(() => far.socket.rooms.has("blue"), "the join");
  a.io.in("red").socketsLeave("red");
  await until(() => !far.socket.rooms.has("red"), "the leave");
  for (const { client } of [far, near]) client.on("ask", (done) => done(client.id));
  const answers = await a.io.in("blue").timeout(5000).emitWithAck("ask");
  assert.deepEqual(answers.sort(), [far.client.id, near.client.id].sort());
  const asked = new Promise((resolve) => {
    b.io.on("hello", (x: unknown, done: (y: unknown) => void) => {
      done(`${x} too`);
      resolve(x);
    });
  });
  const replies = await a.io.serverSideEmitWithAck("hello", "world");
  assert.deepEqual(replies, ["world too"]);
  assert.equal(await asked, "world");
  const gone = next<[string]>(far.client, "disconnect");
  a.io.in("blue").disconnectSockets(true);
  assert.deepEqual((await gone)[0], "io server disconnect");
});

for (const windowMs of [0, 60_000]) {
  const order = windowMs > 0 ? [1, 2] : [2, 1];
  test(`a socket's own emit after a broadcast comes in the order ${order}, with recovery of ${windowMs} ms`, async (t) => {
    // The broadcast comes back from Redis first; so does what is emitted to a socket that may recover.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const [a] = (await nodes(t, redis, 1, {}, { recovery: { windowMs } })) as [TestGateway];
    const { client, socket, heard } = await member(a, "red");
    a.io.to("red").emit("n", 1);
    socket.emit("n", 2);
    await until(() => heard.length === 2, "both");
    assert.deepEqual(heard.splice(0), order);
    a.io.local.to("red").emit("n", 3);
    socket.emit("n", 4);
    await until(() => heard.length === 2, "both");
    assert.deepEqual(heard.splice(0), [3, 4], "local waits for nothing");
    socket.on("ask", (done) => {
      a.io.to("red").emit("n", 6);
      done(5);
    });
    client.emit("ask", (answer: unknown) => heard.push(answer));
    await until(() => heard.length === 2, "both");
    assert.deepEqual(heard.splice(0), [5, 6], "nor does an ack");
    a.io.to("red").emit("n", 7);
    a.io.to(socket.id).emit("n", 8);
    await until(() => heard.length === 2, "both");
    assert.deepEqual(heard, [7, 8]);
  });
}

test("a client recovers on another node than before, whole and once", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const settings = { recovery: { windowMs: 60_000 } };
  const [a, b] = (await nodes(t, redis, 2, {}, settings)) as [TestGateway, TestGateway];
  const { client, socket, heard } = await member(a, "red");
  socket.data.color = "red";
  a.io.emit("n", 0);
  await until(() => heard.length === 1, "the first");
  const { id } = client;
  const gone = next(socket, "disconnect");
  client.io.engine.close();
  await gone;
  a.io.to("red").emit("n", 1);
  // Of two nodes that publish at once either may be first.
  await until(async () => Number(await redis.command("XLEN", LOG)) === 3, "its turn");
  b.io.emit("n", 2);
  a.io.except("red").emit("n", "not for it");
  // To the other node, while a stream of broadcasts goes on.
  (client.io as unknown as { uri: string }).uri = b.url;
  let n = 3;
  const stream = setInterval(() => a.io.to("red").emit("n", n++), 2);
  t.after(() => clearInterval(stream));
  await until(
    async () =>
      (await redis.command(
        "EXISTS",
        `sluice:{nodes}:lost:/,${(client as unknown as { _pid: string })._pid}`,
      )) === "1",
    "the session",
  );
  await next(client.connect(), "connect");
  await until(() => heard.length > 200, "the stream");
  clearInterval(stream);
  assert.equal(client.recovered, true);
  assert.equal(client.id, id);
  assert.deepEqual(
    [...(b.io.of("/").sockets.get(id as string)?.rooms ?? [])].sort(),
    [id, "red"].sort(),
  );
  assert.deepEqual(b.io.of("/").sockets.get(id as string)?.data, { color: "red" });
  assert.deepEqual(
    heard,
    Array.from({ length: heard.length }, (_, at) => at),
  );
});

for (const [how, stop, back] of [
  ["killed and started", (redis: TestRedis) => redis.kill(), (redis: TestRedis) => redis.start()],
  ["frozen", (redis: TestRedis) => redis.freeze(true), (redis: TestRedis) => redis.freeze(false)],
  ["paused", (redis: TestRedis) => redis.command("CLIENT", "PAUSE", "5000", "ALL"), () => {}],
] as const) {
  test(`Redis is ${how}: rooms work here meanwhile, the gap is counted, and all resumes`, async (t) => {
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const [a, b] = (await nodes(t, redis, 2)) as [TestGateway, TestGateway];
    // One that has lost what it kept closes the connections of both.
    for (const { io } of [a, b]) io.on("connection", (socket) => socket.join("red"));
    const near = await member(a, "red", { reconnection: true, reconnectionDelay: 20 });
    const far = await member(b, "red", { reconnection: true, reconnectionDelay: 20 });
    await stop(redis);
    await until(async () => (await a.metric("sluice_cluster_redis_up")) === 0, "that it is away");
    for (let n = 0; n < 50; n++) a.io.to("red").emit("n", n);
    await until(() => near.heard.length === 50, "the local broadcasts");
    assert.equal(far.heard.length, 0);
    assert.equal(await a.metric("sluice_cluster_missed_total"), 50);
    await back(redis);
    await until(async () => (await a.metric("sluice_cluster_redis_up")) === 1, "that it is back");
    await until(
      async () => (await b.metric("sluice_cluster_redis_up")) === 1,
      "that it is back there",
    );
    await until(
      async () => {
        a.io.to("red").emit("n", "again");
        await new Promise((resolve) => setTimeout(resolve, 50));
        return far.heard.includes("again");
      },
      "the bus",
      20_000,
    );
    assert.deepEqual(
      near.heard.slice(0, 50),
      Array.from({ length: 50 }, (_, n) => n),
    );
    assert.ok(!far.heard.includes(0), "what was missed is missed, not late");
  });
}

test("a node that is cut off from Redis alone: its rooms work, the gap is said once, and it reads on", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const wire = await tcpSwitch(t, redis.port);
  const lines: string[] = [];
  const log = (_level: string, { missed }: LogFields, text: string) =>
    lines.push(missed === undefined ? text : `${text}: ${missed}`);
  const cluster = { redisUrl: `redis://127.0.0.1:${wire.port}`, timeoutMs: 1000 };
  const a = await testGateway(t, { cluster }, { log });
  const b = await testGateway(t, { cluster: { ...cluster, redisUrl: redis.url } });
  await until(async () => (await b.io.of("/").adapter.serverCount()) === 2, "two nodes");
  const near = await member(a, "red");
  const far = await member(b, "red");
  lines.length = 0;
  wire.stall();
  await until(async () => (await a.metric("sluice_cluster_redis_up")) === 0, "the partition");
  for (let n = 0; n < 20; n++) a.io.to("red").emit("n", n);
  for (let n = 100; n < 120; n++) b.io.to("red").emit("n", n);
  await until(() => near.heard.length === 20 && far.heard.length === 20, "each side's own");
  wire.flow();
  await until(() => near.heard.length >= 40, "what the stream kept", 20_000);
  const numbers = (from: number) => Array.from({ length: 20 }, (_, at) => from + at);
  assert.deepEqual(near.heard, [...numbers(0), ...numbers(100)]);
  assert.deepEqual(far.heard, numbers(100));
  await until(async () => (await a.metric("sluice_cluster_redis_up")) === 1, "its end");
  assert.equal(await a.metric("sluice_cluster_missed_total"), 20);
  assert.deepEqual(lines, ["Redis is away", "Redis is here: 20"]);
  assert.equal(near.client.connected, true);
});

test("a listener that throws at a message of another node is counted, and nothing comes twice", async (t) => {
  // Seen: the reader began again before that message, so that it came again and again.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = (await nodes(t, redis, 2)) as [TestGateway, TestGateway];
  const far = await member(b, "red");
  b.io.of("/").adapter.on("join-room", (room) => {
    if (room === "trap") throw new Error("a listener's own");
  });
  a.io.emit("n", 1);
  a.io.in("red").socketsJoin("trap");
  a.io.emit("n", 2);
  await until(() => far.heard.includes(2), "what comes after");
  a.io.emit("n", 3);
  await until(() => far.heard.includes(3), "the last");
  assert.deepEqual(far.heard, [1, 2, 3]);
  assert.equal(await b.metric("sluice_handler_errors_total", { kind: "room" }), 1);
});

test("a start without Redis is one sentence, or a wait, by setting", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  await redis.kill();
  const cluster = { redisUrl: redis.url, timeoutMs: 200, startup: "fail" } as const;
  await assert.rejects(
    testGateway(t, { cluster }),
    /cluster\.redisUrl: Redis did not answer within 200 ms/,
  );
  await assert.rejects(
    testGateway(t, { cluster: { redisUrl: "http://:hunter2@127.0.0.1" } }),
    (error: Error) =>
      /must start with one of redis:/.test(error.message) && !error.message.includes("hunter2"),
  );
  const waiting = testGateway(t, { cluster: { ...cluster, startup: "wait" } });
  await redis.start();
  const gateway = await waiting;
  assert.equal(await gateway.metric("sluice_cluster_redis_up"), 1);
});

test("messages on the bus are not believed: shape, size, and with a key their signature", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const busKey = "a key of sixteen bytes or more";
  const [a, b] = (await nodes(t, redis, 2, { busKey, messageBytesMax: 2048 })) as [
    TestGateway,
    TestGateway,
  ];
  const near = await member(a, "red");
  const far = await member(b, "red");
  const forger = await stranger(t, redis);
  const keeper = await stranger(t, redis, busKey);
  const forged = JSON.stringify(["emit", [[], [], {}], ["n", "forged"], null]);
  await forger.append(forged);
  await forger.append(forged, Buffer.from("AAAA"));
  await keeper.append('["emit"]');
  await keeper.append(`{"x":"${"y".repeat(3000)}"}`);
  await until(async () => (await b.metric("sluice_cluster_refused_total")) >= 4, "the refusals");
  assert.equal(await b.metric("sluice_cluster_refused_total", { reason: "signature" }), 2);
  assert.equal(await b.metric("sluice_cluster_refused_total", { reason: "shape" }), 1);
  assert.equal(await b.metric("sluice_cluster_refused_total", { reason: "size" }), 1);
  a.io.emit("n", "signed");
  await until(() => far.heard.includes("signed"), "the signed message");
  assert.deepEqual([near.heard, far.heard], [["signed"], ["signed"]]);
  // Seen: a message made the namespace that it named. Now nobody listens there.
  assert.equal(await keeper.client.publish("sluice:{/nowhere}:*", "e1-0 "), 0);
  assert.ok(
    (await b.metric("sluice_cluster_lag_seconds_count")) >= 2,
    "the age of each that is signed is noted",
  );
  // Requests and their answers, which go by PUB/SUB, are signed too.
  assert.equal((await a.io.fetchSockets()).length, 2);
});
