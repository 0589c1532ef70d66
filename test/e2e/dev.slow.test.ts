/** `sluice dev` and `sluice replay` as their own processes, with a real function and a real client. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SECRET } from "../harness/function.ts";
import { newClient } from "../harness/gateway.ts";
import { isAlive, NODE, SLUICE, startProcess, testFolder } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

const GATEWAY = ["--socket.port", "0", "--socket.host", "127.0.0.1"];
const FREE = ["--function", "http://127.0.0.1:0/call"];
const CLEAN = { SLUICE_SECRET: undefined, SLUICE_KEY: undefined, SLUICE_URL: undefined };

/** Starts `sluice dev`; at the end of the test it is asked to end, so that its function does too. */
function startDev(
  t: TestContext,
  command: readonly string[],
  env: Record<string, string | undefined>,
) {
  // Registered first, so called first: before it is killed, which its function would outlive.
  t.after(async () => {
    run.child.kill("SIGINT");
    await run.exit();
  });
  const run = startProcess(t, command, env);
  return run;
}

/** Starts `sluice dev` with the example's function, and resolves once that listens. */
async function startBoth(t: TestContext, command: readonly string[]) {
  const recording = join(testFolder(t), "calls.ndjson");
  const env = { ...CLEAN, SLUICE_SECRET: SECRET, SLUICE_KEY: "0123456789abcdef" };
  const args = ["dev", ...GATEWAY, ...FREE, "--record", recording, "--", ...command];
  const run = startDev(t, [...SLUICE, ...args], env);
  await run.said(" listens on port ");
  const client = newClient(/gateway (\S+),/.exec(run.output())?.[1] ?? "", {
    auth: { name: "Ada" },
  });
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  return { run, recording, client, env };
}

const function_ = [...NODE, "examples/functions/node.ts"];

test("a function is started and called; its calls are printed, recorded and sent again", async (t) => {
  const { run, recording, client, env } = await startBoth(t, function_);
  assert.equal(await client.emitWithAck("join", "tea"), "welcome to tea");
  const { error } = await client.emitWithAck("message", "tea", "x".repeat(1001));
  assert.equal(error.message, "that is too long");
  await run.said("that is too long");
  const text = run.output();
  assert.match(text, /200 +\d+ ms {2}#1 {2}connect auth \{"name":"Ada"\} {2}\/ \S+ → \/call\n/);
  assert.match(text, /200 +\d+ ms {2}#2 {2}join\("tea"\) {2}\/ \S+ as Ada → \/call\n/);
  assert.match(text, /\n +ack\("welcome to tea"\)\n/);
  assert.match(text, /\n +emit joined\("tea", "Ada"\) to \[tea\] except \[/);
  assert.match(text, /422 +\d+ ms {2}#3 {2}message\("tea", "xxx/);
  // It has no terminal, so it has no colours; and secrets that were given are not shown.
  assert.equal(text.includes("\u001b"), false);
  assert.equal(text.includes(SECRET), false);
  const [, second = "{}"] = readFileSync(recording, "utf8").split("\n");
  const { call, id } = JSON.parse(second);
  assert.equal(call, 2);

  const again = startProcess(t, [...SLUICE, "replay", recording, "--call", id], env);
  assert.equal(await again.exit(), 0, again.output());
  assert.match(
    again.output(),
    /#2 {2}join\("tea"\)[\s\S]*ack\("welcome to tea"\)[\s\S]*"commands": \[/,
  );

  const port = /listens on port (\d+)/.exec(text)?.[1];
  const gone = next(client, "disconnect");
  run.child.kill("SIGINT");
  await gone;
  assert.equal(await run.exit(), 0, run.output());
  await assert.rejects(fetch(`http://127.0.0.1:${port}`), "the function has ended too");
  // It heard of the sockets that the stop disconnected.
  assert.match(run.output(), /200 +\d+ ms {2}#4 {2}disconnect \("server shutting down"\)/);
});

test("Ctrl-C in a terminal ends both in order; a second one ends them at once", async (t) => {
  const folder = testFolder(t);
  const module = join(folder, "stubborn.mjs");
  writeFileSync(
    module,
    `import { createServer } from "node:http";
    process.on("SIGTERM", () => console.log("no"));
    createServer((_, response) => response.end()).listen(process.env.PORT, "127.0.0.1");
    console.log("pid " + process.pid + ".");`,
  );
  const { run } = await startBoth(t, [process.execPath, module]);
  const pid = Number(/pid (\d+)\./.exec(run.output())?.[1]);
  // What a terminal does: the whole group gets it, npm or a shell in between too.
  process.kill(-Number(run.child.pid), "SIGINT");
  await run.said("no");
  assert.ok(isAlive(pid));
  const over = () => run.child.exitCode !== null || !run.child.kill("SIGINT");
  await until(over, "a second Ctrl-C");
  await until(() => !isAlive(pid), "the function has ended, which waits for no SIGTERM");
});

test("a function that ends before it listens ends it, with a sentence", async (t) => {
  const start = (...command: string[]) => {
    const args = ["dev", ...GATEWAY, ...FREE, "--record", join(testFolder(t), "x"), "--"];
    const secrets = { SLUICE_SECRET: SECRET, SLUICE_KEY: "0123456789abcdef" };
    return startProcess(t, [...SLUICE, ...args, ...command], secrets);
  };
  const [broken, missing] = [start("sh", "-c", "exit 3"), start("no-such-program")];
  assert.equal(await broken.exit(), 1);
  assert.match(broken.output(), /^sluice: sh -c exit 3 ended with 3, before port \d+ answered$/m);
  assert.equal(await missing.exit(), 1);
  assert.match(missing.output(), /^sluice: no-such-program cannot be started: .*ENOENT/m);
});

test("--help of each says what it takes, and a mistake is one sentence", async (t) => {
  const none = join(testFolder(t), "none");
  const given = [
    [["dev", "--help"], 0, /--record FILE[\s\S]*Exit codes/],
    [["replay", "--help"], 0, /--call N\|ID[\s\S]*Exit codes/],
    [["dev", "node", "x.js"], 78, /^sluice: sluice dev: put -- before the function's command/m],
    [["replay", none], 78, /^sluice: .*none: ENOENT/m],
  ] as const;
  await Promise.all(
    given.map(async ([args, code, pattern]) => {
      const run = startProcess(t, [...SLUICE, ...args], CLEAN);
      assert.equal(await run.exit(), code, run.output());
      assert.match(run.output(), pattern);
      assert.doesNotMatch(run.output(), /\n\s+at /);
    }),
  );
  const production = startProcess(t, [...SLUICE, "dev"], { NODE_ENV: "production" });
  assert.equal(await production.exit(), 78);
  assert.match(production.output(), /NODE_ENV is production, and sluice dev prints/);
});
