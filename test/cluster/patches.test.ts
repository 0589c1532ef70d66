/** What functions keep with a socket reaches it at any node, and its session while its client is away. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "@msgpack/msgpack";
import type { Socket as ServerSocket } from "socket.io";
import { patchData, versionOf } from "../../src/core/socket-state.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { kept, lost, move, secretOf, stranger, twoNodes } from "./kit.ts";

interface Patching {
  patchState(id: string, data: object, limits: { order: number; bytesMax: number }): Promise<void>;
}

const bytesMax = 200;

/** Patches a socket from a node, as an answer does whose call was made at `at`. */
function patch(from: TestGateway, id: string | undefined, data: object, at: number): Promise<void> {
  const adapter = from.io.of("/").adapter as unknown as Patching;
  return adapter.patchState(String(id), data, { order: at, bytesMax });
}

async function nodes(t: Parameters<typeof twoNodes>[0]) {
  const redis = await testRedis(t);
  return { redis, both: await twoNodes(t, [redis.url, redis.url]) };
}

test("a socket of another node is patched, in order and within the limits", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const [a, b] = (await nodes(t)).both;
  const { client, socket } = await a.joined();
  const other = await a.joined();
  await patch(b, client.id, { bytes: Buffer.of(1, 2), n: 2 }, 2);
  await patch(b, client.id, { n: 1 }, 1);
  await patch(b, client.id, { text: "x".repeat(bytesMax) }, 3);
  await patch(b, client.id, { last: true }, 4);
  await until(() => "last" in socket.data, "the last");
  assert.deepEqual(socket.data, { bytes: Buffer.of(1, 2), n: 2, last: true });
  assert.equal(versionOf(socket.data), 4);
  assert.deepEqual(other.socket.data, {});
});

test("a session is patched while its client is away, and keeps its version over nodes", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { redis, both } = await nodes(t);
  const [a, b] = both;
  const { client, socket } = await a.joined();
  patchData(socket, { data: { before: 1 } }, { order: 5, bytesMax });
  await move(client, socket, b);
  await until(() => lost(redis, secretOf(client)), "the session");
  await patch(a, socket.id, { older: true }, 4);
  await patch(a, socket.id, { meanwhile: 2 }, 6);
  const met = next<[ServerSocket]>(b.io, "connection");
  await next(client.connect(), "connect");
  const [again] = await met;
  assert.equal(client.recovered, true);
  assert.deepEqual(again.data, { before: 1, meanwhile: 2 });
  assert.equal(versionOf(again.data), 6);
  await patch(a, client.id, { after: 3 }, 7);
  await until(() => "after" in again.data, "what comes later");
});

test("a patch that no node writes is counted and does nothing", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const { redis, both } = await nodes(t);
  const [a] = both;
  const { client, socket } = await a.joined();
  const { append } = await stranger(t, redis);
  const to = [[client.id], [], {}];
  const limits = [1, bytesMax];
  for (const body of [
    ["patch", to, ["text"], limits],
    ["patch", to, [[1]], limits],
    ["patch", to, [{ a: 1 }], 1],
    ["patch", to, [{ a: 1 }], ["1", bytesMax]],
    ["patch", to, [{ a: 1 }], [1]],
  ]) {
    await append(JSON.stringify(body));
  }
  await append(`["patch",${JSON.stringify(to)},[{"__proto__":{"x":1},"b":1}],[2,${bytesMax}]]`);
  await until(() => "b" in socket.data, "the one that is right");
  assert.equal(Reflect.get({}, "x"), undefined);
  assert.equal(await a.metric("sluice_cluster_refused_total", { reason: "shape" }), 5);
});

test("the session of a connected socket is written when an answer changes it, for when its node dies", async (t) => {
  // Seen: it was written every recovery.checkpointMs, so a client that came back after a crash had
  // lost what its function had remembered in between.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const recovery = { windowMs: 60_000, checkpointMs: 600_000 };
  const [a] = await twoNodes(t, [redis.url, redis.url], { recovery });
  const { client, socket } = await a.joined();
  await kept(redis, [client]);
  const [key] = (await redis.command("KEYS", "sluice:{nodes}:sessions:*")).split("\n");
  const name = `/,${secretOf(client).pid}`;
  patchData(socket, { data: { score: 5 } }, { order: 7, bytesMax });
  await until(async () => {
    const text = await redis.command("HGET", String(key), name);
    const session = decode(Buffer.from(String(text.split("\n")[2]), "base64")) as {
      readonly data: object;
      readonly version?: number;
    };
    return "score" in session.data && session.version === 7;
  }, "the session");
});
