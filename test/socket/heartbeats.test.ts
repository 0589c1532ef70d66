import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { testGateway } from "../harness/gateway.ts";
import { next } from "../harness/wait.ts";

// Seen: "ping timeout" of clients that had answered, because timers run before anything is read.
test("a pong that came while the event loop was blocked counts, however late it is read", async (t) => {
  const heartbeat = { pingIntervalMs: 200, pingTimeoutMs: 300 };
  const gateway = await testGateway(t, { socket: heartbeat });
  const client = new WebSocket(
    `${gateway.url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`,
  );
  t.after(() => client.terminate());
  let pings = 0;
  client.on("message", (data) => {
    if (String(data)[0] === "0") client.send("40");
    if (String(data) !== "2") return;
    client.send("3");
    // Client and server share this process: the pong is sent, but not read yet.
    if (++pings === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
    else client.emit("second");
  });
  const closed = next(client, "close").then(() => "closed");
  assert.notEqual(await Promise.race([next(client, "second"), closed]), "closed");
  assert.equal(await gateway.metric("sluice_connections_closed_total"), 0);
});

test("heartbeats are the same to clients, listeners and metrics, whoever listens to packets", async (t) => {
  const gateway = await testGateway(t, { socket: { pingIntervalMs: 100, pingTimeoutMs: 5000 } });
  const { socket } = await gateway.joined({ transports: ["websocket"] });
  const { conn } = socket;
  const count = async () => ({
    pings: await gateway.metric("sluice_packets_sent_total", { type: "ping" }),
    pongs: await gateway.metric("sluice_packets_received_total", { type: "pong" }),
    bytes: await gateway.metric("sluice_received_bytes_total"),
  });
  const begun = await count();
  for (let heard = 0; heard < 2; heard++) await next(conn, "heartbeat");
  const unheard = await count();
  // Each listener alone has packets take their longer path, in the middle of the stream.
  for (const [emitter, event, type] of [
    [conn, "packetCreate", "ping"],
    [conn, "packet", "pong"],
    [conn.transport, "packet", "pong"],
  ] as const) {
    const [packet] = await next<[{ type: string }]>(emitter as EventEmitter, event);
    assert.equal(packet.type, type);
  }
  for (const event of ["flush", "drain"]) await next(conn, event);
  await next(conn, "heartbeat");
  const heard = await count();
  for (const kind of ["pings", "pongs"] as const) {
    assert.ok(unheard[kind] - begun[kind] >= 2, `${kind} without listeners`);
    assert.ok(heard[kind] - unheard[kind] >= 3, `${kind} with listeners`);
  }
  assert.equal(heard.bytes, begun.bytes, "neither carries any data");
  assert.equal(conn.readyState, "open");
});
