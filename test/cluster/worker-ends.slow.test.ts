/** However workers and their primary end, no process is left behind. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isAlive } from "../harness/process.ts";
import { until } from "../harness/wait.ts";
import { startObedient, type WorkerClient } from "../harness/workers.ts";

/** Starts two workers that each broadcast to a room of their own, and to one that they share. */
async function startBusy(t: TestContext) {
  const { run, connectToBoth } = await startObedient(t);
  const { here, there } = await connectToBoth(1);
  const both = [...here, ...there] as [WorkerClient, WorkerClient];
  for (const { pid } of both) {
    t.after(() => {
      if (isAlive(pid)) process.kill(pid, "SIGKILL");
    });
  }
  const heard = [0, 0] as [number, number];
  for (const at of [0, 1] as const) {
    const { client } = both[at];
    client.on("n", () => heard[at]++);
    for (const room of [`own ${at}`, "shared"]) {
      await client.emitWithAck("join", room);
      client.emit("flood", room, 1_000_000, () => {});
    }
  }
  await until(() => heard.every((count) => count > 100), "that they are under way");
  const gone = (which: readonly WorkerClient[]) =>
    until(() => !which.some(({ pid }) => isAlive(pid)), "the end of workers");
  return { run, both, gone };
}

test("SIGTERM stops workers in the middle of their broadcasts, with exit 0", async (t) => {
  const { run, both, gone } = await startBusy(t);
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
  await gone(both);
  assert.equal(run.output().match(/"stopped"/g)?.length, 2);
});

test("SIGTERM ends a worker that is stopped, too", async (t) => {
  const { run, both, gone } = await startBusy(t);
  process.kill(both[0].pid, "SIGSTOP");
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
  await gone(both);
  assert.equal(run.output().match(/"stopped"/g)?.length, 1, "the other one by itself");
});

test("kill -9 of the primary ends its workers, and one that is stopped when it goes on", async (t) => {
  const { run, both, gone } = await startBusy(t);
  const [frozen, other] = both;
  process.kill(frozen.pid, "SIGSTOP");
  run.child.kill("SIGKILL");
  await gone([other]);
  process.kill(frozen.pid, "SIGCONT");
  await gone([frozen]);
});
