import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Server, type Socket as ServerSocket } from "socket.io";
import type { Socket } from "socket.io-client";
import { createRecovery } from "../../src/fanout/recovery.ts";
import { newClient, type TestGateway, testGateway } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";
import { startRig } from "./rig.ts";

const WINDOW = { recovery: { windowMs: 60_000 } };
const BOUNDS = {
  ...{ packetsMax: 1000, bytesMax: 1_000_000, roomChangesMax: 10 },
  ...{ sessionsMax: 10, sessionBytesMax: 65_536 },
};

/** Connects a client that has seen one numbered event, and so has an offset. */
async function begin(gateway: TestGateway, options: Parameters<TestGateway["client"]>[0] = {}) {
  const { client, socket } = await gateway.joined({ reconnectionDelay: 10, ...options });
  const seen: unknown[] = [];
  client.on("n", (n) => seen.push(n));
  socket.join("room");
  socket.data.color = "red";
  socket.emit("n", 0);
  await until(() => seen.length === 1, "the first event");
  return { client, socket, seen };
}

/** Cuts the connection as a network would, without a word. */
async function cut(socket: ServerSocket, client: Socket) {
  const gone = next(socket, "disconnect");
  client.io.engine.close();
  await gone;
}

for (const codec of ["msgpack", "json"] as const) {
  test(`${codec}: after a cut the socket has its id, rooms, data and everything missed`, async (t) => {
    const gateway = await testGateway(t, WINDOW);
    const { client, socket, seen } = await begin(gateway, { codec });
    const id = client.id;
    await cut(socket, client);
    gateway.io.emit("n", 1);
    gateway.io.to("room").emit("n", 2);
    gateway.io.to("other").emit("n", "not for it");
    gateway.io.except("room").emit("n", "nor this");
    gateway.io.to(id as string).emit("n", 3);
    gateway.io.volatile.emit("n", "volatile is not kept");
    const arrived = next<[ServerSocket]>(gateway.io, "connection");
    client.connect();
    const [back] = await arrived;
    await until(() => seen.length === 4, "the missed events");
    gateway.io.to("room").emit("n", 4);
    gateway.io.emit("n", 5);
    await until(() => seen.length >= 6, "the events after");
    assert.deepEqual(seen, [0, 1, 2, 3, 4, 5]);
    assert.equal(client.recovered, true);
    assert.equal(back.recovered, true);
    assert.equal(client.id, id);
    assert.deepEqual([...back.rooms].sort(), [id, "room"].sort());
    assert.deepEqual(back.data, { color: "red" });
    assert.equal(await gateway.metric("sluice_recoveries_total", { result: "recovered" }), 1);
    assert.equal(await gateway.metric("sluice_recovered_packets_total"), 3);
  });
}

test("what is broadcast while a middleware waits is not lost, and comes once", async (t) => {
  // Seen with the stock adapter: missed packets are collected before the middleware runs, and the
  // socket is subscribed after it.
  const gateway = await testGateway(t, WINDOW);
  let go: (() => void) | undefined;
  gateway.io.use((_socket, done) => {
    if (go) go = () => done();
    else done();
  });
  const { client, socket, seen } = await begin(gateway);
  await cut(socket, client);
  gateway.io.emit("n", 1);
  go = () => {};
  const waiting = go;
  client.connect();
  await until(() => go !== waiting, "the middleware");
  gateway.io.emit("n", 2);
  gateway.io.to("room").emit("n", 3);
  go();
  await until(() => seen.length >= 4, "the missed events");
  gateway.io.emit("n", 4);
  await until(() => seen.length >= 5, "the event after");
  assert.deepEqual(seen, [0, 1, 2, 3, 4]);
});

