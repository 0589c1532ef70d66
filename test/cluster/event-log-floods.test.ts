/** Logs in Redis: very many channels at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { openNode, redisBus, say } from "./event-log-kit.ts";

test("very many channels that are subscribed to at once are heard", async (t) => {
  // Seen: each was an argument of a function, which threw each time that it was tried again. Above
  // some 120,000 the node never heard anything any more.
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const nodes = await Promise.all([0, 1].map(() => redisBus(t, redis.url)));
  const [a, b] = nodes.map(({ bus }) => openNode(t, bus));
  const many = Array.from({ length: 200_000 }, (_, n) => `:${n}`);
  await b?.log.subscribe([":red"]);
  await b?.log.subscribe(many);
  if (a) for (const channel of [":0", ":199999"]) await say(a, [channel], channel);
  await until(() => b?.heard.length === 2, "both");
  assert.deepEqual(b?.heard, [":0", ":199999"]);
});
