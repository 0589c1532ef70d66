import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ServerOptions } from "socket.io";
import { cases, TIMES } from "../harness/random.ts";
import { histories } from "./histories.ts";
import { createStage } from "./player.ts";
import { startRig } from "./rig.ts";

const RUNS = process.env.DEEP ? 500 : 100;

const ADAPTERS: Readonly<Record<string, Partial<ServerOptions>>> = {
  "in-memory": {},
  // Every direct emit is a broadcast to the socket's own room then.
  "session-aware": { connectionStateRecovery: {} },
};

for (const [adapter, options] of Object.entries(ADAPTERS)) {
  test(`with the ${adapter} adapter every connection gets what the in-memory one would send, in that order`, async (t) => {
    // Few memberships, so that topics of unions come and go.
    const settings = {
      // The Engine.IO 3 client never pings, which is to end no history however long they take.
      socket: { allowEio3: true, pingIntervalMs: 3_600_000 },
      fanout: { unionMembersMax: 40 },
    };
    const rig = await startRig(t, settings, options);
    const stage = createStage(rig);
    await fc.assert(
      fc.asyncProperty(histories, (history) => stage.play(history)),
      // A slow machine plays fewer, so that the file has its time; a deeper look has all it wants.
      { ...cases(RUNS), ...(TIMES === 1 && { interruptAfterTimeLimit: 60_000 }) },
    );
    await stage.end();
    const { slow, unionTopics, unionMembers } = rig.attached.samples().fanout;
    assert.deepEqual([slow, unionTopics, unionMembers], [0, 0, 0], "nothing is left behind");
    t.diagnostic(JSON.stringify(stage.totals));
    assert.ok(stage.totals.published > stage.totals.deliveries / 4, "topics carry their share");
    assert.ok(stage.totals.unions > stage.totals.histories / 20, "unions have topics");
  });
}
