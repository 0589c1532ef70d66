/** Several servers in one process: gateways, attached servers and stock ones leave each other alone. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type TestContext, test } from "node:test";
import { Server, type Socket as ServerSocket } from "socket.io";
import type { Socket } from "socket.io-client";
import { attach } from "../../src/gateway/attach.ts";
import { listen } from "../../src/host/listen.ts";
import { loadNative } from "../../src/host/native.ts";
import { newClient, testGateway } from "../harness/gateway.ts";
import { slowProxy } from "../harness/slow-proxy.ts";
import { startStock } from "../harness/stock.ts";
import { next, until } from "../harness/wait.ts";

interface Party {
  readonly io: Server;
  readonly url: string;
}

async function attachedServer(t: TestContext) {
  const { uws } = loadNative();
  const io = new Server();
  const app = uws.App();
  const attached = attach(io, app, { socket: { bufferBytesMax: 1_048_576 } });
  const door = await listen(app, { host: "127.0.0.1", port: 0 });
  t.after(async () => {
    door.close();
    await io.close();
    attached.detach();
  });
  return { io, attached, url: `http://127.0.0.1:${door.port}` };
}

/** Joins two clients to a room and lets one of their sockets speak to it. */
async function exchange(t: TestContext, party: Party, codec: "msgpack" | "json") {
  const clients: Socket[] = [];
  for (let at = 0; at < 3; at++) {
    const arrived = next<[{ join(room: string): void }]>(party.io, "connection");
    const client = newClient(party.url, { codec });
    t.after(() => client.disconnect());
    await next(client.connect(), "connect");
    (await arrived)[0].join("room");
    clients.push(client);
  }
  const heard: unknown[] = [];
  for (const client of clients) client.on("said", (text) => heard.push(text));
  const [speaker] = party.io.of("/").sockets.values();
  speaker?.to("room").emit("said", party.url);
  party.io.to("room").emit("said", "all");
  await until(() => heard.length >= 5, "both broadcasts");
  assert.deepEqual(heard.sort(), [party.url, party.url, "all", "all", "all"].sort());
}

test("two gateways, an attached server and a stock one keep to themselves", async (t) => {
  const parties: [Party, "msgpack" | "json"][] = [
    [await testGateway(t), "msgpack"],
    [await startStock(t), "json"],
    [await testGateway(t), "json"],
    [await attachedServer(t), "msgpack"],
  ];
  await Promise.all(parties.map(([party, codec]) => exchange(t, party, codec)));
});

test("one gateway stops, and the other servers go on", async (t) => {
  const gone = await testGateway(t);
  const other = await testGateway(t);
  const stock = await startStock(t);
  await exchange(t, gone, "msgpack");
  await gone.stop();
  await exchange(t, other, "msgpack");
  await exchange(t, stock, "json");
});

test("a stock server closes, and the gateways go on natively", async (t) => {
  const stock = await startStock(t);
  const gateway = await testGateway(t);
  await stock.io.close();
  await exchange(t, gateway, "msgpack");
  assert.equal(await gateway.metric("sluice_deliveries_total"), 5);
});

test("attach serves an existing server with one line changed, and says what it counted", async (t) => {
  const party = await attachedServer(t);
  await exchange(t, party, "msgpack");
  const { socket, fanout, codec } = party.attached.samples();
  assert.equal(socket.opened.websocket, 3);
  assert.equal(fanout.deliveries, 5);
  // Two broadcasts and three CONNECT answers, each encoded once.
  assert.equal(codec.encoded.msgpack, 5);
});

test("detach gives a server its own parser and delivery back", async (t) => {
  const { uws } = loadNative();
  const http = createServer();
  const io = new Server();
  const attached = attach(io, uws.App());
  attached.detach();
  io.attach(http);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  t.after(() => io.close());
  const url = `http://127.0.0.1:${(http.address() as { port: number }).port}`;
  await exchange(t, { io, url }, "json");
});

test("a second attach to a server or a path is an error, and the first goes on", async (t) => {
  // Seen: the process was aborted. uWebSockets.js bears no second handlers for a path; and a server
  // attached twice was told so only after its first engine and parser were gone.
  const { uws } = loadNative();
  const io = new Server();
  const app = uws.App();
  const attached = attach(io, app);
  const door = await listen(app, { host: "127.0.0.1", port: 0 });
  t.after(async () => {
    door.close();
    await io.close();
    attached.detach();
  });
  const { engine } = io;
  assert.throws(() => attach(io, uws.App()), /already attached/);
  const other = new Server();
  assert.throws(() => attach(other, app), /\/socket.io of this uWebSockets.js app is taken/);
  assert.equal(io.engine, engine);
  await exchange(t, { io, url: `http://127.0.0.1:${door.port}` }, "msgpack");
  attach(other, uws.App()).detach(); // the failure has left nothing behind
  const elsewhere = new Server({ path: "/other" });
  attach(elsewhere, app).detach();
});

test("after detach newcomers are sent away, and who was about to be closed still is", async (t) => {
  // Seen: they got a session of an engine that nobody listened to, and hung. And a connection that
  // held too much at that moment stayed open, and was never sent anything again.
  const { io, attached, url } = await attachedServer(t);
  const proxy = await slowProxy(t, Number(new URL(url).port));
  const arrived = next<[ServerSocket]>(io, "connection");
  const client = newClient(proxy.url);
  t.after(() => client.disconnect());
  await next(client.connect(), "connect");
  const [socket] = await arrived;
  const gone = next<[string, Error]>(socket, "disconnect");
  proxy.pause();
  for (let sent = 0; socket.conn.transport.writable; sent++) {
    socket.emit("n", Buffer.alloc(65_536));
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (sent > 2000) throw new Error("128 MiB did not put a stopped reader under pressure");
  }
  for (let sent = 0; sent < 40; sent++) socket.emit("n", Buffer.alloc(65_536));
  attached.detach();
  assert.match((await gone)[1].message, /slow consumer/);
  const late = await fetch(`${url}/socket.io/?EIO=4&transport=polling`);
  assert.equal(late.status, 503);
});
