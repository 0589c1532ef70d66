import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { type TestContext, test } from "node:test";
import type { PartialSettings } from "../../src/core/settings.ts";
import { SECRET, startFunction, type TestFunction } from "../harness/function.ts";
import { type ClientOptions, testGateway, WAYS } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import {
  KEY,
  listParents,
  post,
  SPAN,
  startTraced,
  TRACE,
  TRACEPARENT,
  type Traced,
} from "../harness/traced.ts";
import { next, until } from "../harness/wait.ts";

const UNSAMPLED = `00-${TRACE}-${SPAN}-00`;

async function startWith(
  t: TestContext,
  fn: TestFunction,
  { upstream, ...settings }: PartialSettings = {},
): Promise<Traced> {
  const quick = { secrets: [SECRET], retryMs: 1, retryMsMax: 5, calls: ["event"] as const };
  return startTraced(t, {
    ...settings,
    upstream: { url: `${fn.url}/fn?code=hidden`, ...quick, calls: ["event"], ...upstream },
  });
}

// Before any test traces: the code of OpenTelemetry is loaded once per process.
test("without trace.otlpUrl nothing is loaded, and contexts pass as they came", async (t) => {
  const fn = await startFunction(t, () => ({ body: { ack: [] } }));
  const gateway = await testGateway(t, { upstream: { url: fn.url, secrets: [SECRET] } });
  const tracestate = "vendor=1";
  const byHeader = { headers: { traceparent: TRACEPARENT, tracestate } };
  for (const options of [byHeader, { auth: { traceparent: TRACEPARENT, tracestate } }]) {
    await (await gateway.connected(options)).emitWithAck("x", { traceparent: UNSAMPLED });
    const { traceparent, tracestate: state } = fn.received.at(-1)?.headers ?? {};
    assert.deepEqual([traceparent, state], [TRACEPARENT, tracestate]);
  }
  for (const traceparent of [`${TRACEPARENT}x`, "00-abc"]) {
    await (await gateway.connected({ auth: { traceparent } })).emitWithAck("x");
    assert.equal(fn.received.at(-1)?.headers.traceparent, undefined);
  }
  const isLoaded = () =>
    Object.keys(createRequire(import.meta.url).cache).some((path) => /sdk-trace/.test(path));
  assert.equal(isLoaded(), false);
  await startTraced(t);
  assert.equal(isLoaded(), true, "else this test sees nothing");
});

const CLIENTS: readonly ClientOptions[] = [
  { codec: "msgpack" },
  { codec: "json" },
  { codec: "msgpack", transports: [...WAYS.polling] },
];

test("one trace goes from a client over the gateway and its function to those who hear", async (t) => {
  const fn = await startFunction(t);
  const { gateway, collector } = await startWith(t, fn);
  const hearer = await gateway.connected();
  fn.answer = async ({ headers }) => {
    // A function that calls the HTTP API is in the trace too.
    const { traceparent } = headers as { traceparent: string };
    const body = { event: "told", to: ["nobody"] };
    await post(gateway, "/v1/emit", { body, headers: { traceparent } });
    const emit = { do: "emit", event: "heard", to: [hearer.id], args: ["private"] };
    return { body: { ack: ["private"], commands: [emit] } };
  };
  for (const options of CLIENTS) {
    collector.spans.length = 0;
    const client = await gateway.connected(options);
    const heard = next(hearer, "heard");
    const envelope = { text: "private", traceparent: TRACEPARENT, tracestate: "vendor=1" };
    assert.equal(await client.emitWithAck("say", "private", envelope), "private");
    await heard;
    await until(() => collector.spans.length === 8, "all spans");

    assert.deepEqual(listParents(collector.spans), [
      "? > event",
      "POST /v1/emit > commands",
      "POST > POST /v1/emit",
      "call default > POST",
      "call default > commands",
      "commands > broadcast",
      "commands > broadcast",
      "event > call default",
    ]);
    assert.deepEqual([...new Set(collector.spans.map(({ traceId }) => traceId))], [TRACE]);
    assert.ok(collector.spans.every(({ status }) => status === 0));
    const [event] = collector.named("event");
    assert.deepEqual([event?.parentSpanId, event?.kind], [SPAN, 5]);
    const { headers, json } = fn.received.at(-1) ?? {};
    const [attempt] = collector.named("POST");
    assert.equal(headers?.traceparent, `00-${TRACE}-${attempt?.spanId}-01`);
    assert.equal(headers?.tracestate, "vendor=1");
    // The function's handler sees what the client sent.
    assert.deepEqual(json.args, ["private", envelope]);
    const told = collector.spans.map(({ attributes }) => JSON.stringify(attributes)).join();
    assert.doesNotMatch(told, /private|hidden/);
    assert.deepEqual(attempt?.attributes, {
      "http.request.method": "POST",
      "url.full": `${fn.url}/fn`,
      "server.address": "127.0.0.1",
      "server.port": Number(new URL(fn.url).port),
      "http.request.body.size": fn.received.at(-1)?.body.length,
      "messaging.message.id": headers?.["webhook-id"],
      "sluice.route": "default",
      "http.response.status_code": 200,
    });
  }
});

