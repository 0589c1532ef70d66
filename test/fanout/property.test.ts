import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { histories } from "./histories.ts";
import { createStage } from "./player.ts";
import { startRig } from "./rig.ts";

/** More on demand: `HISTORIES=20000 node --import tsx --test test/fanout/property.test.ts`. */
const RUNS = Number(process.env.HISTORIES ?? 2000);

test("every connection gets what the in-memory adapter would send it, in that order", async (t) => {
  // Few memberships, so that topics of unions come and go.
  const fanout = { unionMembersMax: 30 };
  const rig = await startRig(t, { socket: { allowEio3: true }, fanout });
  const stage = createStage(rig);
  await fc.assert(
    fc.asyncProperty(histories, (history) => stage.play(history)),
    { numRuns: RUNS, endOnFailure: true, includeErrorInReport: true, ...seedOf(process.env.SEED) },
  );
  await stage.end();
  const { slow, unionTopics, unionMembers } = rig.attached.samples().fanout;
  assert.deepEqual([slow, unionTopics, unionMembers], [0, 0, 0], "nothing is left behind");
  assert.ok(stage.totals.published > stage.totals.deliveries / 4, "topics carry their share");
  t.diagnostic(JSON.stringify(stage.totals));
  assert.ok(stage.totals.unions > RUNS / 20, "unions have topics");
});

function seedOf(text: string | undefined): { seed?: number } {
  return text === undefined ? {} : { seed: Number(text) };
}
