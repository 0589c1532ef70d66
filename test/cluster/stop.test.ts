/** What a node says right before it stops is heard, by its own clients and by those of others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SECRET, startFunction } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { member, twoNodes } from "./kit.ts";

for (const transports of [["websocket"], ["polling"]] as const) {
  test(`${transports}: a broadcast right before a stop without a drain reaches all clients`, async (t) => {
    // Seen: the node's own clients were closed while its broadcast was on its way through Redis.
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const [a, b] = await twoNodes(t, [redis.url, redis.url]);
    const near = await member(a, "red", { transports: [...transports] });
    const far = await member(b, "red");
    const gone = next(near.client, "disconnect");
    a.io.emit("n", "bye");
    a.io.to("red").emit("n", "bye, red");
    await a.stop();
    await gone;
    assert.deepEqual(near.heard, ["bye", "bye, red"]);
    await until(() => far.heard.length === 2, "the other's");
  });
}

test("what a stop itself has a node broadcast reaches the clients of others", async (t) => {
  // Seen: the log of a namespace was closed with its sockets, before what their listeners said, and
  // what functions answered to their disconnects, was on its way.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, redis.url]);
  const { socket } = await member(a, "red");
  const { heard } = await member(b, "red");
  socket.on("disconnect", () => a.io.emit("n", "it left"));
  await a.stop();
  await until(() => heard.length > 0, "that it left");
  assert.deepEqual(heard, ["it left"]);
});

test("what a function answers to the disconnects of a stop reaches the clients of others", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const fn = await startFunction(t, ({ json }) =>
    json.reason ? { body: { commands: [{ do: "emit", event: "n", args: ["it left"] }] } } : {},
  );
  const other = await testGateway(t, { cluster: { redisUrl: redis.url } });
  const { heard } = await member(other, "red");
  const a = await testGateway(t, {
    cluster: { redisUrl: redis.url },
    upstream: { url: fn.url, secrets: [SECRET] },
  });
  await a.connected();
  await a.stop();
  await until(() => heard.length > 0, "that it left");
  assert.deepEqual(heard, ["it left"]);
});

test("a stop waits for a Redis that is silent for a moment only, and then says it itself", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const cluster = { redisUrl: redis.url, timeoutMs: 3_000 };
  const a = await testGateway(t, { cluster });
  const { client, heard } = await member(a, "red");
  const gone = next(client, "disconnect");
  await redis.command("CLIENT", "PAUSE", "600000", "WRITE");
  t.after(() => redis.command("CLIENT", "UNPAUSE"));
  a.io.emit("n", "bye");
  await a.stop();
  await gone;
  assert.deepEqual(heard, ["bye"]);
});
