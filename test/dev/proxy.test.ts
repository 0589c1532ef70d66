/** The proxy of `sluice dev`: a gateway behind it finds what it would find at the function. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { Attempt } from "../../src/dev/attempt.ts";
import { startProxy } from "../../src/dev/proxy.ts";
import { verify } from "../../src/edge/verify.ts";
import { findFreePort } from "../harness/free-port.ts";
import { createGate, SECRET, startFunction, type TestFunction } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";

async function start(
  t: TestContext,
  origin: string,
  more: { readonly ready?: () => Promise<void>; readonly upstream?: object } = {},
) {
  const seen: Omit<Attempt, "call">[] = [];
  const { ready = async () => {}, upstream } = more;
  const settings = {
    calls: ["event" as const],
    secrets: [SECRET],
    answerBytesMax: 1000,
    retryMs: 1,
    ...upstream,
  };
  const needs = { answerBytesMax: 1000, ready, seen: (one: never) => void seen.push(one) };
  const proxy = await startProxy(origin, needs);
  const gateway = await testGateway(t, { upstream: { ...settings, url: `${proxy.origin}/a?b=c` } });
  t.after(proxy.close);
  return { seen, client: await gateway.connected() };
}

const signed = ({ headers, body }: TestFunction["received"][0]) =>
  verify({ header: (name) => String(headers[name]), body: String(body) }, SECRET);

test("a call arrives as it was signed, its answer as it was given, and both are told", async (t) => {
  const body = { ack: [{ much: "x".repeat(500) }], commands: [] };
  const text = gzipSync(JSON.stringify(body));
  const headers = { "content-encoding": "gzip", "x-own": "1" };
  const fn = await startFunction(t, () => (response) => response.writeHead(200, headers).end(text));
  const { seen, client } = await start(t, fn.url);
  assert.deepEqual(await client.emitWithAck("ask", "what\u2028?"), body.ack[0]);
  const [received] = fn.received;
  assert.ok(received);
  const id = await signed(received);
  assert.equal(received.path, "/a?b=c");
  assert.equal(received.headers.host, new URL(fn.url).host);
  await until(() => seen.length === 1, "it is told");
  const [attempt] = seen;
  assert.equal(attempt?.id, id);
  assert.equal(attempt?.url, `${fn.url}/a?b=c`);
  assert.equal(attempt?.body, String(received.body));
  assert.equal(attempt?.headers["ce-subject"], "ask");
  assert.equal(attempt?.headers["webhook-signature"], undefined);
  assert.equal(attempt?.answer?.body, JSON.stringify(body), "inflated");
  assert.equal(attempt?.answer?.headers["x-own"], "1");
});

test("what fails at the function fails in the same way behind the proxy", async (t) => {
  const fn = await startFunction(t);
  const { seen, client } = await start(t, fn.url);
  const codeOf = async (answer: TestFunction["answer"]) => {
    fn.answer = answer;
    return (await client.emitWithAck("ask")).error.code;
  };
  const cases: [string, TestFunction["answer"], RegExp][] = [
    ["UPSTREAM_TOO_LARGE", () => ({ body: "x".repeat(5000) }), /longer than/],
    ["UPSTREAM_UNREACHABLE", () => (response) => response.destroy(), /socket hang up/],
    [
      "UPSTREAM_UNREACHABLE",
      () => (response) => {
        response.writeHead(200, { "content-length": "50" }).write("half");
        setImmediate(() => response.destroy());
      },
      /aborted/,
    ],
    ["UPSTREAM_FAILED", () => ({ status: 500, body: "why" }), /^$/],
    ["UPSTREAM_BAD_ANSWER", () => ({ body: "no object" }), /^$/],
  ];
  for (const [code, answer, why] of cases) {
    const count = seen.length;
    assert.equal(await codeOf(answer), code);
    await until(() => seen.length > count, `${code} is told`);
    assert.match(seen.at(-1)?.failed ?? "", why);
  }
  assert.equal(seen.length, cases.length);
  await until(() => fn.open === 0, "a call that was given up is given up at the function too");
  await fn.close();
  assert.equal(await codeOf(() => ({})), "UPSTREAM_UNREACHABLE");
  assert.match(seen.at(-1)?.failed ?? "", /ECONNREFUSED/);
});

test("a function that does not answer in time is told of as one that nobody waited for", async (t) => {
  const fn = await startFunction(t, () => () => {});
  const { seen, client } = await start(t, fn.url, { upstream: { timeoutMs: 300 } });
  const { error } = await client.emitWithAck("ask");
  assert.equal(error.code, "UPSTREAM_TIMEOUT");
  await until(() => seen.length === 1, "it is told");
  assert.match(seen[0]?.failed ?? "", /the gateway waited no longer/);
});

test("attempts of one call are numbered, and calls wait for a function that starts", async (t) => {
  const gate = createGate();
  let failures = 2;
  const fn = await startFunction(t, () => ({ status: failures-- > 0 ? 503 : 200 }));
  const { seen, client } = await start(t, fn.url, { ready: () => gate.passed });
  client.emit("tell");
  client.emit("tell");
  assert.equal(fn.received.length, 0);
  gate.open();
  await until(() => seen.length === 4, "both calls, one after three attempts");
  assert.deepEqual(
    seen.map(({ attempt, answer }) => [attempt, answer?.status]),
    [
      [1, 503],
      [2, 503],
      [3, 200],
      [1, 200],
    ],
  );
  assert.equal(new Set(seen.map(({ id }) => id)).size, 2);
});

test("a host of several addresses says of each why it cannot be reached", async (t) => {
  const { seen, client } = await start(t, `http://localhost:${await findFreePort()}`);
  assert.equal((await client.emitWithAck("ask")).error.code, "UPSTREAM_UNREACHABLE");
  assert.match(seen[0]?.failed ?? "", /connect ECONNREFUSED/);
});
