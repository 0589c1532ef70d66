/** Over several nodes and several workers nobody misses anything, whatever befalls them. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { SEED } from "../harness/random.ts";
import { hasTool } from "../harness/tool.ts";
import { type ClusterOptions, playCluster } from "./cluster.ts";
import { type Stage, stageNodes, stageWorkers } from "./cluster-stage.ts";
import { createTape, type Spoil, type Tape } from "./tape.ts";

/** Its mishap is a frozen node. */
const FROZEN = 15;
/** A round has one mishap; `npm run soak` plays many. */
const SHORT = { seconds: 0, clients: 12, rounds: 1, recovery: true };

/** Plays a seed; returns a record of it. */
async function play(t: TestContext, stage: Stage, options: Partial<ClusterOptions>): Promise<Tape> {
  const tape = createTape();
  const all = { ...SHORT, seed: SEED, ledger: tape.ledger, ...options };
  const { wrong, ...more } = await playCluster(stage, all);
  t.diagnostic(JSON.stringify({ ...more, seed: all.seed }));
  assert.deepEqual(wrong, [], `seed ${all.seed}`);
  assert.ok(more.due > more.packets / 2, "the play says something");
  return tape;
}

/** Spoils a delivery at many places; returns how often that is found, as a share. */
function findShare(tape: Tape, how: Spoil["how"]): number {
  const count = Math.min(20, tape.deliveries());
  const places = Array.from({ length: count }, (_, at) =>
    Math.floor((at * tape.deliveries()) / count),
  );
  return places.filter((at) => tape.replay({ at, how }).length > 0).length / count;
}

test("over three nodes each gets what is for it, once, and in one order", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const stage = await stageNodes(t, { count: 3, recovery: true });
  // After a long outage most deliveries may be either, so that a spoilt one is not found.
  const tape = await play(t, stage, { seed: FROZEN });
  await play(t, stage, {});
  assert.deepEqual(tape.replay(), []);
  assert.equal(findShare(tape, "doubled"), 1);
  for (const how of ["dropped", "swapped", "misled"] as const) {
    const share = findShare(tape, how);
    t.diagnostic(`one ${how}: found in ${(share * 100).toFixed(0)} % of ${tape.deliveries()}`);
    assert.ok(share > 0.1, how);
  }
});

test("over three workers each gets what is for it, once, and in one order", async (t) => {
  await play(t, await stageWorkers(t, { count: 3, recovery: true }), { rounds: 2 });
});

test("over three workers without recovery, as well", async (t) => {
  await play(t, await stageWorkers(t, { count: 3, recovery: false }), { recovery: false });
});
