/** Connections that are not read from for a while: TCP holds a WebSocket's client back. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket } from "socket.io-client";
import { connectionOf } from "../../src/seam/socket-io.ts";
import { createCertificates } from "../harness/certificates.ts";
import { type ClientOptions, type TestGateway, testGateway } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";

const PART = Buffer.alloc(65_536);
const PARTS = 200;
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

/** Connects a client, and notes what the gateway hears of it. */
async function talker(gateway: TestGateway, options: ClientOptions = {}) {
  const { client, socket } = await gateway.joined(options);
  const heard: number[] = [];
  socket.on("n", (n: number) => heard.push(n));
  const pause = () => connectionOf(socket).pauseReading();
  return { client, socket, heard, pause };
}

const pauses = async (gateway: TestGateway) => [
  await gateway.metric("sluice_paused_connections"),
  await gateway.metric("sluice_pauses_total"),
];

/** Waits until the kernel's buffers are full, and what a client sends waits there. */
async function waits(client: Socket): Promise<void> {
  const { transport } = client.io.engine as unknown as {
    transport: { ws: { bufferedAmount: number } };
  };
  await until(() => transport.ws.bufferedAmount > PART.length, "that the client waits");
}

async function holdsBack(gateway: TestGateway, options: ClientOptions): Promise<void> {
  const { client, heard, pause, socket } = await talker(gateway, options);
  const goOn = pause();
  const alsoOn = pause();
  for (const n of upTo(PARTS)) client.emit("n", n, PART);
  await waits(client);
  for (const n of upTo(3)) {
    const echo = next(client, "echo");
    socket.emit("echo", n);
    await echo;
  }
  assert.deepEqual(heard, []);
  assert.deepEqual(await pauses(gateway), [1, 1]);
  goOn();
  goOn();
  assert.deepEqual(await pauses(gateway), [1, 1], "somebody else has it wait, too");
  alsoOn();
  await until(() => heard.length === PARTS, "all of it");
  assert.deepEqual(heard, upTo(PARTS));
  assert.deepEqual(await pauses(gateway), [0, 1]);
}

for (const codec of ["json", "msgpack"] as const) {
  test(`a ${codec} client over WebSocket is held back by TCP, and goes on where it was`, async (t) => {
    await holdsBack(await testGateway(t), { codec });
  });
}

test("so is one over TLS", async (t) => {
  const tls = createCertificates(t).make("localhost", ["127.0.0.1"]);
  await holdsBack(await testGateway(t, { socket: { tls } }), { rejectUnauthorized: false });
});

test("what a send that blocks lets in is handed on, and reading stops again", async (t) => {
  const gateway = await testGateway(t, { socket: { bufferBytesMax: 67_108_864 } });
  const { client, socket, heard, pause } = await talker(gateway);
  const goOn = pause();
  for (const n of upTo(PARTS)) client.emit("n", n, PART);
  const stream = (client.io.engine as unknown as { transport: { ws: { _socket: Stream } } })
    .transport.ws._socket;
  stream.pause();
  // More than the kernel takes.
  for (let n = 0; n < PARTS; n++) socket.emit("down", PART);
  const pressured = () => gateway.metric("sluice_pressured_connections");
  await until(async () => (await pressured()) === 1, "the pressure");
  stream.resume();
  await until(async () => (await pressured()) === 0, "its end");
  for (const n of upTo(PARTS)) client.emit("n", n + PARTS, PART);
  await waits(client);
  assert.ok(heard.length < 2 * PARTS, `${heard.length} were read`);
  goOn();
  await until(() => heard.length === 2 * PARTS, "all of it");
  assert.deepEqual(heard, upTo(2 * PARTS));
});

interface Stream {
  pause(): void;
  resume(): void;
}

test("a long-polling client gets the response to its payload later, and sends no other before", async (t) => {
  for (const codec of ["json", "msgpack"] as const) {
    const gateway = await testGateway(t);
    const { client, heard, pause } = await talker(gateway, { codec, transports: ["polling"] });
    const goOn = pause();
    client.emit("n", 0);
    await until(() => heard.length === 1, "the first payload");
    for (const n of upTo(50)) client.emit("n", n + 1);
    const echo = next(client, "echo");
    gateway.io.emit("echo");
    await echo;
    assert.deepEqual(heard, [0]);
    goOn();
    await until(() => heard.length === 51, "the rest");
    assert.deepEqual(heard, upTo(51));
  }
});

for (const transport of ["websocket", "polling"] as const) {
  test(`over ${transport}, neither side takes the other for dead in a pause of many heartbeats`, async (t) => {
    const heartbeats = { pingIntervalMs: 150, pingTimeoutMs: 300 };
    const gateway = await testGateway(t, { socket: heartbeats });
    const { client, heard, pause } = await talker(gateway, { transports: [transport] });
    const goOn = pause();
    client.emit("n", 0);
    let pings = 0;
    client.io.engine.on("ping", () => pings++);
    await until(() => pings >= 8, "many pings");
    assert.equal(client.connected, true);
    goOn();
    await until(() => heard.length === 1, "the event");
    pings = 0;
    await until(() => pings >= 3, "pings as before");
    assert.equal(client.connected, true);
    assert.equal(await gateway.metric("sluice_connections_closed_total"), 0);
  });
}

test("who leaves in a pause is heard to the end, and leaves after it", async (t) => {
  const gateway = await testGateway(t);
  const { client, socket, heard, pause } = await talker(gateway);
  const goOn = pause();
  for (const n of upTo(20)) client.emit("n", n);
  client.disconnect();
  const gone = next<[string]>(socket, "disconnect");
  await until(() => !client.connected, "the client's end");
  goOn();
  assert.equal((await gone)[0], "client namespace disconnect");
  assert.deepEqual(heard, upTo(20));
  assert.deepEqual(await pauses(gateway), [0, 1]);
});

for (const transport of ["websocket", "polling"] as const) {
  test(`over ${transport}, a close by the server and a stop end a pause`, async (t) => {
    const gateway = await testGateway(t);
    for (const end of [
      (one: { socket: { disconnect(close: boolean): void } }) => one.socket.disconnect(true),
      () => gateway.stop(),
    ]) {
      const one = await talker(gateway, { transports: [transport] });
      one.pause();
      one.client.emit("n", 0);
      const gone = next(one.client, "disconnect");
      await end(one);
      await gone;
      await until(() => gateway.io.engine.clientsCount === 0, "the connection's end");
    }
  });
}

test("a client that upgrades in a pause is paused there, too, and loses nothing", async (t: TestContext) => {
  const gateway = await testGateway(t);
  const arrived = next<[Parameters<typeof connectionOf>[0]]>(gateway.io, "connection");
  const client = gateway.client({ transports: ["polling", "websocket"] });
  client.connect();
  const [socket] = await arrived;
  const heard: number[] = [];
  (socket as never as { on(event: string, listen: (n: number) => void): void }).on("n", (n) =>
    heard.push(n),
  );
  const goOn = connectionOf(socket).pauseReading();
  for (const n of upTo(30)) client.emit("n", n);
  await until(() => connectionOf(socket).transport.name === "websocket", "the upgrade");
  for (const n of upTo(30)) client.emit("n", n + 30);
  goOn();
  await until(() => heard.length === 60, "all of it");
  assert.deepEqual(heard, upTo(60));
});
