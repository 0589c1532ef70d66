import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { isAlive, NODE, startProcess } from "../harness/process.ts";
import { until } from "../harness/wait.ts";

/** Returns the processes that came of one, and those that came of them. */
function childrenOf(pid: number): number[] {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const texts = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, "utf8"));
    const own = texts.join(" ").split(" ").filter(Boolean).map(Number);
    return own.flatMap((each) => [each, ...childrenOf(each)]);
  } catch {
    return []; // it has just ended
  }
}

test("a soak that is ended says how far it was, and leaves no process", async (t) => {
  // Seen: Ctrl-C and a timeout left its workers running, which have process groups of their own.
  const { child, exit, output } = startProcess(t, [
    ...[...NODE, "test/soak/main.ts"],
    ...["--workers", "2", "--clients", "2", "--seed", "15"],
  ]);
  const descendants = () => childrenOf(child.pid ?? 0);
  await until(() => descendants().length > 2, "its workers", 30_000);
  const left = descendants();
  child.kill("SIGTERM");
  assert.equal(await exit(), 143);
  assert.match(output(), /ended by SIGTERM, seed 15; reached: /);
  await until(() => !left.some(isAlive), "the end of all");
});
