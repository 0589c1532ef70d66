/** Gateways behind a Redis Cluster behave as one, whichever of its nodes holds what. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SECRET, startFunction } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { arrivals, nodeProcess } from "../harness/nodes.ts";
import { testRedisCluster } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { member, move, twoNodes } from "./kit.ts";

for (const adapter of ["streams", "pubsub"] as const) {
  test(`${adapter}: broadcasts, requests, acks and moves go across a Redis Cluster`, async (t) => {
    if (!hasTool(t, "redis-server")) return;
    const { url } = await testRedisCluster(t, 3);
    const [a, b] = await twoNodes(t, [url, url], { cluster: { adapter, prefix: "{app}" } });
    const near = await member(a, "red");
    const far = await member(b, "red", { codec: "json" });
    const heard = () => [near.heard, far.heard].map((list) => list.map(String));
    for (const [node, word] of [
      [a, "from a"],
      [b, "from b"],
    ] as const) {
      node.io.to("red").emit("n", word);
      await until(() => heard().every((list) => list.includes(word)), word);
    }
    b.io.emit("n", Buffer.from("bytes"));
    await until(() => heard().every((list) => list.includes("bytes")), "the bytes");
    assert.equal((await a.io.in("red").fetchSockets()).length, 2);
    for (const { client } of [near, far]) client.on("ask", (done) => done(client.id));
    const answers = await a.io.timeout(10_000).emitWithAck("ask");
    assert.deepEqual(answers.sort(), [near.client.id, far.client.id].sort());
    b.io.on("hello", (word: string, done: (answer: string) => void) => done(`${word} too`));
    assert.deepEqual(await a.io.serverSideEmitWithAck("hello", "world"), ["world too"]);
    a.io.in(far.socket.id).socketsJoin("blue");
    await until(() => far.socket.rooms.has("blue"), "the join");
    const gone = next(far.client, "disconnect");
    a.io.in("blue").disconnectSockets(true);
    await gone;
  });
}

test("recovery, leases and the sessions of a killed node work in a Redis Cluster", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { url } = await testRedisCluster(t, 3);
  const fn = await startFunction(t);
  const upstream = { url: fn.url, secrets: [SECRET] };
  const [a, b] = await twoNodes(t, [url, url], { upstream, cluster: { leaseMs: 2000 } });
  const { client, socket, heard } = await member(a, "red");
  a.io.emit("n", 0);
  await until(() => heard.length === 1, "the first");
  await move(client, socket, b);
  a.io.to("red").emit("n", 1);
  await next(client.connect(), "connect");
  b.io.to("red").emit("n", 2);
  await until(() => heard.length === 3, "the missed one");
  assert.deepEqual([client.recovered, heard], [true, [0, 1, 2]]);
  const node = await nodeProcess(
    t,
    { url },
    {
      SLUICE_RECOVERY_WINDOW_MS: "60000",
      SLUICE_HANDLERS_MODULE: "",
      SLUICE_UPSTREAM_URL: fn.url,
      SLUICE_UPSTREAM_SECRETS: SECRET,
      SLUICE_CLUSTER_LEASE_MS: "2000",
    },
  );
  const door = await tcpSwitch(t, node.port);
  const { clients, received } = await arrivals(t, door.url, 6);
  await until(async () => (await a.metric("sluice_cluster_nodes")) === 3, "three nodes");
  a.io.emit("n", 0);
  await until(() => received.every((numbers) => numbers.length === 1), "the first");
  const kept = () => node.metric("sluice_recovery_kept_sessions");
  await until(async () => (await kept()) === 6, "the sessions");
  const [left, ...others] = clients;
  left?.io.reconnection(false);
  const back = others.map((each) => next(each, "connect", 30_000));
  door.to(b.port);
  node.run.child.kill("SIGKILL");
  a.io.emit("n", 1);
  await Promise.all(back);
  a.io.emit("n", 2);
  await until(() => received.slice(1).every((numbers) => numbers.includes(2)), "the last");
  assert.ok(others.every((each) => each.recovered));
  for (const numbers of received.slice(1)) assert.deepEqual(numbers, [0, 1, 2]);
  const lost = () => fn.received.filter(({ json }) => json.reason === "node_lost");
  await until(() => lost().length === 6, "each loss", 20_000);
  await until(async () => (await a.metric("sluice_cluster_nodes")) === 2, "two nodes");
  assert.equal(lost().length, 6);
});

test("presence forgets a frozen node when its lease is taken, wherever it listens", async (t) => {
  // Seen: it counted for as long as it was frozen. Its listeners have a name of their own.
  if (!hasTool(t, "redis-server")) return;
  const { url } = await testRedisCluster(t, 3);
  const node = await nodeProcess(t, { url }, { SLUICE_CLUSTER_LEASE_MS: "1500" });
  const cluster = { redisUrl: url, leaseMs: 1500, requestTimeoutMs: 500 };
  const fresh = await testGateway(t, { cluster });
  const servers = () => fresh.io.of("/").adapter.serverCount();
  await until(async () => (await servers()) === 2, "two nodes");
  node.run.child.kill("SIGSTOP");
  t.after(() => node.run.child.kill("SIGCONT"));
  await until(async () => (await servers()) === 1, "that it is forgotten", 20_000);
  assert.deepEqual(await fresh.io.fetchSockets(), []);
});
