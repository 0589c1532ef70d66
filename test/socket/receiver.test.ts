/** Socket.IO is reached without listeners; those of the application must not notice. */
import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import { test } from "node:test";
import { Socket } from "socket.io";
import { testGateway, WAYS } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";

/** A connection of engine.io, with the events that its documentation names. */
interface Connection extends EventEmitter {
  readonly transport: EventEmitter;
}

for (const [way, transports] of Object.entries(WAYS)) {
  test(`listeners of a connection hear what Socket.IO hears, after it: ${way}`, async (t) => {
    const gateway = await testGateway(t);
    const told: string[] = [];
    const heard: string[] = [];
    gateway.io.engine.on("connection", (conn: Connection) => {
      conn.on("data", ({ type }: { type: number }) => told.push(`data ${type}`));
      conn.prependOnceListener("packetCreate", () => heard.push("first packetCreate"));
      conn.on("close", () => told.push("close"));
    });
    gateway.io.on("connection", (socket) => {
      socket.on("e", (ack: () => void) => {
        told.push("e");
        ack();
      });
      socket.on("disconnecting", () => told.push("disconnecting"));
      socket.on("disconnect", () => told.push("disconnect"));
    });
    const { client, socket } = await gateway.joined({ codec: "json", transports: [...transports] });
    await client.emitWithAck("e");
    // Added late: a broadcast through a topic is told to it as well.
    socket.conn.once("packetCreate", () => heard.push("once"));
    gateway.io.emit("m");
    gateway.io.emit("m");
    client.disconnect();
    await until(() => told.includes("close"), "the connection has closed");
    assert.deepEqual(heard, ["first packetCreate", "once"]);
    const ends = ["disconnecting", "disconnect", "close"];
    assert.deepEqual(told, ["data 0", "data 2", "e", "data 1", ...ends]);
  });
}

test("listeners of a WebSocket's transport hear packets, drains and its end", async (t) => {
  const gateway = await testGateway(t);
  const told: string[] = [];
  gateway.io.engine.on("connection", ({ transport }: Connection) => {
    for (const event of ["packet", "drain", "close"]) transport.on(event, () => told.push(event));
  });
  const client = await gateway.connected({ transports: ["websocket"] });
  client.disconnect();
  await until(() => told.includes("close"), "the transport has closed");
  assert.deepEqual([...new Set(told)].sort(), ["close", "drain", "packet"]);
});

test("what an application replaces on one socket stays there: sockets share methods", async (t) => {
  const gateway = await testGateway(t);
  const { socket: one } = await gateway.joined();
  const { socket: two } = await gateway.joined();
  const joined: unknown[] = [];
  const { join } = one;
  one.join = (rooms) => {
    joined.push(rooms);
    return join.call(one, rooms);
  };
  for (const socket of [one, two]) await socket.join("r");
  assert.deepEqual(joined, ["r"]);
  assert.deepEqual([...(gateway.io.of("/").adapter.rooms.get("r") ?? [])], [one.id, two.id]);
  assert.ok(one instanceof Socket && two instanceof Socket);
  assert.equal(one.constructor, Socket);
  const outgoing: unknown[] = [];
  one.onAnyOutgoing((event) => outgoing.push(event));
  gateway.io.emit("m");
  assert.deepEqual(outgoing, ["m"]);
});
