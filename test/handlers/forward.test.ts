import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FAILURES } from "../../src/core/failures.ts";
import type { PartialSettings } from "../../src/core/settings.ts";
import { createHandler } from "../../src/edge/index.ts";
import { createGate, SECRET, startFunction, type TestFunction } from "../harness/function.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { testFolder } from "../harness/process.ts";
import { JWT, signToken } from "../harness/tokens.ts";
import { next, until } from "../harness/wait.ts";

interface Refused extends Error {
  readonly data?: { readonly code: string };
}

const KEY = "k".repeat(32);

/** A gateway whose events go to `fn`. */
function gatewayFor(
  t: TestContext,
  fn: TestFunction,
  upstream: NonNullable<PartialSettings["upstream"]> = {},
  more: PartialSettings = {},
): Promise<TestGateway> {
  return testGateway(t, {
    ...more,
    api: { keys: [`test:${KEY}`], ...more.api },
    upstream: { url: fn.url, secrets: [SECRET], retryMs: 1, ...upstream },
  });
}

/** What a function was asked, by kind. */
function kindsOf(fn: TestFunction): string[] {
  return fn.received.map(({ headers }) => String(headers["ce-type"]).replace("io.sluice.", ""));
}

for (const codec of ["msgpack", "json"] as const) {
  test(`a ${codec} client is let in with user, data, rooms and commands of the connect call`, async (t) => {
    const fn = await startFunction(t, ({ json }) =>
      json.socket.handshake
        ? {
            body: {
              userId: "u1",
              data: { plan: "pro" },
              rooms: ["vip"],
              commands: [
                { do: "emit", to: ["vip"], event: "welcome", args: [{ $binary: "AQI=" }] },
              ],
            },
          }
        : { body: { ack: [{ bytes: json.args[0] }] } },
    );
    const gateway = await gatewayFor(t, fn);
    const client = gateway.client({ codec, auth: { token: "t" }, query: { q: "1" } });
    const welcome = next<[Uint8Array]>(client, "welcome");
    client.connect();
    assert.deepEqual([...((await welcome)[0] ?? [])], [1, 2]);
    const bytes = Buffer.from([9, 8]);
    const said = await client.emitWithAck("hello", bytes);
    assert.deepEqual([...said.bytes], [9, 8]);
    const [connect, event] = fn.received;
    assert.deepEqual(connect?.json.socket.handshake.auth, { token: "t" });
    assert.equal(connect?.json.socket.handshake.query.q, "1");
    assert.equal(connect?.json.socket.handshake.recovered, false);
    assert.deepEqual(event?.json, {
      socket: {
        id: client.id,
        namespace: "/",
        userId: "u1",
        data: { plan: "pro", userId: "u1" },
        version: event?.json.socket.version,
      },
      event: "hello",
      args: [{ $binary: "CQg=" }],
      ack: true,
    });
    const [socket] = await gateway.io.in("vip").fetchSockets();
    assert.equal(socket?.id, client.id);
  });
}

// A function that kept bytes in its socket's data, or looked for a client's in its auth, met what stands
// for them in JSON: the SDK made bytes of an event's arguments alone.
test("bytes in auth and in a socket's data reach a function of the SDK as bytes", async (t) => {
  const seen: unknown[] = [];
  const handler = createHandler({
    secret: SECRET,
    connect({ handshake }) {
      const { key } = handshake.auth as { key?: unknown }; // what the client below sends
      seen.push(key);
      return { data: { key } };
    },
    events: { x: ({ socket }) => void seen.push((socket.data as { key?: unknown }).key) },
  });
  const fn = await startFunction(t, async ({ headers, body }) => {
    const given = { method: "POST", headers: headers as Record<string, string>, body: `${body}` }; // none is a list
    const response = await handler(new Request("https://fn.example", given));
    return { status: response.status, body: await response.text() };
  });
  const gateway = await gatewayFor(t, fn);
  const client = await gateway.connected({ auth: { key: Buffer.from([1, 255]) } });
  await client.emitWithAck("x");
  assert.deepEqual(seen, [new Uint8Array([1, 255]), new Uint8Array([1, 255])]);
});

