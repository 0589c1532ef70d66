/** What gateways of Nest do with Sluice: real Nest, real clients. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sumMetric } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";
import { startApp, useFixture } from "./kit.ts";

const fixture = useFixture();

const CODECS = ["msgpack", "json"] as const;

for (const codec of CODECS) {
  test(`a method's value, promise or Observable is the ack, or an event (${codec})`, async (t) => {
    const { connected } = await startApp(t, fixture.Module);
    const client = await connected({ codec });
    assert.deepEqual(await client.emitWithAck("value", { a: [1] }), { a: [1] });
    assert.deepEqual(await client.emitWithAck("value", 1, 2), [1, 2]);
    assert.equal(await client.emitWithAck("value", 0), 0);
    assert.deepEqual(await client.emitWithAck("later", "x"), { later: "x" });
    assert.equal(await client.emitWithAck("observable ack"), "first");
    const events: unknown[] = [];
    client.on("item", (data) => events.push(data));
    client.emit("observable", 3);
    await until(() => events.length === 3, "three events");
    assert.deepEqual(events, [0, 1, 2]);
    const answer = next(client, "answer");
    client.emit("event", Buffer.from("bytes"));
    assert.equal(String((await answer)[0]), "bytes");
  });
}

test("@Ack gets the ack itself, with as many values as it likes", async (t) => {
  const { connected } = await startApp(t, fixture.Module);
  const client = await connected();
  const all = await new Promise((resolve) =>
    client.emit("manual", 1, (...given: unknown[]) => resolve(given)),
  );
  assert.deepEqual(all, ["by hand", 1]);
});

test("pipes, interceptors and filters are applied", async (t) => {
  const { connected } = await startApp(t, fixture.Module);
  const client = await connected();
  assert.equal(await client.emitWithAck("field", { n: "41" }), 42);
  assert.equal(await client.emitWithAck("doubled", 21), 42);
  const told = async (event: string, data?: unknown) => {
    const exception = next<[Record<string, unknown>]>(client, "exception");
    client.emit(event, data);
    return (await exception)[0];
  };
  assert.equal((await told("refused")).message, "not so");
  assert.deepEqual(await told("own filter"), { own: "out of range" });
  assert.equal((await told("field", { n: "x" })).status, "error");
});

test("an error that no filter handles ends the ack, is counted, and the event goes on", async (t) => {
  const { connected, adapter } = await startApp(t, fixture.Module);
  const client = await connected();
  for (const _ of [1, 2]) {
    const answer = await client.emitWithAck("rethrown");
    assert.equal(answer.error.code, "HANDLERS_FAILED");
  }
  const text = await adapter.gateway.scrape();
  assert.equal(sumMetric(text, "sluice_handler_errors_total", { kind: "event" }), 2);
});

test("the hooks run, and middlewares of afterInit decide", async (t) => {
  const { app, connected, client } = await startApp(t, fixture.Module);
  const { lines } = app.get<{ lines: string[] }>(fixture.Seen);
  const one = await connected();
  const { id } = one;
  one.disconnect();
  await until(() => lines.length === 3, "three hooks");
  assert.deepEqual(lines, [
    "init true",
    `connected ${id}`,
    `disconnected ${id} client namespace disconnect`,
  ]);
  const refused = client({ auth: { refused: true } });
  const [error] = await next<[Error]>(refused.connect(), "connect_error");
  assert.equal(error.message, "refused");
});

test("several gateways share namespaces, and each has its own server", async (t) => {
  const { connected } = await startApp(t, fixture.Module);
  const [msgpack, json] = await Promise.all([connected(), connected({ codec: "json" })]);
  assert.equal(await msgpack.emitWithAck("second"), msgpack.id);
  const heard = Promise.all([msgpack, json].map((client) => next(client, "to all")));
  json.emit("to all", "news");
  assert.deepEqual(await heard, [["news"], ["news"]]);
  const where = async (namespace: string) => (await connected({ namespace })).emitWithAck("where");
  assert.equal(await where("/side"), "/side");
  assert.equal(await where("/team-7"), "/team-7");
  assert.equal(await (await connected({ namespace: "/scoped" })).emitWithAck("scoped"), true);
});

test("what an Observable emits ends with its client", async (t) => {
  const { app, connected } = await startApp(t, fixture.Module);
  const client = await connected();
  const begun = next(client, "item");
  client.emit("endless");
  await begun;
  client.disconnect();
  const { lines } = app.get<{ lines: string[] }>(fixture.Seen);
  await until(() => lines.includes("endless has ended"), "its end");
});

test("options of decorators become settings", async (t) => {
  const { adapter, url } = await startApp(t, fixture.Module);
  assert.equal(adapter.gateway.settings.socket.pingIntervalMs, 7000);
  assert.deepEqual(adapter.gateway.settings.socket.origins, ["*"]);
  const response = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, {
    headers: { origin: "https://a.example" },
  });
  assert.equal(response.headers.get("access-control-allow-origin"), "*");
  await response.text();
});

test("controllers answer on the same port, and so does Sluice", async (t) => {
  const { app, url, adapter } = await startApp(t, fixture.Module);
  assert.equal(await app.getUrl(), url);
  assert.deepEqual(await (await fetch(`${url}/hello`)).json(), { hello: "http" });
  const missing = await fetch(`${url}/nothing`);
  assert.equal(missing.status, 404);
  assert.equal((await missing.json()).message, "Cannot GET /nothing");
  assert.match(await (await fetch(`${url}/metrics`)).text(), /sluice_http_requests_total/);
  assert.equal(new URL(url).port, String(adapter.gateway.port));
});
