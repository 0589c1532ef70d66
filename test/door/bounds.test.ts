import assert from "node:assert/strict";
import { test } from "node:test";
import type { Socket } from "socket.io";
import { FAILURES } from "../../src/core/failures.ts";
import { testGateway } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";
import { openClient } from "../harness/wire-io.ts";
import { encodeFrame, OP } from "../harness/wire-ws.ts";

interface Answer {
  readonly rooms: number;
  readonly errors: string[];
}

/** The most common handler there is: joining what the client names. */
function joinWhatTheySay(socket: Socket): void {
  const errors: string[] = [];
  socket.on("error", (error: Error & { code?: string }) => errors.push(error.code ?? "?"));
  socket.on("join", (rooms, done: (answer: Answer) => void) => {
    void socket.join(rooms);
    done({ rooms: socket.rooms.size, errors: errors.splice(0) });
  });
}

for (const codec of ["msgpack", "json"] as const) {
  test(`rooms and their names are bounded even where the client names them (${codec})`, async (t) => {
    const gateway = await testGateway(t, { limits: { roomsMax: 3, roomBytesMax: 8 } });
    gateway.io.on("connection", joinWhatTheySay);
    const client = await gateway.connected({ codec });
    const join = (rooms: unknown): Promise<Answer> => client.emitWithAck("join", rooms);
    assert.deepEqual(await join(["a", "b"]), { rooms: 3, errors: [] });
    assert.deepEqual(await join(["c", "d"]), { rooms: 3, errors: ["LIMIT_ROOMS"] }, "all or none");
    assert.deepEqual(await join("x".repeat(9)), { rooms: 3, errors: ["LIMIT_ROOM_NAME"] });
    assert.deepEqual(await join("ööööö"), { rooms: 3, errors: ["LIMIT_ROOM_NAME"] });
    assert.deepEqual(await join("öööö"), { rooms: 4, errors: [] });
    assert.deepEqual(await join("a"), { rooms: 4, errors: [] }, "it is in that one already");
    assert.deepEqual(await join("e"), { rooms: 4, errors: ["LIMIT_ROOMS"] });
    assert.deepEqual(await join({ room: 1 }), { rooms: 4, errors: ["LIMIT_ROOM_NAME"] });
    assert.deepEqual(await join([["a"]]), { rooms: 4, errors: ["LIMIT_ROOM_NAME"] });
    gateway.io.socketsJoin(["f", "g"]);
    const [socket] = await gateway.io.fetchSockets();
    assert.equal(socket?.rooms.size, 4, "joins from outside are bounded as well");
    assert.equal(await gateway.metric("sluice_limited_total", { limit: "rooms" }), 3);
    assert.equal(await gateway.metric("sluice_limited_total", { limit: "room_name" }), 4);
  });
}

test("a room left makes room for another, and the socket's own room does not count", async (t) => {
  const gateway = await testGateway(t, { limits: { roomsMax: 1 } });
  const sizes: number[] = [];
  gateway.io.on("connection", (socket) => {
    void socket.join("a");
    void socket.leave("a");
    void socket.join("b");
    sizes.push(socket.rooms.size);
  });
  await gateway.connected();
  assert.deepEqual(sizes, [2]);
});

test("a connection enters as many namespaces as it may, and one more when it has left one", async (t) => {
  const gateway = await testGateway(t, { limits: { namespacesMax: 2 } });
  for (const name of ["/a", "/b"]) gateway.io.of(name);
  const client = await gateway.connected();
  const [a, b] = ["/a", "/b"].map((name) => client.io.socket(name, {}));
  assert.ok(a && b);
  await next(a.connect(), "connect");
  const [error] = await next<[Error & { data?: unknown }]>(b.connect(), "connect_error");
  assert.deepEqual(error.data, { code: "LIMIT_NAMESPACES", retry: false });
  a.disconnect();
  await until(async () => (await gateway.io.of("/a").fetchSockets()).length === 0, "it has left");
  await next(b.connect(), "connect");
  assert.equal(await gateway.metric("sluice_limited_total", { limit: "namespaces" }), 1);
});

test("many CONNECTs to one namespace while a middleware thinks are bounded too", async (t) => {
  const gateway = await testGateway(t, { limits: { namespacesMax: 3 } });
  let entering = 0;
  gateway.io.of("/slow").use(() => {
    entering++; // and never goes on
  });
  const client = await gateway.connected();
  const conn = client.io.engine;
  for (let i = 0; i < 50; i++) {
    // A client of the field sends one CONNECT per namespace; this one is none.
    (client.io as unknown as { _packet(packet: object): void })._packet({ type: 0, nsp: "/slow" });
  }
  await until(
    async () => (await gateway.metric("sluice_limited_total", { limit: "namespaces" })) >= 48,
    "the others are refused",
  );
  assert.equal(entering, 2);
  assert.equal(conn.readyState, "open");
});

