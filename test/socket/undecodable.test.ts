// Seen: `socket.on("error")` heard nothing of a packet that cannot be decoded, which the reference tells it.
// The old code closed the connection by itself, and asked Socket.IO for nothing but the disconnect.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import { FailureError } from "../../src/core/failures.ts";
import { testGateway, WAYS } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";

const BAD = { msgpack: Buffer.from([0xc1]), json: "9" };

for (const codec of ["msgpack", "json"] as const) {
  for (const [way, transports] of Object.entries(WAYS)) {
    test(`a packet that cannot be decoded is told to every socket: ${codec}, ${way}`, async (t) => {
      const gateway = await testGateway(t);
      const heard: unknown[][] = [];
      const watch = (socket: ServerSocket) => {
        const name = socket.nsp.name;
        socket.on("error", (error: Error) => heard.push([name, error instanceof FailureError]));
        socket.on("disconnect", (reason) => heard.push([name, reason]));
      };
      gateway.io.on("connection", watch);
      gateway.io.of("/other").on("connection", watch);
      const client = await gateway.connected({ codec, transports: [...transports] });
      const other = client.io.socket("/other");
      await next(other.connect(), "connect");
      if (way === "upgraded") {
        await until(() => client.io.engine.transport.name === "websocket", "the upgrade");
      }
      client.io.engine.write(BAD[codec]);
      await until(() => heard.length >= 4, "both are told twice");
      assert.deepEqual(heard, [
        ["/", true],
        ["/other", true],
        ["/", "parse error"],
        ["/other", "parse error"],
      ]);
      const reason = { reason: "bad_packet" };
      assert.equal(await gateway.metric("sluice_connections_closed_total", reason), 1);
      assert.equal(await gateway.metric("sluice_connections_closed_total"), 1);
    });
  }
}

test("a listener that hears of it may close, or throw: the connection ends once all the same", async (t) => {
  for (const act of [
    (socket: ServerSocket) => void socket.disconnect(true),
    (socket: ServerSocket) => void socket.disconnect(),
    () => {
      throw new Error("boom");
    },
  ]) {
    const gateway = await testGateway(t, {}, { log: () => {} });
    gateway.io.on("connection", (socket) => socket.on("error", () => act(socket)));
    const client = await gateway.connected({ codec: "json" });
    client.io.engine.write("9");
    await next(client, "disconnect");
    const count = () => gateway.metric("sluice_connections_closed_total");
    await until(async () => (await count()) === 1, "its end");
    assert.equal(gateway.io.of("/").sockets.size, 0);
    await gateway.connected();
  }
});
