import assert from "node:assert/strict";
import { test } from "node:test";
import { CloudEvent, HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";
import { SettingsError } from "../../src/core/settings.ts";
import { binaryHeaders, createSigner } from "../../src/upstream/request.ts";
import { type Received, SECRET, startFunction } from "../harness/function.ts";
import { until } from "../harness/wait.ts";
import { testUpstream } from "./rig.ts";

const NEWER = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;
const HOSTILE = [
  'a b"%\u0000ü',
  "emoji 🎈",
  "\ud800 alone",
  "é",
  "x".repeat(128),
  "line\r\nce-id: 1",
];

/** Lone surrogates become U+FFFD, as they do in UTF-8. */
const wellFormed = (text: string) => Buffer.from(text).toString();

/** The headers of a call as Standard Webhooks wants them. */
function signatureOf({ headers }: Received): Record<string, string> {
  const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
  return Object.fromEntries(names.map((name) => [name, String(headers[name])]));
}

test("every call is signed so that the standardwebhooks package accepts it", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url });
  await upstream.ask(upstream.lane(), "x", "ünïcode");
  const [call] = fn.received;
  assert.ok(call);
  assert.deepEqual(new Webhook(SECRET).verify(call.body, signatureOf(call)), call.json);
  const tampered = Buffer.concat([call.body, Buffer.from(" ")]);
  assert.throws(() => new Webhook(SECRET).verify(tampered, signatureOf(call)));
});

test("while secrets rotate, both the old one and the new one fit, and no other", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url, secrets: [NEWER, SECRET] });
  await upstream.ask(upstream.lane(), "x");
  const [call] = fn.received;
  assert.ok(call);
  for (const secret of [NEWER, SECRET]) {
    assert.doesNotThrow(() => new Webhook(secret).verify(call.body, signatureOf(call)));
  }
  const other = `whsec_${Buffer.alloc(24, 8).toString("base64")}`;
  assert.throws(() => new Webhook(other).verify(call.body, signatureOf(call)));
});

test("each attempt is signed with its own time, under one id", () => {
  let nowMs = 1_000_000_999;
  const sign = createSigner([SECRET], () => nowMs);
  const body = Buffer.from("{}");
  const first = sign("evt_1", body);
  nowMs += 60_000;
  const second = sign("evt_1", body);
  assert.equal(first.timestamp, "1000000");
  assert.equal(second.timestamp, "1000060");
  const expected = new Webhook(SECRET).sign("evt_1", new Date(nowMs), "{}");
  assert.equal(second.signature, expected);
  assert.notEqual(first.signature, second.signature);
});

test("secrets of 24 to 64 bytes are taken, shorter and longer ones are not, and none is printed", () => {
  const secret = (bytes: number) => `whsec_${Buffer.alloc(bytes, 1).toString("base64")}`;
  for (const bytes of [24, 64]) createSigner([secret(bytes)], Date.now);
  for (const bad of [secret(23), secret(65), "whsec_", "plain", "whsec_!!!!"]) {
    assert.throws(
      () => createSigner([bad], Date.now),
      (error) => error instanceof SettingsError && !error.message.includes(bad.slice(6) || "#"),
    );
  }
});

test("events, connects and disconnects are CloudEvents by the cloudevents package", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url });
  const lane = upstream.lane("s1", { namespace: "/chat" });
  const connecting = testUpstream(t, { url: fn.url, namespaces: ["*"] });
  const chat = connecting.lane("s1", { namespace: "/chat" });
  const handshake = { headers: {}, query: {}, auth: {}, address: "::1", secure: false, issued: 1 };
  await chat.connect({ ...handshake, recovered: false });
  await connecting.ask(chat, "hello");
  chat.end("transport close");
  await until(() => fn.received.length === 3, "three calls");
  assert.equal(lane.event("x", []), "UPSTREAM_NO_ROUTE");
  const events = fn.received.map(({ headers, body }) =>
    HTTP.toEvent({ headers, body: body.toString() }),
  );
  const shown = events.map((event) => {
    assert.ok(event instanceof CloudEvent);
    assert.ok(event.validate());
    const { type, source, subject, namespace, socketid, datacontenttype } = event;
    return [type, source, subject, namespace, socketid, datacontenttype];
  });
  const source = "/namespaces/chat/sockets/s1";
  const rest = ["/chat", "s1", "application/json"];
  assert.deepEqual(shown, [
    ["io.sluice.connect", source, undefined, ...rest],
    ["io.sluice.event", source, "hello", ...rest],
    ["io.sluice.disconnect", source, undefined, ...rest],
  ]);
  for (const { headers } of fn.received) {
    assert.equal(headers["ce-datacontenttype"], undefined);
    assert.equal(headers["ce-id"], headers["webhook-id"]);
  }
});

test("names that are user text travel percent-encoded, in headers and in the path", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: `${fn.url}/{namespace}/{event}?fixed=1` });
  const lane = upstream.lane();
  for (const name of HOSTILE) await upstream.ask(lane, name);
  for (const [index, { headers, path, json }] of fn.received.entries()) {
    const name = wellFormed(HOSTILE[index] ?? "");
    assert.match(String(headers["ce-subject"]), /^[\x21\x23-\x7e]+$/);
    assert.equal(decodeURIComponent(String(headers["ce-subject"])), name);
    assert.match(path, /^\/%2F\/[^/?]+\?fixed=1$/);
    assert.equal(decodeURIComponent(path.slice(5, -"?fixed=1".length)), name);
    assert.equal(wellFormed(json.event), name);
  }
  assert.equal(fn.received.length, HOSTILE.length);
});

test("a name that would climb out of the path is refused", async (t) => {
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: `${fn.url}/fn/{event}` });
  for (const name of [".", "..", ""]) {
    assert.equal(upstream.lane().event(name, []), "UPSTREAM_NO_ROUTE", name);
  }
  assert.equal(fn.received.length, 0);
});

test("an event without a name has no subject, since attributes must not be empty", () => {
  const event = { id: "1", kind: "event", subject: "", namespace: "/", socketId: "s" } as const;
  const headers = binaryHeaders({ ...event, at: 0, order: 0, trace: undefined });
  assert.ok(!headers.includes("ce-subject"));
});

test("a socket's trace context goes with its calls, in a batch with each event", async (t) => {
  const trace = {
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    tracestate: "vendor=1",
  };
  const fn = await startFunction(t);
  const upstream = testUpstream(t, { url: fn.url, batch: true });
  const traced = upstream.lane("a", { trace });
  await upstream.ask(traced, "x");
  await upstream.ask(upstream.lane("b"), "x");
  traced.event("y", []);
  await until(() => fn.received.length === 3, "the batch");
  const [one, other, batch] = fn.received;
  const contextOf = ({ traceparent, tracestate }: Record<string, unknown> = {}) => [
    traceparent,
    tracestate,
  ];
  assert.deepEqual(contextOf(one?.headers), [trace.traceparent, trace.tracestate]);
  assert.deepEqual(contextOf(other?.headers), [undefined, undefined]);
  assert.deepEqual(contextOf(batch?.headers), [undefined, undefined]);
  assert.deepEqual(contextOf(batch?.json[0]), [trace.traceparent, trace.tracestate]);
});
