import assert from "node:assert/strict";
import { test } from "node:test";
import { testGateway } from "../harness/gateway.ts";
import { listParents, post, SPAN, startTraced, TRACE, TRACEPARENT } from "../harness/traced.ts";
import { next, until } from "../harness/wait.ts";

test("commands over HTTP are in the trace of the request that brought them", async (t) => {
  const { gateway, collector } = await startTraced(t);
  const client = await gateway.connected();
  const heard = next(client, "news");
  const commands = [
    { do: "emit", event: "news", args: ["private"], to: ["a", client.id] },
    { do: "emit", event: "news", namespace: "/none" },
    { do: "socketsJoin", rooms: ["b"] },
  ];
  const answered = await post(gateway, "/v1/commands", {
    body: commands,
    headers: { traceparent: TRACEPARENT },
  });
  assert.equal(answered.status, 200);
  await heard;
  await until(() => collector.spans.length === 4, "four spans");

  assert.deepEqual(listParents(collector.spans), [
    "? > POST /v1/commands",
    "POST /v1/commands > commands",
    "commands > broadcast",
    "commands > broadcast",
  ]);
  assert.deepEqual(new Set(collector.spans.map(({ traceId }) => traceId)), new Set([TRACE]));
  const [request] = collector.named("POST /v1/commands");
  assert.deepEqual([request?.parentSpanId, request?.kind, request?.status], [SPAN, 2, 0]);
  assert.deepEqual(request?.attributes, {
    "http.request.method": "POST",
    "http.route": "/v1/commands",
    "url.path": "/v1/commands",
    "http.response.status_code": 200,
  });
  const [all] = collector.named("commands");
  assert.deepEqual(all?.attributes, {
    "sluice.commands": 3,
    "sluice.caller": "api",
    "sluice.refused": 1,
  });
  const broadcasts = collector.named("broadcast").map(({ attributes }) => attributes);
  const common = {
    "messaging.system": "socket.io",
    "messaging.operation.type": "send",
    "messaging.operation.name": "emit",
    "sluice.event": "news",
  };
  assert.deepEqual(broadcasts, [
    {
      ...common,
      "messaging.destination.name": "/",
      "sluice.rooms": ["a", client.id],
      "sluice.rooms_count": 2,
      "sluice.deliveries": 1,
    },
    { ...common, "messaging.destination.name": "/none", "error.type": "COMMANDS_NO_NAMESPACE" },
  ]);
  assert.doesNotMatch(JSON.stringify(collector.spans), /private/);
});

test("what a caller did wrong is no error of the gateway's, and its token is in no span", async (t) => {
  const { gateway, collector } = await startTraced(t);
  assert.equal((await post(gateway, "/v1/emit", { body: { event: 5 } })).status, 400);
  await post(gateway, "/v1/emit", {
    body: { event: "x" },
    headers: { authorization: "Bearer nothing-known" },
  });
  // A page is traced by nobody.
  await gateway.scrape();
  await fetch(`${gateway.url}/healthz`);
  await until(() => collector.spans.length === 2, "both requests");
  assert.deepEqual(
    collector.spans.map(({ name, status, attributes }) => [name, status, attributes["error.type"]]),
    [
      ["POST /v1/emit", 0, "COMMANDS_BAD"],
      ["POST /v1/emit", 0, "API_UNAUTHENTICATED"],
    ],
  );
  assert.doesNotMatch(JSON.stringify(collector.spans), /nothing-known/);
});

test("each part of a stream of commands is in the caller's trace, or begins one", async (t) => {
  const { gateway, collector } = await startTraced(t);
  const stream = { "content-type": "application/x-ndjson" };
  const line = JSON.stringify({ do: "emit", event: "x" });
  await (await post(gateway, "/v1/commands", { body: line, headers: stream })).text();
  const traced = { ...stream, traceparent: TRACEPARENT };
  await (await post(gateway, "/v1/commands", { body: line, headers: traced })).text();
  await until(() => collector.spans.length === 4, "four spans");
  assert.deepEqual(listParents(collector.spans), [
    " > commands",
    "? > commands",
    "commands > broadcast",
    "commands > broadcast",
  ]);
});

test("a command that waits for acks is traced until it has them", async (t) => {
  const { gateway, collector } = await startTraced(t);
  const client = await gateway.connected();
  client.on("ask", (ack) => ack("yes"));
  const asked = { event: "ask", to: [client.id], timeoutMs: 5000 };
  assert.equal((await post(gateway, "/v1/emitWithAck", { body: asked })).status, 200);
  await until(() => collector.spans.length === 3, "three spans");
  const [broadcast] = collector.named("broadcast");
  assert.equal(broadcast?.attributes["sluice.answers"], 1);
  assert.equal(broadcast?.attributes["sluice.timed_out"], 0);
});

test("spans are counted, also those that nobody takes", async (t) => {
  const { gateway, collector } = await startTraced(t);
  await post(gateway, "/v1/emit", { body: { event: "x" } });
  const count = (outcome: string) => gateway.metric("sluice_trace_spans_total", { outcome });
  await until(async () => (await count("exported")) === 3, "three exported spans");
  collector.status = 400;
  await post(gateway, "/v1/emit", { body: { event: "x" } });
  await until(async () => (await count("failed")) === 3, "three failed spans");
  assert.equal(await count("dropped"), 0);
  assert.equal(await gateway.metric("sluice_trace_queued_spans"), 0);
});

test("a trace.otlpUrl that is none refuses the start", async (t) => {
  await assert.rejects(testGateway(t, { trace: { otlpUrl: "nowhere" } }), /trace\.otlpUrl/);
});
