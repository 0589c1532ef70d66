/** Nodes that restart or turn a client away, under a numbered stream: nothing is missing or twice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Socket as Client } from "socket.io-client";
import { testGateway } from "../harness/gateway.ts";
import { arrivals, nodeProcess } from "../harness/nodes.ts";
import { testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";

const RECOVERY = { windowMs: 60_000 };

test("a rolling restart over Redis: 200 clients miss no number and get none twice", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const settings = {
    cluster: { redisUrl: redis.url },
    recovery: RECOVERY,
    overload: { enabled: false },
  };
  const old = await nodeProcess(t, redis, {
    SLUICE_SOCKET_DRAIN_MS: "2000",
    SLUICE_RECOVERY_WINDOW_MS: String(RECOVERY.windowMs),
  });
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
  await until(() => fresh.io.engine.clientsCount === 200, "everyone's return", 60_000);
  assert.equal(await old.run.exit(), 0);
  await until(() => clients.every((client) => client.connected), "everyone connected");
  clearInterval(stream);
  send();
  await until(() => received.every((numbers) => numbers.at(-1) === n - 1), "the last number");
  const all = Array.from({ length: n }, (_, at) => at);
  for (const numbers of received) assert.deepEqual(numbers, all.slice(numbers[0]));
  assert.ok(clients.every((client) => client.recovered));
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
  door.flow();
  await back;
  send();
  await until(() => numbers.at(-1) === n - 1, "the last number");
  assert.equal(client.recovered, true);
  assert.deepEqual(
    numbers,
    Array.from({ length: n }, (_, at) => at),
  );
});
