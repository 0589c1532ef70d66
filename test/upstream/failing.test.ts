import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogFields, LogLevel } from "../../src/core/log.ts";
import { createGate, startFunction } from "../harness/function.ts";
import { until } from "../harness/wait.ts";
import { codeOf, testUpstream } from "./rig.ts";

/** A monotonic clock that a test may set forward. */
function setClock() {
  const clock = { lateMs: 0, now: () => performance.now() + clock.lateMs, wall: Date.now };
  return clock;
}

test("a failed call is logged by route and reason, never with its body", async (t) => {
  const fn = await startFunction(t, () => ({ status: 500, body: "<secret>" }));
  const lines: [LogLevel, LogFields][] = [];
  const log = (level: LogLevel, fields: LogFields) => void lines.push([level, fields]);
  const routes = [{ name: "slow", namespace: "/", event: "slow", url: fn.url }];
  const upstream = testUpstream(t, { url: fn.url, routes, attemptsMax: 1 }, { log });
  const lane = upstream.lane();
  for (let n = 0; n < 3; n++) await upstream.ask(lane, "x", "payload");
  lane.event("slow", ["payload"]);
  await until(() => upstream.samples().queued.events === 0, "all are over");
  const [first, other] = lines;
  const id = fn.received[0]?.headers["webhook-id"];
  const about = { component: "upstream", code: "UPSTREAM_FAILED", namespace: "/", socket: "s1" };
  const event = { kind: "event", event: "x", attempt: 1, status: 500 };
  assert.deepEqual(first, ["warn", { ...about, ...event, id, route: "default" }]);
  assert.equal(other?.[1].route, "slow", "a route's lines do not keep another's away");
  assert.doesNotMatch(JSON.stringify(lines), /payload|secret/);
  await fn.close();
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  await upstream.ask(upstream.lane("s2", { trace: { traceparent } }), "x".repeat(5000));
  const last = lines.at(-1)?.[1];
  assert.deepEqual([last?.code, last?.detail], ["UPSTREAM_UNREACHABLE", "ECONNREFUSED"]);
  assert.equal(last?.traceparent, traceparent);
  assert.equal(String(last?.event).length, 100);
});

test("in a batch the line is about the event that failed, or the first of all", async (t) => {
  const fn = await startFunction(t, ({ json }) =>
    fn.received.length === 1
      ? { body: { failed: [{ id: json[1].id, retry: false }] } }
      : { status: 404 },
  );
  const lines: LogFields[] = [];
  const log = (_: LogLevel, fields: LogFields) => void lines.push(fields);
  const upstream = testUpstream(t, { url: fn.url, batch: true, batchMax: 2 }, { log });
  for (const n of [1, 2]) upstream.lane(`s${n}`).event("x", []);
  await until(() => upstream.samples().queued.events === 0, "the first is over");
  for (const n of [3, 4]) upstream.lane(`s${n}`).event("x", []);
  await until(() => upstream.samples().queued.events === 0, "the second is over");
  assert.deepEqual(
    lines.map(({ code, socket, calls }) => [code, socket, calls]),
    [
      ["UPSTREAM_REFUSED", "s2", undefined],
      ["UPSTREAM_REJECTED", "s3", 2],
    ],
  );
});

// A route whose function answered 410 once, in a deploy that went wrong, was not called until a restart.
test("after goneMs one call probes a function that was gone; its answer decides", async (t) => {
  const fn = await startFunction(t, () => ({ status: 410 }));
  const clock = setClock();
  const upstream = testUpstream(t, { url: fn.url, goneMs: 60_000 }, { clock });
  const ask = async (id: string) => {
    const asked = upstream.ask(upstream.lane(id), "x").catch((error) => error);
    return codeOf(await asked);
  };
  assert.equal(await ask("a"), "UPSTREAM_GONE");
  assert.equal(await ask("b"), "UPSTREAM_GONE");
  assert.equal(fn.received.length, 1);
  clock.lateMs = 60_000;
  assert.equal(await ask("c"), "UPSTREAM_GONE");
  assert.equal(fn.received.length, 2, "the probe, which starts it anew");
  assert.equal(await ask("d"), "UPSTREAM_GONE");
  assert.equal(fn.received.length, 2);
  clock.lateMs = 120_000;
  fn.answer = () => ({ status: 404 });
  // While one probes, the others are refused.
  assert.deepEqual(await Promise.all([ask("e"), ask("f")]), ["UPSTREAM_REJECTED", "UPSTREAM_GONE"]);
  fn.answer = () => ({});
  assert.equal(await ask("g"), undefined);
  assert.equal(upstream.samples().goneEndpoints, 0);
});

