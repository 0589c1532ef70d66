import assert from "node:assert/strict";
import { test } from "node:test";
import { attack } from "./attack.ts";

test("well-behaved clients do not notice hostile rows beside them, and nothing is kept", async () => {
  const report = await attack({ seconds: 6, clients: 40, atOnce: 6, seed: 7 });
  assert.deepEqual(report.broken, []);
  assert.ok(report.rows >= 20, `only ${report.rows} rows ran`);
});
