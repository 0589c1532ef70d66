/** What functions keep with a socket reaches it at any node, and its session while its client is away. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "@msgpack/msgpack";
import { Redis } from "ioredis";
import { Server, type Socket as ServerSocket } from "socket.io";
import { createAdapterClass } from "../../src/cluster/adapter.ts";
import { createSamples } from "../../src/cluster/log/carrier.ts";
import { createBus } from "../../src/cluster/log/feed.ts";
import type { Session } from "../../src/cluster/session-text.ts";
import { patchData, versionOf } from "../../src/core/socket-state.ts";
import { createGate, SECRET, startFunction } from "../harness/function.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { createMemoryCarriers } from "../harness/memory-carrier.ts";
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
  // Seen: an answer to a call from before its client came back to the same node went through the
  // log, and the next call was sent without it.
  void patch(b, client.id, { atOnce: 4 }, 8);
  assert.equal((again as ServerSocket).data.atOnce, 4);
});

test("a session is patched while its node gives it back, whenever the node hears of it", async (t) => {
  // Seen: a node read the log for the client, then heard a patch, then made the socket: the patch
  // was for nobody, and what a function had remembered was gone.
  const carriers = createMemoryCarriers({ packetsMax: 1000, bytesMax: 1e8 });
  const hooks = { async reached() {} };
  const start = (name: string) => {
    const samples = createSamples();
    const failed = (error: unknown) => assert.fail(String(error));
    const bus = createBus(carriers.join(name), { samples, threw: failed, heldBytesMax: 1e8 });
    t.after(() => bus.stop());
    const sessions = { lose() {}, claim: async () => ({ session, mayLag: false }) };
    const io = new Server({
      adapter: createAdapterClass({
        bus: {
          ...bus,
          open(namespace, listener) {
            const log = bus.open(namespace, listener);
            const reached = (id: string) => log.reached(id).then(hooks.reached);
            return name === "a" ? log : { ...log, reached };
          },
        },
        ...{ samples, failed, lost() {} },
        settings: { requestsMax: 10, requestTimeoutMs: 2000 },
        recovery: { sessions, packetsMax: 100, bytesMax: 1e6, timeoutMs: 10_000, watch() {} },
      }),
    });
    // The cast holds: it is of the class above, whose type names what Socket.IO has alone.
    return io.of("/").adapter as unknown as Patching & {
      here(): string;
      restoreSession(pid: string, offset: string): Promise<Session | null>;
    };
  };
  const [a, b] = [start("a"), start("b")];
  const patch = (from: Patching, n: number) =>
    from.patchState("s", { [n]: true }, { order: n, bytesMax });
  await patch(a, 0);
  const session: Session = {
    ...{ sid: "s", pid: "p", rooms: ["s"], data: {}, since: a.here(), whole: true, changes: [] },
  };
  await patch(a, 1);
  hooks.reached = async () => {
    // Both have come to b before its own one is confirmed.
    await patch(a, 2);
    await patch(b, 3);
  };
  const restored = await b.restoreSession("p", "none");
  assert.deepEqual(restored?.data, { 1: true, 2: true, 3: true });
  await patch(a, 4);
  await patch(b, 5);
  assert.equal(versionOf(restored?.data), 3, "by then a socket would be there");
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
    const session = sessionIn(await redis.command("HGET", String(key), name));
    return "score" in session.data && session.version === 7;
  }, "the session");
});

test("what an answer changes is written before its call leaves the journal", async (t) => {
  // Seen: the call was gone up to 20 ms before, and what came of it with a node that died then.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  let gate = createGate();
  const fn = await startFunction(t, async ({ json }) => {
    if (json.event !== "n") return {};
    await gate.passed;
    return { body: { data: { n: json.args[0] } } };
  });
  const [a] = await twoNodes(t, [redis.url, redis.url], {
    recovery: { windowMs: 60_000, checkpointMs: 600_000 },
    upstream: { url: fn.url, secrets: [SECRET] },
  });
  const { client } = await a.joined();
  await kept(redis, [client]);
  const reader = new Redis(redis.url);
  t.after(() => reader.disconnect());
  for (let n = 0; n < 5; n++) {
    gate = createGate();
    client.emit("n", n);
    await until(() => fn.received.some(({ json }) => json.args?.[0] === n), "the event");
    const keys = await Promise.all(
      ["journal", "sockets", "sessions"].map((word) => reader.keys(`sluice:{nodes}:${word}:*`)),
    );
    const names = [`/,${client.id}`, `/,${secretOf(client).pid}`];
    const look = () => reader.eval(LOOK, 3, ...keys.flat(), ...names) as Promise<Looked>;
    assert.equal((await look())[0], 1);
    gate.open();
    let looked: Looked;
    do looked = await look();
    while (looked[0] > 0);
    const [, record, session] = looked;
    assert.deepEqual([JSON.parse(record).data, sessionIn(session).data], [{ n }, { n }]);
  }
});

/** Reads the length of a journal, a record of a socket and a session at one moment. */
const LOOK = `
local record, session = redis.call("HGET", KEYS[2], ARGV[1]), redis.call("HGET", KEYS[3], ARGV[2])
return { redis.call("XLEN", KEYS[1]), record, session }
`;
type Looked = [number, string, string];

/** Returns what a session's text holds. */
function sessionIn(text: string): { readonly data: object; readonly version?: number } {
  // The cast holds for what a node has written.
  return decode(Buffer.from(String(text.split("\n")[2]), "base64")) as never;
}
