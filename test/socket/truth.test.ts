/** What `conn` says about pressure is what uWebSockets.js really holds. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Server, Socket as ServerSocket } from "socket.io";
import { WebSocket } from "ws";
import type { PartialSettings } from "../../src/core/settings.ts";
import { testGateway } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";
import { slowClient } from "./slow-client.ts";

const MIB = 1_048_576;
const CHUNK = Buffer.alloc(64 * 1024);
const PATH = "/socket.io/?transport=websocket";

async function begin(t: TestContext, settings: PartialSettings["socket"] = {}) {
  const { gateway, proxy, client, socket } = await slowClient(t, settings);
  const received: unknown[] = [];
  client.on("n", (n: unknown) => received.push(n));
  return { gateway, proxy, client, socket, received };
}

/** Sends until the connection is pressured; returns how many messages that took. */
async function press(io: Server, socket: ServerSocket): Promise<number> {
  let sent = 0;
  while (socket.conn.transport.writable) {
    io.emit("n", sent++, CHUNK);
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (sent > 2000) throw new Error("128 MiB did not put a stopped reader under pressure");
  }
  return sent;
}

test("writable, writeBuffer, drain and volatile follow what is really unsent", async (t) => {
  const { gateway, proxy, client, socket, received } = await begin(t);
  const { conn } = socket;
  const waiting = () => (conn as unknown as { writeBuffer: unknown[] }).writeBuffer.length;
  assert.equal(conn.transport.writable, true);
  proxy.pause();
  const sent = await press(gateway.io, socket);
  assert.equal(conn.transport.writable, false);
  assert.equal(await gateway.metric("sluice_pressured_connections"), 1);
  assert.ok((await gateway.metric("sluice_send_buffer_bytes")) > 0);
  let drains = 0;
  conn.on("drain", () => drains++);
  let engineDrains = 0;
  gateway.io.engine.on("drain", () => engineDrains++);

  socket.emit("n", "direct");
  gateway.io.emit("n", "broadcast");
  assert.equal(waiting(), 2);
  socket.volatile.emit("n", "volatile, direct");
  gateway.io.volatile.emit("n", "volatile, broadcast");
  assert.equal(waiting(), 2);
  assert.equal(await gateway.metric("sluice_volatile_dropped_total"), 2);
  assert.deepEqual([drains, engineDrains], [0, 0]);

  proxy.resume();
  await until(() => conn.transport.writable, "the drain");
  assert.ok(drains > 0 && engineDrains > 0);
  assert.equal(waiting(), 0);
  socket.volatile.emit("n", "volatile, after");
  await until(() => received.at(-1) === "volatile, after", "the last message");
  const numbers = Array.from({ length: sent }, (_, n) => n);
  assert.deepEqual(received, [...numbers, "direct", "broadcast", "volatile, after"]);
  assert.equal(
    await gateway.metric("sluice_drains_total"),
    await gateway.metric("sluice_pressure_seconds_count"),
  );
  assert.ok(client.connected);
});

test("a pressured connection that drains nothing is closed after socket.stallMsMax", async (t) => {
  const { gateway, proxy, socket } = await begin(t, { stallMsMax: 200 });
  const gone = next<[string, Error]>(socket, "disconnect");
  proxy.pause();
  await press(gateway.io, socket);
  const [reason, why] = await gone;
  assert.equal(reason, "transport error");
  assert.match(
    why.message,
    /slow consumer: \d+ bytes unsent, nothing drained for socket.stallMsMax/,
  );
  assert.equal(await gateway.metric("sluice_slow_consumers_total"), 1);
});

test("heartbeats do not kill a client that is merely slow", async (t) => {
  const { gateway, proxy, client, socket, received } = await begin(t, {
    pingIntervalMs: 300,
    pingTimeoutMs: 1000,
    stallMsMax: 10_000,
  });
  // The client's own patience would end first: 600 ms without a ping.
  Object.assign(client.io.engine, { _pingTimeout: 60_000 });
  await next(client.io, "ping");
  proxy.limit(6 * MIB);
  const sent = 160;
  for (let n = 0; n < sent; n++) socket.emit("n", n, CHUNK);
  await until(() => socket.conn.transport.writable === false, "pressure");
  await until(() => received.length === sent, "all messages", 30_000);
  assert.equal(await gateway.metric("sluice_connections"), 1);
});

