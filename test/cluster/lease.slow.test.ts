/** A node that dies without a word: another tells the functions that its sockets are gone. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Redis } from "ioredis";
import { findFreePort } from "../harness/free-port.ts";
import {
  createGate,
  type Received,
  SECRET,
  startFunction,
  type TestFunction,
} from "../harness/function.ts";
import { newClient, sumMetric, type TestGateway, testGateway } from "../harness/gateway.ts";
import { SLUICE, startProcess, type TestProcess } from "../harness/process.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";

const LEASE_MS = 1500;
const ALIVE = "sluice:{nodes}:alive";

function cluster(redis: TestRedis) {
  return { redisUrl: redis.url, timeoutMs: 1000, leaseMs: LEASE_MS };
}

async function survivor(t: TestContext, redis: TestRedis, fn: TestFunction): Promise<TestGateway> {
  const upstream = { url: fn.url, secrets: [SECRET], rooms: true };
  return testGateway(t, { cluster: cluster(redis), upstream });
}

interface Node {
  readonly run: TestProcess;
  readonly url: string;
}

/** A node in a process of its own. */
async function node(t: TestContext, redis: TestRedis, fn: TestFunction): Promise<Node> {
  const port = await findFreePort();
  const settings = { port, "cluster.redisUrl": redis.url, "cluster.leaseMs": LEASE_MS };
  const env = {
    PORT: String(port),
    SLUICE_SOCKET_HOST: "127.0.0.1",
    SLUICE_CLUSTER_REDIS_URL: settings["cluster.redisUrl"],
    SLUICE_CLUSTER_LEASE_MS: String(LEASE_MS),
    SLUICE_CLUSTER_TIMEOUT_MS: "1000",
    SLUICE_UPSTREAM_URL: fn.url,
    SLUICE_UPSTREAM_SECRETS: SECRET,
    SLUICE_UPSTREAM_ROOMS: "true",
  };
  const run = startProcess(t, SLUICE, env);
  await run.said("listening on port", 60_000);
  return { run, url: `http://127.0.0.1:${port}` };
}

async function connect(t: TestContext, url: string, count: number) {
  // A node that was frozen sheds load at first, for the lag it sees.
  const options = { reconnection: true, reconnectionDelay: 100 };
  const clients = Array.from({ length: count }, () => newClient(url, options));
  t.after(() => {
    for (const client of clients) client.disconnect();
  });
  await Promise.all(clients.map((client) => next(client.connect(), "connect")));
  return { clients, ids: clients.map(({ id }) => String(id)).sort() };
}

const isDisconnect = ({ headers }: Received) => headers["ce-type"] === "io.sluice.disconnect";
const idsOf = (calls: Received[]) => calls.map(({ json }) => json.socket.id as string).sort();

/** Waits until every entry that a node wrote down is there. */
async function written(redis: TestRedis, count: number): Promise<void> {
  await until(async () => {
    const keys = await redis.command("KEYS", "sluice:{nodes}:sockets:*");
    let sum = 0;
    for (const key of keys.split("\n").filter(Boolean)) {
      sum += Number(await redis.command("HLEN", key));
    }
    return sum === count;
  }, `${count} entries`);
}

test("kill -9 as soon as a call is over: the disconnect call has what its answer has changed", async (t) => {
  // Seen: the call was gone from the journal up to 20 ms before the socket was written down again.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const gate = createGate();
  const fn = await startFunction(t, async ({ json }) => {
    if (json.event !== "paint") return {};
    await gate.passed;
    return { body: { data: { color: "blue" } } };
  });
  const dying = await node(t, redis, fn);
  await survivor(t, redis, fn);
  const { clients } = await connect(t, dying.url, 1);
  await written(redis, 1);
  const client = new Redis(redis.url);
  t.after(() => client.disconnect());
  clients[0]?.emit("paint");
  await until(() => fn.received.some(({ json }) => json.event === "paint"), "the event");
  const [journal = ""] = await client.keys("sluice:{nodes}:journal:*");
  assert.equal(await client.xlen(journal), 1);
  gate.open();
  // As fast as can be: the moment is short.
  while ((await client.xlen(journal)) > 0);
  dying.run.child.kill("SIGKILL");
  await until(() => fn.received.some(isDisconnect), "the disconnect call", 30_000);
  const { json } = fn.received.find(isDisconnect) as Received;
  assert.deepEqual(json.socket.data, { color: "blue" });
});

