/** `sluice dev` and `sluice replay` beside a function that runs already, in this process. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readCommandLine } from "../../src/core/command-line.ts";
import { type PartialSettings, readSettings } from "../../src/core/settings.ts";
import { readDevOptions, readReplayOptions } from "../../src/dev/options.ts";
import { prepareDev } from "../../src/dev/prepare.ts";
import { verify } from "../../src/edge/verify.ts";
import { runReplay, startDev } from "../../src/gateway/serve-dev.ts";
import { findFreePort } from "../harness/free-port.ts";
import { SECRET, startFunction, type TestFunction } from "../harness/function.ts";
import { newClient } from "../harness/gateway.ts";
import { testFolder } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

const RECORDING = ".sluice/calls.ndjson";

function testNeeds(t: TestContext, env: Record<string, string> = {}) {
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  const text = () => lines.join("\n");
  return { cwd: testFolder(t), env, hasColours: false, print, text };
}

type Needs = ReturnType<typeof testNeeds>;

async function dev(
  t: TestContext,
  needs: Needs,
  args: readonly string[],
  settings: PartialSettings = {},
) {
  const { options } = readDevOptions(readCommandLine(["dev", ...args]));
  const given = {
    ...settings,
    socket: { port: 0, host: "127.0.0.1" },
    overload: { enabled: false },
  };
  const run = await startDev(await prepareDev(options, { ...needs, given }), needs);
  t.after(run.stop);
  return run;
}

async function connect(t: TestContext, url: string, namespace = "") {
  const client = newClient(url, { namespace });
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  return client;
}

/** Replays, and returns what was printed for it. */
async function replay(needs: Needs, ...args: string[]) {
  const { options } = readReplayOptions(readCommandLine(["replay", ...args]));
  const before = needs.text().length;
  const isAnswered = await runReplay(options, readSettings({}), needs);
  return { isAnswered, text: needs.text().slice(before) };
}

const signed = (secret: string, { headers, body }: TestFunction["received"][0]) =>
  verify({ header: (name) => String(headers[name]), body: String(body) }, secret);