test("what `connect` listeners send comes after what was missed, and once", async (t) => {
  // Seen: 2, 3, 1, 2, 3. Missed packets were sent on "connection", which Socket.IO emits after
  // "connect": live ones overtook them, and were taken for passed ones too.
  const gateway = await testGateway(t, WINDOW);
  const { client, socket, seen } = await begin(gateway);
  await cut(socket, client);
  gateway.io.emit("n", 1);
  gateway.io.once("connect", (back) => {
    gateway.io.to("room").emit("n", 2);
    back.emit("n", 3);
  });
  await next(client.connect(), "connect");
  assert.equal(client.recovered, true);
  gateway.io.emit("n", 4);
  await until(() => seen.includes(4), "the last event");
  assert.deepEqual(seen, [0, 1, 2, 3, 4]);
});

test("an argument that equals an offset keeps nobody from getting its packet", async (t) => {
  // Seen: offsets sent by recovery were kept, though no bus could bring their packets again, and
  // whoever had come back was left out of the next packet that ended in one.
  const gateway = await testGateway(t, WINDOW);
  const { client, socket, seen } = await begin(gateway);
  await cut(socket, client);
  gateway.io.emit("n", 1);
  client.connect();
  await until(() => seen.length === 2, "the missed event");
  const { _lastOffset } = client as unknown as { _lastOffset: string };
  gateway.io.volatile.emit("n", _lastOffset);
  gateway.io.emit("n", 2);
  await until(() => seen.includes(2), "the event after");
  assert.deepEqual(seen, [0, 1, _lastOffset, 2]);
});

test("what can't be sent is kept for nobody, and ends nothing when a client comes back", async (t) => {
  // Seen: emitted while its only recipient was away, a bigint threw nothing, was kept, and ended the
  // process when that client came back, because nothing could catch it there.
  const gateway = await testGateway(t, WINDOW);
  const { client, socket, seen } = await begin(gateway);
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const bad of [1n, { deep: [1n] }, cycle]) {
    assert.throws(() => gateway.io.emit("n", bad), "with a recipient the caller is told");
  }
  await cut(socket, client);
  for (const bad of [1n, { deep: [1n] }, cycle]) gateway.io.emit("n", bad);
  assert.equal(await gateway.metric("sluice_recovery_packets"), 1);
  // JSON has a word for this one, msgpack, which this client speaks, has none.
  gateway.io.emit("n", [() => {}]);
  gateway.io.emit("n", 1);
  client.connect();
  await until(() => seen.includes(1), "the missed event");
  assert.deepEqual(seen, [0, 1]);
  assert.equal(await gateway.metric("sluice_recovered_packets_total"), 1);
});

for (const codec of ["msgpack", "json"] as const) {
  test(`${codec}: arguments with a toJSON are kept, whatever else they hold`, async (t) => {
    // Seen: `emit` threw a RangeError after sending a document that refers to itself and has a
    // toJSON, as those of object mappers do: its size was taken of what is not sent.
    const gateway = await testGateway(t, WINDOW);
    const { client, socket, seen } = await begin(gateway, { codec });
    const document = { toJSON: () => ({ a: 1 }), self: {} };
    document.self = document;
    gateway.io.emit("n", document);
    await until(() => seen.length === 2, "the live one");
    await cut(socket, client);
    gateway.io.emit("n", document);
    client.connect();
    await until(() => seen.length === 3, "the missed one");
    assert.deepEqual(seen, [0, { a: 1 }, { a: 1 }]);
    assert.equal(client.recovered, true);
  });
}

test("a middleware that refuses keeps the missed packets from the client", async (t) => {
  const gateway = await testGateway(t, WINDOW);
  let banned = false;
  gateway.io.use((_socket, done) => done(banned ? new Error("banned") : undefined));
  const { client, socket, seen } = await begin(gateway);
  const packets: unknown[] = [];
  await cut(socket, client);
  banned = true;
  gateway.io.emit("n", "secret");
  const refused = next<[Error]>(client, "connect_error");
  client.io.on("packet" as never, ((packet: unknown) => packets.push(packet)) as never);
  client.connect();
  assert.equal((await refused)[0].message, "banned");
  assert.deepEqual(seen, [0]);
  assert.ok(!JSON.stringify(packets).includes("secret"));
});