// A function that passed a client's own words on as data let it choose who it is: the userId among them
// was put over the one that the function had named.
test("the user is whom the connect call named, whatever its data say", async (t) => {
  const fn = await startFunction(t, ({ json }) => {
    const { handshake, userId } = json.socket;
    return handshake
      ? { body: { userId: "u1", data: handshake.auth } }
      : { body: { ack: [userId] } };
  });
  const gateway = await gatewayFor(t, fn);
  const client = await gateway.connected({ auth: { userId: "somebody else", team: "a" } });
  assert.equal(await client.emitWithAck("x"), "u1");
  const [socket] = await gateway.io.fetchSockets();
  assert.deepEqual(socket?.data, { userId: "u1", team: "a" });
});

test("a refusal is the client's connect_error, with message and data; nobody is told it left", async (t) => {
  const fn = await startFunction(t, () => ({
    status: 403,
    body: { message: "not you", data: { why: "banned" } },
  }));
  const gateway = await gatewayFor(t, fn);
  const client = gateway.client();
  const refused = next<[Error & { data: unknown }]>(client, "connect_error");
  client.connect();
  const [error] = await refused;
  assert.equal(error.message, "not you");
  assert.deepEqual(error.data, { why: "banned" });
  client.disconnect();
  fn.answer = () => ({});
  await gateway.connected();
  assert.deepEqual(kindsOf(fn), ["connect", "connect"]);
});

test("when the connect call fails, the connect_error says so by its code", async (t) => {
  const fn = await startFunction(t, () => ({ status: 500 }));
  const gateway = await gatewayFor(t, fn);
  const client = gateway.client();
  const refused = next<[Error & { data: unknown }]>(client, "connect_error");
  client.connect();
  const [error] = await refused;
  assert.equal(error.message, "The function failed");
  assert.deepEqual(error.data, { code: "UPSTREAM_FAILED", retry: true });
  assert.equal(fn.received.length, 1);
});

test("an ack that cannot be had is called with a named error", async (t) => {
  const fn = await startFunction(t);
  const gateway = await gatewayFor(t, fn);
  const client = await gateway.connected();
  fn.answer = () => ({ status: 500 });
  assert.deepEqual(await client.emitWithAck("x"), {
    error: { code: "UPSTREAM_FAILED", message: "The function failed", retry: true },
  });
  fn.answer = () => ({ status: 422, body: { message: "too long", data: { max: 3 } } });
  assert.deepEqual(await client.emitWithAck("x"), {
    error: { code: "UPSTREAM_REFUSED", message: "too long", retry: false, data: { max: 3 } },
  });
});

test("events over the queue are told apart by ack and by event_refused, and counted", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t);
  const gateway = await gatewayFor(t, fn, { socketQueueMax: 1 });
  const client = await gateway.connected();
  fn.answer = async () => {
    await gate.passed;
    return { body: { ack: ["done"] } };
  };
  const told = next<[unknown]>(client, "event_refused");
  const first = client.emitWithAck("x", 1);
  const second = client.emitWithAck("x", 2);
  const third = await client.emitWithAck("x", 3);
  assert.equal(third.error.code, "UPSTREAM_QUEUE_FULL");
  client.emit("x", 4);
  const [words] = await told;
  assert.deepEqual(words, {
    event: "x",
    code: "UPSTREAM_QUEUE_FULL",
    message: FAILURES.UPSTREAM_QUEUE_FULL.text,
    retry: true,
    refused: 1,
  });
  // What follows within a second is told together.
  const later = next<[{ refused: number }]>(client, "event_refused");
  for (let n = 5; n < 10; n++) client.emit("x", n);
  assert.equal((await later)[0].refused, 5);
  gate.open();
  assert.deepEqual(await Promise.all([first, second]), ["done", "done"]);
  const refused = await gateway.metric("sluice_upstream_refused_total", {
    reason: "UPSTREAM_QUEUE_FULL",
  });
  assert.equal(refused, 7);
});

test("with full set to close, the connection ends with a counted reason", async (t) => {
  const fn = await startFunction(t);
  const gateway = await gatewayFor(t, fn, { socketQueueMax: 1, full: "close" });
  const client = await gateway.connected();
  fn.answer = () => () => {};
  const gone = next(client, "disconnect");
  for (let n = 0; n < 3; n++) client.emit("x", n);
  await gone;
  const closed = () =>
    gateway.metric("sluice_connections_closed_total", { reason: "upstream_full" });
  await until(async () => (await closed()) === 1, "the close is counted");
});