test("secrets are made once; a call is printed, recorded, and sent again with a new signature", async (t) => {
  const fn = await startFunction(t, () => ({ body: { ack: ["done"] } }));
  const needs = testNeeds(t);
  const settings = { upstream: { calls: ["event" as const] } };
  const first = await dev(t, needs, ["--function", `${fn.url}/call`], settings);
  const secret = /SLUICE_SECRET=(\S+)/.exec(needs.text())?.[1] ?? "";
  const file = readFileSync(join(needs.cwd, ".sluice/dev.env"), "utf8");
  const { url } = first.gateway;
  const key = /SLUICE_KEY=(\S+)/.exec(needs.text())?.[1];
  assert.ok(needs.text().includes(`sluice dev: console ${url}/console#key=${key}`));
  assert.ok(file.startsWith(`SLUICE_SECRET=${secret}\n`), file);
  assert.ok(file.endsWith(`SLUICE_URL=${url}\n`), file);
  const client = await connect(t, url);
  assert.equal(await client.emitWithAck("ask", 1), "done");
  await until(() => needs.text().includes("ask(1)"), "it is printed");
  const [call] = fn.received;
  assert.ok(call);
  const id = await signed(secret, call);

  const same = await replay(needs, RECORDING);
  assert.equal(same.isAnswered, true);
  assert.match(same.text, /200 .* ask\(1\)[\s\S]* ack\("done"\)\n\{\n {2}"ack": \[/);
  assert.equal((await replay(needs, RECORDING, "--new-id", "--call", id)).isAnswered, true);
  const [, second, third] = fn.received;
  assert.ok(second && third);
  assert.equal(await signed(secret, second), id);
  assert.deepEqual(second.body, call.body);
  const newId = await signed(secret, third);
  assert.notEqual(newId, id);
  assert.equal(third.headers["ce-id"], newId);

  const other = await startFunction(t, () => ({ status: 500, body: "no" }));
  assert.equal((await replay(needs, RECORDING, "--url", `${other.url}/x`)).isAnswered, false);
  assert.equal(other.received[0]?.path, "/x");

  await first.stop();
  const before = needs.text().length;
  await dev(t, needs, ["--function", `${fn.url}/call`]);
  assert.equal(needs.text().slice(before).includes(secret), false, "it is shown once");
});

test("each function of the routes is shown; names stand in its path as the client gave them", async (t) => {
  const [one, two] = await Promise.all([
    startFunction(t, () => ({ body: { ack: ["one"] } })),
    startFunction(t, () => ({ body: { ack: ["two"] } })),
  ]);
  const routes = [{ namespace: "/n", event: "a*", url: `${one.url}/{namespace}/{event}?x={}` }];
  const upstream = { routes, url: `${two.url}`, namespaces: ["/n"], calls: ["event" as const] };
  const needs = testNeeds(t, { SLUICE_SECRET: SECRET });
  const { gateway } = await dev(t, needs, [], { upstream });
  const client = await connect(t, gateway.url, "/n");
  assert.equal(await client.emitWithAck("a/b"), "one");
  assert.equal(await client.emitWithAck("c"), "two");
  assert.match(one.received[0]?.path ?? "", /^\/[^/]+\/a%2Fb\?x=/);
  await until(() => /c\(\)/.test(needs.text()), "both are printed");
  assert.match(needs.text(), /"a\/b"\(\)|a\/b\(\)/);
  const file = readFileSync(join(needs.cwd, RECORDING), "utf8").trim().split("\n");
  const origins = file.map((line) => new URL(JSON.parse(line).url).origin);
  assert.deepEqual(origins, [one.url, two.url]);
});

test("events of a batch are printed, and get ids of their own with --new-id", async (t) => {
  const fn = await startFunction(t, () => ({ body: {} }));
  const needs = testNeeds(t, { SLUICE_SECRET: SECRET });
  const upstream = { batch: true, batchMax: 2, batchMs: 60_000, calls: ["event" as const] };
  const { gateway } = await dev(t, needs, ["--function", fn.url], { upstream });
  const client = await connect(t, gateway.url);
  client.emit("tick", 1);
  client.emit("tick", 2);
  await until(() => /batch of 2[\s\S]*tick\(1\)[\s\S]*tick\(2\)/.test(needs.text()), "the batch");
  await replay(needs, RECORDING, "--new-id");
  const [first, second] = fn.received;
  assert.ok(first && second);
  await signed(SECRET, second);
  const ids = [first, second].flatMap(({ json }) => json.map((event: { id: string }) => event.id));
  assert.equal(new Set(ids).size, 4);
  assert.equal(needs.text().includes(SECRET), false);
});

test("a failed call is told of as its gateway does, with the function's own URL", async (t) => {
  const fn = await startFunction(t, ({ headers }) => ({
    status: headers["ce-subject"] === "gone" ? 410 : 500,
    body: { message: "no database" },
  }));
  const needs = testNeeds(t);
  const upstream = { calls: ["event" as const] };
  const { gateway } = await dev(t, needs, ["--function", `${fn.url}/call`], { upstream });
  const client = await connect(t, gateway.url);
  assert.equal((await client.emitWithAck("ask")).error.code, "UPSTREAM_FAILED");
  assert.equal((await client.emitWithAck("gone")).error.code, "UPSTREAM_GONE");
  await until(() => /410 .* gone\(\)/.test(needs.text()), "both are printed");
  const text = needs.text();
  assert.match(text, /500 .* ask\(\) .*\n +no database$/m);
  assert.match(text, /warn {3}upstream: .* code=UPSTREAM_FAILED .* event=ask status=500/);
  assert.ok(text.includes(`410 Gone  route=default url=${fn.url}/call`), text);
});

test("a function that is away is told of, by the gateway's client and by a replay", async (t) => {
  const needs = testNeeds(t);
  const url = `http://127.0.0.1:${await findFreePort()}/call`;
  const settings = { upstream: { calls: ["event" as const] } };
  const { gateway } = await dev(t, needs, ["--function", url], settings);
  assert.match(
    needs.text(),
    /warn {3}dev: nothing accepts connections at http:\/\/127\.0\.0\.1:\d+ yet/,
  );
  const client = await connect(t, gateway.url);
  assert.equal((await client.emitWithAck("ask")).error.code, "UPSTREAM_UNREACHABLE");
  await until(() => needs.text().includes("no answer: connect ECONNREFUSED"), "it is printed");
  const again = await replay(needs, RECORDING);
  assert.equal(again.isAnswered, false);
  assert.match(again.text, /ask\(\)[\s\S]*no answer: connect ECONNREFUSED/);
});

test("a mistake is told before anything starts, with what it is and what it may be", async (t) => {
  const needs = testNeeds(t);
  const broken = join(needs.cwd, "broken.ndjson");
  writeFileSync(broken, '{"call":1}\n');
  const good = join(needs.cwd, "good.ndjson");
  const call = { call: 1, id: "evt_1", attempt: 1, at: "", url: "http://127.0.0.1:1", headers: {} };
  writeFileSync(good, `${JSON.stringify({ ...call, body: "{}" })}\n`);
  const fn = await startFunction(t);
  const wrong = (pattern: RegExp) => (error: Error) => pattern.test(error.message);
  const at = (url: string, ...more: string[]) => ["--function", url, ...more];
  const started: [string[], RegExp, PartialSettings?][] = [
    [at("ftp://x"), /upstream\.url = "ftp:\/\/x": must be http or https/],
    [at("http://10.0.0.1/"), /unless upstream\.insecure is set/],
    [at(fn.url, "--", "true"), /something listens on port \d+ already/],
    [at(fn.url, "--record", broken), /--record .*: line 1 has an `id` that is none/],
    [at(fn.url), /leave cluster\.workers out/, { cluster: { workers: "2" } }],
    [at(fn.url), /upstream\.secrets/, { upstream: { secrets: ["whsec_x"] } }],
  ];
  for (const [args, pattern, settings] of started) {
    await assert.rejects(dev(t, needs, args, settings), wrong(pattern));
  }
  const replayed: [string[], RegExp][] = [
    [[broken], /broken\.ndjson: line 1 has an `id` that is none/],
    [[good, "--call", "7"], /there is no call 7; it has the calls 1 to 1/],
    [[good, "--url", "ftp://x"], /--url = "ftp:\/\/x": must be http or https/],
    [[good, "--url", "http://10.0.0.1"], /unless upstream\.insecure is set/],
    [[good], /what is the call signed with\?/],
  ];
  for (const [args, pattern] of replayed) {
    await assert.rejects(replay(needs, ...args), wrong(pattern));
  }
});
