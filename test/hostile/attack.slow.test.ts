import assert from "node:assert/strict";
import { test } from "node:test";
import { attack } from "./attack.ts";

test("well-behaved clients do not notice hostile rows beside them, and nothing is kept", async () => {
  // How long an ack takes is the business of `npm run attack`, on a machine of its own.
  const p99MsMax = Number.POSITIVE_INFINITY;
  const report = await attack({ seconds: 6, clients: 40, atOnce: 6, seed: 7, p99MsMax });
  assert.deepEqual(report.broken, []);
  assert.ok(report.rows >= 20, `only ${report.rows} rows ran`);
});
