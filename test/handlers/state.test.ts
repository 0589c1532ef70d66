/** What functions keep with a socket, through real clients and gateways. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import type { PartialSettings } from "../../src/core/settings.ts";
import { move, nodesOver, RECOVERY } from "../cluster/kit.ts";
import { createGate, type Received, SECRET, startFunction } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";

type Answer = (request: Received) => object | undefined | Promise<object | undefined>;

/** Settings under which a function hears all of a socket, its rooms included. */
function told(url: string, more: PartialSettings["upstream"] = {}): PartialSettings {
  const calls = ["connect", "connected", "event", "disconnect"] as const;
  return {
    upstream: { url, secrets: [SECRET], retryMs: 1, calls: [...calls], rooms: true, ...more },
  };
}

/** Starts a function, by what it answers to each kind of call and to each event. */
async function functionOf(t: TestContext, answers: Record<string, Answer>) {
  const kindOf = ({ headers, json }: Received) =>
    json.event ?? String(headers["ce-type"]).replace("io.sluice.", "");
  const fn = await startFunction(t, async (request) => ({
    body: (await answers[kindOf(request)]?.(request)) ?? {},
  }));
  /** Resolves with the body of the call of a kind, once it is there. */
  const call = async (kind: string, n = 0) => {
    const found = () => fn.received.filter((request) => kindOf(request) === kind)[n];
    await until(() => found() !== undefined, `call ${kind}`);
    return found()?.json;
  };
  return { ...fn, call, kinds: () => fn.received.map(kindOf) };
}

for (const codec of ["msgpack", "json"] as const) {
  test(`${codec}: answers change data and rooms before their ack, and later calls show it`, async (t) => {
    const fn = await functionOf(t, {
      connect: () => ({ userId: "u1", data: { deep: { a: 1, b: { $binary: "AQI=" } } } }),
      move: () => ({
        ack: ["moved"],
        data: { deep: { a: null, c: "x" } },
        rooms: { leave: ["lobby"], join: ["table"] },
        commands: [{ do: "emit", to: ["table"], event: "welcome" }],
      }),
      enter: () => ({ rooms: ["lobby"], ack: [] }),
    });
    const gateway = await testGateway(t, told(fn.url));
    const { client, socket } = await gateway.joined({ codec });
    await client.emitWithAck("enter");
    assert.deepEqual([...socket.rooms], [socket.id, "lobby"]);
    const welcome = next(client, "welcome");
    assert.equal(await client.emitWithAck("move"), "moved");
    assert.deepEqual([...socket.rooms], [socket.id, "table"]);
    await welcome;
    const data = { deep: { b: Buffer.of(1, 2), c: "x" }, userId: "u1" };
    assert.deepEqual(socket.data, data);
    client.disconnect();
    const last = (await fn.call("disconnect")).socket;
    assert.deepEqual(last.data, { deep: { b: { $binary: "AQI=" }, c: "x" }, userId: "u1" });
    assert.deepEqual(last.rooms, ["table"]);
    const versions = fn.received.map(({ json }) => json.socket.version ?? 0);
    assert.deepEqual([...versions].sort(), versions, "they grow");
    assert.ok(last.version > 0);
  });

  test(`${codec}: connected is called after the connect's commands, before the first event`, async (t) => {
    const fn = await functionOf(t, {
      connect: () => ({ rooms: ["lobby"], commands: [{ do: "emit", event: "first" }] }),
      connected: ({ json }) => ({
        data: { met: true },
        rooms: ["met"],
        commands: [{ do: "emit", to: [json.socket.id], event: "second", args: [Date.now()] }],
      }),
    });
    const gateway = await testGateway(t, told(fn.url));
    const client = gateway.client({ codec });
    const heard: string[] = [];
    client.onAny((name: string) => void heard.push(name));
    client.on("connect", () => client.emit("hello"));
    client.connect();
    const event = await fn.call("hello");
    assert.deepEqual(fn.kinds(), ["connect", "connected", "hello"]);
    const connected = await fn.call("connected");
    assert.deepEqual(connected.socket.rooms, ["lobby"]);
    assert.equal(connected.recovered, false);
    assert.equal(connected.socket.handshake, undefined);
    assert.deepEqual(event.socket.data, { met: true });
    assert.deepEqual(event.socket.rooms, ["lobby", "met"]);
    await until(() => heard.length === 2, "both");
    assert.deepEqual(heard, ["first", "second"]);
  });
}

test("an answer that comes while its socket leaves is in its disconnect call", async (t) => {
  const gate = createGate();
  const fn = await functionOf(t, {
    slow: async () => {
      await gate.passed;
      return { data: { score: 5 }, rooms: ["late"] };
    },
  });
  const gateway = await testGateway(t, told(fn.url));
  const { client, socket } = await gateway.joined();
  socket.join("red");
  client.emit("slow");
  await fn.call("slow");
  const gone = next(socket, "disconnect");
  client.disconnect();
  await gone;
  gate.open();
  const { data, rooms } = (await fn.call("disconnect")).socket;
  assert.deepEqual(data, { score: 5 });
  assert.deepEqual(rooms, ["red"]);
});