test("a disconnect arrives once and after the socket's events, also those of its last moment", async (t) => {
  const fn = await startFunction(t, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return {};
  });
  const gateway = await gatewayFor(t, fn);
  const client = await gateway.connected();
  const { id } = client;
  for (let n = 0; n < 20; n++) client.emit("n", n);
  client.disconnect();
  await until(() => kindsOf(fn).includes("disconnect"), "the disconnect is called");
  const last = fn.received.at(-1)?.json;
  assert.deepEqual(last, {
    socket: { id, namespace: "/", data: {} },
    reason: "client namespace disconnect",
  });
  assert.deepEqual(
    fn.received.slice(1, -1).map(({ json }) => json.args[0]),
    Array.from({ length: 20 }, (_, n) => n),
  );
});

test("who leaves during its connect call is disconnected after it, once", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, async ({ json }) => {
    if (json.socket.handshake) await gate.passed;
    return {};
  });
  const gateway = await gatewayFor(t, fn);
  const client = gateway.client();
  client.connect();
  await until(() => fn.received.length === 1, "the connect call is open");
  client.disconnect();
  await until(
    async () => (await gateway.metric("sluice_connections")) === 0,
    "the gateway sees it leave",
  );
  gate.open();
  await until(() => fn.received.length === 2, "a disconnect follows");
  const other = await gateway.connected();
  other.disconnect();
  await until(() => fn.received.length === 4, "another client comes and goes");
  assert.deepEqual(kindsOf(fn), ["connect", "disconnect", "connect", "disconnect"]);
  assert.equal(fn.received[1]?.json.socket.id, fn.received[0]?.json.socket.id);
});

// Who left while its token was looked at, or a middleware of the module took its time, was let in by the
// function all the same and never left: its end was listened for when it had been.
test("who leaves before its connect call is asked about and told of to nobody", async (t) => {
  const module = join(testFolder(t), "leaves.mjs");
  writeFileSync(
    module,
    `export default (io) => io.use(({ conn, handshake }, next) => {
      if (!handshake.auth.leaves) return next();
      conn.once("close", () => setImmediate(next));
      conn.close();
    });`,
  );
  const fn = await startFunction(t);
  const gateway = await gatewayFor(t, fn, {}, { handlers: { module } });
  const client = gateway.client({ auth: { leaves: true } });
  client.connect();
  await next(client.io, "close");
  const other = await gateway.connected();
  other.disconnect();
  await until(() => fn.received.length >= 2, "another client comes and goes");
  await gateway.stop();
  assert.deepEqual(kindsOf(fn), ["connect", "disconnect"]);
});

test("commands to a socket in its connect call are kept until it is connected", async (t) => {
  const gate = createGate();
  const fn = await startFunction(t, async ({ json }) => {
    if (json.socket.handshake) await gate.passed;
    return { body: { commands: [{ do: "emit", to: [json.socket.id], event: "m", args: [2] }] } };
  });
  const gateway = await gatewayFor(t, fn);
  const client = gateway.client();
  const seen: unknown[] = [];
  client.on("m", (n) => seen.push(n));
  client.connect();
  await until(() => fn.received.length === 1, "the connect call is open");
  const response = await fetch(`${gateway.url}/v1/emit`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ to: [fn.received[0]?.json.socket.id], event: "m", args: [1] }),
  });
  assert.equal(response.status, 200);
  gate.open();
  await until(() => seen.length === 2, "both commands reach it");
  assert.deepEqual(seen, [1, 2]);
});

