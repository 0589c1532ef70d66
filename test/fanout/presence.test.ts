import assert from "node:assert/strict";
import { test } from "node:test";
import type { Server } from "socket.io";
import { createPresence } from "../../src/fanout/presence.ts";
import { nodesOver, twoNodes } from "../cluster/kit.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";

/** Counting on one node, with a clock of its own. */
function presenceOf(server: Server) {
  const clock = { at: 0 };
  const presence = createPresence({ server, presenceMs: 1000, now: () => clock.at });
  return { ...presence, clock };
}

test("one node counts at once, exactly, also rooms that are numbers or empty", async (t) => {
  const [node] = await nodesOver(t, undefined);
  const { count, samples } = presenceOf(node.io);
  const { socket } = await node.joined();
  await node.joined();
  socket.join(["red", "__proto__"]);
  socket.join(5 as unknown as string);
  assert.deepEqual(count("/", ["red", "5", "blue"]), { red: 1, 5: 1, blue: 0 });
  assert.equal(JSON.stringify(count("/", ["__proto__"])), '{"__proto__":1}');
  socket.leave("red");
  assert.deepEqual(count("/", ["red"]), { red: 0 });
  assert.deepEqual(count("/nowhere", ["red"]), {});
  assert.equal(samples.asked, 0);
});

for (const adapter of ["streams", "pubsub"] as const) {
  test(`over ${adapter}, calls that come together share one question, and its answer for a while`, async (t) => {
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const recovery = { windowMs: 0 };
    const [a, b] = await twoNodes(t, [redis.url, redis.url], { recovery, cluster: { adapter } });
    const own = await a.joined();
    const far = [await b.joined(), await b.joined()];
    for (const { socket } of [own, ...far]) await socket.join("red");
    await far[0]?.socket.join("blue");
    const { count, samples, clock } = presenceOf(a.io);
    clock.at = 1;
    const counted = await Promise.all([
      count("/", ["red"]),
      count("/", ["red", "blue"]),
      count("/", ["blue", "none"]),
    ]);
    assert.deepEqual(counted, [{ red: 3 }, { red: 3, blue: 1 }, { blue: 1, none: 0 }]);
    assert.equal(samples.asked, 1);
    own.socket.leave("red");
    far[0]?.socket.leave("red");
    assert.deepEqual(count("/", ["red"]), { red: 2 }, "its own are counted anew");
    clock.at = 1002;
    assert.deepEqual(await count("/", ["red"]), { red: 1 });
    assert.equal(samples.asked, 2);
  });
}

test("a node that is gone is not counted, and not waited for", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [a, b] = await twoNodes(t, [redis.url, redis.url]);
  const { socket } = await b.joined();
  await socket.join("red");
  const { count, clock } = presenceOf(a.io);
  clock.at = 1;
  assert.deepEqual(await count("/", ["red"]), { red: 1 });
  await b.stop();
  clock.at = 2000;
  await until(async () => {
    clock.at += 2000;
    const { red } = await count("/", ["red"]);
    return red === 0;
  }, "nobody is there");
});
