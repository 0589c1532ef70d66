import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { Socket as ClientSocket } from "socket.io-client";
import type { LogFields } from "../../src/core/log.ts";
import { testGateway, WAYS } from "../harness/gateway.ts";
import { JWT, nowS, signToken } from "../harness/tokens.ts";
import { next, until } from "../harness/wait.ts";

interface ConnectError extends Error {
  readonly data?: { readonly code: string; readonly retry: boolean };
}

async function refusalOf(client: ClientSocket): Promise<ConnectError> {
  const [error] = await next<[ConnectError]>(client.connect(), "connect_error");
  return error;
}

/** What a client sends to get its session back: the session's secret, the last offset it saw. */
interface Session {
  _pid?: string;
  _lastOffset?: string;
}

function sessionOf(client: ClientSocket): Session {
  const { _pid, _lastOffset } = client as unknown as Session; // private members of the client
  assert.ok(_pid !== undefined && _lastOffset !== undefined);
  return { _pid, _lastOffset };
}

function withSession(client: ClientSocket, session: Session): ClientSocket {
  Object.assign(client, session);
  return client;
}

/** Keeps everything that arrives on the wire. */
function recordFrames(client: ClientSocket, frames: string[]): void {
  client.io.on("open", () => {
    client.io.engine.on("data", (data: string | Buffer) => {
      frames.push(Buffer.from(data as Buffer).toString("latin1"));
    });
  });
}

for (const [way, transports] of Object.entries(WAYS)) {
  for (const codec of ["msgpack", "json"] as const) {
    test(`a valid token opens every namespace and is the socket's user (${way}, ${codec})`, async (t) => {
      const gateway = await testGateway(t, { auth: JWT });
      const seen: unknown[] = [];
      gateway.io.of(/^\/dynamic-\d+$/).use((socket, go) => {
        seen.push(socket.data.user.sub);
        go();
      });
      gateway.io.of("/fixed");
      const auth = { token: await signToken({ sub: "ann", plan: "pro" }) };
      for (const namespace of ["/", "/fixed", "/dynamic-1"]) {
        await gateway.connected({ auth, namespace, codec, transports: [...transports] });
        const [socket] = await gateway.io.of(namespace).fetchSockets();
        const user = { sub: "ann", plan: "pro" };
        assert.deepEqual(socket?.data, { user, userId: "ann" }, namespace);
      }
      assert.deepEqual(seen, ["ann"], "the user is known before the application's middlewares");
      assert.equal(await gateway.metric("sluice_authentications_total", { result: "accepted" }), 3);
    });
  }
}

test("without a valid token a client enters no namespace and meets no code of the application", async (t) => {
  const gateway = await testGateway(t, { auth: { ...JWT, tokenBytesMax: 512 } });
  let met = 0;
  for (const namespace of [gateway.io, gateway.io.of(/^\/dynamic/)]) {
    namespace.use((_socket, go) => {
      met++;
      go();
    });
    namespace.on("connection", () => met++);
  }
  const expired = await signToken({ sub: "ann", exp: nowS() - 1 });
  const cases: [string, Record<string, unknown>][] = [
    ["AUTH_REQUIRED", {}],
    ["AUTH_REQUIRED", { token: "" }],
    ["AUTH_INVALID", { token: 7 }],
    ["AUTH_INVALID", { token: "x" }],
    [
      "AUTH_INVALID",
      { token: await signToken({ sub: "ann" }, "another secret, 32 bytes or more") },
    ],
    ["AUTH_INVALID", { token: await signToken({}) }],
    ["AUTH_INVALID", { token: await signToken({ sub: { toString: "x" } }) }],
    // Seen: let in, as a user that all such tokens have in common. Only a name's type was looked at.
    ["AUTH_INVALID", { token: await signToken({ sub: "" }) }],
    ["AUTH_EXPIRED", { token: expired }],
    ["AUTH_TOO_LONG", { token: "x".repeat(513) }],
    ["AUTH_INVALID", { token: "x".repeat(512) }],
  ];
  for (const namespace of ["/", "/dynamic-1"]) {
    for (const [code, auth] of cases) {
      const error = await refusalOf(gateway.client({ auth, namespace }));
      assert.deepEqual(error.data, { code, retry: false });
      assert.ok(!error.message.includes("x".repeat(20)), "the message quotes nothing");
    }
  }
  assert.equal(met, 0);
  assert.equal(await gateway.metric("sluice_authentications_total", { result: "accepted" }), 0);
  assert.equal(
    await gateway.metric("sluice_authentications_total", { result: "auth_required" }),
    4,
  );
});

