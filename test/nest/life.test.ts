/** How an application with Sluice starts and stops, and what it refuses. */
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { Test } from "@nestjs/testing";
import { WebSocketGateway } from "@nestjs/websockets";
import type { PartialSettings } from "../../src/core/settings-shape.ts";
import { SluiceAdapter } from "../../src/nest/adapter.ts";
import { move } from "../cluster/kit.ts";
import { createCertificates } from "../harness/certificates.ts";
import { newClient } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { makeApp, QUICK, startApp, useFixture } from "./kit.ts";

const fixture = useFixture();

test("app.close() waits for requests", async (t) => {
  const { app, url } = await startApp(t, fixture.Module);
  const seen = app.get<{ release?: () => void }>(fixture.Seen);
  const response = fetch(`${url}/held`);
  await until(() => seen.release !== undefined, "the request");
  const closed = app.close();
  await until(async () => (await fetch(`${url}/hello`)).status === 503, "the drain");
  seen.release?.();
  assert.deepEqual(await (await response).json(), { held: true });
  await closed;
});

test("app.close() closes clients as a restart does, and frees the port", async (t) => {
  const { app, connected, url } = await startApp(t, fixture.Module);
  const client = await connected();
  const { lines } = app.get<{ lines: string[] }>(fixture.Seen);
  const last = `disconnected ${client.id} server shutting down`;
  const left = next(client, "disconnect");
  await app.close();
  assert.deepEqual((await left)[0], "transport close");
  assert.equal(lines.at(-1), last);
  await assert.rejects(fetch(url), /fetch failed/);
  assert.equal(app.getHttpServer().address(), null);
  const again = await makeApp(t, fixture.Module);
  await again.app.listen(Number(new URL(url).port));
  assert.equal(again.adapter.gateway.url, url);
});

test("a port in use rejects app.listen(), and the application can be closed", async (t) => {
  const { url } = await startApp(t, fixture.Module);
  const { app, adapter } = await makeApp(t, fixture.Module);
  await assert.rejects(app.listen(Number(new URL(url).port)), /cannot listen on 127\.0\.0\.1/);
  assert.throws(() => adapter.gateway, /no gateway before app\.listen\(\)/);
});

test("settings out of bounds reject app.listen(), before anything listens", async (t) => {
  const settings: PartialSettings = { socket: { packetBytesMax: 1 } };
  const { app } = await makeApp(t, fixture.Module, { settings });
  await assert.rejects(app.listen(0), /socket\.packetBytesMax/);
});

test("what app.listen() cannot use is refused in one sentence", async (t) => {
  for (const port of ["/tmp/socket", 70_000, -1]) {
    const { app } = await makeApp(t, fixture.Module);
    await assert.rejects(app.listen(port), /needs a port between 0 and 65535/);
  }
});

test("the port may be a text, and the host is that of app.listen()", async (t) => {
  const { app, adapter } = await makeApp(t, fixture.Module);
  await app.listen("0", "127.0.0.2");
  assert.equal(new URL(adapter.gateway.url).hostname, "127.0.0.2");
  assert.deepEqual(await (await fetch(`${adapter.gateway.url}/hello`)).json(), { hello: "http" });
});

test("an application that never listens is closed without a trace", async (t) => {
  const { app, adapter } = await makeApp(t, fixture.Module);
  await app.init();
  await app.close();
  assert.throws(() => adapter.gateway);
});

test("many applications run in one process, each with its own clients", async (t) => {
  const [one, two] = await Promise.all([startApp(t, fixture.Module), startApp(t, fixture.Module)]);
  const [first, second] = await Promise.all([one.connected(), two.connected()]);
  assert.equal(one.adapter.gateway.io.sockets.sockets.size, 1);
  await one.app.close();
  assert.equal(await second.emitWithAck("value", "still here"), "still here");
  await until(() => !first.connected, "the first has left");
});

test("an adapter that is made after app.init() is refused in one sentence", async (t) => {
  const app = await NestFactory.create(class Empty {}, { logger: false });
  t.after(() => app.close());
  await app.init();
  app.useWebSocketAdapter(new SluiceAdapter(app, QUICK));
  await assert.rejects(app.listen(0), /made too late/);
});

test("applications of @nestjs/testing are served", async (t) => {
  const made = await Test.createTestingModule({ imports: [fixture.Module] }).compile();
  const app = made.createNestApplication();
  t.after(() => app.close());
  app.useWebSocketAdapter(new SluiceAdapter(app, QUICK));
  await app.listen(0);
  const client = newClient(await app.getUrl());
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  assert.equal(await client.emitWithAck("value", 1), 1);
});

test("Fastify answers on the same port", async (t) => {
  const app = await NestFactory.create(fixture.Module, new FastifyAdapter(), { logger: false });
  const adapter = new SluiceAdapter(app, QUICK);
  app.useWebSocketAdapter(adapter);
  t.after(() => app.close());
  await app.listen(0);
  const { url } = adapter.gateway;
  assert.deepEqual(await (await fetch(`${url}/hello`)).json(), { hello: "http" });
  const client = newClient(url);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  assert.equal(await client.emitWithAck("value", 1), 1);
});

/** Rejects as `app.listen()` does, for one gateway with these options. */
async function refusedWith(
  t: TestContext,
  given: readonly [number, object] | readonly [object],
  settings: PartialSettings = {},
): Promise<string> {
  class OddGateway {}
  const [port, options] = given.length === 2 ? given : [0, given[0]];
  WebSocketGateway(port, options)(OddGateway);
  class OddModule {}
  Module({ providers: [OddGateway] })(OddModule);
  const { app } = await makeApp(t, OddModule, { settings });
  const error: unknown = await app.listen(0).catch((reason: unknown) => reason);
  return error instanceof Error ? error.message : "it listens";
}