test("kill -9: each socket's disconnect call is made once, by one of two survivors", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const late: Received[] = [];
  const fn = await startFunction(t, (request) => {
    const { headers, json } = request;
    if (headers["ce-type"] === "io.sluice.connect")
      return { body: { userId: "ada", data: { color: "red" }, rooms: ["red"] } };
    if (json.event === "paint") return { body: { data: { color: "blue" }, rooms: ["blue"] } };
    if (json.event !== "late") return {};
    // Its node dies before it is answered.
    return late.push(request) === 1 ? () => {} : { body: { data: { late: true } } };
  });
  const dying = await node(t, redis, fn);
  const survivors = [await survivor(t, redis, fn), await survivor(t, redis, fn)];
  const [one] = survivors as [TestGateway];
  const { ids, clients } = await connect(t, dying.url, 6);
  // One that leaves by itself is told of by its own node, and by nobody else.
  clients[0]?.disconnect();
  const left = ids.filter((id) => id !== clients[0]?.id);
  await until(() => fn.received.filter(isDisconnect).length === 1, "the first disconnect");
  await written(redis, 5);
  // The record follows what answers change, also for calls that came before.
  const blue = clients[1]?.id;
  clients[1]?.emit("paint").emit("late");
  await until(() => late.length === 1, "the call that is not answered");
  const [key] = (await redis.command("KEYS", "sluice:{nodes}:sockets:*")).split("\n");
  const records = () => redis.command("HVALS", String(key));
  await until(async () => /"blue".*"blue"/.test(await records()), "it");
  await until(async () => (await one.metric("sluice_cluster_nodes")) === 3, "three nodes");
  dying.run.child.kill("SIGKILL");
  const lost = () => fn.received.filter((call) => call.json.reason === "node_lost");
  await until(() => lost().length >= 5, "the calls");
  await written(redis, 0);
  await until(async () => (await one.metric("sluice_cluster_nodes")) === 2, "two nodes");
  assert.equal(lost().length, 5);
  const [id] = ids.filter((each) => !idsOf(lost()).includes(each));
  assert.deepEqual(
    idsOf(lost()),
    ids.filter((each) => each !== id),
  );
  assert.ok(left.length >= 5);
  for (const { json } of lost()) {
    const { id: lostId, userId, data, rooms, version } = json.socket;
    const isBlue = lostId === blue;
    assert.equal(userId, "ada");
    const told = isBlue ? { color: "blue", late: true } : { color: "red" };
    assert.deepEqual(data, { ...told, userId: "ada" });
    assert.deepEqual(rooms, isBlue ? ["red", "blue"] : ["red"]);
    assert.ok(version > 0);
  }
  assert.deepEqual(late[1]?.json.socket.data, { color: "blue", userId: "ada" });
  const counts = await Promise.all(
    survivors.map((each) => each.metric("sluice_cluster_lost_sockets_total")),
  );
  assert.deepEqual(counts.sort(), [0, 5], "one survivor made all the calls");
  assert.deepEqual(await one.io.fetchSockets(), []);
});