// Seen: each of 10,000 CONNECTs at once asked Redis for a session. The old code counted a CONNECT
// only when it was a socket, which it becomes when its session was found.
test("a connection asks for as many sessions at once as it may be in namespaces", async (t) => {
  const gateway = await testGateway(t, {
    limits: { namespacesMax: 3 },
    recovery: { windowMs: 60_000 },
  });
  gateway.io.of("/slow").use(() => {}); // and never goes on
  let asked = 0;
  gateway.io.of("/slow").adapter.restoreSession = () => {
    asked++;
    return new Promise(() => {}); // nor does its Redis
  };
  const { session } = await openClient(gateway.port, "websocket", "json");
  t.after(() => session.close());
  for (let i = 0; i < 50; i++) await session.send(`40/slow,{"pid":"p${i}","offset":"0"}`);
  await until(
    async () => (await gateway.metric("sluice_limited_total", { limit: "namespaces" })) >= 47,
    "the others are new sessions, and too many",
  );
  assert.equal(asked, 3);
});

test("clients' names create only so many namespaces", async (t) => {
  const gateway = await testGateway(t, { limits: { dynamicNamespacesMax: 3, namespacesMax: 10 } });
  gateway.io.of(/^\/dynamic-\d+$/);
  await gateway.connected({ namespace: "/dynamic-1" });
  await gateway.connected({ namespace: "/dynamic-2" });
  const client = gateway.client({ namespace: "/dynamic-3" });
  const [error] = await next<[Error]>(client.connect(), "connect_error");
  assert.equal(error.message, "Invalid namespace");
  await gateway.connected({ namespace: "/dynamic-1" });
  assert.equal(await gateway.metric("sluice_limited_total", { limit: "dynamic_namespaces" }), 1);
});

// Names stayed when their clients had gone: one client that came with ever new ones made the bound
// a wall for everybody else, until the process was started again.
test("at the bound, namespaces that clients made and left make room", async (t) => {
  const gateway = await testGateway(t, { limits: { dynamicNamespacesMax: 4 } });
  const parent = gateway.io.of(/^\/dynamic-\d+$/);
  gateway.io.of("/dynamic-0"); // the application's own
  let hold = (): void => {};
  parent.use((socket, enter) => {
    if (socket.nsp.name === "/dynamic-2") hold = enter;
    else enter();
  });
  const left = await gateway.connected({ namespace: "/dynamic-1" });
  const entering = gateway.client({ namespace: "/dynamic-2" }).connect();
  const entered = next(entering, "connect");
  await until(() => gateway.io._nsps.has("/dynamic-2"), "it is on its way in");
  left.disconnect();
  await until(() => gateway.io.of("/dynamic-1").sockets.size === 0, "it is empty");
  const client = await gateway.connected({ namespace: "/dynamic-3" });
  const names = ["/", "/dynamic-0", "/dynamic-2", "/dynamic-3"];
  assert.deepEqual([...gateway.io._nsps.keys()].sort(), names);
  hold();
  await entered;
  const told = [next(entering, "news"), next(client, "news")];
  parent.emit("news");
  await Promise.all(told);
  assert.equal(await gateway.metric("sluice_limited_total", { limit: "dynamic_namespaces" }), 0);
});

test("with recovery in memory, what clients left makes room when nobody can come back to it", async (t) => {
  // Seen: at the bound every new name was refused until a restart. That an adapter keeps sessions at
  // all was taken for somebody who may come back.
  const settings = { limits: { dynamicNamespacesMax: 3 }, recovery: { windowMs: 60_000 } };
  const gateway = await testGateway(t, settings);
  gateway.io.of(/^\/dynamic-\d+$/);
  const [left, cut] = await Promise.all(
    [1, 2].map((n) => gateway.connected({ namespace: `/dynamic-${n}` })),
  );
  cut?.io.engine.close();
  await until(async () => (await gateway.metric("sluice_recovery_sessions")) === 1, "its session");
  const early = gateway.client({ namespace: "/dynamic-3" });
  await next(early.connect(), "connect_error");
  left?.disconnect();
  await until(() => gateway.io.of("/dynamic-1").sockets.size === 0, "it is empty");
  await until(async () => {
    const client = gateway.client({ namespace: "/dynamic-3" }).connect();
    return new Promise((resolve) => {
      client.once("connect", () => resolve(true));
      client.once("connect_error", () => resolve(false));
    });
  }, "room for another");
  const names = ["/", "/dynamic-2", "/dynamic-3"];
  assert.deepEqual([...gateway.io._nsps.keys()].sort(), names);
});

