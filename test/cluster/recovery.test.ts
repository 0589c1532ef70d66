/** A client that comes back to another node gets what it missed: no more, and no less. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Server, Socket as ServerSocket } from "socket.io";
import type { Socket as Client } from "socket.io-client";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { JWT, signToken } from "../harness/tokens.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import {
  deafen,
  LOG,
  lost,
  member,
  move,
  nodesOver,
  RECOVERY,
  secretOf,
  stranger,
  twoNodes,
} from "./kit.ts";

/** Returns a URL by which a node is a user of its own, that can be deafened. */
async function urlFor(redis: TestRedis, user: string): Promise<string> {
  await redis.command("ACL", "SETUSER", user, "on", ">secret", "~*", "&*", "+@all");
  return redis.url.replace("://", `://${user}:secret@`);
}

/** Has a client come back to a node that hears again once it has asked for the session. */
async function comeBack(redis: TestRedis, client: Client, user: string): Promise<void> {
  const secret = secretOf(client);
  await until(() => lost(redis, secret), "the session");
  client.connect();
  await until(async () => !(await lost(redis, secret)), "that it is asked for");
  await redis.command("ACL", "SETUSER", user, "+subscribe");
  await next(client, "connect");
  assert.equal(client.recovered, true);
}

test("what a node had not heard yet is sent later, its own and others', in order and once", async (t) => {
  // Seen: a node delivered its own broadcasts ahead of older ones of others, and the offset that the
  // client kept was that of the newer: the older ones were never sent, with `recovered: true`.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [await urlFor(redis, "a"), redis.url]);
  const { client, socket, heard } = await member(a, "red");
  b.io.emit("n", "b0");
  await until(() => heard.length === 1, "the last it hears");
  await deafen(redis, "a", a);
  b.io.emit("n", "b1");
  await until(async () => Number(await redis.command("XLEN", LOG)) === 3, "b1");
  a.io.emit("n", "a1");
  await until(async () => Number(await redis.command("XLEN", LOG)) === 4, "a1");
  await move(client, socket, b);
  b.io.emit("n", "b2");
  await next(client.connect(), "connect");
  b.io.emit("n", "b3");
  await until(() => heard.includes("b3"), "the last");
  assert.equal(client.recovered, true);
  assert.deepEqual(heard, ["b0", "b1", "a1", "b2", "b3"]);
});

test("what a client has is not sent again by a node that hears it while the client returns", async (t) => {
  // Seen: it came twice. What is delivered to others meanwhile was taken for new, unless it was missed.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, await urlFor(redis, "b")]);
  const { client, socket, heard } = await member(a, "red");
  await deafen(redis, "b", b);
  a.io.emit("n", 0);
  a.io.emit("n", 1);
  a.io.volatile.emit("n", 2);
  socket.emit("n", 3, () => {});
  await until(() => heard.length === 4, "all four");
  await move(client, socket, b);
  a.io.to("red").emit("n", 4);
  await comeBack(redis, client, "b");
  a.io.emit("n", 5);
  await until(() => heard.includes(5), "the last");
  assert.deepEqual(heard, [0, 1, 2, 3, 4, 5]);
});

for (const [what, act] of [
  ["a leave", (io: Server) => io.in("red").socketsLeave("blue")],
  ["an end", (io: Server) => io.in("blue").disconnectSockets()],
] as const) {
  test(`${what} that came before a join is not repeated by a node that hears it while the client returns`, async (t) => {
    // Seen: a client was no longer in a room that it had joined after others were moved out of it. What
    // was done to others meanwhile was done to the session, though that had it behind it.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const [a, b] = await twoNodes(t, [redis.url, await urlFor(redis, "b")]);
    const other = await member(b, "red");
    other.socket.join("blue");
    const { client, socket, heard } = await member(a, "red");
    await deafen(redis, "b", b);
    act(a.io);
    a.io.emit("n", 0);
    await until(() => heard.length === 1, "what comes behind it");
    socket.join("blue");
    await move(client, socket, b);
    await comeBack(redis, client, "b");
    const { rooms } = b.io.of("/").sockets.get(client.id ?? "") ?? {};
    assert.deepEqual([...(rooms ?? [])].sort(), [client.id, "blue", "red"].sort());
  });
}

