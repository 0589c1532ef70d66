import assert from "node:assert/strict";
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
