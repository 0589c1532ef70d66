/** Clients that are held back while their events wait for functions: `upstream.full` of `pause`. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket } from "socket.io-client";
import type { PartialSettings } from "../../src/core/settings.ts";
import { createGate, SECRET, startFunction, type TestFunction } from "../harness/function.ts";
import { type ClientOptions, type TestGateway, testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { openClient } from "../harness/wire-io.ts";
import { encodeFrame, OP } from "../harness/wire-ws.ts";

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

/** A gateway whose function waits at a gate, and what the function has heard by socket. */
async function start(
  t: TestContext,
  upstream: NonNullable<PartialSettings["upstream"]> = {},
  more: PartialSettings = {},
) {
  const gate = createGate();
  const heard = new Map<string, number[]>();
  const fn = await startFunction(t, async ({ json, headers }) => {
    await gate.passed;
    const numbers = heard.get(json.socket.id) ?? [];
    heard.set(json.socket.id, numbers);
    if (headers["ce-type"] === "io.sluice.event") numbers.push(json.args[0]);
    else numbers.push(-1);
    return { body: { ack: [json.args?.[0]] } };
  });
  const gateway = await testGateway(t, {
    ...more,
    upstream: {
      ...{ url: fn.url, secrets: [SECRET], calls: ["event", "disconnect"], full: "pause" },
      // Seen under load: a call waited at the gate for longer than the default of ten seconds. So
      // it was sent again, and the function heard its event twice.
      ...{ retryMs: 1, timeoutMs: 120_000, socketQueueMax: 10, ...upstream },
    },
  });
  return { gate, fn, heard, gateway };
}

/**
 * Resolves once `done` holds; rejects if the function hears nothing for a while. Many events are a
 * lot of work: seen beside other load, all of them took longer than any fixed time.
 */
async function hears({ received }: TestFunction, done: () => boolean, what: string): Promise<void> {
  while (!done()) {
    const { length } = received;
    await until(() => done() || received.length > length, what);
  }
}

const paused = (gateway: TestGateway) => gateway.metric("sluice_paused_connections");
const queued = (gateway: TestGateway) => gateway.metric("sluice_upstream_queued_events");
const refused = (gateway: TestGateway) => gateway.metric("sluice_upstream_refused_total");

const WAYS: ClientOptions[] = [
  { codec: "json" },
  { codec: "msgpack" },
  { codec: "json", transports: ["polling"] },
  { codec: "msgpack", transports: ["polling"] },
];
// The ws of a client that has disconnected gives up after 30 s: all must be read by then, under load.
const COUNT = 150;

for (const way of WAYS) {
  const { codec, transports = ["websocket"] } = way;
  test(`a ${codec} client over ${transports[0]} that emits too fast loses nothing, and keeps its order`, async (t) => {
    const { gate, fn, heard, gateway } = await start(t);
    const client = await gateway.connected(way);
    const { id = "" } = client;
    client.on("event_refused", () => assert.fail("nothing is refused"));
    // Each event by itself, and larger than the kernel's buffers all together: those are read at once.
    // So is all that a client posts at once, which is what it has while a request of its is open.
    const isPolling = transports[0] === "polling";
    const filler = isPolling ? "x" : "x".repeat(98_304);
    let isHeld = false;
    for (const n of upTo(COUNT)) {
      client.emit("n", n, filler);
      if (n % 10 < 9) continue;
      await new Promise((resolve) => setImmediate(resolve));
      if (!isPolling || isHeld) continue;
      await until(async () => {
        isHeld = (await paused(gateway)) === 1;
        return isHeld || client.io.engine.writeBuffer.length === 0;
      }, "that the events are posted, or held back");
    }
    client.disconnect();
    await until(async () => (await paused(gateway)) === 1, "the pause");
    const before = await queued(gateway);
    assert.ok(before < COUNT, `${before} were read before the client was held back`);
    gate.open();
    await hears(fn, () => heard.get(id)?.at(-1) === -1, "all of it, and the disconnect");
    assert.deepEqual(heard.get(id), [...upTo(COUNT), -1]);
    await until(async () => (await paused(gateway)) === 0, "that none is paused");
    await until(async () => (await queued(gateway)) === 0, "that none is left");
    assert.equal(await refused(gateway), 0);
    assert.ok((await gateway.metric("sluice_pauses_total")) > 1);
  });
}