test("nothing is recovered after an explicit disconnect, of either side", async (t) => {
  const gateway = await testGateway(t, WINDOW);
  for (const leave of [
    (_client: Socket, socket: ServerSocket) => socket.disconnect(true),
    (client: Socket) => client.disconnect(),
  ]) {
    const { client, socket } = await begin(gateway);
    const gone = next(socket, "disconnect");
    leave(client, socket);
    await gone;
    await until(() => !client.connected, "the client's own disconnect");
    const id = socket.id;
    await next(client.connect(), "connect");
    assert.equal(client.recovered, false);
    assert.notEqual(client.id, id);
    client.disconnect();
  }
});

test("a session past its window, and one that was used, is refused", async (t) => {
  const gateway = await testGateway(t, { recovery: { windowMs: 50 } });
  const { client, socket } = await begin(gateway);
  await cut(socket, client);
  await until(async () => (await gateway.metric("sluice_recovery_sessions")) === 0, "the window");
  await next(client.connect(), "connect");
  assert.equal(client.recovered, false);
  assert.equal(await gateway.metric("sluice_recoveries_total", { result: "refused" }), 1);
});

test("two clients with the secret of one session: the second gets a session of its own", async (t) => {
  const gateway = await testGateway(t, WINDOW);
  const { client, socket } = await begin(gateway);
  const inside = client as unknown as { _pid: string; _lastOffset: string };
  const copy = { pid: inside._pid, offset: inside._lastOffset };
  await cut(socket, client);
  await next(client.connect(), "connect");
  const thief = await gateway.connected({ auth: copy });
  assert.equal(client.recovered, true);
  assert.equal(thief.recovered, false);
  assert.notEqual(thief.id, client.id);
});

test("who asks for a session by another's socket id costs nobody what was missed", async (t) => {
  // Seen: `recovered: true`, and messages missing. Secrets that were asked for and ids of sockets on
  // their way in were keys of one map, and the end of the stranger's question took the other's entry.
  const recovery = createRecovery({ ...WINDOW.recovery, ...BOUNDS });
  t.after(() => recovery.stop());
  const held: (() => void)[] = [];
  class Slow extends recovery.adapter {
    override async restoreSession(...given: [string, string]) {
      if (given[1] === "slow") await new Promise<void>((resolve) => held.push(resolve));
      return super.restoreSession(...given);
    }
  }
  const connectionStateRecovery = { skipMiddlewares: false };
  const { io, url } = await startRig(t, {}, { adapter: Slow, connectionStateRecovery });
  const enter: (() => void)[] = [];
  io.use((socket, done) => (socket.recovered ? enter.push(done) : done()));
  const client = newClient(url);
  const stranger = newClient(url);
  t.after(() => void [client, stranger].map((each) => each.disconnect()));
  const seen: unknown[] = [];
  client.on("n", (n) => seen.push(n));
  await next(client.connect(), "connect");
  const { id } = client;
  io.emit("n", 0);
  await until(() => seen.length === 1, "the first");
  client.io.engine.close();
  await until(() => io.sockets.sockets.size === 0, "its end");
  Object.assign(stranger as object, { _pid: id, _lastOffset: "slow" });
  stranger.connect();
  await until(() => held.length === 1, "the stranger's question");
  client.connect();
  await until(() => enter.length === 1, "the middleware");
  held[0]?.();
  await next(stranger, "connect");
  assert.equal(stranger.recovered, false);
  io.emit("n", 1);
  enter[0]?.();
  await next(client, "connect");
  io.emit("n", 2);
  await until(() => seen.includes(2), "the last");
  assert.deepEqual([client.recovered, client.id, seen], [true, id, [0, 1, 2]]);
});

