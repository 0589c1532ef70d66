import assert from "node:assert/strict";
import { test } from "node:test";
import { Server, type Socket as ServerSocket } from "socket.io";
import { Adapter } from "socket.io-adapter";
import { readSettings } from "../../src/core/settings.ts";
import { createRecovery } from "../../src/fanout/recovery.ts";
import { sizeOfSession } from "../../src/fanout/recovery-size.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";

/** A client of a namespace that has an offset, and whose connection is then cut. */
async function lost(gateway: TestGateway, namespace = "/", change = (_: ServerSocket) => {}) {
  const { client, socket } = await gateway.joined({ namespace, reconnection: false });
  const first = next(client, "first");
  socket.nsp.emit("first");
  await first;
  change(socket);
  const gone = next(socket, "disconnect");
  client.io.engine.close();
  await gone;
  return client;
}

async function returns(client: Awaited<ReturnType<typeof lost>>): Promise<boolean> {
  await next(client.connect(), "connect");
  return client.recovered;
}

test("a session as large as it may be is kept, a larger one is counted and not recovered", async (t) => {
  const gateway = await testGateway(t, { recovery: { windowMs: 60_000, sessionBytesMax: 4096 } });
  const holding = (length: number) => (socket: ServerSocket) => {
    socket.data = { text: "x".repeat(length) };
  };
  const rooms = ["x".repeat(20)];
  const rest = sizeOfSession({ rooms, data: { text: "" } }, 4096);
  const fits = await lost(gateway, "/", holding(4096 - rest));
  const large = await lost(gateway, "/", holding(4096 - rest + 1));
  assert.equal(await gateway.metric("sluice_recovery_dropped_sessions_total"), 1);
  assert.deepEqual([await returns(fits), await returns(large)], [true, false]);
});

test("data with a cycle, a bigint or the application's own objects is recovered from memory", async (t) => {
  const gateway = await testGateway(t, { recovery: { windowMs: 60_000 } });
  const client = await lost(gateway, "/", (socket) => {
    const data = { count: 1n, seen: new Map([["a", new Set([1])]]), socket };
    socket.data = Object.assign(data, { self: data });
  });
  assert.equal(await returns(client), true);
});

// Seen: 200 packets of 100 KB in one namespace cost another all of its own 500 small ones. The old
// code took from the namespace with the most packets when there were too many bytes.
test("a namespace of large packets costs one of small packets nothing", async (t) => {
  const gateway = await testGateway(t, { recovery: { windowMs: 60_000, bytesMax: 1_000_000 } });
  gateway.io.of("/loud");
  const client = await lost(gateway);
  const seen: unknown[] = [];
  client.on("n", (n) => seen.push(n));
  for (let n = 0; n < 500; n++) gateway.io.emit("n", n);
  for (let n = 0; n < 100; n++) gateway.io.of("/loud").emit("n", "x".repeat(100_000));
  assert.ok((await gateway.metric("sluice_recovery_bytes")) <= 1_000_000);
  assert.equal(await returns(client), true);
  await until(() => seen.length === 500, "all it missed");
});

// Seen, by reading: at sessionsMax the namespace that lost the next client paid with its own oldest
// session, though another held all the others.
test("a namespace of many lost sessions costs one of few nothing", async (t) => {
  const gateway = await testGateway(t, { recovery: { windowMs: 60_000, sessionsMax: 3 } });
  gateway.io.of("/loud");
  for (let n = 0; n < 3; n++) await lost(gateway, "/loud");
  const quiet = await lost(gateway);
  assert.equal(await gateway.metric("sluice_recovery_sessions"), 3);
  assert.equal(await returns(quiet), true);
});

test("packets with many recipients' names are kept with their bytes", async (t) => {
  const gateway = await testGateway(t, { recovery: { windowMs: 60_000, bytesMax: 65_536 } });
  const names = Array.from({ length: 1000 }, (_, i) => `${i}`);
  for (let n = 0; n < 10; n++) gateway.io.except(names).emit("n", n);
  assert.ok((await gateway.metric("sluice_recovery_packets")) <= 1);
});

// Seen: a `pid` of any length was sent to Redis as a part of a key. The old code looked at nothing.
test("secrets and offsets that no server has written go nowhere", async (t) => {
  const asked: string[][] = [];
  class AskedAdapter extends Adapter {
    override restoreSession(...given: [string, string]): never {
      asked.push(given);
      return null as never; // none is found: the declaration knows no such answer
    }
  }
  const recovery = createRecovery(readSettings({ recovery: { windowMs: 60_000 } }).recovery);
  t.after(() => recovery.stop());
  const { adapter } = new Server({ adapter: AskedAdapter }).of("/");
  recovery.watch(adapter);
  const good: [string, string] = ["x".repeat(128), "0-1.2-3.abc:d"];
  for (const bad of ["", "x".repeat(129), "a,b", "a b", "a\n", "é"]) {
    for (const pair of [
      [bad, good[1]],
      [good[0], bad],
    ] as const) {
      assert.equal(await adapter.restoreSession(...pair), null);
    }
  }
  assert.equal(await adapter.restoreSession(...good), null);
  assert.deepEqual(
    asked.map(([pid, offset]) => [pid, offset]),
    [good],
  );
  assert.equal(recovery.samples().refused, 13);
});

// Seen: what the application emitted in a namespace that had been taken away was kept for good, and at
// recovery.packetsMax the process hung. The old code looked for room where nothing was kept any more.
test("in a namespace that was taken away nothing is kept for anybody", async (t) => {
  const gateway = await testGateway(t, {
    limits: { dynamicNamespacesMax: 2 },
    recovery: { windowMs: 60_000, packetsMax: 10 },
  });
  const arrived = next<[ServerSocket]>(gateway.io.of(/^\/tenant-/), "connection");
  const client = await gateway.connected({ namespace: "/tenant-1" });
  const [{ nsp }] = await arrived;
  client.disconnect();
  await until(() => nsp.sockets.size === 0, "it is empty");
  await gateway.connected({ namespace: "/tenant-2" });
  assert.equal(gateway.io._nsps.has("/tenant-1"), false);
  const kept = () => gateway.metric("sluice_recovery_packets");
  for (let n = 0; n < 10; n++) nsp.emit("tick", n);
  assert.equal(await kept(), 0);
  for (let n = 0; n < 10; n++) nsp.emit("tick", n);
  gateway.io.emit("tick", 0);
  assert.equal(await kept(), 1);
});