test("the token may stand in a header or the query, where settings say so", async (t) => {
  const gateway = await testGateway(t, {
    auth: { ...JWT, tokenFrom: ["query", "header"], tokenName: "key", tokenHeader: "X-Token" },
  });
  const token = await signToken({ sub: "ann" });
  await gateway.connected({ query: { key: token } });
  await gateway.connected({ headers: { "x-token": `Bearer ${token}` } });
  await gateway.connected({ headers: { "x-token": token }, transports: ["polling"] });
  const error = await refusalOf(gateway.client({ auth: { key: token } }));
  assert.equal(error.data?.code, "AUTH_REQUIRED", "CONNECT's auth is not among them");
});

test("a token in the query is seen by nobody, and opens a second namespace all the same", async (t) => {
  const gateway = await testGateway(t, { auth: { ...JWT, tokenFrom: ["query"] } });
  gateway.io.of("/second");
  const token = await signToken({ sub: "ann" });
  for (const transports of Object.values(WAYS)) {
    const query = { token, theme: "dark mode" };
    const client = await gateway.connected({ query, transports: [...transports] });
    await next(client.io.socket("/second", {}).connect(), "connect");
    const socket = gateway.io.sockets.sockets.get(client.id ?? "");
    assert.equal(socket?.handshake.query.theme, "dark mode");
    assert.ok(!JSON.stringify(socket?.handshake).includes(token));
    assert.ok(!String(socket?.request.url).includes(token));
  }
});

test("clients that leave while their token is looked at leave nothing behind", async (t) => {
  const keys = createServer(() => {}); // never answers
  await new Promise<void>((resolve) => keys.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    keys.closeAllConnections();
    keys.close();
  });
  const { port } = keys.address() as AddressInfo; // a listening TCP server has one
  const auth = { mode: "jwt", jwksUrl: `http://127.0.0.1:${port}/`, jwksTimeoutMs: 300 } as const;
  const gateway = await testGateway(t, { auth, recovery: { windowMs: 60_000 } });
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = `${part({ alg: "ES256", kid: "a" })}.${part({ sub: "ann" })}.c2ln`;
  const session = { _pid: `${"x".repeat(20)}.${"y".repeat(16)}`, _lastOffset: "z" };
  for (const [i, transports] of Object.values(WAYS).entries()) {
    for (const codec of ["msgpack", "json"] as const) {
      const client = gateway.client({ auth: { token }, codec, transports: [...transports] });
      if (i % 2 === 0) withSession(client, session);
      const opened = next(client.io, "open");
      client.connect();
      await opened;
      client.io.engine.close();
    }
  }
  const last = gateway.client({ auth: { token } });
  assert.deepEqual((await refusalOf(last)).data, { code: "AUTH_UNAVAILABLE", retry: true });
  last.disconnect();
  await until(async () => (await gateway.metric("sluice_connections")) === 0, "all are gone");
  assert.equal(gateway.io.sockets.sockets.size, 0);
});

test("a claim grants exactly the rooms that the patterns allow", async (t) => {
  const gateway = await testGateway(t, {
    auth: { ...JWT, roomsClaim: "groups", roomsAllowed: ["team:*", "lobby", "a*b*c"] },
  });
  const groups = ["team:1", "lobby", "axbxc", "abc", "admin", "ateam:1", "lobby2", "acb", 7, null];
  let atConnection: string[] = [];
  gateway.io.on("connection", (socket) => {
    atConnection = [...socket.rooms];
  });
  const client = await gateway.connected({
    auth: { token: await signToken({ sub: "a", groups }) },
  });
  const expected = [client.id ?? "", "team:1", "lobby", "axbxc", "abc"];
  assert.deepEqual(new Set(atConnection), new Set(expected), "joined before `connection` is heard");
});

test("a client is warned before its token expires, and then closed as token_expired", async (t) => {
  const gateway = await testGateway(t, { auth: { ...JWT, expiryWarningMs: 60_000 } });
  const exp = nowS() + 2;
  const client = gateway.client({ auth: { token: await signToken({ sub: "ann", exp }) } });
  const warned = next<[{ expiresAt: number }]>(client, "token_expiring");
  await next(client.connect(), "connect");
  assert.deepEqual(await warned, [{ expiresAt: exp * 1000 }]);
  const [reason] = await next<[string]>(client, "disconnect");
  assert.equal(reason, "transport close");
  assert.ok(Date.now() >= exp * 1000, "not before it expired");
  const labels = { reason: "token_expired" };
  assert.equal(await gateway.metric("sluice_connections_closed_total", labels), 1);
});

