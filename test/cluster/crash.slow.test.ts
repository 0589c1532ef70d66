/** A node that is killed, frozen or cut off: its clients go on at another, and miss nothing. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket as Client } from "socket.io-client";
import type { PartialSettings } from "../../src/core/settings.ts";
import { SECRET as KEY } from "../harness/api.ts";
import { SECRET, startFunction } from "../harness/function.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { arrivals, nodeProcess } from "../harness/nodes.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { kept } from "./kit.ts";

const WINDOW_MS = 60_000;

function survivor(t: TestContext, redis: TestRedis, more: PartialSettings = {}) {
  const settings = { recovery: { windowMs: WINDOW_MS }, ...more };
  return testGateway(t, { ...settings, cluster: { redisUrl: redis.url, ...more.cluster } });
}

function mortal(t: TestContext, redis: TestRedis, env: Record<string, string> = {}) {
  return nodeProcess(t, redis, { SLUICE_RECOVERY_WINDOW_MS: String(WINDOW_MS), ...env });
}

/** A new client of another gateway, with the session of one that does not know. */
function thief(gateway: TestGateway, victim: Client): Client {
  const { _pid, _lastOffset } = victim as unknown as Record<string, string>;
  return Object.assign(gateway.client(), { _pid, _lastOffset });
}

/** The sockets of a gateway say what they know of themselves. */
function obey(gateway: TestGateway) {
  gateway.io.on("connection", (socket) => {
    socket.on("tell", (done) => done({ rooms: [...socket.rooms], data: socket.data }));
  });
}

const upTo = (n: number) => Array.from({ length: n }, (_, at) => at);

test("kill -9: fifty clients go on at another node, and miss and double nothing", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await mortal(t, redis, { SLUICE_RECOVERY_CHECKPOINT_MS: "200" });
  const fresh = await survivor(t, redis);
  obey(fresh);
  const door = await tcpSwitch(t, node.port);
  const { clients, received } = await arrivals(t, door.url, 50);
  const [first, second] = clients as [Client, Client];
  // The dying node publishes as well, every few milliseconds.
  const own = clients.map((client) => {
    const numbers: number[] = [];
    client.on("own", (n: number) => numbers.push(n));
    return numbers;
  });
  await Promise.all(clients.map((client) => client.emitWithAck("join", "red")));
  await second.emitWithAck("join", "blue");
  await Promise.all(clients.map((client, at) => client.emitWithAck("set", { at })));
  await until(async () => (await fresh.io.of("/").adapter.serverCount()) === 2, "two nodes");
  first.emit("count", "own", 3);
  let n = 0;
  const send = () => fresh.io.to("red").emit("n", n++);
  const stream = setInterval(send, 5);
  t.after(() => clearInterval(stream));
  await until(() => received.every((numbers) => numbers.length > 5), "the stream");
  await until(() => own.every((numbers) => numbers.length > 5), "its own stream");
  await kept(redis, clients);
  const { length: seen } = own[0] as number[];
  await until(() => own.every((numbers) => numbers.length > seen + 200), "a checkpoint");
  const ids = clients.map(({ id }) => id);
  const back = clients.map((client) => next(client, "connect", 30_000));
  // What changed a moment ago counts.
  await first.emitWithAck("join", "late");
  await second.emitWithAck("leave", "blue");
  // An answer may overtake what it was about; a turn later Redis has it.
  await second.emitWithAck("tell");
  const late: string[] = [];
  first.on("late", (word: string) => late.push(word));
  second.on("blue", () => assert.fail("it has left that room"));
  door.to(fresh.port);
  node.run.child.kill("SIGKILL");
  fresh.io.to("late").emit("late", "missed");
  fresh.io.to("blue").emit("blue");
  await Promise.all(back);
  fresh.io.to("late").emit("late", "live");
  fresh.io.to("blue").emit("blue");
  clearInterval(stream);
  send();
  await until(() => received.every((numbers) => numbers.at(-1) === n - 1), "the last number");
  assert.ok(clients.every((client) => client.recovered));
  assert.deepEqual(
    clients.map(({ id }) => id),
    ids,
  );
  for (const numbers of received) assert.deepEqual(numbers, upTo(n).slice(numbers[0]));
  // What the dead node published last has reached either all or, not yet in the stream, none.
  const end = Math.max(...own.map((numbers) => numbers.at(-1) ?? 0));
  for (const numbers of own) assert.deepEqual(numbers, upTo(end + 1).slice(numbers[0]));
  await until(() => late.length === 2, "the room that was joined last");
  assert.deepEqual(late, ["missed", "live"]);
  for (const [at, client] of clients.entries()) {
    const { rooms, data } = await client.emitWithAck("tell");
    assert.deepEqual(data, { at });
    assert.deepEqual(rooms.sort(), [client.id, "red", ...(at === 0 ? ["late"] : [])].sort());
  }
  assert.equal(await fresh.metric("sluice_recoveries_total", { result: "recovered" }), 50);
  assert.equal(await fresh.metric("sluice_recovery_kept_sessions"), 50);
});

