import assert from "node:assert/strict";
import { test } from "node:test";
import { Adapter } from "socket.io-adapter";
import { newClient } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";
import { connectAll, openRaw } from "./company.ts";
import { startRig } from "./rig.ts";

const WS = { codec: "msgpack", way: "websocket" } as const;
const JSON_WS = { codec: "json", way: "websocket" } as const;

test("a kicked client that enters again is in the rooms of its new socket only", async (t) => {
  const rig = await startRig(t);
  const { clients, sockets, inboxes } = await connectAll(rig, [WS, JSON_WS]);
  const [kicked] = sockets;
  kicked?.join("r");
  rig.io.to("r").emit("m", 1);
  kicked?.disconnect();
  rig.io.to("r").emit("m", 2);
  rig.io.emit("m", 3);
  const back = next<[{ conn: unknown }]>(rig.io as never, "connection");
  clients[0]?.send({ type: 0, nsp: "/", data: {} });
  const [socket] = await back;
  assert.equal(socket.conn, kicked?.conn, "it is the same connection");
  rig.io.to("r").emit("m", 4);
  rig.io.emit("m", 5);
  await until(() => inboxes.every((inbox) => inbox.flat().includes(5)), "the last message");
  assert.deepEqual(inboxes, [
    [[1], [5]],
    [[3], [5]],
  ]);
});

test("what `disconnecting` broadcasts reaches the others, and leaving in it does no harm", async (t) => {
  const rig = await startRig(t);
  const { clients, sockets, inboxes, settled } = await connectAll(rig, [WS, WS, JSON_WS]);
  for (const socket of sockets) {
    socket.join(["r", "s"]);
    socket.on("disconnecting", () => {
      for (const room of [...socket.rooms]) {
        if (room !== socket.id) socket.to(room).emit("m", room);
        socket.leave(room);
      }
    });
  }
  clients[0]?.hangUp();
  await until(() => sockets[0]?.connected === false, "the client has gone");
  await settled();
  assert.deepEqual(inboxes, [[], [["r"], ["s"]], [["r"], ["s"]]]);
});

test("a recovered socket is in its namespace and rooms again", async (t) => {
  const rig = await startRig(t, {}, { connectionStateRecovery: {} });
  const client = newClient(rig.url, { reconnection: true, reconnectionDelay: 10 });
  t.after(() => void client.disconnect());
  const got: unknown[] = [];
  client.on("m", (n) => got.push(n));
  rig.io.on("connection", (socket) => !socket.recovered && socket.join("r"));
  await next(client.connect() as never, "connect");
  rig.io.emit("m", 1);
  await until(() => got.length === 1, "an offset to recover from");
  const again = next(client as never, "connect");
  client.io.engine.close();
  await until(() => rig.io.sockets.sockets.size === 0, "the cut");
  rig.io.to("r").emit("m", 2);
  await again;
  assert.equal(client.recovered, true);
  rig.io.emit("m", 3);
  rig.io.to("r").emit("m", 4);
  for (const socket of rig.io.sockets.sockets.values()) socket.emit("m", 5);
  await until(() => got.includes(5), "the last message");
  assert.deepEqual(got, [1, 2, 3, 4, 5]);
});

test("dynamic namespaces keep to themselves, whatever their names say", async (t) => {
  const rig = await startRig(t);
  const parent = rig.io.of(/^\/dyn/);
  parent.on("connection", (socket) => void socket.join("vip"));
  const names = ["/dyn", "/dyn#vip", "/dyn:m1", "/dyn/vip"];
  const got = names.map((): unknown[] => []);
  for (const [i, nsp] of names.entries()) {
    const client = await openRaw(rig.port, i % 2 ? JSON_WS : WS);
    const connected = next(parent as never, "connection");
    client.seen = ({ type, data }) => type === 2 && got[i]?.push((data as unknown[])[1]);
    client.send({ type: 0, nsp, data: {} });
    await connected;
  }
  names.forEach((name, i) => void rig.io.of(name).to("vip").emit("m", i));
  parent.emit("m", "all");
  await until(() => got.every((inbox) => inbox.includes("all")), "the last message");
  assert.deepEqual(got, [
    [0, "all"],
    [1, "all"],
    [2, "all"],
    [3, "all"],
  ]);
});

