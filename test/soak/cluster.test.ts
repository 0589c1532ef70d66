/** Over several nodes and several workers nobody misses anything, whatever befalls them. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { hasTool } from "../harness/tool.ts";
import { playCluster } from "./cluster.ts";
import { type Stage, stageNodes, stageWorkers } from "./cluster-stage.ts";
import { createTape, type Spoil, type Tape } from "./tape.ts";

/** One that is always the same, and one that is new. */
const SEEDS = [15, Date.now() % 1_000_000];
const SHORT = { seconds: 0, rounds: 2, clients: 12 };

/** Plays some seeds; returns a record of the last. */
async function playAll(t: TestContext, stage: Stage, seeds = SEEDS, recovery = true) {
  let tape = createTape();
  for (const seed of seeds) {
    tape = createTape();
    const { ledger } = tape;
    const { wrong, ...more } = await playCluster(stage, { ...SHORT, seed, recovery, ledger });
    t.diagnostic(JSON.stringify({ ...more, seed }));
    assert.deepEqual(wrong, [], `seed ${seed}`);
    assert.ok(more.due > more.packets / 2, "the play says something");
  }
  return tape;
}

/** Spoils a delivery at many places; returns how often that is found, as a share. */
function findShare(tape: Tape, how: Spoil["how"]): number {
  const count = Math.min(60, tape.deliveries());
  const places = Array.from({ length: count }, (_, at) =>
    Math.floor((at * tape.deliveries()) / count),
  );
  return places.filter((at) => tape.replay({ at, how }).length > 0).length / count;
}

test("over three nodes each gets what is for it, once, and in one order", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const tape = await playAll(t, await stageNodes(t, { count: 3, recovery: true }));
  // What may be either is most of what is not found.
  assert.deepEqual(tape.replay(), []);
  assert.equal(findShare(tape, "doubled"), 1);
  for (const how of ["dropped", "swapped", "misled"] as const) {
    const share = findShare(tape, how);
    t.diagnostic(`one ${how}: found in ${(share * 100).toFixed(0)} % of ${tape.deliveries()}`);
    assert.ok(share > 0.1, how);
  }
});

test("over three workers each gets what is for it, once, and in one order", async (t) => {
  await playAll(t, await stageWorkers(t, { count: 3, recovery: true }));
});

test("over three workers without recovery, as well", async (t) => {
  await playAll(t, await stageWorkers(t, { count: 3, recovery: false }), SEEDS.slice(1), false);
});