test("calls of a socket are in the trace of its handshake, by header or by auth", async (t) => {
  const fn = await startFunction(t, ({ json }) => {
    const isConnect = json.socket.handshake !== undefined;
    return { body: isConnect ? { commands: [{ do: "emit", event: "welcome" }] } : { ack: [] } };
  });
  const { gateway, collector } = await startWith(t, fn, {
    upstream: { calls: ["connect", "event", "disconnect"] },
  });
  for (const options of [
    { headers: { traceparent: TRACEPARENT } },
    { auth: { traceparent: TRACEPARENT }, headers: { traceparent: UNSAMPLED } },
  ]) {
    collector.spans.length = 0;
    const client = await gateway.connected(options);
    // None of these is a context.
    await client.emitWithAck("x", { traceparent: "00-abc" });
    await client.emitWithAck("x", TRACEPARENT, null);
    client.disconnect();
    await until(() => collector.spans.length === 12, "all spans");
    assert.deepEqual(listParents(collector.spans), [
      "? > call default",
      "? > call default",
      "? > event",
      "? > event",
      ...Array(4).fill("call default > POST"),
      "call default > commands",
      "commands > broadcast",
      "event > call default",
      "event > call default",
    ]);
    assert.deepEqual([...new Set(collector.spans.map(({ traceId }) => traceId))], [TRACE]);
    const kinds = collector
      .named("call default")
      .map(({ attributes }) => attributes["sluice.call"]);
    assert.deepEqual(kinds.sort(), ["connect", "disconnect", "event", "event"]);
  }
});

test("each attempt is a span, and a failure is an error of its attempt alone", async (t) => {
  const fn = await startFunction(t, () => ({ status: fn.received.length === 1 ? 500 : 200 }));
  const { gateway, collector } = await startWith(t, fn);
  (await gateway.connected()).emit("x");
  await until(() => collector.spans.length === 4, "all spans");
  assert.deepEqual(listParents(collector.spans), [
    " > event",
    "call default > POST",
    "call default > POST",
    "event > call default",
  ]);
  assert.deepEqual(
    collector
      .named("POST")
      .map(({ status, attributes }) => [
        status,
        attributes["http.response.status_code"],
        attributes["error.type"],
        attributes["http.request.resend_count"],
      ]),
    [
      [2, 500, "UPSTREAM_FAILED", undefined],
      [0, 200, undefined, 1],
    ],
  );
  const [call] = collector.named("call default");
  assert.deepEqual([call?.status, call?.attributes["sluice.attempts"]], [0, 2]);
});

test("a refusal ends event and call with its code, and an event for no function has no span", async (t) => {
  const fn = await startFunction(t, () => ({ status: 422, body: { message: "private" } }));
  const { gateway, collector } = await startWith(t, fn, {
    upstream: { url: "", routes: [{ event: "ask", url: fn.url, name: "asks" }] },
  });
  gateway.io.on("connection", (socket) => socket.on("own", (ack) => ack()));
  const client = await gateway.connected();
  await client.emitWithAck("own");
  assert.equal((await client.emitWithAck("ask")).error.code, "UPSTREAM_REFUSED");
  await until(() => collector.spans.length === 3, "all spans");
  assert.deepEqual(
    collector.spans
      .map(({ name, status, attributes }) => [name, status, attributes["error.type"]])
      .sort(),
    [
      ["POST", 2, "UPSTREAM_REFUSED"],
      ["call asks", 2, "UPSTREAM_REFUSED"],
      ["event", 2, "UPSTREAM_REFUSED"],
    ],
  );
  assert.doesNotMatch(JSON.stringify(collector.spans), /private/);
});