test("heartbeats do not keep a stuck client alive", async (t) => {
  const { gateway, proxy, socket } = await begin(t, {
    pingIntervalMs: 100,
    pingTimeoutMs: 60_000,
    stallMsMax: 300,
  });
  const gone = next<[string, Error]>(socket, "disconnect");
  proxy.pause();
  await press(gateway.io, socket);
  const [, why] = await gone;
  assert.match(why.message, /slow consumer/);
});

test("unsent bytes at socket.bufferBytesMax are kept, one more closes the connection", async (t) => {
  const { gateway, proxy, socket } = await begin(t, { bufferBytesMax: 4 * MIB });
  const gone = next<[string, Error]>(socket, "disconnect");
  proxy.pause();
  await press(gateway.io, socket);
  const held = () => gateway.metric("sluice_send_buffer_bytes");
  // Each queued message weighs the same; the first tells how much.
  const before = await held();
  socket.emit("n", 0, Buffer.alloc(1000));
  const weight = (await held()) - before;
  assert.ok(weight > 1000 && weight < 1100);
  const room = 4 * MIB - (await held());
  const overhead = weight - 1000;
  let left = room;
  while (left > 0) {
    const size = Math.min(left, 60_000);
    // A binary of 256 bytes to 64 KiB carries the same overhead as one of 1,000.
    if (left - size > 0 && left - size < overhead + 256) left -= overhead + 256;
    const body = Math.min(left, size) - overhead;
    socket.emit("n", 0, Buffer.alloc(body));
    left = 4 * MIB - (await held());
    if (left > 0 && left < overhead + 256) break;
  }
  assert.ok((await held()) <= 4 * MIB);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await gateway.metric("sluice_connections"), 1);
  socket.emit("n", 0, Buffer.alloc(1000));
  const [, why] = await gone;
  assert.match(why.message, /more than socket.bufferBytesMax/);
});

for (const transport of ["websocket", "polling"] as const) {
  test(`bytes in and out are bytes, in any alphabet (${transport})`, async (t) => {
    // Seen: a third of them. What came in was counted in UTF-16 units, which is also how far a client
    // that writes Japanese could go beyond limits.bytesPerSecond.
    const gateway = await testGateway(t);
    const text = "語".repeat(100);
    const packet = `2${JSON.stringify(["n", text])}`;
    gateway.io.on("connection", (socket) => socket.on("n", (said) => socket.emit("n", said)));
    const client = await gateway.connected({ codec: "json", transports: [transport] });
    const bytes = async () =>
      Promise.all(["received", "sent"].map((way) => gateway.metric(`sluice_${way}_bytes_total`)));
    const before = await bytes();
    client.emit("n", text);
    await next(client, "n");
    const grown = (await bytes()).map((now, at) => now - (before[at] ?? 0));
    assert.deepEqual(grown, [Buffer.byteLength(packet), Buffer.byteLength(packet)]);
  });
}

test("an empty message takes nothing off the bytes that were received", async (t) => {
  // Seen: a counter of -1, and /metrics answered by an error for good. One byte was taken off each
  // message for its type, and an empty one has none.
  const gateway = await testGateway(t);
  const client = new WebSocket(`${gateway.url.replace("http", "ws")}${PATH}&EIO=4`);
  await next(client, "open");
  client.send("");
  await next(client, "close");
  assert.equal(await gateway.metric("sluice_received_bytes_total"), 0);
  assert.equal(
    await gateway.metric("sluice_connections_closed_total", { reason: "bad_packet" }),
    1,
  );
});

test("a message of no type that protocol 3 knows ends its connection, counted", async (t) => {
  // Seen: a series of the type "undefined" at NaN, and the connection lived on. engine.io's parser
  // looks the first byte of binary data up in its list, and takes what it finds.
  const gateway = await testGateway(t, { socket: { allowEio3: true } });
  const client = new WebSocket(`${gateway.url.replace("http", "ws")}${PATH}&EIO=3`);
  await next(client, "open");
  client.send(Buffer.from([200, 1, 2]));
  await next(client, "close");
  assert.equal(await gateway.metric("sluice_packets_received_total"), 1);
  assert.equal(await gateway.metric("sluice_packets_received_total", { type: "error" }), 1);
});
