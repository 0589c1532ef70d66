/** Every disconnect reason the Socket.IO documentation names, each provoked for real. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import { CLOSES, type CloseReason } from "../../src/core/closes.ts";
import type { Log } from "../../src/core/log.ts";
import type { PartialSettings } from "../../src/core/settings.ts";
import { newClient, type TestGateway, testGateway } from "../harness/gateway.ts";
import { slowProxy } from "../harness/slow-proxy.ts";
import { next, until } from "../harness/wait.ts";
import { enginePath } from "../harness/wire-io.ts";
import { openWs } from "../harness/wire-ws.ts";

interface Case {
  readonly reason: string;
  readonly counted: CloseReason;
  readonly settings?: PartialSettings;
  provoke(
    gateway: TestGateway,
    socket: ServerSocket,
    client: ReturnType<typeof newClient>,
  ): unknown;
}

const engineOf = (client: ReturnType<typeof newClient>) =>
  client.io.engine as unknown as { transport: { write(packets: unknown[]): void } };

const CASES: Readonly<Record<string, Case>> = {
  "socket.disconnect() on the server": {
    reason: "server namespace disconnect",
    counted: "client_closed",
    // The client closes a connection that has no namespace left.
    provoke: (_, socket) => socket.disconnect(),
  },
  "socket.disconnect(true) on the server": {
    reason: "server namespace disconnect",
    counted: "server_closed",
    provoke: (_, socket) => socket.disconnect(true),
  },
  "socket.disconnect() on the client": {
    reason: "client namespace disconnect",
    counted: "client_closed",
    provoke: (_, __, client) => client.disconnect(),
  },
  "io.close()": {
    reason: "server shutting down",
    counted: "shutdown",
    provoke: (gateway) => gateway.io.close(),
  },
  "a stop of the gateway": {
    reason: "server shutting down",
    counted: "shutdown",
    provoke: (gateway) => void gateway.stop(),
  },
  "the client's transport closes": {
    reason: "transport close",
    counted: "client_closed",
    provoke: (_, __, client) => client.io.engine.close(),
  },
  "an Engine.IO packet of no type": {
    reason: "parse error",
    counted: "bad_packet",
    provoke: (_, __, client) => engineOf(client).transport.write([{ type: "x", data: "?" }]),
  },
  "a Socket.IO packet of no shape": {
    reason: "parse error",
    counted: "bad_packet",
    provoke: (_, __, client) =>
      engineOf(client).transport.write([{ type: "message", data: Buffer.from([0xc1]) }]),
  },
  "an event for a namespace that was not joined": {
    reason: "forced close",
    counted: "stray_packet",
    provoke: (_, __, client) => client.io._packet({ type: 2, nsp: "/other", data: ["x"] } as never),
  },
  "a second CONNECT to the same namespace": {
    reason: "forced close",
    counted: "stray_packet",
    provoke: (_, __, client) => client.io._packet({ type: 0, nsp: "/" } as never),
  },
  "conn.close()": {
    reason: "forced close",
    counted: "server_closed",
    provoke: (_, socket) => socket.conn.close(),
  },
};

/** Returns the WebSocket of a client that is connected by one. */
function webSocketOf(client: ReturnType<typeof newClient>): WebSocket {
  // A WebSocket transport has it, and its types do not say so.
  const { ws } = client.io.engine.transport as unknown as { ws: WebSocket };
  return ws;
}

/** Resolves with the code and the text of the close frame that a client's WebSocket gets. */
async function endOf(client: ReturnType<typeof newClient>) {
  const ws = webSocketOf(client);
  const { code, reason } = await new Promise<CloseEvent>((resolve) =>
    ws.addEventListener("close", resolve),
  );
  return { code, reason };
}

/** What the table says of a close frame; a client that closes gets its own code back, or none. */
const frameOf = (reason: CloseReason) =>
  reason === "client_closed" ? { code: 1005, reason: "" } : { code: CLOSES[reason].code, reason };

async function disconnectOf(t: TestContext, { settings, provoke }: Case) {
  const closes: unknown[] = [];
  const log: Log = (_level, { reason }) => void (reason && closes.push(reason));
  const gateway = await testGateway(t, settings, { log });
  const { client, socket } = await gateway.joined();
  const gone = next<[string, unknown]>(socket, "disconnect");
  const ended = endOf(client);
  provoke(gateway, socket, client);
  const [reason, details] = await gone;
  return { closes, reason, details, ended: await ended };
}