// What was emitted to a session while its function was asked whether it might be recovered came twice:
// its recovery brought it, and so did what keeps commands for sockets that are being let in.
test("an emit to a session in its connect call comes once when it is recovered, too", async (t) => {
  let gate = createGate();
  gate.open();
  const fn = await startFunction(t, () => gate.passed.then(() => ({ body: {} })));
  const gateway = await gatewayFor(t, fn, {}, { recovery: { windowMs: 60_000 } });
  const client = await gateway.connected();
  const seen: unknown[] = [];
  client.on("m", (n) => seen.push(n));
  const id = client.id ?? "";
  gateway.io.emit("m", 1);
  await until(() => seen.length === 1, "it has an offset");
  client.io.engine.close();
  await until(() => kindsOf(fn).includes("disconnect"), "it is gone");
  gate = createGate();
  client.connect();
  await until(() => fn.received.at(-1)?.json.socket.handshake?.recovered, "it is asked for");
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  const commands = [
    { do: "emit", to: [id], event: "m", args: [2] },
    { do: "socketsJoin", in: [id], rooms: ["late"] },
  ];
  const body = JSON.stringify(commands);
  await fetch(`${gateway.url}/v1/commands`, { method: "POST", headers, body });
  gate.open();
  await until(() => client.connected, "it is back");
  gateway.io.to("late").emit("m", 3);
  await until(() => seen.includes(3), "it is in the room");
  assert.ok(client.recovered);
  assert.deepEqual(seen, [1, 2, 3]);
});

test("namespaces of a pattern exist when asked for, others do not", async (t) => {
  const fn = await startFunction(t, () => ({ body: {} }));
  const gateway = await gatewayFor(t, fn, { namespaces: ["/", "/team-*"] });
  const inside = await gateway.connected({ namespace: "/team-1" });
  assert.equal(fn.received[0]?.json.socket.namespace, "/team-1");
  await inside.emitWithAck("x");
  assert.equal(fn.received[1]?.headers["ce-namespace"], "/team-1");
  const outside = gateway.client({ namespace: "/other" });
  const refused = next<[Error]>(outside, "connect_error");
  outside.connect();
  assert.equal((await refused)[0].message, "Invalid namespace");
  assert.equal(fn.received.length, 2);
});

test("an event no route names is refused by name, unless the process listens itself", async (t) => {
  const fn = await startFunction(t, () => ({ body: { ack: ["function"] } }));
  const gateway = await gatewayFor(t, fn, {
    url: "",
    routes: [{ namespace: "/", event: "fn:*", url: fn.url }],
  });
  gateway.io.on("connection", (socket) => {
    socket.on("own", (done: (from: string) => void) => done("process"));
  });
  const client = await gateway.connected();
  assert.equal(await client.emitWithAck("fn:x"), "function");
  assert.equal(await client.emitWithAck("own"), "process");
  const { error } = await client.emitWithAck("nobody's");
  assert.equal(error.code, "UPSTREAM_NO_ROUTE");
  assert.deepEqual(kindsOf(fn), ["event"]);
});

// A replay said { replayed: 1 } of a letter that there was not, and of one that had failed again: it
// counted the ids that it had been given.
test("dead letters are listed and replayed over the API", async (t) => {
  const fn = await startFunction(t);
  const gateway = await gatewayFor(t, fn, { attemptsMax: 2 });
  const client = await gateway.connected();
  fn.answer = () => ({ status: 500 });
  client.emit("lost", { n: 1 });
  await until(
    async () => (await gateway.metric("sluice_upstream_dead_letters")) === 1,
    "it is kept",
  );
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  const url = `${gateway.url}/v1/deadletters`;
  const listed = await (await fetch(url, { headers })).json();
  const [letter] = (listed as { deadLetters: { id: string; data: { args: unknown } }[] })
    .deadLetters;
  assert.deepEqual(letter?.data.args, [{ n: 1 }]);
  const replay = async (ids: unknown[]) =>
    (await fetch(url, { method: "POST", headers, body: JSON.stringify({ ids }) })).json();
  assert.deepEqual(await replay(["no such"]), { replayed: 0, delivered: 0 });
  assert.deepEqual(await replay([letter?.id]), { replayed: 1, delivered: 0 });
  fn.answer = () => ({});
  assert.deepEqual(await replay([letter?.id, "no such"]), { replayed: 1, delivered: 1 });
  assert.equal(fn.received.at(-1)?.headers["webhook-id"], letter?.id);
  assert.equal(await gateway.metric("sluice_upstream_dead_letters"), 0);
});

