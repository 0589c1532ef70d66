import assert from "node:assert/strict";
import { until } from "../../harness/wait.ts";
import { request } from "../../harness/wire-http.ts";
import { enginePath, openClient, type WireClient } from "../../harness/wire-io.ts";
import { openTcp } from "../../harness/wire-tcp.ts";
import { encodeFrame, OP, openWs } from "../../harness/wire-ws.ts";
import { closed, type Row } from "../row.ts";

/** What the gateway of these rows accepts: small bounds, so that a flood is quickly one. */
export const FLOOD_SETTINGS = {
  socket: { packetBytesMax: 65_536, bufferBytesMax: 262_144, stallMsMax: 2000 },
  codec: { attachmentsMax: 10 },
  limits: {
    eventsPerSecond: 1000,
    eventsBurst: 1000,
    bytesPerSecond: 1_000_000,
    bytesBurst: 1_000_000,
    roomsMax: 20,
    roomBytesMax: 64,
    namespacesMax: 5,
    dynamicNamespacesMax: 12,
    acksPendingMax: 50,
  },
} as const;

const limited = (limit: string, times = 1) => ({
  [`sluice_limited_total{limit="${limit}"}`]: times,
});

const flood = (
  id: string,
  title: string,
  counted: Row["counted"],
  act: (client: WireClient, port: number) => Promise<void>,
): Row => ({
  id,
  title,
  counted,
  async attack(port) {
    const client = await openClient(port, "websocket", "json");
    try {
      await act(client, port);
    } finally {
      client.close();
    }
  },
});

function wsOf(client: WireClient) {
  const { ws } = client.session;
  if (!ws) throw new Error("a WebSocket session has a WebSocket");
  return ws;
}

/** Writes the same text frame many times in one go. */
function repeat(client: WireClient, packet: string, times: number): void {
  const frame = encodeFrame({ opcode: OP.text, payload: packet });
  wsOf(client).tcp.write(Buffer.concat(Array.from({ length: times }, () => frame)));
}

/** How often a client was closed for not reading. */
async function slowConsumers(port: number): Promise<number> {
  const { body } = await request(port, { path: "/metrics" });
  return Number(/^sluice_slow_consumers_total (\d+)$/m.exec(body)?.[1]);
}

/** Floods in a way that is not read, until that has been noticed once more. */
async function untilNoticed(port: number, act: () => Promise<void>): Promise<void> {
  const before = await slowConsumers(port);
  await act();
  await until(async () => (await slowConsumers(port)) > before, "the close of a slow consumer");
}