test("a client that owes as many acks as it may lives, one more closes it and nobody else", async (t) => {
  const gateway = await testGateway(t, { limits: { acksPendingMax: 5 } });
  const silent = await gateway.connected();
  const other = await gateway.connected();
  const answer = (ack: (value: number) => void) => ack(1);
  other.on("ask", answer);
  const ask = (id: string | undefined) =>
    void gateway.io.sockets.sockets.get(id ?? "")?.emit("ask", () => {});
  for (let i = 0; i < 5; i++) ask(silent.id);
  assert.equal((await gateway.io.fetchSockets()).length, 2);
  const gone = next(silent, "disconnect");
  ask(silent.id);
  await gone;
  for (let i = 0; i < 50; i++) {
    const socket = gateway.io.sockets.sockets.get(other.id ?? "");
    assert.equal(await socket?.timeout(5000).emitWithAck("ask"), 1);
  }
  const labels = { reason: "acks_exceeded" };
  assert.equal(await gateway.metric("sluice_connections_closed_total", labels), 1);
});

for (const codec of ["msgpack", "json"] as const) {
  for (const transports of [["websocket"], ["polling"]] as const) {
    test(`an event over the rate is refused by name and reaches no listener (${codec}, ${transports})`, async (t) => {
      const gateway = await testGateway(t, {
        // CONNECT is the first of the burst; nothing comes back in the time of a test.
        limits: { eventsPerSecond: 1, eventsBurst: 11, bytesPerSecond: 0 },
      });
      const seen: unknown[] = [];
      gateway.io.on("connection", (socket) => {
        socket.onAny((name) => seen.push(name));
        socket.on("ask", (_bytes: unknown, done: (answer: string) => void) => done("ok"));
      });
      const client = await gateway.connected({ codec, transports: [...transports] });
      const told: unknown[] = [];
      client.on("rate_limited", (words) => told.push(words));
      const answers: unknown[] = await Promise.all(
        Array.from({ length: 20 }, () => client.emitWithAck("ask", 1)),
      );
      const fine = answers.filter((answer) => answer === "ok").length;
      assert.ok(fine >= 8 && fine <= 12, `${fine} passed`);
      assert.equal(seen.length, fine);
      const error = {
        code: "LIMIT_EVENTS",
        message: FAILURES.LIMIT_EVENTS.text,
        retry: true,
      };
      assert.deepEqual(answers.at(-1), { error });
      client.emit("no ack");
      await until(() => told.length === 1, "it is told");
      assert.deepEqual(told, [error]);
      assert.ok((await gateway.metric("sluice_limited_total", { limit: "events" })) >= 8);
    });
  }
}

test("a pong over the rate is not held against a later event", async (t) => {
  // Seen: an event within its rate was refused, seconds after a pong that was over it. The mark for
  // the next packet was set by every packet and taken away by messages only.
  const gateway = await testGateway(t, { limits: { eventsPerSecond: 1000, eventsBurst: 1000 } });
  gateway.io.on("connection", (socket) => socket.on("ask", (done) => done("ok")));
  const client = await openClient(gateway.port, "websocket", "json");
  t.after(() => client.close());
  const pong = encodeFrame({ opcode: OP.text, payload: "3" });
  client.session.ws?.tcp.write(Buffer.concat(Array.from({ length: 1500 }, () => pong)));
  const limited = () => gateway.metric("sluice_limited_total", { limit: "events" });
  await until(async () => (await limited()) > 0, "pongs over the rate");
  const begun = performance.now();
  await until(() => performance.now() - begun > 1000, "as long as the bucket takes to refill");
  assert.deepEqual(await client.ask("ask"), ["ok"]);
});

test("a refused JSON event with attachments leaves the next ones whole", async (t) => {
  const gateway = await testGateway(t, {
    limits: {
      eventsPerSecond: 1000,
      eventsBurst: 1000,
      bytesPerSecond: 200_000,
      bytesBurst: 200_000,
    },
  });
  gateway.io.on("connection", (socket) => {
    socket.on("bytes", (bytes: Buffer, done: (length: number) => void) => done(bytes.length));
  });
  const client = await gateway.connected({ codec: "json" });
  const send = (bytes: number) => client.emitWithAck("bytes", Buffer.alloc(bytes));
  assert.equal(await send(190_000), 190_000);
  const refused: { error?: { code: string } } = await send(60_000);
  assert.equal(refused.error?.code, "LIMIT_BYTES");
  await until(async () => (await send(10)) === 10, "it is served again");
});

test("a flood far over the rate is closed as rate_exceeded, and the neighbour lives", async (t) => {
  const gateway = await testGateway(t, { limits: { eventsPerSecond: 10, eventsBurst: 100 } });
  gateway.io.on("connection", (socket) => socket.on("ask", (done) => done("ok")));
  const neighbour = await gateway.connected();
  const flood = await gateway.connected();
  const gone = next(flood, "disconnect");
  for (let i = 0; i < 400; i++) flood.emit("x", i);
  await gone;
  assert.equal(await neighbour.emitWithAck("ask"), "ok");
  const labels = { reason: "rate_exceeded" };
  assert.equal(await gateway.metric("sluice_connections_closed_total", labels), 1);
});
