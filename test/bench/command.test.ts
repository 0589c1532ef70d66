import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../bench/rig/build.ts";
import { readResults } from "../../bench/rig/results.ts";
import { resultsFolder, runBench } from "./run-bench.ts";

test("a scenario ends with a table, a valid file, a picture and exit 0", async (t) => {
  const results = resultsFolder(t);
  const { code, output } = await runBench(
    ...["connect", "--quick", "--against", "bare", "--connections", "20"],
    ...["--results", results],
  );
  assert.equal(code, 0, output);
  assert.match(output, /subject +CPU per connection, µs/);
  assert.match(output, /-connect-ratios\.svg/);
  const [stored] = readResults(results);
  assert.deepEqual(stored?.result.subjects.map(({ name }) => name).sort(), ["bare", "ours"]);
});

test("Ctrl-C ends a run within moments and keeps what it has", async (t) => {
  const results = resultsFolder(t);
  const child = spawn(
    process.execPath,
    ["--import", "tsx", join(ROOT, "bench", "main.ts"), "echo", "--against", "bare"].concat(
      "--results",
      results,
    ),
    { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] },
  );
  let progress = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    progress += text;
    if (progress.includes("echo: ") && !child.killed) child.kill("SIGINT");
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  assert.equal(code, 130);
  const [stored] = readResults(results);
  assert.ok(stored?.result.flags.some((flag) => flag.code === "interrupted"));
});

test("Ctrl-C while everything is being compiled leaves nothing behind", async (t) => {
  const results = resultsFolder(t);
  const child = spawn(
    process.execPath,
    ["--import", "tsx", join(ROOT, "bench", "main.ts"), "echo", "--results", results],
    { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] },
  );
  child.stderr.once("data", () => child.kill("SIGINT")); // the first line of progress
  assert.equal(await new Promise<number | null>((resolve) => child.on("close", resolve)), 130);
  assert.deepEqual(readdirSync(results), []);
});

test("a mistake on the command line is one sentence, exit 64 and no results", async (t) => {
  const results = resultsFolder(t);
  for (const [args, message] of [
    [["nosuch"], /there is no scenario or command "nosuch"/],
    [["fanout", "--shapes", "all"], /--shapes all is none of namespace, room/],
    [["connect", "--against", "nginx"], /--against nginx is none of bare, stock-uws/],
  ] as const) {
    const { code, output } = await runBench(...args, "--results", results);
    assert.equal(code, 64);
    assert.match(output, message);
  }
  assert.deepEqual(readdirSync(results), []);
});
