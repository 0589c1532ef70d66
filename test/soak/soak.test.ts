import assert from "node:assert/strict";
import { test } from "node:test";
import { soak } from "./soak.ts";

test("after waves of clients that come and go, heap and descriptors are at their floor", async () => {
  const { waves, broken } = await soak({ seconds: 0, waves: 7, clients: 60, seen() {} });
  assert.equal(waves.length, 7);
  assert.deepEqual(broken, []);
});
