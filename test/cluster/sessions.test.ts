/** A session is one client's, and goes on at one node. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import type { Socket as Client } from "socket.io-client";
import type { Follower } from "../../src/cluster/lease.ts";
import { createSeal } from "../../src/cluster/seal.ts";
import { createSessions } from "../../src/cluster/sessions.ts";
import { createGate } from "../harness/function.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { openNode } from "./journal-kit.ts";
import { kept, lost, member, move, secretOf, thief, twoNodes } from "./kit.ts";

/** Connects a client that has heard something, so that it can come back. */
async function returner(node: TestGateway) {
  const { client, socket, heard } = await member(node, "red");
  node.io.emit("n", 1);
  await until(() => heard.length === 1, "the first");
  return { client, socket, secret: secretOf(client) };
}

test("while a session's node lives and its socket is connected, nobody else gets it", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, redis.url]);
  const { client, socket, heard } = await member(a, "red");
  a.io.emit("n", 1);
  await until(() => heard.length === 1, "the first");
  await kept(redis, [client]);
  for (const node of [a, b]) {
    const other = thief(node, secretOf(client));
    await next(other.connect(), "connect");
    assert.equal(other.recovered, false);
    assert.notEqual(other.id, client.id);
  }
  assert.equal(socket.connected, true);
  await move(client, socket, b);
  await next(client.connect(), "connect");
  assert.equal(client.recovered, true, "nor has that cost the client its session");
});

test("of two that come to two nodes at once with one session, one gets it", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, redis.url]);
  for (let round = 0; round < 10; round++) {
    const { client, socket, secret } = await returner(a);
    await move(client, socket, b);
    await until(() => lost(redis, secret), "the session");
    const both = [a, b, a, b].map((node) => thief(node, secret));
    await Promise.all(both.map((other) => next(other.connect(), "connect")));
    assert.equal(both.filter((other) => other.recovered).length, 1);
    for (const other of both) other.disconnect();
  }
});

test("nothing is left of a session after a disconnect by either side, or another namespace's", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, redis.url]);
  b.io.of("/other");
  const ends: ((client: Client, socket: ServerSocket) => void)[] = [
    (client) => client.disconnect(),
    (_client, socket) => socket.disconnect(),
    (_client, socket) => b.io.in(socket.id).disconnectSockets(true),
  ];
  for (const end of ends) {
    const { client, socket, secret } = await returner(a);
    const gone = next(socket, "disconnect");
    end(client, socket);
    await gone;
    await until(async () => (await a.metric("sluice_recovery_kept_sessions")) === 0, "its end");
    const other = thief(b, secret);
    await next(other.connect(), "connect");
    assert.equal(other.recovered, false);
    other.disconnect();
  }
  const { client, socket, secret } = await returner(a);
  await move(client, socket, b);
  await until(() => lost(redis, secret), "the session");
  const other = thief(b, secret, { namespace: "/other" });
  await next(other.connect(), "connect");
  assert.equal(other.recovered, false);
  assert.equal(await lost(redis, secret), true, "it is still there for its own");
});

test("a node that was only cut off from Redis closes what has gone on elsewhere, and keeps the rest", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const wire = await tcpSwitch(t, redis.port);
  const urls = [`redis://127.0.0.1:${wire.port}`, redis.url] as const;
  const [a, b] = await twoNodes(t, urls);
  const one = await member(a, "red");
  const two = await member(a, "red");
  a.io.emit("n", 1);
  await until(() => two.heard.length === 1, "the first");
  await until(() => one.heard.length === 1, "the first of the other");
  await kept(redis, [one.client, two.client]);
  wire.to(1);
  wire.cut();
  await until(async () => (await a.metric("sluice_cluster_redis_up")) === 0, "the outage");
  // Redis cannot tell it from a dead one; the client can, and does not come while it is connected.
  const other = thief(b, secretOf(one.client));
  await next(other.connect(), "connect");
  assert.equal(other.recovered, true);
  const gone = next(one.client, "disconnect", 20_000);
  wire.to(redis.port);
  await gone;
  const closed = { reason: "session_moved" };
  assert.equal(await a.metric("sluice_connections_closed_total", closed), 1);
  assert.equal(await lost(redis, secretOf(one.client)), false);
  assert.deepEqual([other.connected, two.client.connected], [true, true]);
  await until(async () => (await a.metric("sluice_recovery_kept_sessions")) === 1, "the other's");
});

const SESSION = { sid: "s", pid: "p", rooms: ["s"], data: {}, since: "1-0", whole: true };
const NAME = "/,p";
/** Others take its node for dead. */
const UNHEARD = { as: "unheard.1" };