test("a handler of the process and an answer change the data at the same time, and both stay", async (t) => {
  const gate = createGate();
  const fn = await functionOf(t, {
    slow: async () => {
      await gate.passed;
      return { ack: [], data: { cart: { price: 2 } } };
    },
  });
  const gateway = await testGateway(t, told(fn.url));
  const { client, socket } = await gateway.joined();
  const cart: Record<string, unknown> = { items: 1, price: 1 };
  socket.data.cart = cart;
  const answered = client.emitWithAck("slow");
  await fn.call("slow");
  cart.items = 3;
  socket.data.seen = true;
  gate.open();
  await answered;
  cart.after = 4;
  assert.deepEqual(socket.data, { cart: { items: 3, price: 2, after: 4 }, seen: true });
});

test("who leaves during the connect call is told of with the data that it was given", async (t) => {
  const gate = createGate();
  const fn = await functionOf(t, {
    connect: async () => {
      await gate.passed;
      return { userId: "u1", data: { seat: 4 }, rooms: ["lobby"] };
    },
  });
  const gateway = await testGateway(t, told(fn.url));
  const client = gateway.client();
  client.connect();
  await fn.call("connect");
  client.io.engine.close();
  await until(async () => (await gateway.metric("sluice_connections")) === 0, "it has left");
  gate.open();
  const { userId, data, rooms } = (await fn.call("disconnect")).socket;
  assert.deepEqual([userId, data, rooms], ["u1", { seat: 4, userId: "u1" }, []]);
  assert.deepEqual(fn.kinds(), ["connect", "disconnect"]);
});

test("a connect answer with more data than allowed lets nobody in, and says why", async (t) => {
  const fn = await functionOf(t, { connect: () => ({ data: { text: "x".repeat(1024) } }) });
  const gateway = await testGateway(t, told(fn.url, { dataBytesMax: 1024 }));
  const client = gateway.client();
  const refused = next<[Error & { data: { code: string } }]>(client, "connect_error");
  client.connect();
  const [{ data }] = await refused;
  assert.deepEqual(data, { code: "UPSTREAM_DATA_TOO_LARGE", retry: false });
  const ended = await fn.call("disconnect");
  assert.deepEqual(ended.socket.data, {}, "the function has let it in, so it hears of its end");
});

test("two namespaces of one connection have a state each", async (t) => {
  const fn = await functionOf(t, {
    name: ({ json }) => ({ ack: [], data: { name: json.args[0] }, rooms: [json.args[0]] }),
  });
  const gateway = await testGateway(t, told(fn.url, { namespaces: ["/", "/chat"] }));
  const main = await gateway.connected();
  const chat = main.io.socket("/chat", {});
  await next(chat.connect(), "connect");
  await Promise.all([main.emitWithAck("name", "ada"), chat.emitWithAck("name", "bob")]);
  main.io.engine.close();
  const ends = await Promise.all([fn.call("disconnect", 0), fn.call("disconnect", 1)]);
  const byNamespace = ends.map(({ socket }) => [socket.namespace, socket.data, socket.rooms]);
  assert.deepEqual(byNamespace.sort(), [
    ["/", { name: "ada" }, ["ada"]],
    ["/chat", { name: "bob" }, ["bob"]],
  ]);
});

for (const over of ["memory", "redis"] as const) {
  test(`over ${over}, an answer that comes when its client has come back elsewhere is not lost`, async (t) => {
    if (over === "redis" && !hasTool(t, "redis-server")) return;
    const redis = over === "redis" ? await testRedis(t) : undefined;
    const gate = createGate();
    const fn = await functionOf(t, {
      // It says the same each time: so an answer to an earlier call is not old.
      connect: () => ({ userId: "ada", data: { plan: "pro" }, rooms: ["early"] }),
      slow: async () => {
        await gate.passed;
        return { data: { score: 5 }, rooms: { join: ["late"], leave: ["early"] } };
      },
      fast: () => ({ ack: [], data: { name: "ada", score: 1 }, rooms: ["early"] }),
    });
    const [a, b] = await nodesOver(t, redis, { recovery: RECOVERY, ...told(fn.url) });
    const { client, socket } = await a.joined();
    await client.emitWithAck("fast");
    client.emit("slow");
    await fn.call("slow");
    await move(client, socket, b);
    const met = next<[ServerSocket]>(b.io, "connection");
    const back = next(client.connect(), "connect");
    // On the same node its connect call waits for the calls before.
    if (redis) await back;
    gate.open();
    await back;
    const [again] = await met;
    assert.equal(client.recovered, true);
    assert.ok((await fn.call("connect", 1)).socket.version > 0, "the session has it");
    await until(() => again.data.score === 5 && again.rooms.has("late"), "the answer");
    // On the same node the connect was answered after that.
    assert.equal(again.rooms.has("early"), over === "memory");
    await client.emitWithAck("fast");
    assert.deepEqual(again.data, { userId: "ada", plan: "pro", name: "ada", score: 1 });
  });
}

test("calls of routes with presence bring the sizes of rooms over two nodes", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const fn = await functionOf(t, {
    enter: () => ({ ack: [], rooms: ["lobby"] }),
    count: ({ json }) => ({ ack: [json.rooms] }),
  });
  const settings = told(fn.url, { presence: true, presenceMs: 10 });
  const [a, b] = await nodesOver(t, redis, settings);
  const clients = [await a.connected(), await b.connected(), await b.connected()];
  for (const client of clients) await client.emitWithAck("enter");
  const counted = async (n: number) => (await clients[0]?.emitWithAck("count"))?.lobby === n;
  await until(() => counted(3), "three");
  clients[1]?.disconnect();
  assert.deepEqual((await fn.call("disconnect")).rooms, { lobby: 2 });
  await until(() => counted(2), "two");
});