test("a stop brings every disconnect to the function before the process may end", async (t) => {
  const fn = await startFunction(t);
  const gateway = await gatewayFor(t, fn);
  for (let n = 0; n < 5; n++) await gateway.connected();
  await gateway.stop();
  assert.equal(kindsOf(fn).filter((kind) => kind === "disconnect").length, 5);
  const reasons = fn.received.flatMap(({ json }) => json.reason ?? []);
  assert.deepEqual(new Set(reasons), new Set(["server shutting down"]));
});

test("auth.mode upstream without a function that answers connects does not start", async () => {
  const { startGateway } = await import("../../src/gateway/gateway.ts");
  await assert.rejects(startGateway({ auth: { mode: "upstream" } }), /auth\.mode/);
});

// The function had let the socket in, a later middleware had not: its disconnect call came with the
// connection's end only, and a client that kept asking left a lane and a listener each time.
test("a socket that a later middleware refuses has left, while its connection lives on", async (t) => {
  const fn = await startFunction(t);
  const gateway = await gatewayFor(t, fn, { namespaces: ["/"] });
  gateway.io.of("/other");
  const listeners: number[] = [];
  gateway.io.use((socket, no) => {
    listeners.push(socket.conn.listenerCount("close"));
    no(new Error("no"));
  });
  const other = await gateway.connected({ namespace: "/other" });
  const client = other.io.socket("/");
  for (let n = 1; n <= 3; n++) {
    const refused = next<[Error]>(client, "connect_error");
    client.connect();
    assert.equal((await refused)[0].message, "no");
    await until(() => fn.received.length === 2 * n, "its disconnect is told");
  }
  assert.ok(other.connected, "over the same connection");
  assert.deepEqual(kindsOf(fn), Array(3).fill(["connect", "disconnect"]).flat());
  assert.equal(fn.received[1]?.json.reason, "server namespace disconnect");
  assert.equal(new Set(listeners).size, 1, "nothing adds up");
});

// A client that entered ten namespaces at once made the process print a warning of a leak that was none,
// once per connection: each of them listened for the connection's end.
test("a client enters as many namespaces at once as it may, and nothing is printed of it", async (t) => {
  const warnings: Error[] = [];
  const note = (warning: Error) => void warnings.push(warning);
  process.on("warning", note);
  t.after(() => process.off("warning", note));
  const gate = createGate();
  const fn = await startFunction(t, () => gate.passed.then(() => ({})));
  const limits = { namespacesMax: 20 };
  const gateway = await gatewayFor(t, fn, { namespaces: ["/n*"] }, { limits });
  const first = gateway.client({ namespace: "/n0" });
  const sockets = [first.connect()];
  for (let n = 1; n < 20; n++) sockets.push(first.io.socket(`/n${n}`).connect());
  await until(() => fn.received.length === 20, "all of them are asked for");
  gate.open();
  await until(() => sockets.every(({ connected }) => connected), "all are in");
  assert.deepEqual(warnings, []);
});

// A token says who it is, the function names nobody or calls the user by a name of its own: every
// recovered session met AUTH_WRONG_USER, because the token's name had replaced the session's.
for (const named of [undefined, "account of ann"]) {
  test(`a session by token is recovered where its function names ${named}`, async (t) => {
    let userId = named;
    const fn = await startFunction(t, () => ({ body: { userId } }));
    const more = { auth: JWT, recovery: { windowMs: 60_000 } };
    const gateway = await gatewayFor(t, fn, {}, more);
    const client = await gateway.connected({ auth: { token: await signToken({ sub: "ann" }) } });
    const { id } = client;
    const again = async () => {
      const offset = next(client, "news");
      gateway.io.emit("news");
      await offset;
      client.io.engine.close();
      await until(async () => (await gateway.io.fetchSockets()).length === 0, "it is gone");
      const ended = new Promise<Refused | undefined>((resolve) => {
        client.once("connect", () => resolve(undefined));
        client.once("connect_error", resolve);
      });
      client.connect();
      return ended;
    };
    assert.equal(await again(), undefined);
    assert.equal(client.recovered, true);
    assert.equal(client.id, id);
    const [socket] = await gateway.io.fetchSockets();
    assert.equal(socket?.data.userId, named ?? "ann");
    userId = "somebody else";
    assert.equal((await again())?.data?.code, "AUTH_WRONG_USER");
  });
}