/** Floods of legal things, and things that are begun and never finished. */
export const FLOOD_ROWS: readonly Row[] = [
  flood(
    "event flood",
    "5,000 events at once are refused past the rate, then closed as rate_exceeded",
    closed("rate_exceeded"),
    async (client) => {
      repeat(client, '42["never"]', 5000);
      assert.equal((await client.session.ended()).code, 1008);
    },
  ),
  flood(
    "event flood",
    "an event over the rate is refused in its ack, and the connection goes on",
    closed("client_closed"),
    async (client) => {
      // Almost a burst over the rate: a slow machine takes a part of it at the rate.
      repeat(client, '42["never"]', 1900);
      const [answer] = await client.ask("ask", 1);
      assert.equal((answer as { error: { code: string } }).error.code, "LIMIT_EVENTS");
      wsOf(client).frame({ opcode: OP.close });
      assert.notEqual((await client.session.ended()).code, "none");
    },
  ),
  flood(
    "byte flood",
    "4 MB of events at once are closed as rate_exceeded",
    closed("rate_exceeded"),
    async (client) => {
      repeat(client, `42["never","${"x".repeat(60_000)}"]`, 70);
      assert.equal((await client.session.ended()).code, 1008);
    },
  ),
  flood(
    "ack flooding",
    "5,000 acks that nobody asked for are bounded as events are",
    closed("rate_exceeded"),
    async (client) => {
      repeat(client, '4399["x"]', 5000);
      assert.equal((await client.session.ended()).code, 1008);
    },
  ),
  flood(
    "ack flooding",
    "a client that owes limits.acksPendingMax acks goes on, one more closes it",
    { ...closed("acks_exceeded"), ...limited("acks") },
    async (client) => {
      await client.say({ type: 2, nsp: "/", data: ["call-me", 50] });
      for (let n = 0; n < 50; n++) assert.equal((await client.hear()).type, 2);
      assert.deepEqual(await client.ask("ask", 1), [1]);
      await client.say({ type: 2, nsp: "/", data: ["call-me", 1] });
      assert.equal((await client.session.ended()).code, 1008);
    },
  ),
  flood(
    "unknown namespaces",
    "500 namespaces that do not exist are refused, and nothing is kept of them",
    closed("client_closed"),
    async (client) => {
      for (let n = 0; n < 500; n++) await client.session.send(`40/nowhere-${n},`);
      for (let n = 0; n < 500; n++) assert.equal((await client.hear()).type, 4);
      wsOf(client).frame({ opcode: OP.close });
      await client.session.ended();
    },
  ),
  flood(
    "unknown namespaces",
    "limits.namespacesMax namespaces are joined, one more is refused",
    limited("namespaces"),
    async (client) => {
      for (let n = 2; n <= 5; n++) {
        await client.say({ type: 0, nsp: `/dyn-${n}` });
        assert.equal((await client.hear()).type, 0);
      }
      await client.say({ type: 0, nsp: "/dyn-6" });
      const answer = await client.hear();
      assert.equal(answer.type, 4);
      assert.deepEqual((answer.data as { data: unknown }).data, {
        code: "LIMIT_NAMESPACES",
        retry: false,
      });
    },
  ),
  {
    id: "unknown namespaces",
    title: "limits.dynamicNamespacesMax is not exceeded, however many clients ask",
    counted: limited("dynamic_namespaces", 2),
    async attack(port) {
      const answers: number[] = [];
      const clients: WireClient[] = [];
      // Three are the application's, and the row before has left its own empty: nine come, two do not.
      for (let n = 0; n < 11; n++) {
        const client = await openClient(port, "websocket", "json");
        clients.push(client);
        await client.say({ type: 0, nsp: `/dyn-new-${n}` });
        answers.push((await client.hear()).type);
      }
      for (const client of clients) client.close();
      assert.equal(answers.filter((type) => type === 4).length, 2);
    },
  },
  flood(
    "10 k joins",
    "limits.roomsMax rooms are joined, one more is not",
    limited("rooms"),
    async (client) => {
      for (let n = 0; n < 20; n++) await client.ask("join", `room-${n}`);
      assert.deepEqual(await client.ask("join", "one-more"), [21]);
    },
  ),
  flood(
    "long room names",
    "a room of limits.roomBytesMax is joined, one byte more is not",
    limited("room_name", 3),
    async (client) => {
      assert.deepEqual(await client.ask("join", "x".repeat(64)), [2]);
      assert.deepEqual(await client.ask("join", "x".repeat(65)), [2]);
      assert.deepEqual(await client.ask("join", "é".repeat(33)), [2]);
      assert.deepEqual(await client.ask("join", { toString: "x" }), [2]);
    },
  ),
  flood(
    "attachment count",
    "attachments that never come hold nothing but their header",
    closed("client_closed"),
    async (client) => {
      await client.session.send('451-["ask",{"_placeholder":true,"num":0}]');
      wsOf(client).frame({ opcode: OP.close });
      await client.session.ended();
    },
  ),
  flood(
    "fragments",
    "a fragment sequence that is never finished is bounded by socket.packetBytesMax",
    closed("client_closed"),
    async (client) => {
      const ws = wsOf(client);
      ws.frame({ opcode: OP.text, payload: "4", fin: false });
      for (let n = 0; n < 100; n++)
        ws.frame({ opcode: OP.more, payload: "x".repeat(600), fin: false });
      ws.frame({ opcode: OP.ping, payload: "still there" });
      await ws.tcp.readThrough("still there");
      ws.frame({ opcode: OP.close });
      await ws.ended();
    },
  ),
  {
    id: "ping flood",
    title: "WebSocket pings by a client that never reads the pongs end it as slow_consumer",
    counted: closed("slow_consumer"),
    // 300,000 pings at most, each a word to JavaScript: they may outrun the collector.
    growthBytesMax: 128 * 1024 * 1024,
    async attack(port) {
      const client = await openClient(port, "websocket", "json");
      const { tcp } = wsOf(client);
      tcp.socket.pause();
      const ping = encodeFrame({ opcode: OP.ping, payload: "x".repeat(100) });
      const burst = Buffer.concat(Array.from({ length: 3000 }, () => ping));
      await untilNoticed(port, async () => {
        // 30 MB at most; what the kernels on both sides take is far less.
        for (let n = 0; n < 100 && tcp.socket.writable; n++) {
          await new Promise<void>((resolve) => tcp.socket.write(burst, () => resolve()));
        }
      });
      client.close();
    },
  },
  {
    id: "ping flood",
    title: "WebSocket pings by an upgrade that never reads the pongs end it at once",
    counted: { sluice_connections_upgraded_total: 0 },
    async attack(port) {
      const client = await openClient(port, "polling", "json");
      const { tcp } = await openWs(
        port,
        enginePath(`transport=websocket&sid=${client.session.sid}`),
      );
      tcp.socket.pause();
      const ping = encodeFrame({ opcode: OP.ping, payload: "x".repeat(100) });
      const burst = Buffer.concat(Array.from({ length: 3000 }, () => ping));
      for (let n = 0; n < 200 && tcp.socket.writable; n++) {
        await new Promise<void>((resolve) => tcp.socket.write(burst, () => resolve()));
      }
      assert.ok(!tcp.socket.writable, "it was cut");
      assert.deepEqual(await client.ask("ask", 1), [1]);
      await client.session.send("1");
      client.close();
    },
  },
  {
    id: "frozen peer",
    title: "a client that never reads what it asks for is closed as slow_consumer",
    counted: closed("slow_consumer"),
    async attack(port) {
      const client = await openClient(port, "websocket", "json");
      const { tcp } = wsOf(client);
      tcp.socket.pause();
      await untilNoticed(port, () =>
        client.say({ type: 2, nsp: "/", data: ["flood-me", 400, "x".repeat(60_000)] }),
      );
      client.close();
    },
  },
  {
    id: "handshake flood",
    title: "200 handshakes that are reset at once leave nothing behind",
    counted: {},
    async attack(port) {
      for (let n = 0; n < 200; n++) {
        const tcp = await openTcp(port);
        tcp.write(`GET ${enginePath("transport=websocket")} HTTP/1.1\r\nHost: a\r\n`);
        tcp.write("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
        tcp.write("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        tcp.close("reset");
      }
    },
  },
];