test("a frozen node is taken for dead; when it thaws its sockets close and nobody is told twice", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const fn = await startFunction(t);
  const frozen = await node(t, redis, fn);
  const one = await survivor(t, redis, fn);
  const { ids, clients } = await connect(t, frozen.url, 3);
  await written(redis, 3);
  frozen.run.child.kill("SIGSTOP");
  t.after(() => frozen.run.child.kill("SIGCONT"));
  await until(() => fn.received.filter(isDisconnect).length === 3, "the calls");
  assert.deepEqual(idsOf(fn.received.filter(isDisconnect)), ids);
  // Its subscriptions are cut off, so presence does not wait for it any more.
  await until(async () => (await one.io.of("/").adapter.serverCount()) === 1, "one node");
  assert.deepEqual(await one.io.fetchSockets(), []);
  // One client has gone meanwhile: it is told of already.
  clients[0]?.disconnect();
  const gone = clients.slice(1).map(async (client) => {
    const reason = await next<[string]>(client, "disconnect");
    client.disconnect();
    return reason;
  });
  frozen.run.child.kill("SIGCONT");
  for (const [reason] of await Promise.all(gone)) assert.equal(reason, "transport close");
  await until(async () => (await one.metric("sluice_cluster_nodes")) === 2, "two nodes");
  const text = await (await fetch(`${frozen.url}/metrics`)).text();
  assert.equal(sumMetric(text, "sluice_cluster_leases_taken_total"), 1);
  // It goes on under a new lease, which is as good.
  const again = await connect(t, frozen.url, 1);
  await written(redis, 1);
  frozen.run.child.kill("SIGKILL");
  await until(() => fn.received.filter(isDisconnect).length >= 4, "the last call");
  await written(redis, 0);
  assert.deepEqual(idsOf(fn.received.filter(isDisconnect)), [...ids, ...again.ids].sort());
});

test("after an outage longer than the lease, who is back first takes nobody else for dead", async (t) => {
  // Seen: the first node that reached Redis again took the leases of all others, which had ended
  // meanwhile; their functions heard of sockets that were lost and were not, and all were closed.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const fn = await startFunction(t);
  const wires = [await tcpSwitch(t, redis.port), await tcpSwitch(t, redis.port)];
  const [one, two] = await Promise.all(
    wires.map((wire) => survivor(t, { ...redis, url: `redis://127.0.0.1:${wire.port}` }, fn)),
  );
  assert.ok(one && two);
  const clients = [await one.connected(), await two.connected()];
  await written(redis, 2);
  const nodes = () => one.metric("sluice_cluster_nodes");
  await until(async () => (await nodes()) === 2, "two nodes");
  const away = async (node: TestGateway) => (await node.metric("sluice_cluster_redis_up")) === 0;
  for (const wire of wires) wire.stall();
  await until(async () => (await away(one)) && (await away(two)), "the outage");
  const now = async () => Number((await redis.command("TIME")).split("\n")[0]) * 1000;
  const ends = (await redis.command("ZRANGE", ALIVE, "0", "-1", "WITHSCORES")).split("\n");
  const last = Math.max(Number(ends[1]), Number(ends[3]));
  await until(async () => (await now()) > last, "that both leases have ended");
  wires[0]?.flow();
  await until(async () => !(await away(one)), "its return");
  // It takes leases right after it has renewed its own.
  const living = async () => Number(await redis.command("ZCOUNT", ALIVE, String(last + 1), "+inf"));
  await until(async () => (await living()) === 1, "its lease");
  wires[1]?.flow();
  await until(async () => (await nodes()) === 2, "the other's return");
  for (const node of [one, two]) {
    assert.equal(await node.metric("sluice_cluster_leases_taken_total"), 0);
  }
  assert.deepEqual(fn.received.filter(isDisconnect), []);
  assert.ok(clients.every((client) => client.connected));
});

test("what Redis forgot is written down again, and a stop leaves nothing behind", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const fn = await startFunction(t);
  const dying = await node(t, redis, fn);
  const one = await survivor(t, redis, fn);
  const { clients } = await connect(t, dying.url, 3);
  await written(redis, 3);
  await redis.kill();
  clients[0]?.disconnect();
  await until(() => fn.received.filter(isDisconnect).length === 1, "a disconnect meanwhile");
  await redis.start();
  await written(redis, 2);
  await until(async () => (await one.metric("sluice_cluster_nodes")) === 2, "two nodes");
  dying.run.child.kill("SIGTERM");
  assert.equal(await dying.run.exit(), 0);
  // A node that finds Redis empty closes its connections: these come back, and go with it.
  const gone = () => fn.received.filter(isDisconnect).length;
  await until(() => gone() >= 3 && fn.received.length === 2 * gone(), "the calls");
  assert.ok(fn.received.every(({ json }) => json.reason !== "node_lost"));
  await written(redis, 0);
  await until(async () => (await one.metric("sluice_cluster_nodes")) === 1, "one node");
});
