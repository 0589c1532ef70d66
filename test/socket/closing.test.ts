/** What is counted as held, and what is told, when a close meets something else. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import { WebSocket } from "ws";
import type { Connection } from "../../src/socket/connection.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { slowProxy } from "../harness/slow-proxy.ts";
import { next, until } from "../harness/wait.ts";
import { slowClient } from "./slow-client.ts";

const CHUNK = Buffer.alloc(64 * 1024);
const connectionOf = (socket: ServerSocket) => socket.conn as unknown as Connection; // the engine's

const PATH = "/socket.io/?EIO=4";

/** Connects by long-polling, by hand: what it is sent waits until it polls. */
async function openPolling(gateway: TestGateway) {
  const url = `${gateway.url}${PATH}&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(url)).text()).slice(1)) as { sid: string };
  const arrived = next<[ServerSocket]>(gateway.io, "connection");
  await fetch(`${url}&sid=${sid}`, { method: "POST", body: "40" });
  const [socket] = await arrived;
  return { socket, sid, poll: async () => (await fetch(`${url}&sid=${sid}`)).text() };
}

/** Sends until the connection is pressured. */
async function press(socket: ServerSocket): Promise<void> {
  for (let sent = 0; socket.conn.transport.writable; sent++) {
    socket.emit("n", CHUNK);
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (sent > 2000) throw new Error("128 MiB did not put a stopped reader under pressure");
  }
}

test("a packet in several frames is sent, or held and counted, as a whole", async (t) => {
  // Seen: the gauge said 1,040 bytes where 1,000 waited. A packet whose last frame had to wait was
  // held as a whole, though its first had been sent.
  const gateway = await testGateway(t);
  const { client, socket } = await gateway.joined({ codec: "json", transports: ["polling"] });
  await until(() => socket.conn.transport.writable, "a poll that waits");
  const got: Buffer[] = [];
  client.on("n", (bytes: Buffer) => got.push(bytes));
  socket.emit("n", Buffer.alloc(1000));
  assert.equal(connectionOf(socket).heldBytes, 0, "the poll takes all of it");
  socket.emit("n", Buffer.alloc(2000));
  const text = '51-["n",{"_placeholder":true,"num":0}]';
  assert.equal(connectionOf(socket).heldBytes, text.length + 2000, "the next one waits");
  await until(() => got.length === 2, "both");
  assert.deepEqual(
    got.map((bytes) => bytes.length),
    [1000, 2000],
  );
  assert.equal(await gateway.metric("sluice_send_buffer_bytes"), 0);
});

test("what is written to a closed connection is not held", async (t) => {
  // Seen: sluice_send_buffer_bytes stayed above 0 for good. Whatever was in `writeBuffer` when the
  // connection closed made every later write count, though it was not queued.
  const { gateway, proxy, socket } = await slowClient(t);
  proxy.pause();
  await press(socket);
  socket.emit("n", CHUNK);
  const connection = connectionOf(socket);
  const closed = next(connection, "close");
  connection.once("close", () => connection.write('2["late"]'));
  connection.close(true);
  await closed;
  assert.equal(await gateway.metric("sluice_send_buffer_bytes"), 0);
});

test("what a burst left to be sent is not held once its connection has closed", async (t) => {
  // Seen: sluice_send_buffer_bytes stayed at 10 MB for good. A frame that cannot be read closed the
  // connection in the turn of the burst, and what had to wait was sent, in part, after the count.
  const gateway = await testGateway(t, { socket: { bufferBytesMax: 64 * 1_048_576 } });
  const text = "x".repeat(300_000);
  gateway.io.on("connection", (socket) => {
    socket.on("burst", () => {
      for (let sent = 0; sent < 40; sent++) gateway.io.emit("n", text);
      socket.emit("n", text);
    });
  });
  const url = `${gateway.url.replace("http", "ws")}${PATH}&transport=websocket`;
  const client = new WebSocket(url);
  t.after(() => client.terminate());
  await next(client, "open");
  const arrived = next<[ServerSocket]>(gateway.io, "connection");
  client.send("40");
  const closed = next<[string]>((await arrived)[0], "disconnect");
  client.pause();
  const { _socket: tcp } = client as unknown as { readonly _socket: Socket }; // of ws, once it is open
  tcp.cork();
  client.send('42["burst"]');
  client.send("4{");
  tcp.uncork();
  assert.deepEqual((await closed)[0], "parse error");
  assert.equal(await gateway.metric("sluice_send_buffer_bytes"), 0);
});

test("a stop that meets an upgrade is told as what it is", async (t) => {
  // Seen: "forced close" for a socket that the gateway's stop had closed, and close code 1000.
  // engine.io ends a close that an upgrade overtook itself, in words of its own.
  const gateway = await testGateway(t);
  const { socket, sid, poll } = await openPolling(gateway);
  await poll(); // the CONNECT's answer
  const gone = next<[string]>(socket, "disconnect");
  socket.conn.on("upgrading", () => connectionOf(socket).closeAs("shutdown"));
  const client = new WebSocket(
    `${gateway.url.replace("http", "ws")}${PATH}&transport=websocket&sid=${sid}`,
  );
  client.on("open", () => client.send("2probe"));
  client.once("message", () => client.send("5"));
  const [code, text] = await next<[number, Buffer]>(client, "close");
  assert.deepEqual([code, String(text)], [1001, "shutdown"]);
  assert.equal((await gone)[0], "server shutting down");
  assert.equal(await gateway.metric("sluice_connections_closed_total", { reason: "shutdown" }), 1);
});

test("a client of protocol 3 that pings in time survives having been slow", async (t) => {
  // Seen: "ping timeout" an instant after the pressure, of a client that pings every 3 s. The time it
  // was given was that of protocol 4, whose clients only answer.
  const gateway = await testGateway(t, {
    socket: {
      allowEio3: true,
      ...{ bufferBytesMax: 64 * 1_048_576, stallMsMax: 1000 },
      ...{ pingIntervalMs: 2000, pingTimeoutMs: 200 },
    },
  });
  const proxy = await slowProxy(t, gateway.port);
  const arrived = next<[ServerSocket]>(gateway.io, "connection");
  const url = `${proxy.url.replace("http", "ws")}/socket.io/?EIO=3&transport=websocket`;
  const client = new WebSocket(url);
  t.after(() => client.terminate());
  const [socket] = await arrived;
  const connection = connectionOf(socket);
  proxy.pause();
  while (socket.conn.transport.writable) socket.emit("n", CHUNK);
  proxy.resume();
  await until(() => socket.conn.transport.writable, "the drain");
  // Its next ping comes an interval later; protocol 4 would have given up after a fifth of that.
  const pings = setInterval(() => client.send("2"), 2000);
  t.after(() => clearInterval(pings));
  await next(connection, "heartbeat");
  assert.equal(connection.readyState, "open");
});

test("what conn.send and conn.write make wait is held and bounded, of whatever type it is", async (t) => {
  // Seen: 46 MB waited for a client that did not read, with a limit of 1 MiB, and a Uint8Array threw.
  // `send` was engine.io's own, which counts nothing; `write` took all but a Buffer for a packet.
  const { proxy, socket } = await slowClient(t, { bufferBytesMax: 1_048_576 });
  const connection = connectionOf(socket);
  proxy.pause();
  await press(socket);
  const before = connection.heldBytes;
  connection.send(new Uint8Array(2000).subarray(0, 1000));
  connection.write(new ArrayBuffer(1000));
  connection.send("x".repeat(1000));
  assert.equal(connection.heldBytes - before, 3000);
  const gone = next<[string, Error]>(socket, "disconnect");
  for (let sent = 0; sent < 40; sent++) connection.send(CHUNK);
  assert.match((await gone)[1].message, /more than socket.bufferBytesMax/);
});

test("conn.send and conn.write take what engine.io takes", async (t) => {
  // Seen: a callback in the place of the options was never called, and a number threw a TypeError of
  // Buffer's. Both were engine.io's own before what they send was counted.
  const gateway = await testGateway(t);
  const { socket, poll } = await openPolling(gateway);
  const connection = connectionOf(socket);
  await poll(); // the CONNECT's answer
  const done: string[] = [];
  connection.send("a", () => done.push("a"));
  connection.write("b", { compress: false }, () => done.push("b"));
  for (const odd of [5, 0, null, undefined, true]) connection.send(odd);
  const sent = await poll();
  assert.deepEqual(sent.split("\x1e"), ["4a", "4b", "45", "4", "4", "4", "4true"]);
  await until(() => done.length === 2, "both callbacks");
  assert.deepEqual(done, ["a", "b"]);
});

test("the most that one connection holds counts those that wait for a poll", async (t) => {
  // Seen: a maximum of 0 beside a sum of 100,000. Only connections under pressure were asked, and
  // long-polling ones never are.
  const gateway = await testGateway(t);
  const { socket, poll } = await openPolling(gateway);
  const held = () => gateway.metric("sluice_send_buffer_bytes");
  const most = () => gateway.metric("sluice_send_buffer_max_bytes");
  socket.emit("n", "x".repeat(100_000));
  const bytes = await held();
  assert.ok(bytes > 100_000);
  await until(async () => (await most()) === bytes, "the maximum");
  await poll();
  await until(async () => (await most()) === 0, "an end of it");
});

test("however often a client of protocol 3 pings without reading, one pong waits for it", async (t) => {
  // Seen: 800 MB of them after 8 million pings. Each was queued, and none counted as held.
  const gateway = await testGateway(t, {
    socket: { allowEio3: true, bufferBytesMax: 64 * 1_048_576, stallMsMax: 60_000 },
  });
  const proxy = await slowProxy(t, gateway.port);
  const arrived = next<[ServerSocket]>(gateway.io, "connection");
  const url = `${proxy.url.replace("http", "ws")}/socket.io/?EIO=3&transport=websocket`;
  const client = new WebSocket(url);
  t.after(() => client.terminate());
  await next(client, "open");
  const [socket] = await arrived;
  const connection = connectionOf(socket);
  proxy.pause();
  await press(socket);
  let heard = 0;
  connection.on("heartbeat", () => heard++);
  for (let sent = 0; sent < 100; sent++) client.send("2");
  await until(() => heard === 100, "the pings");
  const pongs = () => connection.writeBuffer.filter(({ type }) => type === "pong").length;
  assert.equal(pongs(), 1);
  proxy.resume();
  await until(() => connection.writeBuffer.length === 0, "the drain");
  const answers: string[] = [];
  client.on("message", (data) => answers.push(String(data)));
  client.send("2");
  await until(() => answers.includes("3"), "the next answer");
});

for (const eio of [3, 4] as const) {
  test(`a client of protocol ${eio} that is gone once it has upgraded is found out`, async (t) => {
    // Seen: connections that stayed for good. An upgrade ends the wait for the pong of a ping that
    // went out before it, and only a pong brings the next ping; protocol 3 lost its clock as well.
    const heartbeat = { pingIntervalMs: 200, pingTimeoutMs: 3000, allowEio3: true };
    const gateway = await testGateway(t, { socket: heartbeat });
    const arrived = next<[ServerSocket]>(gateway.io, "connection");
    const url = `${gateway.url}/socket.io/?EIO=${eio}&transport=polling`;
    const open = await (await fetch(url)).text();
    const [, sid] = open.match(/"sid":"([^"]+)"/) ?? [];
    if (eio === 4) await fetch(`${url}&sid=${sid}`, { method: "POST", body: "40" });
    const gone = next<[string]>((await arrived)[0], "disconnect");
    // One poll brings the CONNECT's answer, of protocol 4 another one the ping.
    for (let poll = 2; poll < eio; poll++) await (await fetch(`${url}&sid=${sid}`)).text();
    const path = url.replace("http", "ws").replace("polling", "websocket");
    const client = new WebSocket(`${path}&sid=${sid}`);
    t.after(() => client.terminate());
    client.on("open", () => client.send("2probe"));
    client.once("message", () => client.send("5"));
    assert.equal((await gone)[0], "ping timeout");
    assert.equal(await gateway.metric("sluice_connections_upgraded_total"), 1);
  });
}
