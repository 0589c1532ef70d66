/** A journal in a Redis Cluster: all of its keys are in one slot. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { testRedisCluster } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { appendAll, call, letterOf, openNode, textsOf } from "./journal-kit.ts";

test("in a Redis Cluster calls are adopted, at once after a stop, and letters taken", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedisCluster(t, 3);
  const leaseMs = 60_000;
  const [leaving, staying] = [
    await openNode(t, redis, { leaseMs }),
    await openNode(t, redis, { leaseMs }),
  ];
  const [first] = await appendAll(leaving, [call("1"), call("2"), call("3")]);
  leaving.journal.letters.add(letterOf("x"), first);
  await leaving.journal.flushed();
  assert.deepEqual(await staying.journal.elsewhere([{ lane: "/,a" }, { lane: "/,b" }]), [
    true,
    false,
  ]);
  await leaving.stop();
  await until(() => staying.adopted.length === 2, "the adoption");
  assert.deepEqual(textsOf(staying.adopted), ["2", "3"]);
  assert.equal((await staying.journal.letters.take("x"))?.letter.text, "call x");
  assert.equal(staying.journal.samples().entries, 1);
  assert.deepEqual((await staying.journal.letters.list({ limit: 1 })).items, []);
});
