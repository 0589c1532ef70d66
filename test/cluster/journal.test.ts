/** A node's journal in Redis: what was appended is there, once and in order, until it is removed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createGate } from "../harness/function.ts";
import { testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { appendAll, call, openNode, written } from "./journal-kit.ts";

const upTo = (n: number) => Array.from({ length: n }, (_, at) => String(at));

test("calls are written in order, with growing numbers, until each is removed", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await openNode(t, redis);
  const texts = [...upTo(1200), "ä €", "€".repeat(20_000), "end"];
  const places = await appendAll(
    node,
    // Some follow each other in a lane, and a lane comes again after others.
    texts.map((text, at) => call(text, `/,${Math.floor(at / 3) % 7}`)),
  );
  assert.deepEqual(await written(redis, node.lease.node), texts);
  const numbers = places.map(({ number }) => number);
  assert.deepEqual(
    [...numbers].sort((one, other) => one - other),
    numbers,
  );
  assert.equal(node.journal.samples().entries, texts.length);
  for (const place of places.slice(0, -2)) node.journal.remove(place);
  await node.journal.flushed();
  assert.deepEqual(await written(redis, node.lease.node), texts.slice(-2));
  assert.equal(node.journal.samples().entries, 2);
  for (const place of places) node.journal.remove(place);
  await node.journal.flushed();
  const { entries, bytes } = node.journal.samples();
  assert.deepEqual([entries, bytes], [0, 0]);
  const keys = (await redis.command("KEYS", "sluice:{nodes}:lanes:*")).trim();
  assert.equal(keys, "", "nothing is left of the lanes");
});

test("a call stays until what its answer has changed is written, and holds up no others", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await openNode(t, redis);
  const { journal } = node;
  const [first, second, third] = await appendAll(
    node,
    ["1", "2", "3"].map((text) => call(text)),
  );
  assert.ok(first && second && third);
  journal.remove(first);
  const gate = createGate();
  journal.changed(gate.passed);
  journal.remove(second);
  let isFlushed = false;
  const flushed = journal.flushed().then(() => {
    isFlushed = true;
  });
  await appendAll(node, [call("4")]);
  // Its change is written at once, but that of a call before it is not.
  journal.changed();
  journal.remove(third);
  await appendAll(node, [call("5")]);
  assert.deepEqual(await written(redis, node.lease.node), ["2", "3", "4", "5"]);
  assert.equal(isFlushed, false);
  gate.open();
  await flushed;
  assert.deepEqual(await written(redis, node.lease.node), ["4", "5"]);
});

test("above its bounds nothing is appended, and below them again it is", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await openNode(t, redis, { max: 3, bytesMax: 100 });
  const [first] = await appendAll(
    node,
    ["1", "2", "3"].map((text) => call(text)),
  );
  assert.equal(await node.journal.append(call("4")), "full");
  node.journal.remove(first as NonNullable<typeof first>);
  await node.journal.flushed();
  assert.equal(await node.journal.append(call("x".repeat(99))), "full");
  await appendAll(node, [call("x".repeat(98))]);
});

test("while Redis is away an append is told so in time, and leaves nothing behind", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const wire = await tcpSwitch(t, redis.port);
  const url = `redis://127.0.0.1:${wire.port}`;
  const node = await openNode(t, { url }, { timeoutMs: 200, leaseMs: 60_000 });
  const [kept, removed] = await appendAll(node, [call("kept"), call("removed")]);
  assert.ok(kept && removed);
  wire.stall();
  const [one, other] = [node.journal.append(call("1")), node.journal.append(call("2"))];
  node.journal.remove(removed);
  assert.deepEqual(await Promise.all([one, other]), ["away", "away"]);
  await until(() => !node.link.isHere(), "the outage");
  assert.equal(node.journal.samples().unconfirmed, 2);
  wire.flow();
  await until(() => node.link.isHere(), "its return");
  await appendAll(node, [call("after")]);
  await node.journal.flushed();
  assert.deepEqual(await written(redis, node.lease.node), ["kept", "after"]);
  assert.equal(node.journal.samples().entries, 2);
});

test("what Redis did without its answer coming through is not done again", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const wire = await tcpSwitch(t, redis.port);
  const node = await openNode(
    t,
    { url: `redis://127.0.0.1:${wire.port}` },
    { leaseMs: 60_000, timeoutMs: 5000 },
  );
  await appendAll(node, [call("0")]);
  // Redis waits, so that the connection is lost after it was asked and before it answers.
  for (let round = 1; round <= 3; round++) {
    await node.journal.flushed();
    redis.freeze(true);
    const appended = node.journal.append(call(String(round)));
    await new Promise((resolve) => setTimeout(resolve, 50));
    wire.stall();
    redis.freeze(false);
    const isWritten = async () => (await written(redis, node.lease.node)).length > round;
    await until(isWritten, "the call");
    const key = `sluice:{nodes}:journal:${node.lease.node}`;
    const [id] = (await redis.command("XREVRANGE", key, "+", "-", "COUNT", "1")).split("\n");
    wire.flow();
    const place = await appended;
    assert.ok(typeof place === "object");
    assert.equal(`${place.number}-0`, id);
  }
  assert.deepEqual(await written(redis, node.lease.node), ["0", "1", "2", "3"]);
});

test("after Redis was started again from its log, the journal is there, and what came back of it goes", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t, ["--appendonly", "yes", "--appendfsync", "always"]);
  const node = await openNode(t, redis, { leaseMs: 60_000 });
  const places = await appendAll(
    node,
    ["1", "2", "3"].map((text) => call(text)),
  );
  const [first, second] = places;
  assert.ok(first && second);
  node.journal.remove(first);
  await node.journal.flushed();
  // As a Redis does that has lost the last second: what was removed is there again.
  const key = `sluice:{nodes}:journal:${node.lease.node}`;
  await redis.command("DEL", key);
  for (const { number } of places)
    await redis.command("XADD", key, `${number}-0`, "l", "/,a", "t", "x");
  await redis.kill();
  await until(() => !node.link.isHere(), "the outage");
  const appended = node.journal.append(call("4"));
  node.journal.remove(second);
  await redis.start();
  assert.equal(typeof (await appended), "object");
  await node.journal.flushed();
  assert.deepEqual(await written(redis, node.lease.node), ["x", "4"]);
});

test("when Redis has lost all, numbers go on all the same, and nothing new is removed", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await openNode(t, redis, { leaseMs: 60_000 });
  const before = await appendAll(
    node,
    ["1", "2", "3"].map((text) => call(text)),
  );
  await redis.command("FLUSHALL");
  const after = await appendAll(
    node,
    ["4", "5", "6"].map((text) => call(text)),
  );
  for (const place of before) node.journal.remove(place);
  await node.journal.flushed();
  assert.deepEqual(await written(redis, node.lease.node), ["4", "5", "6"]);
  assert.ok(Number(after[0]?.number) > Number(before[2]?.number));
});

test("a full Redis refuses calls in time, and still lets go of them", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t, ["--maxmemory-policy", "noeviction"]);
  const node = await openNode(t, redis, { timeoutMs: 300, leaseMs: 60_000 });
  const places = await appendAll(
    node,
    ["1", "2", "3"].map((text) => call(text)),
  );
  await redis.command("CONFIG", "SET", "maxmemory", "1");
  assert.equal(await node.journal.append(call("4")), "away");
  for (const place of places) node.journal.remove(place);
  await until(async () => (await written(redis, node.lease.node)).length === 0, "the removals");
  await redis.command("CONFIG", "SET", "maxmemory", "0");
  await appendAll(node, [call("5")]);
  await node.journal.flushed();
  assert.deepEqual(await written(redis, node.lease.node), ["5"]);
});

test("nobody waits for a full Redis to take what is to be written", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t, ["--maxmemory-policy", "noeviction", "--maxmemory", "1"]);
  const node = await openNode(t, redis, { timeoutMs: 200, leaseMs: 60_000 });
  assert.equal(await node.journal.append(call("1")), "away");
  await node.journal.flushed();
  assert.deepEqual(await written(redis, node.lease.node), []);
});

test("a call strikes its socket's record in the same step", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await openNode(t, redis);
  const key = `sluice:{nodes}:sockets:${node.lease.node}`;
  for (const id of ["a", "b"]) node.lease.enter({ id, namespace: "/" });
  await until(async () => (await redis.command("HLEN", key)) === "2", "the records");
  await appendAll(node, [{ ...call("gone"), strikes: "/,a" }]);
  assert.equal(await redis.command("HKEYS", key), "/,b");
});

test("lanes are looked for in all journals but their own, before a number", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = [await openNode(t, redis), await openNode(t, redis)];
  const { journal } = a;
  const [first] = await appendAll(a, [call("1", "/,x"), call("2", "/,y")]);
  const [second] = await appendAll(b, [call("3", "/,x"), call("4", "/,xy")]);
  const [third] = await appendAll(a, [call("5", "/,x")]);
  assert.ok(first && second && third);
  const lanes = ["/,x", "/,y", "/,xy", "/,z", "/,"].map((lane) => ({ lane }));
  assert.deepEqual(await journal.elsewhere(lanes), [true, false, true, false, false]);
  assert.deepEqual(await b.journal.elsewhere(lanes), [true, true, false, false, false]);
  // Whoever asks, the oldest waits for none, and each other for those before it.
  for (const { journal: any } of [a, b]) {
    assert.deepEqual(await any.elsewhere([third, second, first]), [true, true, false]);
  }
  journal.remove(first);
  await journal.flushed();
  assert.deepEqual(await journal.elsewhere([third, second]), [true, false]);
  b.journal.remove(second);
  await b.journal.flushed();
  assert.deepEqual(await journal.elsewhere([third, { lane: "/,x" }]), [false, false]);
});
