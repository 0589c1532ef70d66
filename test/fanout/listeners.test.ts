import assert from "node:assert/strict";
import { test } from "node:test";
import { connectAll } from "./company.ts";
import { startRig } from "./rig.ts";

const THREE = [
  { codec: "msgpack", way: "websocket" },
  { codec: "json", way: "websocket" },
  { codec: "json", way: "polling" },
] as const;

test("onAnyOutgoing hears broadcasts by every way, until it is taken off", async (t) => {
  const rig = await startRig(t);
  const { sockets, settled } = await connectAll(rig, THREE);
  const heard: unknown[] = [];
  const listener = (...given: unknown[]) => void (given[0] === "m" && heard.push(given));
  for (const socket of sockets) socket.onAnyOutgoing(listener);
  rig.io.emit("m", 1, Buffer.from([9]));
  sockets[0]?.broadcast.emit("m", 2);
  rig.io.to(sockets[1]?.id ?? "").emit("m", 3);
  assert.deepEqual(
    heard.map((given) => (given as number[])[1]),
    [1, 1, 1, 2, 2, 3],
  );
  for (const socket of sockets) socket.offAnyOutgoing(listener);
  rig.io.emit("m", 4);
  assert.equal(heard.length, 6);
  await settled();
});

test("what an onAnyOutgoing listener does to the arguments reaches nobody", async (t) => {
  const rig = await startRig(t);
  const { sockets, inboxes, settled } = await connectAll(rig, THREE);
  sockets[1]?.onAnyOutgoing((_event, arg: { n: number }) => {
    if (arg?.n) arg.n = 99;
  });
  rig.io.emit("m", { n: 1 });
  await settled();
  assert.deepEqual(inboxes, [[[{ n: 1 }]], [[{ n: 1 }]], [[{ n: 1 }]]]);
});

test("a listener changes nothing about who a packet is encoded for", async (t) => {
  // Seen: what JSON alone can encode threw in a room of JSON clients once one of them had a
  // listener, since before it was called the packet was encoded for all of the namespace.
  const rig = await startRig(t);
  const { sockets, inboxes, settled } = await connectAll(rig, THREE);
  sockets[1]?.join("json");
  sockets[2]?.join("json");
  const heard: unknown[] = [];
  sockets[1]?.onAnyOutgoing((event, arg) => event === "m" && heard.push(arg));
  await settled();
  const before = rig.attached.samples().codec.encoded;
  rig.io.to("json").emit("m", [() => {}]);
  rig.io.to(["json", "none"]).emit("m", 2);
  const { json, msgpack } = rig.attached.samples().codec.encoded;
  assert.deepEqual([json - before.json, msgpack - before.msgpack], [2, 0]);
  await settled();
  assert.deepEqual(inboxes, [[], [[[null]], [2]], [[[null]], [2]]]);
  assert.equal(heard.length, 2);
});

test("packetCreate is emitted for each message of a broadcast where someone listens", async (t) => {
  const rig = await startRig(t);
  const { sockets, settled } = await connectAll(rig, THREE);
  const created: [number, unknown][] = [];
  sockets.forEach((socket, i) => {
    socket.conn.on("packetCreate", ({ type, data }) => {
      if (type === "message") created.push([i, typeof data]);
    });
  });
  rig.io.emit("m", Buffer.from([1]));
  // JSON has its attachment apart.
  assert.deepEqual(created.sort(), [
    [0, "object"],
    [1, "object"],
    [1, "string"],
    [2, "object"],
    [2, "string"],
  ]);
  for (const { conn } of sockets) conn.removeAllListeners("packetCreate");
  rig.io.emit("m", 2);
  assert.equal(created.length, 5);
  await settled();
});

test("a listener that makes others leave in the middle of a broadcast is obeyed", async (t) => {
  const rig = await startRig(t);
  const { sockets, inboxes, settled } = await connectAll(rig, THREE);
  sockets[0]?.onAnyOutgoing((event) => {
    if (event !== "m") return;
    sockets[1]?.disconnect();
    sockets[2]?.leave("r");
  });
  for (const socket of sockets) socket.join("r");
  rig.io.to("r").emit("m", 1);
  await settled();
  assert.deepEqual(inboxes, [[[1]], [], []]);
});

test("a join-room listener that broadcasts reaches the one who has just joined", async (t) => {
  const rig = await startRig(t);
  const { sockets, inboxes, settled } = await connectAll(rig, THREE);
  rig.io.sockets.adapter.on("join-room", (room) => {
    if (room === "r") rig.io.to("r").emit("m", "joined");
  });
  rig.io.sockets.adapter.on("leave-room", (room) => {
    if (room === "r") rig.io.to("r").emit("m", "left");
  });
  for (const socket of sockets) socket.join(["r", "other"]);
  sockets[0]?.leave("r");
  await settled();
  assert.deepEqual(
    inboxes.map((inbox) => inbox.flat().join()),
    ["joined,joined,joined", "joined,joined,left", "joined,left"],
  );
});

test("a toJSON that makes members leave in the middle of a broadcast is obeyed", async (t) => {
  // Seen: whoever left while the packet was encoded had been planned as excluded, and was
  // subscribed to the room again for good.
  const rig = await startRig(t);
  const { sockets, inboxes, settled } = await connectAll(rig, THREE);
  for (const socket of sockets) socket.join("r");
  const [first, second] = sockets;
  const leaving = {
    toJSON() {
      second?.leave("r");
      return 1;
    },
  };
  const except = [first, second].map((socket) => socket?.id ?? "");
  const before = rig.deliveries();
  rig.io.to("r").except(except).emit("m", leaving);
  rig.io.to("r").emit("m", 2);
  await settled();
  assert.deepEqual(inboxes, [[[2]], [], [[1], [2]]]);
  assert.equal(rig.deliveries() - before, 3);
});

test("a listener that lets its socket leave and join again does not cost it the packet", async (t) => {
  // Seen: alone in its room it had emptied it, and the recipients had been read before.
  const rig = await startRig(t);
  const { sockets, inboxes, settled } = await connectAll(rig, THREE);
  for (const [i, socket] of sockets.entries()) {
    socket.join(`r${i}`);
    socket.onAnyOutgoing(() => {
      socket.leave(`r${i}`);
      socket.join(`r${i}`);
    });
    rig.io.to(`r${i}`).emit("m", i);
  }
  await settled();
  assert.deepEqual(inboxes, [[[0]], [[1]], [[2]]]);
});
