import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readCommandLine, UsageError } from "../../src/core/command-line.ts";
import { SettingsError } from "../../src/core/settings.ts";
import { ENV_FILE, readEnvFile, writeEnvFile } from "../../src/dev/folder.ts";
import { readDevOptions, readReplayOptions } from "../../src/dev/options.ts";
import { prepareDev } from "../../src/dev/prepare.ts";
import { SECRET } from "../harness/function.ts";
import { testFolder } from "../harness/process.ts";

const KEY = "0123456789abcdef";
const NOTHING = { functionUrl: undefined, recordPath: "x", command: [] };

const usage = (pattern: RegExp) => (error: unknown) =>
  error instanceof UsageError && error.exitCode === 78 && pattern.test(error.message);

test("secrets come from the settings, else the function's variables, else the file, else are made", async (t) => {
  const cwd = testFolder(t);
  const options = { ...NOTHING, functionUrl: "http://127.0.0.1:1/call" };
  const made = await prepareDev(options, { given: {}, env: {}, cwd });
  assert.deepEqual(made.made, made.env);
  assert.deepEqual(made.kept, made.env);
  assert.deepEqual(made.settings.upstream.secrets, [made.env.SLUICE_SECRET]);
  assert.deepEqual(made.settings.api.keys, [`dev:${made.env.SLUICE_KEY}`]);
  assert.equal(made.settings.upstream.url, "http://127.0.0.1:1/call");

  assert.equal(existsSync(join(cwd, ENV_FILE)), false);
  writeEnvFile(cwd, { ...made.kept, SLUICE_URL: "http://x" });
  assert.equal(statSync(join(cwd, ENV_FILE)).mode & 0o077, 0, "it is its owner's alone");
  assert.equal(readFileSync(join(cwd, ".sluice/.gitignore"), "utf8"), "*\n");
  assert.deepEqual(readEnvFile(cwd), made.env);
  const again = await prepareDev(options, { given: {}, env: {}, cwd });
  assert.deepEqual([again.env, again.made], [made.env, {}]);

  const env = { SLUICE_SECRET: SECRET, SLUICE_KEY: KEY };
  const fromEnv = await prepareDev(options, { given: {}, env, cwd });
  assert.deepEqual([fromEnv.env, fromEnv.kept, fromEnv.made], [env, {}, {}]);
  assert.deepEqual(fromEnv.settings.upstream.secrets, [SECRET]);

  const secrets = [made.env.SLUICE_SECRET, SECRET];
  const given = { upstream: { secrets }, api: { keys: [`a:${KEY}:emit:/chat`] } };
  const set = await prepareDev(options, { given, env: {}, cwd });
  assert.deepEqual(set.env, { SLUICE_SECRET: secrets.join(), SLUICE_KEY: KEY });
  assert.deepEqual(set.settings.api.keys, given.api.keys);
});

test("the function is where it is said to be, where the settings say, or on a port of its own", async (t) => {
  const needs = { env: {}, cwd: testFolder(t) };
  const command = ["node", "x.js"];
  const prepare = (options: object, given: object = {}) =>
    prepareDev({ ...NOTHING, ...options }, { ...needs, given });
  assert.equal((await prepare({ command })).url, "http://127.0.0.1:8787/call");
  const upstream = { url: "https://chat.example/call" };
  assert.equal((await prepare({}, { upstream })).url, upstream.url);
  const routes = [{ namespace: "/chat", url: "http://127.0.0.1:9/{event}" }];
  const routed = await prepare({}, { upstream: { routes } });
  assert.equal(routed.url, routes[0]?.url);
  assert.equal(routed.settings.upstream.url, "", "what no route names is not called");
  const free = await prepare({ command, functionUrl: "http://127.0.0.1:0/{event}?a=:0" });
  assert.match(free.url, /^http:\/\/127\.0\.0\.1:[1-9]\d+\/\{event\}\?a=:0$/);
  assert.equal(free.settings.upstream.url, free.url);
  await assert.rejects(prepare({}), usage(/^name the function: sluice dev --function URL/));
  await assert.rejects(prepare({ functionUrl: "8787" }), usage(/^--function "8787" must be a URL/));
  await assert.rejects(prepare({ functionUrl: "http://h:0/" }), usage(/must have a port/));
  const wrong = prepare({ command }, { socket: { port: -1 } });
  await assert.rejects(wrong, SettingsError);
});

test("a stop is at once and lines are few, unless the settings say otherwise", async (t) => {
  const needs = { env: {}, cwd: testFolder(t) };
  const options = { ...NOTHING, functionUrl: "http://127.0.0.1:1/" };
  const { settings } = await prepareDev(options, { ...needs, given: {} });
  assert.deepEqual([settings.socket.drainMs, settings.log.level], [0, "warn"]);
  const given = { socket: { drainMs: 7 }, log: { level: "debug" } };
  const { settings: own } = await prepareDev(options, { ...needs, given });
  assert.deepEqual([own.socket.drainMs, own.log.level], [7, "debug"]);
});

test("options are taken from the command line, and what is left are settings", () => {
  const words = "dev --function http://a/b --socket.port 1 --record f -- node --x -- y".split(" ");
  const { options, flags } = readDevOptions(readCommandLine(words));
  assert.deepEqual(options, {
    functionUrl: "http://a/b",
    recordPath: "f",
    command: ["node", "--x", "--", "y"],
  });
  assert.deepEqual([...flags], [["socket.port", "1"]]);
  const again = "replay --new-id f --call 3 --url=http://a/b --upstream.timeoutMs 9".split(" ");
  const replay = readReplayOptions(readCommandLine(again));
  assert.deepEqual(replay.options, { path: "f", call: "3", url: "http://a/b", newId: true });
  assert.deepEqual([...replay.flags], [["upstream.timeoutMs", "9"]]);
  const dev = (...args: string[]) => readDevOptions(readCommandLine(["dev", ...args]));
  assert.throws(
    () => dev("node", "x.js"),
    usage(/put -- before the function's command: -- node x/),
  );
  assert.throws(() => dev("--function"), usage(/--function needs a URL/));
  assert.throws(() => dev("--record="), usage(/--record needs a file/));
  for (const args of [[], ["a", "b"], ["a", "--", "b"]]) {
    const line = readCommandLine(["replay", ...args]);
    assert.throws(() => readReplayOptions(line), usage(/needs one file/));
  }
});
