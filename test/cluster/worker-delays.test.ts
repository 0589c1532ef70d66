/** Commands with `afterMs` of workers, which their primary keeps. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createPrimaryDelays, createWorkerDelays } from "../../src/cluster/worker-delays.ts";
import type { DelayedCommand } from "../../src/core/delays.ts";
import { startPrimaryLogs } from "../harness/primary-logs.ts";
import { until } from "../harness/wait.ts";

const LIMITS = { delayedMax: 3, delayedBytesMax: 1000 };

/** Starts a primary; returns it and what makes workers, which note what they carry out. */
async function start(t: TestContext) {
  const primary = createPrimaryDelays(LIMITS);
  t.after(() => primary.stop());
  const join = await startPrimaryLogs(t, { delays: primary });
  function worker(name: string) {
    const bus = join(name);
    const delays = createWorkerDelays(bus);
    const done: unknown[] = [];
    const begin = () =>
      delays.begin(async ({ command }) => {
        done.push("args" in command && command.args?.[0]);
        return true;
      });
    return { ...delays, done, start: begin, leave: () => bus.stop() };
  }
  return { primary, worker };
}

const emit = (n: unknown): DelayedCommand => ({
  command: { do: "emit", event: "n", args: [n] },
  caller: "api",
});

test("whichever worker is asked, one carries a command out: the one that gave it", async (t) => {
  const { worker } = await start(t);
  const [a, b] = [worker("1"), worker("2")];
  for (const one of [a, b]) one.start();
  assert.equal(await a.keep(emit(Buffer.from([1, 2])), { afterMs: 20 }), "kept");
  assert.equal(await b.keep(emit({ $binary: 5 }), { afterMs: 30 }), "kept");
  await until(() => a.done.length === 1 && b.done.length === 1, "both");
  assert.deepEqual([a.done, b.done], [[Buffer.from([1, 2])], [{ $binary: 5 }]]);
  assert.equal(a.samples.outcomes.done, 1);
});

test("what one worker was given, another replaces and cancels, within the bounds of all", async (t) => {
  const { worker } = await start(t);
  const [a, b] = [worker("1"), worker("2")];
  const later = { afterMs: 60_000, key: "k" };
  assert.equal(await a.keep(emit(1), later), "kept");
  assert.equal(await b.keep(emit(2), later), "kept");
  assert.equal(b.samples.pending, 1, "it has taken the place of the first");
  assert.deepEqual([a.samples.outcomes.replaced, b.samples.outcomes.replaced], [0, 1]);
  assert.equal(await a.cancel("/", "k"), true);
  assert.equal(await a.cancel("/", "k"), false);
  for (const n of [1, 2, 3]) assert.equal(await a.keep(emit(n), { afterMs: 60_000 }), "kept");
  assert.equal(await b.keep(emit(4), { afterMs: 60_000 }), "full");
  assert.deepEqual([b.samples.pending, b.samples.outcomes.full], [3, 1]);
});

// A worker that had kept one command showed it as waiting for ever, and so did the sum of all.
test("every worker knows how many wait, whoever keeps, cancels and carries out", async (t) => {
  const { worker } = await start(t);
  const [a, b] = [worker("1"), worker("2")];
  for (const one of [a, b]) one.start();
  await a.keep(emit(1), { afterMs: 60_000, key: "k" });
  await until(() => b.samples.pending === 1, "b knows of it");
  await b.cancel("/", "k");
  await until(() => a.samples.pending === 0, "a knows of the cancel");
  await a.keep(emit(2), { afterMs: 1 });
  const isOver = () => a.done.length === 1 && a.samples.pending + b.samples.pending === 0;
  await until(isOver, "it is over");
  assert.deepEqual([a.samples.bytes, b.samples.bytes], [0, 0]);
});

test("what a worker that is gone was given is carried out by another, or the next that starts", async (t) => {
  const { primary, worker } = await start(t);
  const [a, b] = [worker("1"), worker("2")];
  b.start();
  await a.keep(emit(1), { afterMs: 50 });
  // It was given this one, and has not begun.
  await a.keep(emit(2), { afterMs: 1 });
  await b.keep(emit(3), { afterMs: 1 });
  await until(() => b.done.includes(3), "its own");
  await a.leave();
  await until(() => b.done.length === 3, "those of the other");
  assert.deepEqual([...b.done].sort(), [1, 2, 3]);
  await b.keep(emit(4), { afterMs: 30 });
  await b.stop();
  await b.leave();
  const c = worker("3");
  c.start();
  await until(() => c.done.length === 1, "what was left");
  await c.keep(emit(5), { afterMs: 60_000 });
  assert.equal(primary.stop(), 1, "the last is lost with the primary");
});