test("an adapter set later has the sockets that come later, and keeps none of the others", async (t) => {
  // Seen: everyone was subscribed a second time, got what Socket.IO sends to newcomers only, and
  // was counted for ever, since only the adapter a socket began with hears that it has left.
  const rig = await startRig(t);
  const before = await connectAll(rig, [WS, JSON_WS]);
  rig.io.adapter(class extends Adapter {});
  const after = await connectAll(rig, [JSON_WS]);
  rig.io.emit("m", 1);
  before.sockets[0]?.broadcast.emit("m", 2);
  await before.settled();
  await after.settled();
  assert.deepEqual([...before.inboxes, ...after.inboxes], [[], [[2]], [[1]]]);
  const { fanout } = rig.attached.samples();
  assert.equal(fanout.deliveries, 2);
  for (const { conn } of [...before.sockets, ...after.sockets]) conn.close();
  await until(() => rig.io.engine.clientsCount === 0, "the connections' end");
  assert.equal(fanout.slow, 0);
});

test("everything counted is exact: deliveries, messages and bytes", async (t) => {
  const rig = await startRig(t);
  const { sockets, settled } = await connectAll(rig, [
    ...Array.from({ length: 4 }, () => WS),
    ...Array.from({ length: 3 }, () => JSON_WS),
    { codec: "json", way: "polling" },
  ]);
  await settled();
  const { fanout, socket } = rig.attached.samples();
  const read = () => [
    fanout.deliveries,
    fanout.framesOut + socket.sent.message,
    fanout.bytesOut + socket.sentBytes,
  ];
  const before = read();
  rig.io.emit("m", "ü");
  sockets[0]?.broadcast.emit("m", Buffer.from([1]));
  await until(() => read()[1] === (before[1] ?? 0) + 8 + 3 + 8, "the poll is answered");
  const text = Buffer.byteLength('2["m","ü"]');
  const header = Buffer.byteLength('51-["m",{"_placeholder":true,"num":0}]');
  const packed = (args: number) => msgpackBytes(args);
  const bytes = 4 * packed(3) + 4 * text + 3 * packed(3) + 4 * (header + 1);
  assert.deepEqual(read(), [
    (before[0] ?? 0) + 15,
    (before[1] ?? 0) + 19,
    (before[2] ?? 0) + bytes,
  ]);
  assert.equal(fanout.broadcasts.namespace, 1);
  assert.equal(fanout.broadcasts.namespace_except, 1);
  assert.equal(fanout.slow, 1);
});

/** {type,data:["m",<argument>],nsp:"/"} by the MessagePack specification, key by key. */
function msgpackBytes(argument: number): number {
  const map = 1;
  const type = 5 + 1;
  const data = 5 + 1 + 2 + argument;
  const nsp = 4 + 2;
  return map + type + data + nsp;
}

test("a broadcast that excludes most of a room is sent to the others directly when that is cheaper", async (t) => {
  const rig = await startRig(t);
  const company = await connectAll(
    rig,
    Array.from({ length: 23 }, () => WS),
  );
  const ids = company.sockets.map(({ id }) => id);
  await company.settled();
  const before = rig.published();
  const serve = (but: number) => rig.io.except(ids.slice(but)).emit("m", but);
  serve(2);
  assert.equal(rig.published(), before + 2, "21 exclusions are cheaper than 2 sends");
  serve(1);
  assert.equal(rig.published(), before + 2, "22 exclusions are not cheaper than 1 send");
  await company.settled();
  const [first, second, ...others] = company.inboxes;
  assert.deepEqual([first, second, others.flat()], [[[2], [1]], [[2]], []]);
});

test("after detach the server's own delivery serves everyone, and no topic is left", async (t) => {
  const rig = await startRig(t);
  const company = await connectAll(rig, [WS, JSON_WS]);
  company.sockets[0]?.join("r");
  rig.io.to("r").emit("m", 1);
  rig.attached.detach();
  const before = rig.published();
  rig.io.to("r").emit("m", 2);
  rig.io.emit("m", 3);
  await until(() => company.inboxes.every((inbox) => inbox.flat().includes(3)), "the last message");
  assert.deepEqual(company.inboxes, [[[1], [2], [3]], [[3]]]);
  assert.equal(rig.published(), before);
});
