import assert from "node:assert/strict";
import { test } from "node:test";
import { createAggregate } from "../../src/metrics/aggregate.ts";
import { createMetrics } from "../../src/metrics/registry.ts";

const NAME = "process_cpu_system_seconds_total";

/** What a worker sends of one counter. */
function counted(value: number) {
  const values = [{ value, labels: {} }];
  return [{ name: NAME, help: "Seconds.", type: "counter", aggregator: "sum", values }];
}

test("a total is the same before and after a worker has ended, to its last bit", async () => {
  // Seen: 0.041108, then 0.04110799999999999. The order of the sum changes when a worker ends, and
  // Prometheus takes a counter that falls for one that began anew.
  const read = async (aggregate: ReturnType<typeof createAggregate>) =>
    (await aggregate.text(new Set())).body.match(/^process_cpu_\w+ (\S+)$/m)?.[1];
  for (let round = 0; round < 100; round++) {
    const aggregate = createAggregate(() => 0);
    const given = Array.from({ length: 5 }, () => Math.random());
    for (const [worker, value] of given.entries()) aggregate.update(worker, counted(value));
    const before = await read(aggregate);
    assert.ok(Math.abs(Number(before) - given.reduce((sum, one) => sum + one)) < 1e-6, before);
    for (const worker of given.keys()) {
      aggregate.remove(worker);
      assert.equal(await read(aggregate), before, `${given}`);
    }
  }
});

test("a state is not added up: the breaker of several workers is as open as the most open one", async (t) => {
  // Seen: 8 with four workers whose breakers were open, so the alert for 2 was silent; and 2 with
  // two workers whose breakers were half-open, so it fired.
  const read = async (states: readonly number[]) => {
    const aggregate = createAggregate(() => 0);
    for (const [worker, state] of states.entries()) {
      const metrics = createMetrics({ defaults: false });
      t.after(() => metrics.stop());
      metrics.source(() => ({
        sluice_upstream_breaker_state: [[{ origin: "https://f.example" }, state]],
        sluice_upstream_gone_endpoints: Math.min(state, 1),
      }));
      aggregate.update(worker, await metrics.counted());
    }
    const { body } = await aggregate.text(new Set());
    return ["breaker_state\\{.*\\}", "gone_endpoints"].map((name) =>
      Number(new RegExp(`^sluice_upstream_${name} (\\S+)$`, "m").exec(body)?.[1]),
    );
  };
  assert.deepEqual(await read([2, 2, 2, 2]), [2, 1]);
  assert.deepEqual(await read([1, 1]), [1, 1]);
  assert.deepEqual(await read([0, 2, 0]), [2, 1]);
});

test("what all workers have in Redis is not added up; what each has in memory is", async (t) => {
  // Seen: 20 dead letters with four workers and a list of five, which is one for the cluster.
  const read = async (isShared: boolean, held: readonly number[]) => {
    const aggregate = createAggregate(() => 0);
    for (const [worker, letters] of held.entries()) {
      const metrics = createMetrics({ defaults: false, isShared });
      t.after(() => metrics.stop());
      metrics.source(() => ({ sluice_upstream_dead_letters: letters, sluice_connections: 1 }));
      aggregate.update(worker, await metrics.counted());
    }
    const { body } = await aggregate.text(new Set());
    return ["upstream_dead_letters", "connections"].map((name) =>
      Number(new RegExp(`^sluice_${name} (\\S+)$`, "m").exec(body)?.[1]),
    );
  };
  assert.deepEqual(await read(true, [5, 5, 5, 5]), [5, 4]);
  assert.deepEqual(await read(false, [5, 0, 2]), [7, 3]);
});