/** The sessions of a node whose calls are written when its gate is opened. */
async function sessionsOf(
  t: TestContext,
  redis: TestRedis,
  { as, gates = [] }: { as?: string; gates?: ReturnType<typeof createGate>[] } = {},
) {
  const { link, lease } = await openNode(t, redis, { leaseMs: 60_000 });
  const gate = createGate();
  const followers: Follower[] = [];
  const moved: string[] = [];
  const accompany = (follower: Follower) => void followers.push(follower);
  const node = as ?? lease.node;
  const sessions = createSessions(
    { windowMs: 60_000, leaseMs: 60_000, bytesMax: 10_000 },
    {
      ...{ link, lease: { ...lease, node, accompany }, seal: createSeal("", "") },
      written: () => (gates.shift() ?? gate).passed,
      moved: (names) => void moved.push(...names),
    },
  );
  await until(() => followers.length > 0, "the follower");
  const renew = async () => {
    for (const each of followers) await each.renewed(node);
  };
  await renew();
  t.after(sessions.stop);
  return { ...sessions, gate, moved, renew, asked: () => link.client.ping() };
}

type TestSessions = Awaited<ReturnType<typeof sessionsOf>>;

/** A socket whose session was kept is gone. */
async function keepAndLose({ keep, flushed, lose, drop }: TestSessions): Promise<void> {
  keep(NAME, SESSION);
  await flushed();
  lose(NAME, SESSION);
  drop(NAME);
}

for (const [where, isKept] of [
  ["another node", true],
  ["another node without checkpoints", false],
  ["the same node", true],
] as const) {
  test(`who comes back to ${where} while the last calls of its socket are written is recovered`, async (t) => {
    // Seen: a client came back within milliseconds and began anew. Its session was struck out of
    // those of living sockets at once, but kept as a lost one only after its calls were written.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const a = await sessionsOf(t, redis);
    const to = where === "the same node" ? a : await sessionsOf(t, redis);
    if (isKept) a.keep(NAME, SESSION);
    await a.flushed();
    a.lose(NAME, { ...SESSION, rooms: ["s", "last"] });
    a.drop(NAME);
    await a.flushed();
    const claimed = to.claim(NAME, "p");
    await to.asked();
    a.gate.open();
    const found = await claimed;
    assert.deepEqual([found?.session.rooms, found?.mayLag], [["s", "last"], false]);
    assert.equal(await to.claim(NAME, "p"), undefined, "once");
    await until(() => a.samples().kept === 0, "that nothing is left");
  });
}

test("a session that has gone on elsewhere is not given out again by the node that was about to write it", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = [await sessionsOf(t, redis, UNHEARD), await sessionsOf(t, redis)];
  await keepAndLose(a);
  await a.flushed();
  assert.equal((await b.claim(NAME, "p"))?.mayLag, true);
  await a.renew();
  a.gate.open();
  // By then it would have been sent.
  await new Promise(setImmediate);
  await a.asked();
  assert.equal(await lost(redis, { pid: "p", offset: "" }), false);
});

test("a session is not written as lost before the calls of its socket, however long ago others were lost", async (t) => {
  // Seen: what was lost while the calls of others were written was written with theirs, and the node
  // that took it found no calls of its socket, though there were some.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const gates = [createGate(), createGate()];
  const [first, second] = [...gates];
  const a = await sessionsOf(t, redis, { gates });
  a.lose(NAME, SESSION);
  await until(() => gates.length === 1, "that the calls of the first are awaited");
  a.lose("/,q", { ...SESSION, pid: "q" });
  first?.open();
  await until(() => lost(redis, { pid: "p", offset: "" }), "the first");
  assert.equal(await lost(redis, { pid: "q", offset: "" }), false);
  second?.open();
  await until(() => lost(redis, { pid: "q", offset: "" }), "the second");
});

test("a session that has gone on elsewhere is not written as lost while its node hears of that", async (t) => {
  // Seen: it was written between the answer that it had moved and the end of that answer's way.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = [await sessionsOf(t, redis, UNHEARD), await sessionsOf(t, redis)];
  await keepAndLose(a);
  assert.equal((await b.claim(NAME, "p"))?.mayLag, true);
  const renewed = a.renew();
  a.gate.open();
  await renewed;
  await a.asked();
  assert.deepEqual(a.moved, [NAME]);
  assert.equal(await lost(redis, { pid: "p", offset: "" }), false);
  await a.renew();
  assert.deepEqual(a.moved, [NAME], "once");
});

test("a session that is back at the node that was about to write it stays there", async (t) => {
  // Seen: it was struck out of those of living sockets, as if it had been written as lost; and the
  // node heard that it had moved, and closed its new socket.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = [await sessionsOf(t, redis, UNHEARD), await sessionsOf(t, redis)];
  b.gate.open();
  await keepAndLose(a);
  assert.equal((await b.claim(NAME, "p"))?.mayLag, true);
  b.lose(NAME, SESSION);
  await until(() => lost(redis, { pid: "p", offset: "" }), "the session");
  const back = a.claim(NAME, "p");
  await a.asked();
  a.gate.open();
  assert.equal((await back)?.mayLag, false);
  a.keep(NAME, SESSION);
  await a.asked();
  await a.renew();
  assert.deepEqual(a.moved, []);
  assert.equal(a.samples().kept, 1);
  assert.equal(await lost(redis, { pid: "p", offset: "" }), false);
});
