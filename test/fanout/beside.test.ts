import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Server } from "socket.io";
import { Adapter } from "socket.io-adapter";
import type { Socket as Client } from "socket.io-client";
import { createFanout } from "../../src/fanout/fanout.ts";
import { listen } from "../../src/host/listen.ts";
import { loadNative } from "../../src/host/native.ts";
import { newClient } from "../harness/gateway.ts";
import { startStock } from "../harness/stock.ts";
import { next, until } from "../harness/wait.ts";
import { startRig } from "./rig.ts";

interface Side {
  readonly io: Server;
  readonly got: unknown[][];
}

/** Two clients of a server, of which the first is in room r. */
async function join(t: TestContext, io: Server, url: string, codec: "json" | "msgpack") {
  const got: unknown[][] = [];
  for (const room of ["r", "s"]) {
    const connected = next<[{ join(room: string): void }]>(io as never, "connection");
    const client: Client = newClient(url, { codec });
    t.after(() => void client.disconnect());
    const inbox: unknown[] = [];
    got.push(inbox);
    client.on("m", (n) => inbox.push(n)).connect();
    const [socket] = await connected;
    socket.join(room);
    await until(() => client.connected, "the client knows");
  }
  return { io, got } satisfies Side;
}

async function startStockNative(t: TestContext) {
  const io = new Server({ serveClient: false });
  const app = loadNative().uws.App();
  io.attachApp(app);
  const listening = await listen(app, { host: "127.0.0.1", port: 0 });
  const close = async () => {
    await io.close();
    listening.close();
  };
  t.after(close);
  return { io, url: `http://127.0.0.1:${listening.port}`, close };
}

let last = 0;

/** Broadcasts every simple shape on each side, and checks that each side gets its own. */
async function exchange(...sides: Side[]): Promise<void> {
  const wanted: unknown[][][] = [];
  for (const { io, got } of sides) {
    for (const inbox of got) inbox.length = 0;
    const n = ++last;
    io.emit("m", `all ${n}`);
    io.to("r").emit("m", `room ${n}`);
    io.except("r").emit("m", `rest ${n}`);
    const first = [...io.sockets.sockets.values()].find((socket) => socket.rooms.has("r"));
    first?.broadcast.emit("m", `others ${n}`);
    wanted.push([
      [`all ${n}`, `room ${n}`],
      [`all ${n}`, `rest ${n}`, `others ${n}`],
    ]);
  }
  const count = (all: unknown[][]) => all.flat().length;
  await until(() => sides.every(({ got }) => count(got) >= 5), "five messages a side");
  assert.deepEqual(
    sides.map(({ got }) => got),
    wanted,
  );
}

test("two gateways and a stock server on Node's http keep to themselves", async (t) => {
  const [one, two, http] = [await startRig(t), await startRig(t), await startStock(t)];
  const sides = [
    await join(t, one.io, one.url, "msgpack"),
    await join(t, two.io, two.url, "json"),
    await join(t, http.io, http.url, "json"),
  ] as const;
  await exchange(...sides);
  assert.ok(one.published() > 0 && two.published() > 0, "both gateways publish");
  await http.io.close(); // Socket.IO puts the adapter's methods back when any server closes
  const before = one.published();
  await exchange(sides[0], sides[1]);
  assert.equal(one.published() - before, 5, "still by topics");
  one.attached.detach();
  await exchange(sides[1]);
});

test("a stock server on uWebSockets.js beside a gateway changes neither", async (t) => {
  const gateway = await startRig(t);
  const native = await startStockNative(t);
  const ours = await join(t, gateway.io, gateway.url, "msgpack");
  const theirs = await join(t, native.io, native.url, "json");
  await exchange(ours, theirs);
  assert.equal(gateway.published(), 5);
  await native.close();
  await exchange(ours);
  assert.equal(gateway.published(), 10);
});

test("an adapter's methods replaced by others are replaced for them only, and given back", () => {
  const names = ["addAll", "del", "delAll", "broadcast", "broadcastWithAck"];
  const read = () => names.map((name) => Object.getOwnPropertyDescriptor(Adapter.prototype, name));
  const before = read();
  const topics = { publish() {}, afterwards() {} };
  const fanout = createFanout({ bufferBytesMax: 1, acksPendingMax: 1, unionMembersMax: 0 }, topics);
  const io = new Server();
  const other = new Adapter({ name: "/", server: {}, sockets: new Map() });
  fanout.register(io);
  const theirs = () => {};
  const pristine = Adapter.prototype.broadcast;
  assert.equal(pristine, before[3]?.value, "others read what was there");
  Adapter.prototype.broadcast = theirs;
  assert.equal(Adapter.prototype.broadcast, theirs);
  assert.notEqual(io.sockets.adapter.broadcast, theirs);
  io.emit("m");
  assert.equal(fanout.samples().broadcasts.namespace, 1, "ours is still ours");
  Adapter.prototype.broadcast = pristine;
  const own = () => {};
  other.broadcast = own;
  assert.equal(other.broadcast, own);
  assert.notEqual(io.sockets.adapter.broadcast, own);
  fanout.detach();
  assert.deepEqual(read(), before);
});

test("a server is attached once, and only with the Socket.IO this is made for", (t) => {
  const topics = { publish() {}, afterwards() {} };
  const create = () =>
    createFanout({ bufferBytesMax: 1, acksPendingMax: 1, unionMembersMax: 0 }, topics);
  const io = new Server();
  const fanout = create();
  t.after(() => fanout.detach());
  fanout.register(io);
  assert.throws(() => create().register(io), /already attached/);
  const older = new Server();
  delete (older.sockets as { _ids?: number })._ids;
  assert.throws(() => create().register(older), /socket\.io 4\.8\.4 .*lacks Namespace\._ids/);
});
