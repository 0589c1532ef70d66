import assert from "node:assert/strict";
import { test } from "node:test";
import { createAggregate } from "../../src/metrics/aggregate.ts";

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