test("when the queue of all is full, everyone who emits is held back, and all go on", async (t) => {
  const settings = { queueMax: 20, socketQueueMax: 100, inflightMax: 4 };
  const { gate, fn, heard, gateway } = await start(t, settings);
  const clients: Socket[] = [];
  for (const n of upTo(20)) {
    const codec = n % 2 === 0 ? "json" : "msgpack";
    const transports = n % 4 === 3 ? (["polling"] as const) : (["websocket"] as const);
    clients.push(await gateway.connected({ codec, transports: [...transports] }));
  }
  const acks: Promise<number>[] = [];
  for (const n of upTo(50)) {
    for (const client of clients) {
      if (n % 10 === 9) acks.push(client.emitWithAck("n", n));
      else client.emit("n", n);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(async () => (await paused(gateway)) > 10, "that they are paused");
  gate.open();
  assert.deepEqual((await Promise.all(acks)).length, 100, "acks are answered");
  const done = () => clients.every(({ id = "" }) => heard.get(id)?.length === 50);
  await hears(fn, done, "all events of all");
  for (const { id = "" } of clients) assert.deepEqual(heard.get(id), upTo(50));
  await until(async () => (await paused(gateway)) === 0, "that none is paused");
  assert.equal(await refused(gateway), 0);
});

test("so it is where Redis keeps what waits, and a client comes back in a pause", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { redisUrl: redis.url, timeoutMs: 10_000 };
  const { gate, fn, heard, gateway } = await start(
    t,
    {},
    { cluster, recovery: { windowMs: 60_000 } },
  );
  const client = await gateway.connected();
  const { id = "" } = client;
  const hello = next(client, "hello");
  gateway.io.emit("hello");
  await hello;
  for (const n of upTo(30)) client.emit("n", n);
  await until(async () => (await paused(gateway)) === 1, "the pause");
  const taken = await queued(gateway);
  client.io.engine.close();
  gate.open();
  await until(async () => (await paused(gateway)) === 0, "that it is read from");
  await until(async () => (await gateway.metric("sluice_connections")) === 0, "its end");
  await next(client.connect(), "connect");
  assert.equal(client.recovered, true);
  client.emit("n", 30);
  client.disconnect();
  const ends = () => (heard.get(id) ?? []).filter((n) => n === -1).length;
  await hears(fn, () => ends() === 2, "both its ends");
  const numbers = (heard.get(id) ?? []).filter((n) => n >= 0);
  assert.deepEqual(numbers, upTo(31), `${taken} were taken before the pause`);
  assert.equal(await refused(gateway), 0);
});

test("where Redis keeps what waits, a queue that is full holds back and refuses nothing", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { redisUrl: redis.url, timeoutMs: 10_000 };
  const { gate, fn, heard, gateway } = await start(
    t,
    { queueMax: 20, socketQueueMax: 100 },
    { cluster },
  );
  const clients = await Promise.all(upTo(5).map(() => gateway.connected()));
  const ids = clients.map(({ id = "" }) => id);
  for (const n of upTo(30)) for (const client of clients) client.emit("n", n);
  await until(async () => (await paused(gateway)) === 5, "that they are paused");
  await until(async () => (await queued(gateway)) > 20, "what was read before");
  gate.open();
  await hears(fn, () => ids.every((id) => heard.get(id)?.length === 30), "all events of all");
  for (const id of ids) assert.deepEqual(heard.get(id), upTo(30));
  assert.equal(await refused(gateway), 0);
});

test("what was read before is taken up to pausedBytesMax; above, the connection ends by name", async (t) => {
  const { gate, fn, heard, gateway } = await start(t, {
    pausedBytesMax: 65_536,
    socketQueueMax: 20,
  });
  const { id, session } = await openClient(gateway.port, "websocket", "json");
  // One segment, so that it is read at once. As calls the events are larger than as frames.
  const frames = upTo(3000).map((n) => encodeFrame({ opcode: OP.text, payload: `42["n",${n}]` }));
  session.ws?.tcp.write(Buffer.concat(frames));
  await session.ws?.ended();
  const closed = { reason: "upstream_full" };
  await until(
    async () => (await gateway.metric("sluice_connections_closed_total", closed)) === 1,
    "the close is counted",
  );
  assert.deepEqual([await paused(gateway), await gateway.metric("sluice_pauses_total")], [0, 1]);
  assert.equal(await gateway.metric("sluice_upstream_paused_bytes"), 0, "it waits no more");
  const bytes = await gateway.metric("sluice_upstream_queued_bytes");
  assert.ok(bytes > 65_000 && bytes < 75_000, `${bytes} bytes are held`);
  gate.open();
  await hears(fn, () => heard.get(id)?.at(-1) === -1, "its disconnect");
  const numbers = heard.get(id) ?? [];
  assert.deepEqual(numbers, [...upTo(numbers.length - 1), -1], "what was taken comes in order");
});

test("a namespace without a function waits as well, and a socket that leaves ends its pause", async (t) => {
  const { gate, gateway } = await start(t, { socketQueueMax: 1 });
  const other: number[] = [];
  gateway.io.of("/other").on("connection", (socket) => socket.on("n", (n) => other.push(n)));
  const { client, socket } = await gateway.joined();
  const beside = client.io.socket("/other");
  await next(beside.connect(), "connect");
  for (const n of upTo(3)) client.emit("n", n);
  await until(async () => (await paused(gateway)) === 1, "the pause");
  beside.emit("n", 1);
  const echo = next(beside, "echo");
  gateway.io.of("/other").emit("echo");
  await echo;
  assert.deepEqual(other, []);
  socket.disconnect();
  await until(() => other.length === 1, "what waited in the other namespace");
  assert.equal(await paused(gateway), 0);
  gate.open();
});

test("a stop in a pause gives what was read to the function, or to the dead letters", async (t) => {
  const { gate, fn, gateway } = await start(t, { drainMs: 10_000 });
  const client = await gateway.connected();
  for (const n of upTo(30)) client.emit("n", n);
  await until(async () => (await paused(gateway)) === 1, "the pause");
  const taken = await queued(gateway);
  const stopped = gateway.stop();
  gate.open();
  await stopped;
  assert.equal(fn.received.length, taken + 1, "and the disconnect");
});
