/** Nodes that restart, die or turn a client away, under a numbered stream: nothing is missing or twice. */
import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import type { Socket as Client } from "socket.io-client";
import { findFreePort } from "../harness/free-port.ts";
import { newClient, testGateway } from "../harness/gateway.ts";
import { startProcess } from "../harness/process.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";

const RECOVERY = { windowMs: 60_000 };

/** A TCP switch: new connections go to whichever port is current. */
async function tcpSwitch(t: TestContext, first: number) {
  let current = first;
  const open = new Set<Socket>();
  const server = createServer((inner) => {
    const outer = connect(current, "127.0.0.1");
    open.add(outer);
    inner.pipe(outer).pipe(inner);
    inner.on("error", () => outer.destroy());
    outer.on("error", () => inner.destroy());
    outer.on("close", () => inner.destroy());
    inner.on("close", () => outer.destroy());
    outer.on("close", () => open.delete(outer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    for (const each of open) each.destroy();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    to(port: number) {
      current = port;
    },
    /** Reads nothing more from the gateway, so that its buffers fill. */
    stall: () => {
      for (const each of open) each.unpipe().pause();
    },
    open,
  };
}

/** A gateway in a process of its own, whose sockets are in `red`. */
async function nodeProcess(t: TestContext, redis: TestRedis, drainMs: number) {
  const port = await findFreePort();
  const env = {
    PORT: String(port),
    SLUICE_SOCKET_HOST: "127.0.0.1",
    SLUICE_SOCKET_DRAIN_MS: String(drainMs),
    SLUICE_CLUSTER_REDIS_URL: redis.url,
    SLUICE_RECOVERY_WINDOW_MS: String(RECOVERY.windowMs),
    SLUICE_OVERLOAD_ENABLED: "false",
  };
  const run = startProcess(t, [process.execPath, "--import", "tsx", "src/main.ts"], env);
  await until(() => run.output().includes("listening on port"), "the node", 60_000);
  return { run, port };
}

async function arrivals(t: TestContext, url: string, count: number) {
  const received: number[][] = [];
  const clients: Client[] = [];
  for (let at = 0; at < count; at++) {
    const client = newClient(url, { reconnection: true, reconnectionDelay: 50 });
    const numbers: number[] = [];
    client.on("n", (n: number) => numbers.push(n));
    received.push(numbers);
    clients.push(client);
  }
  t.after(() => {
    for (const client of clients) client.disconnect();
  });
  await Promise.all(clients.map((client) => next(client.connect(), "connect", 30_000)));
  return { clients, received };
}

test("a rolling restart over Redis: 200 clients miss no number and get none twice", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const settings = {
    cluster: { redisUrl: redis.url },
    recovery: RECOVERY,
    overload: { enabled: false },
  };
  const old = await nodeProcess(t, redis, 2000);
  const fresh = await testGateway(t, settings);
  const door = await tcpSwitch(t, old.port);
  const { clients, received } = await arrivals(t, door.url, 200);
  await until(async () => (await fresh.io.of("/").adapter.serverCount()) === 2, "two nodes");
  let n = 0;
  const send = () => fresh.io.emit("n", n++);
  const stream = setInterval(send, 20);
  t.after(() => clearInterval(stream));
  await until(() => received.every((numbers) => numbers.length > 5), "the stream");
  door.to(fresh.port);
  old.run.child.kill("SIGTERM");
  await until(() => fresh.io.engine.clientsCount === 200, "everyone's return", 30_000);
  assert.equal(await old.run.exit(), 0);
  await until(() => clients.every((client) => client.connected), "everyone connected");
  clearInterval(stream);
  send();
  await until(() => received.every((numbers) => numbers.at(-1) === n - 1), "the last number");
  const all = Array.from({ length: n }, (_, at) => at);
  for (const numbers of received) assert.deepEqual(numbers, all.slice(numbers[0]));
  assert.ok(clients.every((client) => client.recovered));
});

test("kill -9 of a node: its clients come to another, told that they were not recovered", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const old = await nodeProcess(t, redis, 0);
  const fresh = await testGateway(t, { cluster: { redisUrl: redis.url }, recovery: RECOVERY });
  const door = await tcpSwitch(t, old.port);
  const { clients, received } = await arrivals(t, door.url, 5);
  let n = 0;
  const stream = setInterval(() => fresh.io.emit("n", n++), 10);
  t.after(() => clearInterval(stream));
  await until(() => received.every((numbers) => numbers.length > 5), "the stream");
  const before = received.map((numbers) => numbers.length);
  const back = clients.map((client) => next(client, "connect"));
  door.to(fresh.port);
  old.run.child.kill("SIGKILL");
  await Promise.all(back);
  await until(
    () => received.every((numbers, at) => numbers.length > (before[at] ?? 0) + 5),
    "the stream",
  );
  // Sessions are written down when a connection ends, and that node could not: a client knows.
  assert.ok(clients.every((client) => !client.recovered));
  for (const numbers of received) {
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    );
  }
});

test("a slow consumer's close is recovered on another node, whole and once", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const settings = {
    cluster: { redisUrl: redis.url },
    recovery: RECOVERY,
    socket: { bufferBytesMax: 65_536 },
  };
  const a = await testGateway(t, settings);
  const b = await testGateway(t, { ...settings, socket: {} });
  const door = await tcpSwitch(t, a.port);
  const { clients, received } = await arrivals(t, door.url, 1);
  const [client] = clients as [Client];
  const [numbers] = received as [number[]];
  let n = 0;
  const send = () => b.io.emit("n", n++, "x".repeat(20_000));
  send();
  await until(() => numbers.length === 1, "the first");
  const back = next(client, "connect", 30_000);
  door.stall();
  door.to(b.port);
  await until(async () => {
    for (let i = 0; i < 20; i++) send();
    await new Promise((resolve) => setTimeout(resolve, 5));
    return (await a.metric("sluice_connections_closed_total", { reason: "slow_consumer" })) === 1;
  }, "the slow consumer's close");
  for (const each of door.open) each.destroy();
  await back;
  send();
  await until(() => numbers.at(-1) === n - 1, "the last number");
  assert.equal(client.recovered, true);
  assert.deepEqual(
    numbers,
    Array.from({ length: n }, (_, at) => at),
  );
});
