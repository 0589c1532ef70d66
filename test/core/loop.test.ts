import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const LOOP = fileURLToPath(new URL("../../src/core/loop.ts", import.meta.url));

/** Runs a module of its own, because its errors are meant to be uncaught; returns its output. */
function run(text: string): string {
  const code = `import { eachStep, watchSteps } from ${JSON.stringify(LOOP)};
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    ${text}`;
  const words = ["--import", "tsx", "--input-type=module", "-e", code];
  const { stdout, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
  assert.equal(stderr, "");
  return stdout.trim();
}

test("an action that throws ends neither the steps nor the others' calls", () => {
  const output = run(`
    const caught = new Set();
    process.on("uncaughtException", (error) => caught.add(error.message));
    const done = (calls) => calls > 2;
    let first = 0, second = 0, watched = 0;
    const ended = new Promise((resolve) => {
      watchSteps(() => { watched++; throw new Error("watcher"); });
      eachStep(() => { first++; throw new Error("first"); }, 1, 20);
      eachStep(() => { second++; if ([first, second, watched].every(done)) resolve(); }, 1, 20);
    });
    await Promise.race([ended, sleep(5000)]);
    console.log([first, second, watched].every(done), [...caught].sort().join());
    process.exit();`);
  assert.equal(output, "true first,watcher");
});

test("who ends the last action and begins another in a step has one clock, not two", () => {
  const output = run(`
    setInterval(() => {}, 1000); // the steps do not keep a process
    const armed = new Set();
    const { setTimeout, clearTimeout } = globalThis;
    globalThis.setTimeout = (call, ms) => {
      const timer = setTimeout(() => { armed.delete(timer); call(); }, ms);
      armed.add(timer);
      return timer;
    };
    globalThis.clearTimeout = (timer) => { armed.delete(timer); clearTimeout(timer); };
    const most = await new Promise((resolve) => {
      const end = eachStep(() => {
        end();
        let steps = 0;
        eachStep(() => { if (++steps === 5) resolve(armed.size); }, 20, 20);
      }, 1, 20);
    });
    console.log(most);
    process.exit();`);
  assert.equal(output, "0", "in a step no other is due");
});