test("options that cannot be honoured are refused, each in one sentence", async (t) => {
  const rows: readonly [Parameters<typeof refusedWith>[1], RegExp][] = [
    [[81, {}], /^OddGateway has port 81 in @WebSocketGateway, but all .*: remove the port$/],
    [[{ adapter: class {} }], /option adapter .*: remove it, and set cluster\.redisUrl/],
    [[{ parser: {} }], /option parser .*: remove it, clients may use msgpack or JSON/],
    [[{ allowRequest: () => {} }], /option allowRequest .*: SluiceAdapter does not support it/],
    [[{ perMessageDeflate: true }], /option perMessageDeflate/],
    [[{ cors: { origin: /a/ } }], /cors with an origin that is not a string: list the origins/],
    [[{ cors: { origin: () => true } }], /cors with an origin that is not a string/],
    [[{ cors: { maxAge: 1 } }], /cors with maxAge/],
    [[{ cors: { origin: true, credentials: true } }], /cors with credentials for every origin/],
    [[{ cors: { origin: "nowhere" } }], /socket\.origins/],
    [[{ pingInterval: 1 }], /socket\.pingIntervalMs/],
    [[{ path: "/other" }], /^socket\.path differs in settings of SluiceAdapter and in OddGateway/],
  ];
  const settings: PartialSettings = { socket: { path: "/own" } };
  for (const [options, sentence] of rows) {
    assert.match(await refusedWith(t, options, settings), sentence);
  }
});

test("options that say what Sluice does anyway are accepted", async (t) => {
  const options = {
    perMessageDeflate: false,
    cookie: false,
    cors: { origin: false },
    path: "/own",
  };
  const settings: PartialSettings = { socket: { path: "/own" } };
  assert.equal(await refusedWith(t, [options], settings), "it listens");
});

test("httpsOptions are refused in favour of socket.tls", async (t) => {
  const app = await NestFactory.create(fixture.Module, { logger: false, httpsOptions: {} });
  app.useWebSocketAdapter(new SluiceAdapter(app, QUICK));
  t.after(() => app.close());
  await assert.rejects(app.listen(0), /serves TLS by socket\.tls/);
});

test("Sluice logs with Nest's logger, from the level of the settings on", async (t) => {
  const lines: string[] = [];
  const keep = (level: string) => (text: unknown, context: unknown) =>
    void (context === "Sluice" && lines.push(`${level} ${text}`));
  const logger = Object.fromEntries(
    ["log", "error", "warn", "debug", "verbose"].map((level) => [level, keep(level)]),
  ) as Record<"log" | "error" | "warn", () => void>;
  const app = await NestFactory.create(fixture.Module, { logger });
  app.useWebSocketAdapter(new SluiceAdapter(app, QUICK));
  t.after(() => app.close());
  await app.listen(0);
  await until(() => lines.some((line) => line.startsWith("log gateway: listening on port ")), "it");
  assert.ok(lines.every((line) => !line.startsWith("debug")));
});

test("socket.tls serves the sockets and the controllers", async (t) => {
  const tls = createCertificates(t).make("nest", ["127.0.0.1"]);
  const settings: PartialSettings = { socket: { tls } };
  const { url, connected } = await startApp(t, fixture.Module, { settings });
  assert.match(url, /^https:/);
  for (const transports of [["websocket" as const], ["polling" as const]]) {
    const client = await connected({ transports, rejectUnauthorized: false });
    assert.equal(await client.emitWithAck("value", "secret"), "secret");
  }
  const answered = get(`${url}/hello`, { rejectUnauthorized: false });
  const [response] = await next<[IncomingMessage]>(answered, "response");
  assert.deepEqual(JSON.parse(await text(response)), { hello: "http" });
});

test("two nodes with Redis share broadcasts, and recover each other's clients", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const settings: PartialSettings = {
    cluster: { redisUrl: redis.url, startup: "wait" },
    recovery: { windowMs: 60_000 },
  };
  const start = () => startApp(t, fixture.Module, { settings });
  const [one, two] = await Promise.all([start(), start()]);
  const [ada, bob] = await Promise.all([one.connected(), two.connected({ codec: "json" })]);
  for (const [from, news] of [
    [ada, "from one"],
    [bob, "from two"],
  ] as const) {
    const heard = Promise.all([ada, bob].map((client) => next(client, "to all")));
    from.emit("to all", news);
    for (const [first] of await heard) assert.equal(first, news); // its place for recovery follows
  }
  const socket = one.adapter.gateway.io.sockets.sockets.get(ada.id ?? "");
  assert.ok(socket);
  await move(ada, socket, two);
  bob.emit("to all", "while she was away");
  const missed = next(ada, "to all");
  await next(ada.connect(), "connect");
  assert.equal(ada.recovered, true);
  assert.equal((await missed)[0], "while she was away");
  assert.equal(await ada.emitWithAck("value", "from two"), "from two");
});

test("cluster.workers is refused, because nobody would start them", async (t) => {
  const settings: PartialSettings = { cluster: { workers: "2" } };
  const { app } = await makeApp(t, fixture.Module, { settings });
  await assert.rejects(app.listen(0), /cluster\.workers = 2: works with the command sluice only/);
});