test("a route that is gone is shown as such, and called again on demand", async (t) => {
  const fn = await startFunction(t, () => ({ status: 410 }));
  const upstream = testUpstream(t, { url: `${fn.url}/call?key=secret` });
  const shown = { name: "default", url: `${fn.url}/call` };
  assert.deepEqual(upstream.routes(), [{ ...shown, state: "open" }]);
  assert.equal(upstream.revive(["default"]), 0);
  await upstream.ask(upstream.lane(), "x");
  assert.deepEqual(upstream.routes(), [{ ...shown, state: "gone" }]);
  fn.answer = () => ({});
  assert.equal(upstream.revive(["none", "default"]), 1);
  assert.deepEqual(await upstream.ask(upstream.lane(), "x"), { ack: [] });
});

// The line of a 410 had the whole URL, with the key of an Azure function for example.
test("the line of a 410 has no query, which may hold a key", async (t) => {
  const fn = await startFunction(t, () => ({ status: 410 }));
  const lines: LogFields[] = [];
  const log = (_: LogLevel, fields: LogFields) => void lines.push(fields);
  const upstream = testUpstream(t, { url: `${fn.url}/call?code=secret` }, { log });
  await upstream.ask(upstream.lane(), "x");
  assert.equal(lines[0]?.url, `${fn.url}/call`);
  assert.doesNotMatch(JSON.stringify(lines), /secret/);
});

// Letters are bounded by bytes, but not those of their details, which an answer could make long.
test("what is wrong with an answer is told in short", async (t) => {
  const commands = [{ do: "emit", event: "x", ["k".repeat(100_000)]: 1 }];
  const fn = await startFunction(t, () => ({ body: { commands } }));
  const lines: LogFields[] = [];
  const log = (_: LogLevel, fields: LogFields) => void lines.push(fields);
  const upstream = testUpstream(t, { url: fn.url, attemptsMax: 1 }, { log });
  upstream.lane().event("x", []);
  await until(() => upstream.samples().deadLetters.held === 1, "a dead letter");
  const { items } = await upstream.listDeadLetters({ limit: 1 });
  assert.equal(items[0]?.detail?.length, 200);
  assert.equal(String(lines[0]?.detail).length, 200);
});

test("a probe that reaches nobody leaves it to the next call", async (t) => {
  const fn = await startFunction(t, () => ({ status: 410 }));
  const clock = setClock();
  const upstream = testUpstream(t, { url: fn.url, goneMs: 60_000 }, { clock });
  assert.equal(codeOf(await upstream.ask(upstream.lane(), "x")), "UPSTREAM_GONE");
  clock.lateMs = 60_000;
  fn.answer = () => (response) => response.destroy();
  assert.equal(codeOf(await upstream.ask(upstream.lane(), "x")), "UPSTREAM_UNREACHABLE");
  assert.equal(upstream.samples().goneEndpoints, 1);
  fn.answer = () => ({});
  assert.deepEqual(await upstream.ask(upstream.lane(), "x"), { ack: [] });
  assert.equal(upstream.samples().goneEndpoints, 0);
});

// A probe that reached nobody, or a 410 of before, closed a route that had been revived meanwhile.
test("a probe says nothing of a route that was revived while it was under way", async (t) => {
  for (const late of ["nothing", "410"]) {
    const gate = createGate();
    const fn = await startFunction(t, () => ({ status: 410 }));
    const clock = setClock();
    const upstream = testUpstream(t, { url: fn.url, goneMs: 60_000 }, { clock });
    await upstream.ask(upstream.lane("a"), "x");
    clock.lateMs = 60_000;
    fn.answer = async () => {
      await gate.passed;
      return late === "410" ? { status: 410 } : (response) => response.destroy();
    };
    const probe = upstream.ask(upstream.lane("b"), "x");
    await until(() => fn.open === 1, "the probe is under way");
    assert.equal(upstream.revive(["default"]), 1);
    gate.open();
    assert.equal(codeOf(await probe), late === "410" ? "UPSTREAM_GONE" : "UPSTREAM_UNREACHABLE");
    assert.equal(upstream.samples().goneEndpoints, 0);
  }
});

test("an event is tried again for retryForMs after its first attempt, and not longer", async (t) => {
  const fn = await startFunction(t, () => {
    if (fn.received.length === 3) clock.lateMs = 60_000;
    return { status: 500 };
  });
  const clock = setClock();
  const bounds = { retryForMs: 60_000, attemptsMax: 10_000, breakerCallsMin: 1000 };
  const upstream = testUpstream(t, { url: fn.url, ...bounds }, { clock });
  upstream.lane().event("x", []);
  await until(() => upstream.samples().deadLetters.held === 1, "it is given up");
  assert.equal(fn.received.length, 3);
});