for (const [what, room, act, undo] of [
  ["leave", "blue", (io: Server) => io.in("red").socketsLeave("blue"), "join"],
  ["join", "green", (io: Server) => io.in("red").socketsJoin("green"), "leave"],
] as const) {
  test(`a ${what} of others that a client's socket took back at once is not repeated when it returns, twice`, async (t) => {
    // Seen: a client was in a room again that it had left. Two changes that take each other back are
    // not among those of a session, so it did not know that it had the first, and that was repeated.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const [a, b] = await twoNodes(t, [redis.url, redis.url]);
    const { client, socket, heard } = await member(a, "red");
    socket.join("blue");
    a.io.emit("n", 0);
    await until(() => heard.length === 1, "an offset before it");
    const isIn = socket.rooms.has(room);
    act(a.io);
    await until(() => socket.rooms.has(room) !== isIn, "the move");
    socket[undo](room);
    const rooms = [...socket.rooms].sort();
    let from = socket;
    for (const to of [b, a]) {
      await move(client, from, to);
      await until(() => lost(redis, secretOf(client)), "the session");
      await next(client.connect(), "connect");
      assert.equal(client.recovered, true);
      from = to.io.of("/").sockets.get(client.id ?? "") as ServerSocket;
      assert.deepEqual([...from.rooms].sort(), rooms);
    }
  });
}

test("who returns to a node that does not hear up to where its session was read begins anew, in time", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const urls = [redis.url, await urlFor(redis, "b")] as const;
  const [a, b] = await twoNodes(t, urls, { cluster: { timeoutMs: 1_000 } });
  const { client, socket, heard } = await member(a, "red");
  a.io.emit("n", 0);
  await until(() => heard.length === 1, "the first");
  await deafen(redis, "b", b);
  a.io.emit("n", 1);
  await move(client, socket, b);
  await until(() => lost(redis, secretOf(client)), "the session");
  await next(client.connect(), "connect");
  assert.equal(client.recovered, false);
  await redis.command("ACL", "SETUSER", "b", "+subscribe");
  await until(() => {
    b.io.emit("n", "anew");
    return heard.includes("anew");
  }, "what comes later");
});

test("what is volatile or to be acknowledged is not sent again", async (t) => {
  // Seen: a volatile packet that had been delivered came a second time, and one that was to be
  // acknowledged came without its acknowledgement.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, redis.url]);
  const { client, socket, heard } = await member(a, "red");
  a.io.emit("n", 1);
  a.io.volatile.emit("n", 2);
  socket.emit("n", 3, () => {});
  await until(() => heard.length === 3, "all three");
  await move(client, socket, b);
  b.io.emit("n", 4);
  await next(client.connect(), "connect");
  await until(() => heard.includes(4), "the missed one");
  b.io.emit("n", 5);
  await until(() => heard.includes(5), "the last");
  assert.deepEqual(heard, [1, 2, 3, 4, 5]);
});

for (const where of ["in memory", "over Redis"] as const) {
  test(`${where}: what was missed in a room that the newer token does not grant is not sent`, async (t) => {
    // Seen: the socket left the room when it was connected, which is after it had been sent what was
    // missed there.
    if (where === "over Redis" && !hasTool(t, "redis-server")) return;
    const redis = where === "over Redis" ? await testRedis(t) : undefined;
    const auth = { ...JWT, roomsAllowed: ["*"] };
    const [a, b] = await nodesOver(t, redis, { auth });
    const before = await signToken({ sub: "ann", rooms: ["lost", "still"] });
    const { client, socket, heard } = await member(a, "own", { auth: { token: before } });
    a.io.to("lost").emit("n", 1);
    await until(() => heard.length === 1, "the first");
    await move(client, socket, b);
    for (const room of ["lost", "still", "own", "new"]) b.io.to(room).emit("n", room);
    b.io.to(["lost", "still"]).emit("n", "both");
    b.io.to("own").except("lost").emit("n", "without");
    client.auth = { token: await signToken({ sub: "ann", rooms: ["still", "new"] }) };
    const arrived = next<[ServerSocket]>(b.io, "connection");
    await next(client.connect(), "connect");
    assert.equal(client.recovered, true);
    const [back] = await arrived;
    assert.deepEqual([...back.rooms].sort(), [client.id, "new", "own", "still"].sort());
    for (const room of ["lost", "new"]) b.io.to(room).emit("n", `live ${room}`);
    await until(() => heard.includes("live new"), "the last");
    assert.deepEqual(heard, [1, "still", "own", "both", "without", "live new"]);
  });
}