test("a token that expires in one namespace closes the connection, whatever the others' say", async (t) => {
  const gateway = await testGateway(t, { auth: JWT });
  gateway.io.of("/second");
  const exp = nowS() + 2;
  const client = await gateway.connected({ auth: { token: await signToken({ sub: "ann" }) } });
  const second = client.io.socket("/second", {
    auth: { token: await signToken({ sub: "ann", exp }) },
  });
  await next(second.connect(), "connect");
  await next(client, "disconnect");
  assert.ok(Date.now() >= exp * 1000, "not before it expired");
  const labels = { reason: "token_expired" };
  assert.equal(await gateway.metric("sluice_connections_closed_total", labels), 1);
});

test("a refreshed token keeps the connection, changes rooms and is seen by no listener", async (t) => {
  const gateway = await testGateway(t, { auth: { ...JWT, roomsAllowed: ["*"] } });
  const seen: unknown[] = [];
  gateway.io.on("connection", (socket) => {
    socket.onAny((name) => seen.push(name));
    socket.on("token_refresh", () => seen.push("listener"));
    socket.on("ask", (answer) => answer("answered"));
  });
  const exp = nowS() + 2;
  const first = await signToken({ sub: "ann", exp, rooms: ["a", "b"] });
  const client = await gateway.connected({ auth: { token: first } });
  client.on("disconnect", () => assert.fail("the connection must live on"));
  const later = nowS() + 600;
  const newer = await signToken({ sub: "ann", exp: later, rooms: ["b", "c"] });
  const answer = await client.emitWithAck("token_refresh", newer);
  assert.deepEqual(answer, { expiresAt: later * 1000 });
  const [socket] = await gateway.io.fetchSockets();
  assert.deepEqual(new Set(socket?.rooms), new Set([client.id, "b", "c"]));
  assert.equal(socket?.data.user.exp, later);
  await until(() => Date.now() > exp * 1000 + 500, "the first token has expired");
  assert.equal(await client.emitWithAck("ask"), "answered");
  assert.deepEqual(seen, ["ask"]);
  client.off("disconnect");
});

test("a refresh with another user's, an expired or no token is answered and changes nothing", async (t) => {
  const gateway = await testGateway(t, { auth: JWT });
  const client = await gateway.connected({ auth: { token: await signToken({ sub: "ann" }) } });
  const codeOf = async (token: unknown) => {
    const answer: { error?: { code: string } } = await client.emitWithAck("token_refresh", token);
    return answer.error?.code;
  };
  assert.equal(await codeOf(await signToken({ sub: "bob" })), "AUTH_WRONG_USER");
  assert.equal(await codeOf(await signToken({ sub: "ann", exp: nowS() - 1 })), "AUTH_EXPIRED");
  assert.equal(await codeOf(undefined), "AUTH_REQUIRED");
  client.emit("token_refresh");
  client.emit("token_refresh", "x");
  const [socket] = await gateway.io.fetchSockets();
  assert.deepEqual(socket?.data.user, { sub: "ann" });
});

test("nothing is waited for once a socket is gone", async (t) => {
  const gateway = await testGateway(t, { auth: JWT });
  const token = await signToken({ sub: "ann", exp: nowS() + 600 });
  const clients = await Promise.all(
    Array.from({ length: 5 }, () => gateway.connected({ auth: { token } })),
  );
  assert.equal(await gateway.metric("sluice_tokens_watched"), 5);
  for (const client of clients) client.disconnect();
  await until(async () => (await gateway.metric("sluice_tokens_watched")) === 0, "none is left");
});

test("refreshes that overlap are answered one at a time, and a socket that left is not missed", async (t) => {
  const gateway = await testGateway(t, { auth: JWT });
  const client = await gateway.connected({ auth: { token: await signToken({ sub: "ann" }) } });
  const token = await signToken({ sub: "ann", exp: nowS() + 600 });
  const answers: { error?: unknown }[] = await Promise.all(
    Array.from({ length: 5 }, () => client.emitWithAck("token_refresh", token)),
  );
  assert.ok(answers.some((answer) => answer.error === undefined));
  for (let i = 0; i < 20; i++) {
    const other = await gateway.connected({ auth: { token } });
    other.emit("token_refresh", token);
    other.disconnect();
  }
  await gateway.connected({ auth: { token } });
});

