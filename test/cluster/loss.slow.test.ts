/** A Redis that loses what it kept closes the connections of whoever may have missed something of it. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket } from "socket.io-client";
import { newClient, type TestGateway, testGateway } from "../harness/gateway.ts";
import { nodeProcess, type TestNode } from "../harness/nodes.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { LOG } from "./kit.ts";

const COUNT = 20;
const BACK = { reconnection: true, reconnectionDelay: 20 } as const;

interface Listening {
  readonly client: Socket;
  readonly heard: unknown[];
  /** Why it was disconnected, each time. */
  readonly gone: unknown[];
}

function listen(client: Socket): Listening {
  const heard: unknown[] = [];
  const gone: unknown[] = [];
  client.on("n", (n: unknown) => heard.push(n));
  client.on("disconnect", (why) => gone.push(why));
  return { client, heard, gone };
}

async function restart(redis: TestRedis): Promise<void> {
  await redis.kill();
  await redis.start();
}

/** Deletes what the nodes keep in Redis, but for what tells who is alive. */
async function deleteKeys(redis: TestRedis): Promise<void> {
  const keys = (await redis.command("KEYS", "sluice*")).split("\n");
  await redis.command("DEL", ...keys.filter((key) => key !== "" && !key.includes("{nodes}")));
}

const LOSSES: readonly {
  readonly how: string;
  prepare?(redis: TestRedis): Promise<unknown>;
  /** Once both nodes have heard the first message. */
  remember?(redis: TestRedis): Promise<unknown>;
  lose(redis: TestRedis): Promise<unknown>;
}[] = [
  { how: "restarts empty", lose: restart },
  { how: "is flushed", lose: (redis) => redis.command("FLUSHALL") },
  { how: "is rid of the nodes' keys", lose: deleteKeys },
  {
    how: "restarts empty, with an earlier clock",
    // Ids are times of Redis' clock: this is what one that is ten minutes ahead would write.
    prepare: (redis) => redis.command("XADD", LOG, `${Date.now() + 600_000}-0`, "join", ""),
    lose: restart,
  },
  {
    how: "comes back older, as a replica that was behind",
    remember: (redis) => redis.command("SAVE"),
    lose: restart,
  },
  {
    how: "comes back older, with an earlier clock",
    prepare: (redis) => redis.command("XADD", LOG, `${Date.now() + 600_000}-0`, "join", ""),
    remember: (redis) => redis.command("SAVE"),
    lose: restart,
  },
];

/** A node that publishes, and another that can be frozen, each with a client. */
async function pair(t: TestContext, redis: TestRedis) {
  const windowMs = 60_000;
  const cluster = { redisUrl: redis.url, timeoutMs: 5000 };
  const a = await testGateway(t, { recovery: { windowMs }, cluster });
  const b = await nodeProcess(t, redis, {
    SLUICE_RECOVERY_WINDOW_MS: String(windowMs),
    SLUICE_CLUSTER_TIMEOUT_MS: "5000",
  });
  const near = listen(a.client(BACK));
  const far = listen(newClient(b.url, BACK));
  t.after(() => far.client.disconnect());
  for (const { client } of [near, far]) await next(client.connect(), "connect");
  await until(() => {
    a.io.emit("n", "hello");
    return far.heard.includes("hello");
  }, "the bus");
  return { a, b, near, far };
}

const isUp = async (node: TestGateway | TestNode) =>
  (await node.metric("sluice_cluster_redis_up")) === 1;
const gaps = (node: TestGateway | TestNode) => node.metric("sluice_cluster_gaps_total");
const closed = (node: TestGateway | TestNode) =>
  node.metric("sluice_connections_closed_total", { reason: "stream_gap" });

