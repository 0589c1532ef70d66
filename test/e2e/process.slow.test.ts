import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { newClient, sumMetric } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { NODE, ROOT, SLUICE, startProcess, testFolder } from "../harness/process.ts";
import { testRedis } from "../harness/redis.ts";
import { slowProxy } from "../harness/slow-proxy.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { openTcp } from "../harness/wire-tcp.ts";

/** What each mistake is answered with: one clear sentence, an exit code, and no stack trace. */
const MISTAKES: Readonly<
  Record<string, { args?: string[]; env?: Record<string, string>; code: number; says: RegExp }>
> = {
  "an unknown flag": {
    args: ["--socket.prot", "1"],
    code: 78,
    says: /--socket\.prot: .*did you mean --socket\.port\?/,
  },
  "a flag of other programs": {
    args: ["--port", "3000"],
    code: 78,
    says: /--port: .*did you mean --socket\.port\?/,
  },
  "a flag with one dash": {
    args: ["-host", "127.0.0.1"],
    code: 78,
    says: /A setting is .*: --host: .*did you mean --socket\.host\?/,
  },
  "a flag without its value": {
    args: ["--handlers.module"],
    code: 78,
    says: /--handlers\.module: needs a value, as in --handlers\.module=VALUE/,
  },
  "a flag whose value is the next flag": {
    args: ["--auth.secret", "--socket.port", "0"],
    code: 78,
    says: /A setting is .*: --auth\.secret: needs a value/,
  },
  "an unknown variable": {
    env: { SLUICE_SOCKET_PROT: "1" },
    code: 78,
    says: /SLUICE_SOCKET_PROT: .*did you mean SLUICE_SOCKET_PORT\?/,
  },
  "an unknown command": { args: ["serve"], code: 1, says: /there is no command serve/ },
  "a handler module that is not there": {
    args: ["--handlers.module", "nowhere.ts", "--socket.port", "0"],
    code: 78,
    says: /handlers\.module = "nowhere\.ts" \(from --handlers\.module\): there is no file \//,
  },
  "a handler module without a default function": {
    args: ["--handlers.module", "src/core/closes.ts", "--socket.port", "0"],
    code: 1,
    says: /must export a function/,
  },
  "a settings file that is not there": {
    args: ["--config", "nowhere.json"],
    code: 78,
    says: /--config nowhere\.json cannot be read/,
  },
  // Seen: exit 1 and no source, because only the part that uses it looked at the text.
  "a Redis that is no URL": {
    args: ["--cluster.redisUrl", "localhost:6379", "--socket.port", "0"],
    code: 78,
    says: /cluster\.redisUrl = \(secret\) \(from --cluster\.redisUrl\): must start with/,
  },
  "an address that this machine does not have": {
    args: ["--socket.port", "0"],
    env: { SLUICE_SOCKET_HOST: "192.0.2.1" },
    code: 78,
    says: /socket\.host = "192\.0\.2\.1" \(from SLUICE_SOCKET_HOST\): this machine does not/,
  },
  "--config without a file": { args: ["--config"], code: 78, says: /--config needs a file/ },
  "a negative number": {
    args: ["--socket.port", "-1"],
    code: 78,
    says: /socket\.port = -1 .*: must be 0…65535/,
  },
  "metrics at a path that no request can have": {
    args: ["--metrics.path", "metrics"],
    code: 78,
    says: /metrics\.path = "metrics" .*: must be text that matches \^/,
  },
  "metrics at the path of another route": {
    args: ["--metrics.path", "/healthz", "--socket.port", "0"],
    code: 78,
    says: /metrics\.path = "\/healthz" .*: is the path of another route/,
  },
  "production without anything that answers": {
    env: { NODE_ENV: "production" },
    code: 78,
    says: /handlers\.module .*upstream\.url/,
  },
};

for (const [name, { args = [], env = {}, code, says }] of Object.entries(MISTAKES)) {
  test(`${name}: one sentence and exit ${code}`, async (t) => {
    const run = startProcess(t, [...SLUICE, ...args], env);
    assert.equal(await run.exit(), code);
    assert.match(run.output(), says);
    assert.match(run.output(), /^sluice: /m);
    assert.doesNotMatch(run.output(), /\n\s+at /);
  });
}

