import assert from "node:assert/strict";
import { test } from "node:test";
import { SEED } from "../harness/random.ts";
import { playDelivery } from "./delivery.ts";
import { soak } from "./waves.ts";

test("after waves of clients that come and go, heap and descriptors are at their floor", async () => {
  const { waves, broken } = await soak({ seconds: 0, waves: 7, clients: 60, seen() {} });
  assert.equal(waves.length, 7);
  assert.deepEqual(broken, []);
});

const SHORT = { seconds: 0, rounds: 8, clients: 12, seed: SEED };

for (const recovery of [true, false]) {
  const kept = recovery ? "with recovery" : "without recovery";
  test(`${kept} nobody misses a packet, gets one twice, late or in vain`, async (t) => {
    const totals = await playDelivery({ ...SHORT, recovery });
    t.diagnostic(JSON.stringify({ ...totals, seed: SEED }));
    assert.deepEqual(totals.wrong, []);
    // How many it is depends on who was connected when: without recovery, often fewer than packets.
    assert.ok(totals.received > totals.packets / 4, "the play says something");
    if (recovery) assert.ok(totals.resumed > 0, "sessions were resumed");
  });
}

test("packets that are lost on their way are found", async () => {
  const { wrong } = await playDelivery({ ...SHORT, rounds: 1, recovery: true, loseEvery: 20 });
  assert.ok(wrong.length > 0);
  for (const text of wrong) assert.match(text, /(without|never got) \d*[02468]0$/);
});