for (const { how, prepare, remember, lose } of LOSSES) {
  test(`Redis ${how} while a node is behind: its clients are closed, counted, and hear what comes after`, async (t) => {
    // Seen: the client got the first and the last of 22 numbers, and nobody closed or counted
    // anything. A node took its last message for trimmed only where the stream was full.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    await prepare?.(redis);
    const { a, b, near, far } = await pair(t, redis);
    a.io.emit("n", "first");
    await until(() => near.heard.includes("first") && far.heard.includes("first"), "the first");
    await remember?.(redis);
    b.run.child.kill("SIGSTOP");
    t.after(() => b.run.child.kill("SIGCONT"));
    for (let n = 0; n < COUNT; n++) a.io.emit("n", n);
    // Its own clients hear a message when Redis has it.
    await until(() => near.heard.includes(COUNT - 1), "that Redis has all of it");
    await lose(redis);
    b.run.child.kill("SIGCONT");
    await until(async () => far.gone.length > 0 && far.client.connected, "its return", 20_000);
    assert.equal(far.client.recovered, false, "it is not told that it has missed nothing");
    await until(async () => (await isUp(a)) && (await isUp(b)), "both nodes at Redis");
    await until(() => {
      a.io.emit("n", "after");
      return far.heard.includes("after");
    }, "what comes after");
    // A last one, by which every node has come past all that the loss has left.
    await until(async () => near.gone.length > 0 && near.client.connected, "the publisher's own");
    a.io.emit("n", "end");
    await until(() => far.heard.includes("end"), "the end");
    assert.deepEqual([await gaps(b), await closed(b)], [1, 1]);
    assert.deepEqual([await gaps(a), await closed(a)], [1, 1], "neither knows what it has missed");
    assert.equal(await a.metric("sluice_cluster_missed_total"), 0);
  });
}

test("a stream that is emptied while the nodes have read all of it closes nobody", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { redisUrl: redis.url };
  const [a, b] = [await testGateway(t, { cluster }), await testGateway(t, { cluster })];
  const near = listen(await a.connected());
  const far = listen(await b.connected());
  const hear = (word: string) => {
    a.io.emit("n", word);
    return until(() => far.heard.includes(word) && near.heard.includes(word), word);
  };
  await hear("first");
  // Both have asked for more when each has heard the other.
  b.io.emit("n", "second");
  await until(() => near.heard.includes("second"), "the second");
  await redis.command("XTRIM", LOG, "MAXLEN", "0");
  await hear("third");
  await hear("fourth");
  assert.deepEqual([await gaps(a), await gaps(b)], [0, 0]);
  assert.deepEqual([near.gone, far.gone], [[], []]);
});

test("a node that trims the stream with every message closes nobody who keeps up", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { redisUrl: redis.url, streamPacketsMax: 100 };
  const [a, b] = [await testGateway(t, { cluster }), await testGateway(t, { cluster })];
  const far = listen(await b.connected());
  await until(() => {
    a.io.emit("n", -1);
    return far.heard.includes(-1);
  }, "the bus");
  for (let n = 0; n < 1000; n++) {
    a.io.emit("n", n);
    if (n % 40 === 39) await until(() => far.heard.at(-1) === n, "what was sent");
  }
  const numbers = far.heard.filter((n) => n !== -1);
  assert.deepEqual(
    numbers,
    Array.from({ length: 1000 }, (_, n) => n),
  );
  assert.deepEqual([await gaps(a), await gaps(b), far.gone.length], [0, 0, 0]);
});

test("pubsub: a node that did not hear the others for a while closes its connections, counted", async (t) => {
  const adapter = "pubsub";
  // Seen: what was published meanwhile was lost to its clients, and nothing said so.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const wire = await tcpSwitch(t, redis.port);
  const a = await testGateway(t, { cluster: { redisUrl: redis.url, adapter } });
  const redisUrl = `redis://127.0.0.1:${wire.port}`;
  const b = await testGateway(t, { cluster: { redisUrl, adapter, timeoutMs: 1000 } });
  const near = listen(await a.connected(BACK));
  const far = listen(await b.connected(BACK));
  await until(() => {
    a.io.emit("n", "hello");
    return far.heard.includes("hello");
  }, "the bus");
  wire.stall();
  for (let n = 0; n < COUNT; n++) a.io.emit("n", n);
  await until(() => near.heard.includes(COUNT - 1), "its own clients");
  wire.flow();
  await until(() => far.gone.length > 0 && far.client.connected, "its return");
  await until(() => {
    a.io.emit("n", "after");
    return far.heard.includes("after");
  }, "what comes after");
  assert.deepEqual([await gaps(b), await closed(b)], [1, 1]);
  assert.deepEqual([await gaps(a), near.gone.length], [0, 0], "who heard all is left alone");
});