test("a session is given back to its own user and to nobody else, missed packets included", async (t) => {
  const gateway = await testGateway(t, { auth: JWT, recovery: { windowMs: 60_000 } });
  const ann = await signToken({ sub: "ann" });
  gateway.io.on("connection", (socket) => void socket.join("secrets"));
  const victim = await gateway.connected({ auth: { token: ann } });
  gateway.io.to("secrets").emit("news", "offset");
  await next(victim, "news");
  const session = sessionOf(victim);
  const { id } = victim;
  victim.io.engine.close();
  await until(async () => (await gateway.io.fetchSockets()).length === 0, "the victim is gone");
  gateway.io.to("secrets").emit("news", "for ann only");

  const bob = { token: await signToken({ sub: "bob" }) };
  const frames: string[] = [];
  // Without an offset, too: a session may be asked for by its secret alone.
  for (const given of [session, { _pid: session._pid ?? "" }]) {
    const thief = withSession(gateway.client({ auth: bob }), given);
    recordFrames(thief, frames);
    await next(thief.connect(), "connect");
    assert.equal(thief.recovered, false);
    assert.notEqual(thief.id, id);
  }
  const tokenless = withSession(gateway.client(), session);
  recordFrames(tokenless, frames);
  assert.equal((await refusalOf(tokenless)).data?.code, "AUTH_REQUIRED");
  assert.ok(frames.length > 0);
  assert.ok(!frames.join().includes("for ann only"), "not even on the wire");

  const owner = withSession(gateway.client({ auth: { token: ann } }), session);
  const missed = next(owner, "news");
  await next(owner.connect(), "connect");
  assert.equal(owner.recovered, true);
  assert.equal(owner.id, id);
  assert.equal((await missed)[0], "for ann only");
});

test("a recovered session loses the rooms its newer token no longer grants", async (t) => {
  const gateway = await testGateway(t, {
    auth: { ...JWT, roomsAllowed: ["*"] },
    recovery: { windowMs: 60_000 },
  });
  gateway.io.on("connection", (socket) => void socket.join("own"));
  const victim = await gateway.connected({
    auth: { token: await signToken({ sub: "ann", rooms: ["a", "b"] }) },
  });
  gateway.io.emit("news");
  await next(victim, "news");
  const session = sessionOf(victim);
  victim.io.engine.close();
  await until(async () => (await gateway.io.fetchSockets()).length === 0, "it is gone");
  const token = await signToken({ sub: "ann", rooms: ["b", "c"] });
  const back = withSession(gateway.client({ auth: { token } }), session);
  await next(back.connect(), "connect");
  assert.equal(back.recovered, true);
  const [socket] = await gateway.io.fetchSockets();
  assert.deepEqual(new Set(socket?.rooms), new Set([back.id, "own", "b", "c"]));
});

test("an open door in production is said once, with what it means", async (t) => {
  const lines: string[] = [];
  const log = (level: string, _fields: LogFields, text: string) => lines.push(`${level} ${text}`);
  await testGateway(t, {}, { log, production: true });
  assert.equal(lines.filter((line) => /^warn auth\.mode is none: anyone/.test(line)).length, 1);
  lines.length = 0;
  await testGateway(t, {}, { log, production: false });
  await testGateway(t, { auth: JWT }, { log, production: true });
  assert.ok(!lines.some((line) => line.startsWith("warn")));
});

test("mode jwt without a key does not start", async () => {
  const { startGateway } = await import("../../src/gateway/gateway.ts");
  await assert.rejects(startGateway({ auth: { mode: "jwt" } }), /one of auth\.secret/);
});

const SIGNING = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

test("mode upstream refuses whoever no function decides on, and starts only with a function", async (t) => {
  const { startGateway } = await import("../../src/gateway/gateway.ts");
  await assert.rejects(startGateway({ auth: { mode: "upstream" } }), /auth\.mode/);
  const gateway = await testGateway(t, {
    auth: { mode: "upstream" },
    upstream: { url: "http://127.0.0.1:9/", namespaces: ["/decided"], secrets: [SIGNING] },
  });
  gateway.io.of(/^\/dynamic/);
  let met = 0;
  gateway.io.of("/other").use((_socket, go) => {
    met++;
    go();
  });
  for (const namespace of ["/", "/other", "/dynamic"]) {
    const error = await refusalOf(gateway.client({ namespace }));
    assert.deepEqual(error.data, { code: "AUTH_NO_DECIDER", retry: false }, namespace);
  }
  assert.equal(met, 0);
});
