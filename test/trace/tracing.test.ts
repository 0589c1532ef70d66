import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Log } from "../../src/core/log.ts";
import { type PartialSettings, readSettings } from "../../src/core/settings.ts";
import { readTraceContext } from "../../src/core/trace.ts";
import { createTracing, type Tracing } from "../../src/trace/tracing.ts";
import { startCollector } from "../harness/collector.ts";
import { findFreePort } from "../harness/free-port.ts";
import { until } from "../harness/wait.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const SAMPLED = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: "vendor=1,other=x" };
const UNSAMPLED = { traceparent: `00-${TRACE}-${SPAN}-00` };

interface Line {
  readonly level: string;
  readonly text: string;
  readonly why: unknown;
}

/** Traces that are stopped with the test, with what they log. */
function open(t: TestContext, settings: PartialSettings["trace"]): Tracing & { lines: Line[] } {
  const lines: Line[] = [];
  const log: Log = (level, { why }, text) => void lines.push({ level, text, why });
  const { trace } = readSettings({ trace: { batchMs: 5, ...settings } });
  const tracing = createTracing(trace, { log, version: "1.2.3" });
  t.after(tracing.stop);
  return { ...tracing, lines };
}

test("a span arrives with its parent, its trace's state and bounded attributes", async (t) => {
  const collector = await startCollector(t);
  const traces = open(t, {
    otlpUrl: collector.url,
    headers: ["x-key=a=b"],
    serviceName: "chat",
  });
  const outer = traces.start("event", "event", { parent: SAMPLED });
  const inner = traces.start("broadcast", "broadcast", {
    parent: outer,
    attributes: { long: "x".repeat(1000), none: undefined, rooms: Array(100).fill("r") },
  });
  assert.match(inner.traceparent, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
  assert.equal(inner.tracestate, SAMPLED.tracestate);
  inner.end("COMMANDS_FAILED");
  outer.set({ "sluice.event": "hello" });
  outer.end();
  await until(() => collector.spans.length === 2, "both spans");

  const [event] = collector.named("event");
  const [broadcast] = collector.named("broadcast");
  assert.ok(event && broadcast);
  assert.deepEqual([event.traceId, event.parentSpanId, event.kind], [TRACE, SPAN, 5]);
  assert.deepEqual([broadcast.traceId, broadcast.parentSpanId], [TRACE, event.spanId]);
  assert.deepEqual([event.status, broadcast.status], [0, 2]);
  assert.deepEqual(event.attributes, { "sluice.event": "hello" });
  assert.deepEqual(broadcast.attributes, {
    long: "x".repeat(256),
    rooms: Array(8).fill("r"),
    "error.type": "COMMANDS_FAILED",
  });
  const { "service.name": name, "service.version": version } = event.resource;
  assert.deepEqual([name, version], ["chat", "1.2.3"]);
  const [{ path, headers }] = collector.requests as [(typeof collector.requests)[0]];
  assert.deepEqual([path, headers["x-key"]], ["/v1/traces", "a=b"]);
  await until(() => traces.samples.exported === 2, "both are counted");
});

test("a trace that begins here is sampled by the ratio, any other as its caller chose", async (t) => {
  const collector = await startCollector(t);
  const none = open(t, { otlpUrl: `${collector.url}/own/path`, sampleRatio: 0 });
  const own = none.start("event", "own", {});
  assert.match(own.traceparent, /-00$/);
  none.start("call", "child", { parent: own }).end();
  own.end();
  none.start("event", "sampled", { parent: SAMPLED }).end();
  const all = open(t, { otlpUrl: collector.url, sampleRatio: 1 });
  const left = all.start("event", "left out", { parent: UNSAMPLED });
  // Whoever comes next is told that nobody records this trace.
  assert.match(left.traceparent, new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
  left.end();
  all.start("event", "begun", {}).end();
  await Promise.all([none.stop(), all.stop()]);
  assert.deepEqual(collector.spans.map(({ name }) => name).sort(), ["begun", "sampled"]);
  assert.deepEqual(collector.requests.map(({ path }) => path).sort(), ["/own/path", "/v1/traces"]);
});

test("a collector that hangs holds up no stop longer than timeoutMs, and its spans are counted", async (t) => {
  const collector = await startCollector(t);
  collector.status = undefined;
  const traces = open(t, { otlpUrl: collector.url, timeoutMs: 100, batchMax: 2 });
  for (let n = 0; n < 3; n++) traces.start("event", "event", {}).end();
  await until(() => collector.requests.length > 0, "an export hangs");
  await traces.stop();
  assert.deepEqual(traces.samples, { queued: 0, exported: 0, dropped: 0, failed: 3 });
  const [{ why, ...line }, ...others] = traces.lines as [Line, ...Line[]];
  assert.deepEqual(line, { level: "warn", text: "the collector takes no spans" });
  // The second is the library's own, if its timer was first.
  assert.match(String(why), /^(no answer within 100 ms|Request timed out)$/);
  assert.deepEqual(others, []);
  traces.start("event", "late", {}).end();
  assert.equal(traces.samples.dropped, 1);
});

test("what comes while queueMax spans wait is dropped and counted", async (t) => {
  const collector = await startCollector(t);
  collector.status = undefined;
  const traces = open(t, { otlpUrl: collector.url, timeoutMs: 100, queueMax: 3 });
  for (let n = 0; n < 3; n++) traces.start("event", "event", {}).end();
  assert.deepEqual(traces.samples, { queued: 3, exported: 0, dropped: 0, failed: 0 });
  traces.start("event", "event", {}).end();
  assert.deepEqual(traces.samples, { queued: 3, exported: 0, dropped: 1, failed: 0 });
  await until(() => traces.samples.queued === 0, "the export is given up");
  traces.start("event", "event", {}).end();
  assert.equal(traces.samples.queued, 1);
});

test("that a collector is away is logged once, and once that it is back", async (t) => {
  const port = await findFreePort();
  const traces = open(t, { otlpUrl: `http://127.0.0.1:${port}`, timeoutMs: 100 });
  for (let n = 1; n <= 2; n++) {
    traces.start("event", "event", {}).end();
    await until(() => traces.samples.failed === n, "an export fails");
  }
  const collector = await startCollector(t, port);
  traces.start("event", "event", {}).end();
  await until(() => traces.samples.exported === 1, "an export succeeds");
  assert.equal(collector.spans.length, 1);
  assert.deepEqual(
    traces.lines.map(({ level, text }) => [level, text]),
    [
      ["warn", "the collector takes no spans"],
      ["info", "the collector takes spans again"],
    ],
  );
});

test("a context that is none is not followed, and its state only if it is one", () => {
  assert.deepEqual(readTraceContext(SAMPLED), SAMPLED);
  const { traceparent } = SAMPLED;
  for (const tracestate of [undefined, "", "a=1\r\nx: y", "é=1", " a=1", "a".repeat(513), 5]) {
    assert.deepEqual(readTraceContext({ traceparent, tracestate }), { traceparent });
  }
  for (const bad of [undefined, 5, "", `00-${TRACE}-${SPAN}`, `00-${"0".repeat(32)}-${SPAN}-01`]) {
    assert.equal(readTraceContext({ traceparent: bad, tracestate: "a=1" }), undefined);
  }
});

test("a URL without http and a header without a name are refused; the header is not shown", () => {
  const { trace } = readSettings({ trace: { otlpUrl: "collector:4318" } });
  assert.throws(
    () => createTracing(trace, { log: () => {}, version: "1" }),
    /trace\.otlpUrl = "collector:4318": must be a URL with http or https/,
  );
  assert.throws(
    () => readSettings({ trace: { headers: ["secret value"] } }),
    (error: Error) => /trace\.headers/.test(error.message) && !/secret value/.test(error.message),
  );
});
