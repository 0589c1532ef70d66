/** What was dropped of the log costs nobody its session who had it, or for whom it was not. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import { testGateway } from "../harness/gateway.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { next, until } from "../harness/wait.ts";

const PACKETS_MAX = 100;

/** Connects a client over a switch; what it misses can be made to be dropped. */
async function begin(t: TestContext, transports: ("websocket" | "polling")[]) {
  const gateway = await testGateway(t, {
    recovery: { windowMs: 60_000, packetsMax: PACKETS_MAX },
    socket: { pingIntervalMs: 300, pingTimeoutMs: 10_000 },
  });
  const { io } = gateway;
  const door = await tcpSwitch(t, gateway.port);
  const client = gateway.client({ transports });
  (client.io as unknown as { uri: string }).uri = door.url;
  const heard: unknown[] = [];
  client.on("n", (n) => heard.push(n));
  const come = async () => {
    const arrived = next<[ServerSocket]>(io, "connection");
    await next(client.connect(), "connect");
    return (await arrived)[0];
  };
  return {
    ...{ gateway, io, door, client, heard, come },
    emitToOthers() {
      for (let n = 0; n <= 2 * PACKETS_MAX; n++) io.to("others").emit("n", n);
    },
    async lose(socket: ServerSocket) {
      const gone = next(socket, "disconnect");
      door.flow();
      await gone;
      await until(() => client.io.engine.readyState === "closed", "its own disconnect");
    },
  };
}

/** Resolves when a ping that is sent from now on has been answered. */
async function pinged({ conn }: { readonly conn: object }): Promise<void> {
  await next(conn, "heartbeat");
  await next(conn, "heartbeat");
}

for (const transport of ["websocket", "polling"] as const) {
  for (const hears of [true, false]) {
    test(`${transport}: who ${hears ? "had an event" : "had none"}, and none while others had many, comes back`, async (t) => {
      // Seen: recovered: false, for every client that was quiet for a window on a busy node. Its last
      // offset, or its connect, was forgotten, though all that was dropped since was for others.
      const { io, client, heard, door, come, emitToOthers, lose } = await begin(t, [transport]);
      const socket = await come();
      if (hears) {
        socket.emit("n", "first");
        await until(() => heard.length === 1, "the first");
      }
      emitToOthers();
      await pinged(socket);
      door.stall();
      io.to(socket.id).emit("n", "missed");
      await lose(socket);
      await come();
      assert.equal(client.recovered, true);
      await until(() => heard.includes("missed"), "what it missed");
      assert.deepEqual(heard, hears ? ["first", "missed"] : ["missed"]);
    });
  }

  test(`${transport}: who did not get what was dropped begins anew`, async (t) => {
    const { io, client, heard, door, come, emitToOthers, lose } = await begin(t, [transport]);
    const socket = await come();
    await pinged(socket);
    door.stall();
    io.to(socket.id).emit("n", "missed");
    emitToOthers();
    await lose(socket);
    await come();
    assert.equal(client.recovered, false);
    assert.deepEqual(heard, []);
  });
}

test("a ping that is answered before a session is given back says nothing of what that missed", async (t) => {
  const { gateway, io, client, heard, door, come, emitToOthers, lose } = await begin(t, [
    "websocket",
  ]);
  let hold: (() => void) | undefined;
  io.use((socket, enter) => {
    if (socket.handshake.auth.waits) hold = enter;
    else enter();
  });
  const first = await come();
  door.stall();
  io.to(first.id).emit("n", "missed");
  await lose(first);
  client.auth = { waits: true };
  const arrived = next<[ServerSocket]>(io, "connection");
  const engine = next<[object]>(io.engine, "connection");
  client.connect();
  await until(() => hold !== undefined, "that it waits");
  emitToOthers();
  await pinged({ conn: (await engine)[0] });
  door.stall();
  hold?.();
  await lose((await arrived)[0]);
  client.auth = {};
  await come();
  assert.equal(client.recovered, false);
  assert.deepEqual(heard, []);
  assert.equal(await gateway.metric("sluice_recoveries_total", { result: "recovered" }), 1);
});
