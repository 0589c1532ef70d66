/** Several servers in one process: gateways, attached servers and stock ones leave each other alone. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type TestContext, test } from "node:test";
import { Server } from "socket.io";
import type { Socket } from "socket.io-client";
import { attach } from "../../src/attach.ts";
import { listen } from "../../src/socket/listen.ts";
import { loadNative } from "../../src/socket/native.ts";
import { newClient, testGateway } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";

interface Party {
  readonly io: Server;
  readonly url: string;
}

async function stockServer(t: TestContext): Promise<Party> {
  const http = createServer();
  const io = new Server(http);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  t.after(() => io.close());
  return { io, url: `http://127.0.0.1:${(http.address() as { port: number }).port}` };
}

async function attachedServer(t: TestContext) {
  const { uws } = loadNative();
  const io = new Server();
  const app = uws.App();
  const attached = attach(io, app, { socket: { bufferBytesMax: 1_048_576 } });
  const door = await listen(app, "127.0.0.1", 0);
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
    [await stockServer(t), "json"],
    [await testGateway(t), "json"],
    [await attachedServer(t), "msgpack"],
  ];
  await Promise.all(parties.map(([party, codec]) => exchange(t, party, codec)));
});

test("one gateway stops, and the other servers go on", async (t) => {
  const gone = await testGateway(t);
  const other = await testGateway(t);
  const stock = await stockServer(t);
  await exchange(t, gone, "msgpack");
  await gone.stop();
  await exchange(t, other, "msgpack");
  await exchange(t, stock, "json");
});

test("a stock server closes, and the gateways go on natively", async (t) => {
  const stock = await stockServer(t);
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
