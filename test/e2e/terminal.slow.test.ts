/** What a person sees of the real process in a terminal, and what Ctrl-C does there. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { newClient } from "../harness/gateway.ts";
import { SLUICE, startInTerminal, startProcess } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

const CTRL_C = "\u0003";
const ON_LOOPBACK = ["--socket.host", "127.0.0.1", "--socket.port", "0"];
/** An hour: a drain that takes it has not ended by itself. */
const LONG_DRAIN = ["--socket.drainMs", "3600000"];

async function start(
  t: TestContext,
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  count = 1,
) {
  const run = startInTerminal(t, [...SLUICE, ...ON_LOOPBACK, ...flags], { NO_COLOR: "1", ...env });
  await run.said("listening on port", 60_000);
  const port = /listening on port (\d+)/.exec(run.output())?.[1];
  const clients = Array.from({ length: count }, () => newClient(`http://127.0.0.1:${port}`));
  t.after(() => clients.forEach((client) => void client.disconnect()));
  for (const client of clients) await next(client.connect(), "connect");
  return { run, client: clients[0] as (typeof clients)[number] };
}

test("in a terminal lines are for people, name the example, and Ctrl-C ends it at once", async (t) => {
  const { run, client } = await start(t);
  const gone = next(client, "disconnect");
  run.type(CTRL_C);
  await gone;
  assert.equal(await run.exit(), 0);
  const lines = run.output().replaceAll("\r", "").trim().split("\n");
  const time = String.raw`^(\^C)?\d\d:\d\d:\d\d  info   `;
  const expected = [
    "gateway: listening on port",
    "handlers: events go to the chat example",
    "door: auth.mode is none",
    "console: the console is at http://127.0.0.1:",
    "gateway: stopping, 1 client; again to quit now  clients=1 drainMs=0",
    "gateway: stopped",
  ];
  assert.equal(lines.length, expected.length, run.output());
  for (const [at, line] of lines.entries()) {
    assert.match(line, new RegExp(time));
    assert.ok(line.includes(expected[at] ?? "?"), line);
  }
});

for (const [what, flags, env] of [
  ["a drain that was asked for", LONG_DRAIN, {}],
  [
    "the drain of production",
    ["--handlers.module", "examples/chat.ts"],
    { NODE_ENV: "production", SLUICE_UPSTREAM_DRAIN_MS: "0" },
  ],
] as const) {
  test(`in a terminal ${what} is waited for, and a second Ctrl-C quits`, async (t) => {
    // A drain closes each at a time of its own: one alone may go at once.
    const { run } = await start(t, flags, env, 10);
    run.type(CTRL_C);
    await run.said("again to quit now");
    assert.ok(!run.output().includes("drainMs=0"));
    // The first half second's is taken for npm's repeat of the first. More often than a person
    // types them, they fill the terminal's queue faster than it is read.
    let typedAt = 0;
    const isOver = () => {
      if (run.child.exitCode !== null) return true;
      if (performance.now() - typedAt > 100) {
        typedAt = performance.now();
        run.type(CTRL_C);
      }
      return false;
    };
    await until(isOver, "the end");
    assert.equal(await run.exit(), 1);
    assert.match(run.output(), /warn {3}gateway: quit by a second signal/);
  });
}

test("with workers Ctrl-C names the clients of all, ends it at once, and each line is whole", async (t) => {
  const workers = ["--cluster.workers", "2", "--socket.transports", "websocket"];
  const port = ["--log.level", "debug"];
  const { run } = await start(t, [...workers, ...port]);
  await until(() => run.output().match(/listening on port/g)?.length === 2, "both", 60_000);
  run.type(CTRL_C);
  assert.equal(await run.exit(), 0);
  const lines = run.output().replaceAll("\r", "").trim().split("\n");
  const odd = lines.filter((line) => !/^(\^C)?\d\d:\d\d:\d\d {2}\w+ +\w+: /.test(line));
  assert.deepEqual(odd, []);
  assert.match(run.output(), /cluster: stopping 2 workers, 1 client; again to quit now/);
  assert.match(run.output(), /debug {2}socket: connection opened/);
  assert.equal(run.output().match(/events go to the chat example/g)?.length, 1);
});

test("log.format has the last word: JSON in a terminal, text elsewhere", async (t) => {
  const json = startInTerminal(t, [...SLUICE, ...ON_LOOPBACK, "--log.format", "json"]);
  assert.equal((await json.line("port")).component, "gateway");
  const text = startProcess(t, [...SLUICE, ...ON_LOOPBACK, "--log.format", "text"]);
  await text.said("gateway: listening on port", 60_000);
  assert.ok(!text.output().includes("\u001b"), "no colours in a pipe");
  text.child.kill("SIGINT");
  assert.equal(await text.exit(), 0);
  assert.ok(!text.output().includes("again to quit"), "nobody can press a key");
});

test("sluice dev says what it stops, too", async (t) => {
  const slow = ["--upstream.drainMs", "600000", ...LONG_DRAIN];
  const dev = ["dev", "--function", "http://127.0.0.1:9/call", "--record", "/dev/null"];
  const env = { SLUICE_SECRET: "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=" };
  const run = startInTerminal(t, [...SLUICE, ...dev, ...ON_LOOPBACK, ...slow], {
    ...env,
    SLUICE_KEY: "a-key-of-sixteen-characters",
  });
  await run.said("sluice dev: gateway", 60_000);
  run.type(CTRL_C);
  await run.said("sluice dev: stopping, 0 clients; again to quit now");
  await run.exit();
});
