import assert from "node:assert/strict";
import { test } from "node:test";
import { openNode } from "../cluster/journal-kit.ts";
import { type Received, startFunction } from "../harness/function.ts";
import { testRedis } from "../harness/redis.ts";
import { until } from "../harness/wait.ts";
import { testUpstream } from "./rig.ts";

const SOCKETS = 20;
const EVENTS = 10;

/** The events that a request holds. */
function eventsOf({ json, headers }: Received) {
  const all = Array.isArray(json) ? json : [{ id: headers["ce-id"], data: json }];
  return all.map(({ id, data }) => ({
    id: String(id),
    socket: String(data.socket.id),
    what: String(data.reason ?? data.args[0]),
  }));
}

for (const how of ["stops", "dies"] as const) {
  test(`when a node ${how}, another delivers what its functions have not answered`, async (t) => {
    const redis = await testRedis(t);
    const fn = await startFunction(t, () => ({ status: 500 }));
    const [first, second] = await Promise.all(
      [0, 1].map(() => openNode(t, redis, { reads: false })),
    );
    assert.ok(first && second);
    const bounds = { attemptsMax: 10_000, breakerCallsMin: 100_000, retryBudgetPercent: 1000 };
    const settings = { ...bounds, url: fn.url, batch: true, batchMs: 5, batchMax: 20 };
    const old = testUpstream(t, settings, { journal: first.journal });
    const lanes = Array.from({ length: SOCKETS }, (_, n) => old.lane(`s${n}`));
    for (let n = 0; n < EVENTS; n++) for (const lane of lanes) lane.event("x", [n]);
    for (const lane of lanes) lane.end("gone");
    const all = SOCKETS * (EVENTS + 1);
    await until(() => old.samples().journal?.entries === all, "all are written down");
    if (how === "stops") {
      await old.stop();
      await first.stop();
    } else await first.die();
    const before = new Map(
      fn.received.flatMap(eventsOf).map((one) => [one.socket + one.what, one.id]),
    );
    fn.received.length = 0;
    fn.answer = () => ({});
    const upstream = testUpstream(t, settings, { journal: second.journal });
    const told = () => fn.received.flatMap(eventsOf);
    await until(() => new Set(told().map(({ id }) => id)).size >= all, "all arrive", 20_000);
    for (let n = 0; n < SOCKETS; n++) {
      const own = told().filter(({ socket }) => socket === `s${n}`);
      const expected = [...Array.from({ length: EVENTS }, (_, k) => `${k}`), "gone"];
      assert.deepEqual(
        own.map(({ what }) => what),
        expected,
      );
      for (const { id, what } of own) assert.equal(before.get(`s${n}${what}`) ?? id, id);
    }
    await until(() => upstream.samples().queued.events === 0, "nothing is under way");
    assert.equal(upstream.samples().deadLetters.held, 0);
  });
}