for (const where of ["in memory", "over Redis"] as const) {
  test(`${where}: who was refused, or gone before it was let in, has its session still`, async (t) => {
    if (where === "over Redis" && !hasTool(t, "redis-server")) return;
    const redis = where === "over Redis" ? await testRedis(t) : undefined;
    const [a, b] = await nodesOver(t, redis, {});
    const held: ((error?: Error) => void)[] = [];
    const { client, socket, heard } = await member(a, "red");
    b.io.use((_socket, done) => void held.push(done));
    a.io.emit("n", 0);
    await until(() => heard.length === 1, "the first");
    await move(client, socket, b);
    b.io.to("red").emit("n", 1);
    const refused = next(client.connect(), "connect_error");
    await until(() => held.length === 1, "the middleware");
    held[0]?.(new Error("not now"));
    await refused;
    client.disconnect().connect();
    await until(() => held.length === 2, "the middleware");
    // Its network goes while the middleware waits.
    client.io.engine.close();
    await until(() => b.io.engine.clientsCount === 0, "that it is gone");
    held[1]?.();
    const arrived = next<[ServerSocket]>(b.io, "connection");
    client.connect();
    await until(() => held.length === 3, "the middleware");
    b.io.to("red").emit("n", 2);
    held[2]?.();
    const [back] = await arrived;
    b.io.to("red").emit("n", 3);
    await until(() => heard.includes(3), "the last");
    assert.equal(client.recovered, true);
    assert.deepEqual(heard, [0, 1, 2, 3]);
    assert.ok(back.rooms.has("red"));
  });
}

test("without checkpoints nothing is kept of living sockets, and lost ones are recovered", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const more = { recovery: { ...RECOVERY, checkpointMs: 0 } };
  const [a, b] = await twoNodes(t, [redis.url, redis.url], more);
  const { client, socket, heard } = await member(a, "red");
  a.io.emit("n", 0);
  await until(() => heard.length === 1, "the first");
  assert.equal(await redis.command("KEYS", "sluice:{nodes}:sessions:*"), "");
  await move(client, socket, b);
  await next(client.connect(), "connect");
  assert.equal(client.recovered, true);
});

test("with a key, what others wrote into the stream or the sessions is not believed", async (t) => {
  // Seen: a forged message was refused when it came, and sent to whoever came back.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const busKey = "a key of sixteen bytes or more";
  const [a, b] = await twoNodes(t, [redis.url, redis.url], { cluster: { busKey } });
  const one = await member(a, "red");
  const two = await member(a, "red");
  a.io.emit("n", 1);
  await until(() => two.heard.length === 1, "the first");
  await move(one.client, one.socket, b);
  await move(two.client, two.socket, b);
  const { append } = await stranger(t, redis);
  await append(JSON.stringify(["emit", [[], [], {}], ["n", "forged"], null]));
  b.io.emit("n", 2);
  const secret = secretOf(two.client);
  await until(() => lost(redis, secret), "the session");
  const key = `sluice:{nodes}:lost:/,${secret.pid}`;
  const [sid, mac, body = ""] = (await redis.command("GET", key)).split("\n");
  await redis.command("SET", key, [sid, mac, body.replace(/^./, "x")].join("\n"));
  await next(one.client.connect(), "connect");
  await next(two.client.connect(), "connect");
  assert.deepEqual([one.client.recovered, two.client.recovered], [true, false]);
  b.io.emit("n", 3);
  await until(() => one.heard.includes(3), "the last");
  assert.deepEqual(one.heard, [1, 2, 3]);
});

test("sessions that cannot be written are counted, end nothing, and are not recovered", async (t) => {
  // Seen: `data` with a function in it threw out of the close of its connection, where nothing could
  // catch it, and so ended the process.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const more = { recovery: { ...RECOVERY, sessionBytesMax: 1024 } };
  const [a, b] = await twoNodes(t, [redis.url, redis.url], more);
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  for (const data of [{ f: () => {} }, cycle, { n: 1n }, { text: "x".repeat(1025) }]) {
    const { client, socket, heard } = await member(a, "red");
    socket.data = data;
    socket.join("blue");
    a.io.emit("n", 1);
    await until(() => heard.length === 1, "the first");
    await move(client, socket, b);
    assert.equal(a.io.of("/").adapter.rooms.size, 0);
    await next(client.connect(), "connect");
    assert.equal(client.recovered, false);
    client.disconnect();
  }
  assert.equal(await a.metric("sluice_recovery_unfit_sessions_total"), 4);
  const { client, socket, heard } = await member(a, "red");
  const data = { text: "x", when: new Date(0), bytes: Buffer.from([1]), none: undefined };
  socket.data = data;
  a.io.emit("n", 1);
  await until(() => heard.length === 1, "the first");
  await move(client, socket, b);
  const arrived = next<[ServerSocket]>(b.io, "connection");
  await next(client.connect(), "connect");
  assert.equal(client.recovered, true);
  const { none: _, ...whole } = data;
  assert.deepEqual((await arrived)[0].data, whole);
});