test("a handler module that fails is named, and the line of its mistake", async (t) => {
  // Seen: "sluice: Cannot read properties of undefined", and of a mistake in TypeScript that there was one.
  const folder = testFolder(t);
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(join(ROOT, "node_modules/tsx"), join(folder, "node_modules/tsx"));
  const fails: Readonly<Record<string, [text: string, says: RegExp]>> = {
    "calls.mjs": [
      "export default (io) => {\n  io.nope.x();\n};",
      /failed: TypeError: .*\n.*calls\.mjs:2:/,
    ],
    "top.mjs": ["\nthrow new Error('no');", /cannot be loaded: Error: no\n.*top\.mjs:2:/],
    "syntax.ts": [
      "export default (io) => {\n  io. }",
      /cannot be loaded: .*\n.*syntax\.ts:2:.*\n$/,
    ],
    // Seen: "SyntaxError: Unexpected token '}'" and a stack of Node.js' own files.
    "syntax.mjs": [
      "export default (io) => {\n  io. }",
      /cannot be loaded: SyntaxError: .*\n\/.*syntax\.mjs:2\n {2}io\. }\n +\^$/m,
    ],
    "imports.mjs": [
      'import "./syntax.mjs";\nexport default () => {};',
      /cannot be loaded: SyntaxError: .*\n\/.*syntax\.mjs:2\n/,
    ],
  };
  for (const [name, [text, says]] of Object.entries(fails)) {
    const module = join(folder, name);
    writeFileSync(module, text);
    const run = startProcess(t, [...SLUICE, "--socket.port", "0", "--handlers.module", module]);
    assert.equal(await run.exit(), 1);
    assert.ok(run.output().startsWith(`sluice: handlers.module ${module} `), run.output());
    assert.match(run.output(), says);
  }
});

test("all problems of all sources are told at once, with path, value and bound", async (t) => {
  const env = { SLUICE_SOCKET_PORT: "abc", SLUICE_AUTH_JWT_SECRET: undefined };
  const run = startProcess(t, [...SLUICE, "--codec.accept", "both", "--nope", "1"], env);
  assert.equal(await run.exit(), 78);
  assert.match(run.output(), /2 settings are not usable/);
  assert.match(run.output(), /socket\.port = "abc" \(from SLUICE_SOCKET_PORT\): must be 0…65535/);
  const next = startProcess(t, [...SLUICE, "--socket.port", "70000", "--codec.accept", "xml"]);
  assert.equal(await next.exit(), 78);
  assert.match(next.output(), /socket\.port = 70000 \(from --socket\.port\): must be 0…65535/);
  assert.match(
    next.output(),
    /codec\.accept = "xml" \(from --codec\.accept\): must be both \| msgpack \| json/,
  );
});

test("a busy port is one clear sentence", async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  const args = ["--socket.host", "127.0.0.1", "--socket.port", String(port)];
  const run = startProcess(t, [...SLUICE, ...args]);
  assert.equal(await run.exit(), 1);
  assert.match(run.output(), new RegExp(`^sluice: cannot listen on 127.0.0.1:${port}`, "m"));
  assert.doesNotMatch(run.output(), /\n\s+at /);
});

test("flags win over the environment, it over the file, and that over defaults", async (t) => {
  const file = join(testFolder(t), "sluice.json");
  const log = { level: "info" };
  writeFileSync(file, JSON.stringify({ socket: { port: 70_000, drainMs: 70_000_000 }, log }));
  const run = startProcess(t, [...SLUICE, "--config", file, "--socket.port", "80000"], {
    PORT: "90000",
  });
  assert.equal(await run.exit(), 78);
  assert.match(run.output(), /socket\.port = 80000/);
  assert.match(run.output(), /socket\.drainMs = 70000000/);
});

