/** The Socket.IO server API as its documentation describes it, seen by real clients. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import { type ClientOptions, testGateway, WAYS } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";

const CLIENTS: readonly (readonly [string, ClientOptions])[] = (
  ["msgpack", "json"] as const
).flatMap((codec) =>
  Object.entries(WAYS).map(([way, transports]) => [
    `${codec} over ${way}`,
    { codec, transports: [...transports] },
  ]),
);

for (const [name, options] of CLIENTS) {
  test(`${name}: id, handshake, data, rooms and extra attributes`, async (t) => {
    const gateway = await testGateway(t);
    const arrived = next<[ServerSocket]>(gateway.io, "connection");
    const before = Date.now();
    const client = await gateway.connected({
      ...options,
      auth: { token: "t" },
      query: { x: "42" },
      headers: { "x-test": "abc" },
    });
    const [socket] = await arrived;
    assert.equal(socket.id, client.id);
    assert.match(socket.id, /^[\w-]{20}$/);
    assert.notEqual(socket.id, (socket.conn as unknown as { id: string }).id);

    const { handshake } = socket;
    assert.equal(handshake.headers["x-test"], "abc");
    assert.equal(handshake.headers.host, `127.0.0.1:${gateway.port}`);
    assert.equal(handshake.query.x, "42");
    assert.equal(handshake.query.EIO, "4");
    assert.deepEqual(handshake.auth, { token: "t" });
    assert.ok(handshake.issued >= before && handshake.issued <= Date.now());
    assert.equal(new Date(handshake.time).getTime(), Math.floor(handshake.issued / 1000) * 1000);
    assert.match(handshake.url, /^\/socket\.io\/\?.*x=42/);
    assert.equal(handshake.address, "127.0.0.1");
    assert.equal(handshake.xdomain, false);
    assert.equal(handshake.secure, false);

    socket.data.user = "ada";
    socket.join(["a", "b"]);
    socket.leave("b");
    Object.assign(socket, { nickname: "ada" });
    assert.deepEqual([...socket.rooms], [socket.id, "a"]);
    assert.equal(gateway.io.of("/").sockets.get(socket.id), socket);
    const [remote] = await gateway.io.in("a").fetchSockets();
    assert.equal(remote?.id, socket.id);
    assert.deepEqual(remote?.data, { user: "ada" });
    assert.deepEqual(await gateway.io.in("b").fetchSockets(), []);
  });

  test(`${name}: acks both ways, with timeouts`, async (t) => {
    const gateway = await testGateway(t);
    gateway.io.on("connection", (socket) => {
      socket.on("sum", (a: number, b: number, done: (sum: number) => void) => done(a + b));
      socket.on("silent", () => {});
    });
    const { client, socket } = await gateway.joined(options);
    assert.equal(await client.emitWithAck("sum", 1, 2), 3);
    await assert.rejects(client.timeout(50).emitWithAck("silent"), /timed out/);
    client.on("ask", (what: string, done: (answer: unknown) => void) =>
      done({ what, bytes: Buffer.from([1, 2, 3]) }),
    );
    const answer = await socket.emitWithAck("ask", "x");
    assert.equal(answer.what, "x");
    assert.deepEqual([...answer.bytes], [1, 2, 3]);
    await assert.rejects(socket.timeout(50).emitWithAck("nobody listens"), /timed out/);
  });

  test(`${name}: a namespace middleware refuses with its message and data`, async (t) => {
    const gateway = await testGateway(t);
    gateway.io.of("/admin").use((_socket, go) => {
      go(Object.assign(new Error("not you"), { data: { retry: false } }));
    });
    const client = gateway.client({ ...options, namespace: "/admin" });
    const [error] = await next<[Error & { data?: unknown }]>(client.connect(), "connect_error");
    assert.equal(error.message, "not you");
    assert.deepEqual(error.data, { retry: false });
    assert.equal(gateway.io.of("/admin").sockets.size, 0);
    const lost = gateway.client({ ...options, namespace: "/nowhere" });
    const [unknown] = await next<[Error]>(lost.connect(), "connect_error");
    assert.equal(unknown.message, "Invalid namespace");
  });

  test(`${name}: a socket middleware sees each event, and its error reaches the socket`, async (t) => {
    const gateway = await testGateway(t);
    gateway.io.on("connection", (socket) => {
      socket.use(([event], go) => go(event === "bad" ? new Error("forbidden event") : undefined));
      socket.on("error", (error) => socket.emit("told", error.message));
      socket.on("bad", () => socket.emit("told", "the middleware let it through"));
      socket.on("good", () => socket.emit("told", "good"));
    });
    const client = await gateway.connected(options);
    const told = next(client, "told");
    client.emit("bad");
    assert.deepEqual(await told, ["forbidden event"]);
    const then = next(client, "told");
    client.emit("good");
    assert.deepEqual(await then, ["good"]);
  });
}

test("conn tells its transport, the upgrade, packets, their making, drains and the close", async (t) => {
  const gateway = await testGateway(t);
  const seen: string[] = [];
  const events = { packet: 0, packetCreate: 0, drain: 0 };
  gateway.io.on("connection", ({ conn }) => {
    seen.push(conn.transport.name);
    conn.once("upgrade", () => seen.push(`upgrade to ${conn.transport.name}`));
    conn.on("packet", () => void events.packet++);
    conn.on("packetCreate", () => void events.packetCreate++);
    conn.on("drain", () => void events.drain++);
    conn.on("close", (reason: string) => seen.push(`close: ${reason}`));
  });
  const client = await gateway.connected({ transports: [...WAYS.upgraded] });
  await until(() => seen.length === 2, "the upgrade");
  const before = { ...events };
  client.emit("one");
  gateway.io.to(client.id as string).emit("two");
  await until(() => events.packet > before.packet, "the packet event");
  assert.equal(events.packetCreate, before.packetCreate + 1);
  assert.ok(events.drain > before.drain);
  client.disconnect();
  await until(() => seen.length === 3, "the close");
  assert.deepEqual(seen, ["polling", "upgrade to websocket", "close: transport close"]);
  assert.equal(await gateway.metric("sluice_connections_upgraded_total"), 1);
});

test("a raw packet kept by a packet listener keeps its bytes", async (t) => {
  // uWebSockets.js takes the bytes of a frame back when its callback returns.
  const gateway = await testGateway(t);
  const kept: Buffer[] = [];
  gateway.io.on("connection", ({ conn }) => {
    conn.on("packet", (packet: { data?: unknown }) => {
      if (Buffer.isBuffer(packet.data)) kept.push(packet.data);
    });
  });
  const client = await gateway.connected({ codec: "msgpack" });
  client.emit("hello", "world");
  await until(() => kept.length === 1, "the packet");
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(kept[0]?.includes("world"));
});

test("rooms are still there in disconnecting, where a leave works too", async (t) => {
  const gateway = await testGateway(t);
  const seen: unknown[] = [];
  gateway.io.on("connection", (socket) => {
    socket.join(["a", "b"]);
    socket.on("disconnecting", (reason) => {
      seen.push([...socket.rooms].slice(1), reason);
      socket.leave("a");
      seen.push([...socket.rooms].slice(1));
    });
    socket.on("disconnect", () => seen.push(socket.rooms.size));
  });
  for (const options of [{}, { transports: [...WAYS.polling] }]) {
    seen.length = 0;
    const client = await gateway.connected(options);
    client.disconnect();
    await until(() => seen.length === 4, "the disconnect");
    assert.deepEqual(seen, [["a", "b"], "client namespace disconnect", ["b"], 0]);
  }
  // The TCP connection gone first: uWebSockets.js' wrapper is closed by then.
  seen.length = 0;
  const client = await gateway.connected();
  client.io.engine.close();
  await until(() => seen.length === 4, "the disconnect");
  assert.deepEqual(seen, [["a", "b"], "transport close", ["b"], 0]);
  assert.equal(gateway.io.of("/").adapter.rooms.size, 0);
});

test("events of a dynamic namespace and of many namespaces on one connection arrive", async (t) => {
  const gateway = await testGateway(t);
  gateway.io.of(/^\/room-\d+$/).on("connection", (socket) => {
    socket.emit("hello", socket.nsp.name);
  });
  const one = gateway.client({ namespace: "/room-1" });
  const hello = next(one, "hello");
  one.connect();
  assert.deepEqual(await hello, ["/room-1"]);
  const other = one.io.socket("/room-2");
  const again = next(other, "hello");
  other.connect();
  assert.deepEqual(await again, ["/room-2"]);
  assert.equal(await gateway.metric("sluice_connections"), 1);
  other.disconnect();
});
