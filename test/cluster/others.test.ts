/** With cluster.adapter of pubsub, Socket.IO servers that are not Sluice's are nodes like others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { Redis } from "ioredis";
import { newClient, testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { startStock } from "../harness/stock.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { member } from "./kit.ts";

/** What Socket.IO's own adapter and emitter begin their channels with. */
const prefix = "socket.io";

test("pubsub: broadcasts, moves, requests and acks go to stock Socket.IO servers, and come from them", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { redisUrl: redis.url, adapter: "pubsub", prefix } as const;
  const gateway = await testGateway(t, { cluster });
  const { io: ours } = gateway;
  const clients = [new Redis(redis.url), new Redis(redis.url)] as const;
  t.after(() => clients.forEach((each) => void each.disconnect()));
  const { io: theirs, url } = await startStock(t, { adapter: createAdapter(...clients) });
  await until(async () => (await ours.of("/").adapter.serverCount()) === 2, "two servers");

  const near = await member(gateway, "red");
  const there = newClient(url, { codec: "json" });
  t.after(() => there.disconnect());
  const arrived = next<[typeof near.socket]>(theirs, "connection");
  await next(there.connect(), "connect");
  const [far] = await arrived;
  far.join("red");
  const heard: unknown[] = [];
  there.on("n", (what: unknown) => heard.push(what));
  const lists = [near.heard, heard];

  for (const io of [ours, theirs]) {
    io.to("red").emit("n", "room");
    await until(() => lists.every((list) => list.length === 1), "the room");
    io.except(far.id).emit("n", Buffer.from("bytes"));
    await until(() => near.heard.length === 2, "the exception");
    io.emit("n", "all");
    await until(() => lists.every((list) => list.at(-1) === "all"), "the last");
    assert.deepEqual(near.heard.map(String), ["room", "bytes", "all"]);
    assert.deepEqual(heard, ["room", "all"]);
    for (const list of lists) list.length = 0;

    const found = await io.in("red").fetchSockets();
    assert.deepEqual(found.map(({ id }) => id).sort(), [near.socket.id, far.id].sort());
    io.socketsJoin("blue");
    await until(() => [near.socket, far].every(({ rooms }) => rooms.has("blue")), "the joins");
    io.in("blue").socketsLeave("blue");
    await until(() => ![near.socket, far].some(({ rooms }) => rooms.has("blue")), "the leaves");
    const other = io === ours ? theirs : ours;
    other.once("hello", (word: string, done: (answer: string) => void) => done(`${word} too`));
    assert.deepEqual(await io.serverSideEmitWithAck("hello", "world"), ["world too"]);
    for (const client of [near.client, there]) client.once("ask", (done) => done("yes"));
    assert.deepEqual(await io.timeout(5_000).emitWithAck("ask"), ["yes", "yes"]);
  }
  theirs.in(near.socket.id).disconnectSockets(true);
  await until(() => !near.client.connected, "the disconnect");
  assert.equal(far.connected, true);
});

test("pubsub: what Socket.IO's emitter says reaches whom it names, and moves sockets", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { redisUrl: redis.url, adapter: "pubsub", prefix } as const;
  const [a, b] = [await testGateway(t, { cluster }), await testGateway(t, { cluster })];
  const [one, two] = [await member(a, "red"), await member(b, "blue", { codec: "json" })];
  const client = new Redis(redis.url);
  t.after(() => client.disconnect());
  const emitter = new Emitter(client);
  const hello = [a, b].map(({ io }) => next<[string]>(io, "hello"));
  await until(async () => (await a.io.of("/").adapter.serverCount()) === 2, "two nodes");
  emitter.emit("n", 1);
  emitter.to("red").emit("n", Buffer.from("two"));
  emitter.to(["red", "blue"]).except("red").emit("n", 3);
  emitter.in("red").socketsJoin("green");
  await until(() => one.socket.rooms.has("green"), "the join");
  emitter.to("green").emit("n", 4);
  emitter.serverSideEmit("hello", "all");
  emitter.in("blue").disconnectSockets(true);
  await until(() => one.heard.length === 3 && !two.client.connected, "all of it");
  assert.deepEqual(one.heard.map(String), ["1", "two", "4"]);
  assert.deepEqual(two.heard, [1, 3]);
  assert.deepEqual((await Promise.all(hello)).flat(), ["all", "all"]);
});