test("kill -9: each message is for the members of its time, whatever changed just before", async (t) => {
  // Seen: after a node's death, too, what was missed was looked for in the rooms of the end alone.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await mortal(t, redis);
  const fresh = await survivor(t, redis);
  await until(async () => (await fresh.io.of("/").adapter.serverCount()) === 2, "two nodes");
  const door = await tcpSwitch(t, node.port);
  const { clients, received } = await arrivals(t, door.url, 1);
  const [client] = clients as [Client];
  const id = client.id as string;
  await client.emitWithAck("join", "red");
  fresh.io.to("red").emit("n", 0);
  await until(() => received[0]?.length === 1, "the first");
  await kept(redis, clients);
  const back = next(client, "connect", 30_000);
  door.stall();
  fresh.io.to("red").emit("n", 1);
  fresh.io.to("late").emit("n", 2);
  fresh.io.in(id).socketsLeave("red");
  fresh.io.in(id).socketsJoin("late");
  fresh.io.to("red").emit("n", 3);
  fresh.io.to("late").emit("n", 4);
  await until(async () => {
    const [socket] = await fresh.io.in(id).fetchSockets();
    return socket?.rooms.has("late") ?? false;
  }, "the change");
  node.run.child.kill("SIGKILL");
  // What its node did not live to hear of counts as well.
  fresh.io.in(id).socketsLeave("late");
  fresh.io.in(id).socketsJoin("red");
  fresh.io.to("red").emit("n", 5);
  fresh.io.to("late").emit("n", 6);
  door.to(fresh.port);
  door.flow();
  await back;
  assert.equal(client.recovered, true);
  fresh.io.emit("n", 7);
  await until(() => received[0]?.includes(7) ?? false, "the last");
  assert.deepEqual(received, [[0, 1, 4, 5, 7]]);
});

test("a session lasts for the window after its node's lease has ended, and leaves nothing in Redis", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await mortal(t, redis, {
    SLUICE_CLUSTER_LEASE_MS: "2000",
    SLUICE_RECOVERY_WINDOW_MS: "500",
  });
  const cluster = { redisUrl: redis.url, leaseMs: 2000 };
  const fresh = await testGateway(t, { cluster, recovery: { windowMs: 500 } });
  const { clients, received } = await arrivals(t, node.url, 1, { reconnection: false });
  const [client] = clients as [Client];
  fresh.io.emit("n", 1);
  await until(() => received[0]?.length === 1, "the first");
  await kept(redis, clients);
  node.run.child.kill("SIGKILL");
  const words = ["sessions:*", "lost:*", "moved:*"].map((word) => `sluice:{nodes}:${word}`);
  await until(async () => {
    const found = await Promise.all(words.map((word) => redis.command("KEYS", word)));
    return found.join("") === "";
  }, "that nothing is left");
  const keepers = () => redis.command("ZCARD", "sluice:{nodes}:keepers");
  await until(async () => (await keepers()) === "1", "the one that lives");
  const back = thief(fresh, client);
  await next(back.connect(), "connect");
  assert.equal(back.recovered, false);
});

test("a frozen node's sessions go on elsewhere once its lease is taken, and what went on closes when it thaws", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await mortal(t, redis, { SLUICE_CLUSTER_LEASE_MS: "1500" });
  const fresh = await survivor(t, redis, { cluster: { leaseMs: 1500 } });
  const nodes = () => fresh.metric("sluice_cluster_nodes");
  await until(async () => (await nodes()) === 2, "two nodes");
  const door = await tcpSwitch(t, node.port);
  const { clients, received } = await arrivals(t, door.url, 3);
  const [moved, stayed] = clients as [Client, Client];
  fresh.io.emit("n", 0);
  await until(() => received.every((numbers) => numbers.length === 1), "the first");
  await kept(redis, clients);
  node.run.child.kill("SIGSTOP");
  t.after(() => node.run.child.kill("SIGCONT"));
  const early = thief(fresh, stayed);
  await next(early.connect(), "connect");
  assert.equal(early.recovered, false, "silent is not dead");
  await until(async () => (await nodes()) === 1, "that the lease is taken");
  const elsewhere = thief(fresh, moved);
  const back = next(elsewhere, "n");
  fresh.io.emit("n", 1);
  await next(elsewhere.connect(), "connect");
  assert.equal(elsewhere.recovered, true);
  assert.equal((await back)[0], 1);
  door.to(fresh.port);
  const gone = next(moved, "disconnect");
  node.run.child.kill("SIGCONT");
  await gone;
  await until(() => moved.connected, "its return");
  assert.equal(moved.recovered, false, "somebody else has that session");
  assert.equal(
    await node.metric("sluice_connections_closed_total", { reason: "session_moved" }),
    1,
  );
  assert.equal(elsewhere.connected, true);
  // The others stay where they are, and survive that node's real death.
  await kept(redis, clients);
  const others = clients.slice(1);
  const returns = others.map((client) => next(client, "connect", 30_000));
  node.run.child.kill("SIGKILL");
  await Promise.all(returns);
  fresh.io.emit("n", 2);
  await until(() => received.slice(1).every((numbers) => numbers.includes(2)), "the last");
  assert.ok(others.every((client) => client.recovered));
  assert.deepEqual(received.slice(1), [upTo(3), upTo(3)]);
});