test("the attempt of a batch links to its calls, and each event brings its own context", async (t) => {
  const fn = await startFunction(t);
  const { gateway, collector } = await startWith(t, fn, {
    upstream: { batch: true, batchMax: 3, batchMs: 60_000 },
  });
  const client = await gateway.connected();
  const own = (letter: string, flags: string) => `00-${letter.repeat(32)}-${SPAN}-${flags}`;
  client.emit("x", { traceparent: own("a", "00") });
  client.emit("x", { traceparent: own("b", "01") });
  client.emit("x", { traceparent: own("c", "01") });
  await until(() => collector.spans.length === 5, "all spans that are recorded");

  const [attempt] = collector.named("POST");
  const calls = new Map(collector.named("call default").map((call) => [call.traceId, call.spanId]));
  const [b, c] = ["b".repeat(32), "c".repeat(32)];
  assert.deepEqual([attempt?.traceId, attempt?.parentSpanId], [b, calls.get(b)]);
  assert.deepEqual(
    attempt?.links.map(({ traceId }) => traceId),
    ["a".repeat(32), c],
  );
  assert.equal(attempt?.links[1]?.spanId, calls.get(c));
  assert.equal(attempt?.attributes["messaging.batch.message_count"], 3);
  const [{ headers, json }] = fn.received as [(typeof fn.received)[0]];
  assert.equal(headers.traceparent, `00-${b}-${attempt?.spanId}-01`);
  const contexts: string[] = json.map(({ traceparent }: { traceparent: string }) => traceparent);
  assert.match(contexts[0] ?? "", /^00-a{32}-[0-9a-f]{16}-00$/);
  assert.deepEqual(contexts.slice(1), [`00-${b}-${calls.get(b)}-01`, `00-${c}-${calls.get(c)}-01`]);
});

test("a client that does not record its trace has nothing recorded, and the function is told", async (t) => {
  const fn = await startFunction(t, () => ({ body: { commands: [{ do: "emit", event: "y" }] } }));
  const { gateway, collector } = await startWith(t, fn);
  const client = await gateway.connected();
  const heard = next(client, "y");
  await client.emitWithAck("x", { traceparent: UNSAMPLED });
  await heard;
  assert.match(String(fn.received[0]?.headers.traceparent), new RegExp(`^00-${TRACE}-\\w{16}-00$`));
  await gateway.stop();
  assert.deepEqual(collector.spans, []);
});

test("with trace.fromClients off, no client decides what is recorded", async (t) => {
  const fn = await startFunction(t, () => ({ body: { ack: [] } }));
  const { gateway, collector } = await startWith(t, fn, { trace: { fromClients: false } });
  const client = await gateway.connected({ headers: { traceparent: UNSAMPLED } });
  await client.emitWithAck("x", { traceparent: UNSAMPLED });
  await until(() => collector.spans.length === 3, "all spans");
  assert.deepEqual(listParents(collector.spans), [
    " > event",
    "call default > POST",
    "event > call default",
  ]);
  assert.ok(collector.spans.every(({ traceId }) => traceId !== TRACE));
});

test("a gateway whose collector hangs stops all the same", async (t) => {
  const fn = await startFunction(t, () => ({ body: { ack: [] } }));
  const { gateway, collector } = await startWith(t, fn, { trace: { timeoutMs: 100 } });
  collector.status = undefined;
  await (await gateway.connected()).emitWithAck("x");
  await until(() => collector.requests.length > 0, "an export hangs");
  await gateway.stop();
});

test("what a command does later is in its trace, also if another node does it", async (t) => {
  const redis = await testRedis(t);
  for (const cluster of [{}, { redisUrl: redis.url }]) {
    const later = { do: "emit", event: "y", afterMs: 1 };
    const fn = await startFunction(t, () => ({ body: { commands: [later] } }));
    const { gateway, collector } = await startWith(t, fn, { cluster });
    const client = await gateway.connected();
    const heard = next(client, "y");
    client.emit("x", { traceparent: TRACEPARENT });
    await heard;
    await until(() => collector.spans.length === 6, "all spans");
    assert.deepEqual(listParents(collector.spans), [
      "? > event",
      "call default > POST",
      "call default > commands",
      "commands > broadcast",
      "commands > commands",
      "event > call default",
    ]);
    assert.deepEqual([...new Set(collector.spans.map(({ traceId }) => traceId))], [TRACE]);
  }
});

test("between nodes, a broadcast is a span of the node that publishes it", async (t) => {
  const redis = await testRedis(t);
  const fn = await startFunction(t, () => ({ body: { commands: [{ do: "emit", event: "y" }] } }));
  const cluster = { redisUrl: redis.url };
  const { gateway, collector } = await startWith(t, fn, { cluster });
  const other = await testGateway(t, {
    cluster,
    api: { keys: [`test:${KEY}`] },
    trace: { otlpUrl: collector.url, batchMs: 5, serviceName: "other" },
  });
  const hearer = await other.connected();
  const heard = next(hearer, "y");
  (await gateway.connected()).emit("x", { traceparent: TRACEPARENT });
  await heard;
  await until(() => collector.spans.length === 5, "all spans");
  await Promise.all([gateway.stop(), other.stop()]);
  assert.deepEqual(listParents(collector.spans), [
    "? > event",
    "call default > POST",
    "call default > commands",
    "commands > broadcast",
    "event > call default",
  ]);
  assert.equal(collector.named("broadcast")[0]?.resource["service.name"], "sluice");
});
