import assert from "node:assert/strict";
import { test } from "node:test";
import { openLostRecords } from "../../src/cluster/lost-records.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { openNode } from "./journal-kit.ts";

test("what a node wrote down of its sockets is read and changed by others, but not brought back", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [one, other] = [await openNode(t, redis), await openNode(t, redis)];
  const { lease } = one;
  const socket = { id: "a", namespace: "/", userId: "ada", data: { n: Buffer.of(1) }, version: 5 };
  lease.enter({ ...socket, rooms: ["red"] });
  lease.enter({ ...socket, id: "b" });
  const records = openLostRecords({ link: other.link, prefix: lease.prefix }, 100);
  const recall = () => records.recall(lease.node, ["/,a", "/,nobody", "/,b"]);
  await until(async () => (await recall())[2] !== undefined, "the records");
  assert.deepEqual(await recall(), [
    { ...socket, rooms: ["red"] },
    undefined,
    { ...socket, id: "b" },
  ]);
  await records.revise(lease.node, { ...socket, data: { n: 2 }, version: 6 });
  await records.revise(lease.node, { ...socket, id: "nobody" });
  const [revised, none] = await recall();
  assert.deepEqual(revised, { ...socket, data: { n: 2 }, version: 6 });
  assert.equal(none, undefined);
  assert.deepEqual(await records.recall(lease.node, []), []);
  for (const id of ["a", "b"]) lease.strike({ id, namespace: "/" });
});