test("presence forgets a frozen node when its lease is taken, and a killed one at once", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const node = await mortal(t, redis, { SLUICE_CLUSTER_LEASE_MS: "1500" });
  const cluster = { leaseMs: 1500, requestTimeoutMs: 500 };
  const fresh = await survivor(t, redis, { cluster, api: { keys: [`tests:${KEY}`] } });
  await arrivals(t, node.url, 3);
  const count = async () => {
    const headers = { authorization: `Bearer ${KEY}` };
    const answer = await fetch(`${fresh.url}/v1/sockets`, { headers });
    const { sockets, code } = (await answer.json()) as { sockets?: unknown[]; code?: string };
    return sockets?.length ?? code;
  };
  await until(async () => (await count()) === 3, "all three");
  node.run.child.kill("SIGSTOP");
  t.after(() => node.run.child.kill("SIGCONT"));
  await until(async () => (await count()) === 0, "that it is forgotten", 20_000);
  node.run.child.kill("SIGCONT");
  await until(async () => (await count()) === 3, "its return", 20_000);
  node.run.child.kill("SIGKILL");
  await until(async () => (await count()) === 0, "that it is forgotten");
});

test("what Redis forgot of living sessions is written down again", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const wire = await tcpSwitch(t, redis.port);
  const node = await mortal(t, redis, {
    SLUICE_CLUSTER_REDIS_URL: `redis://127.0.0.1:${wire.port}`,
    SLUICE_CLUSTER_TIMEOUT_MS: "500",
  });
  const fresh = await survivor(t, redis);
  const door = await tcpSwitch(t, node.port);
  const { clients, received } = await arrivals(t, door.url, 5);
  await kept(redis, clients);
  wire.stall();
  await until(async () => (await node.metric("sluice_cluster_redis_up")) === 0, "the outage");
  await clients[0]?.emitWithAck("join", "meanwhile");
  const sessions = async () =>
    (await redis.command("KEYS", "sluice:{nodes}:sessions:*")).split("\n");
  await redis.command("DEL", ...(await sessions()));
  wire.flow();
  const written = async () => {
    const [key] = await sessions();
    return key ? Number(await redis.command("HLEN", key)) : 0;
  };
  await until(async () => (await written()) === 5, "that they are written");
  const near = () => fresh.io.of("/").adapter.serverCount();
  await until(async () => (await near().catch(() => 0)) === 2, "two nodes");
  fresh.io.emit("n", 0);
  await until(() => received.every((numbers) => numbers.length === 1), "the first");
  const back = clients.map((client) => next(client, "connect", 30_000));
  door.to(fresh.port);
  node.run.child.kill("SIGKILL");
  await Promise.all(back);
  assert.ok(clients.every((client) => client.recovered));
  const { id } = clients[0] as Client;
  assert.ok(fresh.io.of("/").sockets.get(String(id))?.rooms.has("meanwhile"));
});

test("functions hear of a socket's loss before they hear of its return, once each", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const fn = await startFunction(t);
  const upstream = { url: fn.url, secrets: [SECRET] };
  const node = await mortal(t, redis, {
    SLUICE_HANDLERS_MODULE: "",
    SLUICE_UPSTREAM_URL: fn.url,
    SLUICE_UPSTREAM_SECRETS: SECRET,
    SLUICE_CLUSTER_LEASE_MS: "4000",
  });
  const cluster = { leaseMs: 4000 };
  const fresh = await survivor(t, redis, { upstream, cluster });
  const third = await survivor(t, redis, { upstream, cluster });
  const door = await tcpSwitch(t, node.port);
  const { clients, received } = await arrivals(t, door.url, 10);
  const ids = clients.map(({ id }) => String(id));
  const nodes = () => third.metric("sluice_cluster_nodes");
  await until(async () => (await nodes()) === 3, "three nodes");
  fresh.io.emit("n", 0);
  await until(() => received.every((numbers) => numbers.length === 1), "the first");
  await kept(redis, clients);
  const back = clients.slice(1).map((client) => next(client, "connect", 30_000));
  // One does not come back.
  clients[0]?.io.reconnection(false);
  door.to(fresh.port);
  node.run.child.kill("SIGKILL");
  await Promise.all(back);
  await until(async () => (await nodes()) === 2, "that the lease is taken");
  const said = (id: string) =>
    fn.received
      .filter(({ json }) => json.socket.id === id)
      .map(
        ({ headers, json }) =>
          `${headers["ce-type"]} ${json.reason ?? json.socket.handshake?.recovered}`,
      );
  const lost = "io.sluice.disconnect node_lost";
  await until(() => said(String(ids[0])).includes(lost), "the last call");
  const [gone, ...others] = ids.map(said);
  assert.deepEqual(gone, ["io.sluice.connect false", lost]);
  for (const calls of others) {
    assert.deepEqual(calls, ["io.sluice.connect false", lost, "io.sluice.connect true"]);
  }
});
