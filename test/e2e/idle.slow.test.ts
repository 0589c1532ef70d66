import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { SLUICE, startProcess } from "../harness/process.ts";
import { until } from "../harness/wait.ts";

/** How often the main thread has gone to sleep (proc(5)). */
function countSleeps(pid: number): number {
  const status = readFileSync(`/proc/${pid}/task/${pid}/status`, "utf8");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
}

// Seen: a gateway without connections took 1 % of a core. The metrics library looked at the event
// loop every 10 ms, and two samplers of ours every 20 ms.
test("a gateway without connections is woken a few times a second, not a hundred times", {
  skip: !existsSync("/proc/self/task"),
}, async (t) => {
  const gateway = startProcess(t, SLUICE, { SLUICE_SOCKET_PORT: "0" });
  await gateway.line("port");
  const pid = gateway.child.pid ?? 0;
  let sleeps = 0;
  // Of any two seconds: a machine that is short of cores keeps it busy for longer.
  const isQuiet = async () => {
    const before = countSleeps(pid);
    await wait(2000);
    sleeps = countSleeps(pid) - before;
    return sleeps < 40;
  };
  await until(isQuiet, "it sleeps for longer than 50 ms at a time", 40_000).catch(() => {});
  assert.ok(sleeps < 40, `${sleeps} in two seconds`);
});