for (const [title, wanted] of Object.entries(CASES)) {
  test(`${title}: ${wanted.reason}, counted once as ${wanted.counted}`, async (t) => {
    const { closes, reason, ended } = await disconnectOf(t, wanted);
    assert.equal(reason, wanted.reason);
    await until(() => closes.length > 0, "the log line");
    assert.deepEqual(closes, [wanted.counted]);
    // Seen: 1000 without a text wherever Engine.IO or Socket.IO closes, after `io.close()` and a
    // packet of no type too. Only closes that begin in Sluice set what the frame says.
    assert.deepEqual(ended, frameOf(wanted.counted));
  });
}

test("a WebSocket that answers no ping, or joins no namespace, is told why it is closed", async (t) => {
  // Seen and why: as above, for the second of them.
  const socket = { pingIntervalMs: 100, pingTimeoutMs: 1000, connectTimeoutMs: 100 };
  const gateway = await testGateway(t, { socket });
  const ends = ["2", "40"].map(async (first) => {
    const ws = await openWs(gateway.port, enginePath("transport=websocket"));
    if (first === "40") ws.send(first);
    return ws.ended();
  });
  const [outside, mute] = await Promise.all(ends);
  assert.deepEqual(outside, frameOf("connect_timeout"));
  assert.deepEqual(mute, frameOf("ping_timeout"));
});

test("never joining a namespace: forced server close, counted as connect_timeout", async (t) => {
  const gateway = await testGateway(t, { socket: { connectTimeoutMs: 100 } });
  await fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling`);
  await until(async () => (await gateway.metric("sluice_connections")) === 0, "the close");
  const counted = { reason: "connect_timeout" };
  assert.equal(await gateway.metric("sluice_connections_closed_total", counted), 1);
  assert.equal(await gateway.metric("sluice_connections_closed_total"), 1);
});

/** A client that polls by hand: connected, with nothing left to read. */
async function pollByHand(gateway: TestGateway) {
  const path = `${gateway.url}/socket.io/?EIO=4&transport=polling`;
  const opened = await (await fetch(path)).text();
  const url = `${path}&sid=${JSON.parse(opened.slice(1)).sid}`;
  const arrived = next<[ServerSocket]>(gateway.io, "connection");
  await fetch(url, { method: "POST", body: "40" });
  const [socket] = await arrived;
  await fetch(url);
  return { url, socket };
}

test("a heartbeat without an answer: ping timeout, counted as ping_timeout", async (t) => {
  const gateway = await testGateway(t, { socket: { pingIntervalMs: 100, pingTimeoutMs: 1000 } });
  const { socket } = await pollByHand(gateway);
  assert.deepEqual((await next(socket, "disconnect"))[0], "ping timeout");
  const counted = { reason: "ping_timeout" };
  assert.equal(await gateway.metric("sluice_connections_closed_total", counted), 1);
});

test("a poll that ends too early: transport error, counted as transport_error", async (t) => {
  const gateway = await testGateway(t);
  const { url, socket } = await pollByHand(gateway);
  const gone = next<[string]>(socket, "disconnect");
  const leaving = new AbortController();
  const poll = fetch(url, { signal: leaving.signal });
  await until(() => socket.conn.transport.writable, "a poll that waits");
  leaving.abort();
  await assert.rejects(poll, { name: "AbortError" });
  assert.deepEqual((await gone)[0], "transport error");
  const counted = { reason: "transport_error" };
  assert.equal(await gateway.metric("sluice_connections_closed_total", counted), 1);
});

test("a TCP connection cut without a close frame: connection_lost, and its code is told", async (t) => {
  const gateway = await testGateway(t);
  const proxy = await slowProxy(t, gateway.port);
  const arrived = next<[ServerSocket]>(gateway.io, "connection");
  const client = newClient(proxy.url);
  t.after(() => client.disconnect());
  client.connect();
  const [socket] = await arrived;
  const gone = next<[string, { context?: { code?: number } }]>(socket, "disconnect");
  proxy.cut();
  const [reason, details] = await gone;
  assert.equal(reason, "transport close");
  assert.equal(details.context?.code, 1006);
  const lost = { reason: "connection_lost" };
  assert.equal(await gateway.metric("sluice_connections_closed_total", lost), 1);
});

test("the client's close code and text reach disconnect's description", async (t) => {
  const gateway = await testGateway(t);
  const { client, socket } = await gateway.joined();
  const gone = next<[string, unknown]>(socket, "disconnect");
  webSocketOf(client).close(4001, "bored");
  const [reason, details] = await gone;
  assert.equal(reason, "transport close");
  assert.deepEqual(details, {
    description: "websocket closed with 4001 (bored)",
    context: { code: 4001, reason: "bored" },
  });
});
