/** The namespaces of one pattern: what is emitted to all of them, and how many there are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { nodesOver } from "./kit.ts";

for (const where of ["in memory", "over Redis"] as const) {
  test(`${where}: each client gets it with its own arguments, and once however often it returns`, async (t) => {
    // Seen: clients of the second namespace got an argument more, and who returned got all again.
    // Each namespace put its offset into the packet of all, so that a client kept another one's.
    if (where === "over Redis" && !hasTool(t, "redis-server")) return;
    const redis = where === "over Redis" ? await testRedis(t) : undefined;
    const [{ io, client: newClient }] = await nodesOver(t, redis);
    const parent = io.of(/^\/t-\d$/).on("connection", (socket) => socket.join("red"));
    const client = newClient({ namespace: "/t-1" });
    const clients = [client, newClient({ namespace: "/t-2" })];
    const heard: unknown[][][] = [];
    for (const each of clients) {
      const list: unknown[][] = [];
      heard.push(list);
      each.on("n", (...args) => list.push(args.slice(0, -1))); // the offset comes last
      await next(each.connect(), "connect");
    }
    parent.to("red").emit("n", 0);
    await until(() => heard.every(({ length }) => length === 1), "the first");
    for (const n of [1, 2]) {
      const [socket] = io.of("/t-1").sockets.values();
      assert.ok(socket);
      const gone = next(socket, "disconnect");
      client.io.engine.close();
      await gone;
      parent.to("red").emit("n", n);
      await next(client.connect(), "connect");
      assert.equal(client.recovered, true);
    }
    parent.to("red").emit("n", 3);
    await until(() => heard.every((list) => list.at(-1)?.[0] === 3), "the last");
    assert.deepEqual(heard, Array(2).fill([[0], [1], [2], [3]]));
  });
}

test("what commands name in a cluster makes room for what clients name, and for more of itself", async (t) => {
  // Seen: a backend that emitted to the namespace of each user filled every node with them, and no
  // client could open another one until a restart. Only those that clients made made room.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const key = "k".repeat(32);
  const gateway = await testGateway(t, {
    cluster: { redisUrl: redis.url },
    limits: { dynamicNamespacesMax: 12 },
    api: { keys: [`k:${key}`] },
  });
  const { io, url } = gateway;
  io.of(/^\/t-\d+$/);
  io.of("/t-0"); // the application's own
  const warnings: Error[] = [];
  const warned = (warning: Error) => void warnings.push(warning);
  process.on("warning", warned);
  t.after(() => process.off("warning", warned));
  const emit = async (n: number) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const body = JSON.stringify({ namespace: `/t-${n}`, event: "n" });
    const { status } = await fetch(`${url}/v1/emit`, { method: "POST", headers, body });
    assert.equal(status, 200);
  };
  for (let n = 0; n < 20; n++) await emit(n);
  let next = 20;
  await until(async () => {
    await emit(next++);
    return io._nsps.size < 12;
  }, "room");
  for (let n = 0; io._nsps.size < 12; n++) await emit(n);
  await until(async () => {
    const client = gateway.client({ namespace: "/t-999999" }).connect();
    return new Promise((resolve) => {
      client.once("connect", () => resolve(true));
      client.once("connect_error", () => resolve(false));
    });
  }, "a client of another name");
  assert.deepEqual([...io._nsps.keys()].sort(), ["/", "/t-0", "/t-999999"]);
  assert.deepEqual(warnings, []);
});