test("a settings file that holds no object is refused", async (t) => {
  // Seen: a file with a list in it started a gateway of defaults. It was taken for an empty one.
  const file = join(testFolder(t), "sluice.json");
  writeFileSync(file, "[1]");
  const run = startProcess(t, [...SLUICE, "--config", file, "--socket.port", "0"]);
  assert.equal(await run.exit(), 78);
  assert.match(run.output(), /^sluice: --config \S+ must hold an object of sections$/m);
});

test("--help, --settings, --version and doctor print and end", async (t) => {
  const help = startProcess(t, [...SLUICE, "--help"]);
  assert.equal(await help.exit(), 0);
  assert.match(help.output(), /sluice doctor/);
  const settings = startProcess(t, [...SLUICE, "--settings"]);
  assert.equal(await settings.exit(), 0);
  assert.match(settings.output(), /socket\.port {2}SLUICE_SOCKET_PORT/);
  const version = startProcess(t, [...SLUICE, "--version"]);
  assert.equal(await version.exit(), 0);
  assert.match(version.output(), /^\d+\.\d+\.\d+$/m);
  const doctor = startProcess(t, [...SLUICE, "doctor"]);
  assert.equal(await doctor.exit(), 0);
  assert.match(doctor.output(), /uWebSockets\.js \d+/);
  assert.match(doctor.output(), /file descriptors: \d+/);
});

test("what hangs does not keep a stop beyond socket.drainMs + 2 s, and it exits with 0", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const [drainMs, key] = [300, "k".repeat(20)];
  const run = startProcess(t, [...SLUICE, "--socket.drainMs", String(drainMs)], {
    ...{ PORT: "0", SLUICE_SOCKET_HOST: "127.0.0.1", SLUICE_API_KEYS: `tests:${key}` },
    SLUICE_CLUSTER_REDIS_URL: redis.url,
  });
  const port = Number((await run.line("port")).port);
  const proxy = await slowProxy(t, port);
  const stuck = newClient(proxy.url);
  const talker = newClient(`http://127.0.0.1:${port}`);
  t.after(() => [stuck, talker].map((client) => client.disconnect()));
  for (const client of [stuck, talker]) {
    await next(client.connect(), "connect");
    await client.emitWithAck("join", "r");
  }
  proxy.pause();
  // More than the kernel takes for it, less than closes it.
  const pressured = async () => {
    await talker.emitWithAck("message", "r", "x".repeat(100_000));
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return sumMetric(text, "sluice_pressured_connections") === 1;
  };
  await until(pressured, "a client that holds more than the kernel takes", 30_000);
  const half = await openTcp(port);
  t.after(() => half.close());
  half.write(
    `POST /v1/commands HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n` +
      "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
  );
  redis.freeze(true);
  t.after(() => redis.freeze(false));
  const from = performance.now();
  run.child.kill("SIGTERM");
  assert.equal(await run.exit(), 0);
  const tookMs = performance.now() - from;
  // A second for a machine that is busy.
  assert.ok(tookMs < drainMs + 2000 + 1000, `the stop took ${tookMs} ms`);
});

test("a script that starts and stops a gateway ends by itself", async (t) => {
  const script = `
    const { startGateway } = await import("./src/index.ts");
    const gateway = await startGateway({ socket: { port: 0, host: "127.0.0.1", drainMs: 0 } });
    await fetch(gateway.url + "/healthz");
    await gateway.stop();
    console.log(JSON.stringify({ stopped: true }));
  `;
  const run = startProcess(t, [...NODE, "--input-type=module", "--eval", script]);
  await run.line("stopped");
  assert.equal(await run.exit(), 0);
});

test("headers as large as limits.headerBytesMax come through the real process", async (t) => {
  const run = startProcess(t, SLUICE, { PORT: "0", SLUICE_SOCKET_HOST: "127.0.0.1" });
  const { port } = await run.line("port");
  const url = `http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`;
  const cookie = (bytes: number) => ask(url, { headers: { cookie: "c".repeat(bytes) } });
  assert.equal((await cookie(15_000)).status, 200);
  assert.equal((await cookie(17_000)).status, 431);
});
