/** A long-polling client has what it was sent before a close, whyever the gateway closes it. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import { CLOSES, type CloseReason } from "../../src/core/closes.ts";
import type { PartialSettings } from "../../src/core/settings.ts";
import type { Connection } from "../../src/socket/connection.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";

const connectionOf = (socket: ServerSocket) => socket.conn as unknown as Connection; // the engine's

/** A client by hand that is in the main namespace, and for which two events wait. */
interface Waiting {
  readonly gateway: TestGateway;
  readonly socket: ServerSocket;
  /** Sends packets; resolves with the answer's status. */
  post(payload: string): Promise<number>;
  poll(): Promise<Response>;
}

const QUEUE = ['42["n",1]', '42["n",2]'];

async function openWaiting(t: TestContext, settings: PartialSettings = {}): Promise<Waiting> {
  const gateway = await testGateway(t, settings);
  const path = `${gateway.url}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(path)).text()).slice(1)) as { sid: string };
  const url = `${path}&sid=${sid}`;
  const post = async (body: string) => (await fetch(url, { method: "POST", body })).status;
  const poll = () => fetch(url);
  const arrived = next<[ServerSocket]>(gateway.io, "connection");
  await post("40");
  const [socket] = await arrived;
  await (await poll()).text(); // the CONNECT's answer
  for (const n of [1, 2]) socket.emit("n", n);
  return { gateway, socket, post, poll };
}

/** Polls until the session is over; returns every packet. */
async function fetchRest(poll: Waiting["poll"]): Promise<string[]> {
  const packets: string[] = [];
  for (;;) {
    const answer = await poll();
    const text = await answer.text();
    if (answer.status !== 200) {
      assert.deepEqual(JSON.parse(text), { code: 1, message: "Session ID unknown" });
      return packets;
    }
    packets.push(...text.split("\x1e"));
  }
}

/** What comes after the two events: perhaps a packet for nothing, then the close packet. */
async function hasTheRest({ gateway, poll }: Waiting, reason: CloseReason): Promise<void> {
  const packets = await fetchRest(poll);
  assert.deepEqual(packets.slice(0, 2), QUEUE);
  assert.equal(packets.at(-1), "1");
  assert.equal(await gateway.metric("sluice_connections_closed_total", { reason }), 1);
  assert.equal(await gateway.metric("sluice_connections_closed_total"), 1);
  assert.equal(await gateway.metric("sluice_connections"), 0);
  assert.equal(await gateway.metric("sluice_send_buffer_bytes"), 0);
}

const REASONS = (Object.keys(CLOSES) as CloseReason[]).filter(
  (reason) => CLOSES[reason].by === "server" && !["overload", "ping_timeout"].includes(reason),
);

for (const reason of REASONS) {
  test(`${reason}: what waits for a poll is fetched, then the close packet`, async (t) => {
    // Seen: "Session ID unknown" at the next poll, and all that had waited for it was lost. Such
    // closes ended the session at once, which on a WebSocket lets unsent bytes go out first.
    const waiting = await openWaiting(t);
    const gone = next<[string]>(waiting.socket, "disconnect");
    connectionOf(waiting.socket).closeAs(reason);
    assert.equal((await gone)[0], CLOSES[reason].disconnect, "told before any poll");
    waiting.socket.emit("n", 3);
    assert.equal(await waiting.post('42["late"]'), 200, "what it sends meanwhile is taken");
    await hasTheRest(waiting, reason);
  });
}

test("a refused packet: what waits is fetched first, and the rest of its payload is not read", async (t) => {
  // Seen and why: as above.
  const waiting = await openWaiting(t);
  const heard: string[] = [];
  waiting.socket.onAny((event) => heard.push(event));
  assert.equal(await waiting.post('42["a"]\x1e42{}\x1e42["b"]'), 200);
  await hasTheRest(waiting, "bad_packet");
  assert.deepEqual(heard, ["a"]);
});

test("a rate exceeded: what waits is fetched first", async (t) => {
  // Seen and why: as above.
  const limits = { eventsPerSecond: 1, eventsBurst: 4, overRate: "close" } as const;
  const waiting = await openWaiting(t, { limits });
  await waiting.post(Array(10).fill('42["a"]').join("\x1e"));
  await hasTheRest(waiting, "rate_exceeded");
});

test("a slow consumer that polls after all has all that was held for it", async (t) => {
  // Seen and why: as above; and what is over its limit was given up before the close.
  const waiting = await openWaiting(t, { socket: { bufferBytesMax: 65_536 } });
  const gone = next<[string]>(waiting.socket, "disconnect");
  const chunk = "x".repeat(10_000);
  for (let sent = 0; sent < 20; sent++) waiting.socket.emit("chunk", chunk);
  assert.equal((await gone)[0], "transport error");
  const packets = await fetchRest(waiting.poll);
  assert.deepEqual(packets.slice(0, 2), QUEUE);
  assert.equal(
    packets.filter((packet) => packet.includes("chunk")).length,
    7,
    "one over the limit",
  );
  assert.equal(packets.at(-1), "1");
  assert.equal(await waiting.gateway.metric("sluice_send_buffer_bytes"), 0);
});

test("a stop waits for the poll that fetches the rest", async (t) => {
  const waiting = await openWaiting(t);
  const gone = next<[string]>(waiting.socket, "disconnect");
  const stopped = waiting.gateway.stop();
  assert.equal((await gone)[0], "server shutting down");
  const packets = (await (await waiting.poll()).text()).split("\x1e");
  assert.deepEqual(packets, QUEUE);
  assert.match(await (await waiting.poll()).text(), /1$/);
  await stopped;
});

test("a client that does not poll again is over when a pong would be overdue", async (t) => {
  // Seen: bytes and a connection kept for 45 s. A close that waits for what is unsent to go out was
  // only ended by a heartbeat.
  const waiting = await openWaiting(t, { socket: { pingTimeoutMs: 200 } });
  const connection = connectionOf(waiting.socket);
  const over = next<[string]>(connection, "close");
  connection.closeAs("rate_exceeded");
  assert.equal(connection.readyState, "closing");
  assert.ok(connection.heldBytes > 0);
  assert.equal((await over)[0], "forced server close");
  assert.deepEqual(await fetchRest(waiting.poll), []);
  assert.equal(await waiting.gateway.metric("sluice_send_buffer_bytes"), 0);
});

test("overload lets go of what waits at once", async (t) => {
  const waiting = await openWaiting(t);
  connectionOf(waiting.socket).closeAs("overload");
  assert.equal(connectionOf(waiting.socket).heldBytes, 0);
  assert.deepEqual(await fetchRest(waiting.poll), []);
});

test("a client of protocol 3 has what waits as well", async (t) => {
  // Seen and why: as in the first.
  const gateway = await testGateway(t, { socket: { allowEio3: true } });
  const path = `${gateway.url}/socket.io/?EIO=3&transport=polling&b64=1`;
  const arrived = next<[ServerSocket]>(gateway.io, "connection");
  const opened = await (await fetch(path)).text();
  const [, sid] = opened.match(/"sid":"([^"]+)"/) ?? [];
  const [socket] = await arrived;
  const poll = async () => (await fetch(`${path}&sid=${sid}`)).text();
  await poll(); // the CONNECT of the main namespace
  socket.emit("n", 1);
  await fetch(`${path}&sid=${sid}`, { method: "POST", body: "4:42{}" });
  assert.equal(await poll(), '9:42["n",1]');
  assert.match(await poll(), /1:1$/);
  await until(async () => (await gateway.metric("sluice_connections")) === 0, "the end");
});