test("memory is bounded: the oldest packets go, and whose offset went starts afresh", async (t) => {
  const gateway = await testGateway(t, { recovery: { windowMs: 60_000, packetsMax: 100 } });
  const { client, socket } = await begin(gateway);
  await cut(socket, client);
  for (let n = 1; n <= 99; n++) gateway.io.emit("n", n);
  assert.equal(await gateway.metric("sluice_recovery_dropped_packets_total"), 0);
  assert.equal(await gateway.metric("sluice_recovery_packets"), 100);
  gateway.io.emit("n", 100);
  assert.ok((await gateway.metric("sluice_recovery_packets")) <= 100);
  assert.ok((await gateway.metric("sluice_recovery_dropped_packets_total")) > 0);
  await next(client.connect(), "connect");
  assert.equal(client.recovered, false);

  const big = await testGateway(t, { recovery: { windowMs: 60_000, bytesMax: 65_536 } });
  for (let n = 0; n < 100; n++) big.io.emit("n", "x".repeat(10_000));
  assert.ok((await big.metric("sluice_recovery_bytes")) <= 65_536);
});

test("what listeners emit in the middle of an emit is counted as kept, too", async (t) => {
  // Seen: 2 packets counted of 3, and -1 once they were forgotten. What was kept last was counted
  // when its broadcast was over, and by then a listener had kept another one.
  const gateway = await testGateway(t, WINDOW);
  const { socket } = await begin(gateway);
  socket.onAnyOutgoing((_, n) => n === "outer" && gateway.io.emit("n", "inner"));
  gateway.io.emit("n", "outer");
  assert.equal(await gateway.metric("sluice_recovery_packets"), 3);
});

test("a client is recovered that was told nothing for longer than the window", async (t) => {
  // Seen: recovered: false. What it had last was forgotten while it was connected, and the packets
  // after an offset were looked for behind the one of that offset.
  const gateway = await testGateway(t, { recovery: { windowMs: 2000 } });
  const { client, socket, seen } = await begin(gateway);
  await until(async () => (await gateway.metric("sluice_recovery_packets")) === 0, "the window");
  await cut(socket, client);
  gateway.io.to("room").emit("n", 1);
  await next(client.connect(), "connect");
  assert.equal(client.recovered, true);
  gateway.io.to("room").emit("n", 2);
  await until(() => seen.includes(2), "the event after");
  assert.deepEqual(seen, [0, 1, 2]);
});

test("sessions are forgotten by the one clock that counts them, and it lets a namespace go", async (t) => {
  // Seen: the memory said to be full of packets that were long gone, so that after some minutes of a
  // thousand emits a second nothing was kept at all. socket.io-adapter's own sessions forget by a
  // timer of theirs, once a minute, which told nobody, and kept its adapter alive for good.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void; // the flag's
  const recovery = createRecovery({ windowMs: 1000, ...BOUNDS });
  t.after(() => recovery.stop());
  const adapter = (() => {
    const io = new Server({ adapter: recovery.adapter, connectionStateRecovery: {} });
    void io.of("/").adapter.close();
    return new WeakRef(io.of("/").adapter);
  })();
  await until(() => {
    collect();
    return adapter.deref() === undefined;
  }, "an end of the adapter");
});

test("who missed more than a connection may hold is closed for it once, not for as long as it comes", async (t) => {
  // Seen: a long-polling client that was closed as slow_consumer 138 times and got nothing. All that
  // it had missed waited for its next poll, was too much, and its session was kept for the next try.
  const gateway = await testGateway(t, { ...WINDOW, socket: { bufferBytesMax: 65_536 } });
  const way = { transports: ["polling" as const], reconnection: true };
  const { client, socket, seen } = await begin(gateway, way);
  await cut(socket, client);
  for (let n = 1; n <= 5; n++) gateway.io.emit("n", n, "x".repeat(20_000));
  const arrived: boolean[] = [];
  gateway.io.on("connection", ({ recovered }) => arrived.push(recovered));
  client.connect();
  await until(() => arrived.includes(false), "a new session");
  gateway.io.emit("n", "after");
  await until(() => seen.includes("after"), "the event after");
  assert.deepEqual(
    [arrived, seen],
    [
      [true, false],
      [0, 1, 2, 3, 4, "after"], // what was held comes before the close
    ],
  );
  assert.equal(await gateway.metric("sluice_slow_consumers_total"), 1);
});
