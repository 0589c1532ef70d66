/** What is emitted to a room in all namespaces of one pattern is one packet for all of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
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
