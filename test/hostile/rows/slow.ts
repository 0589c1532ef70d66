import assert from "node:assert/strict";
import { enginePath, openClient, openSession } from "../../harness/wire-io.ts";
import { openTcp, type Tcp } from "../../harness/wire-tcp.ts";
import { encodeFrame, formatUpgrade, OP } from "../../harness/wire-ws.ts";
import { closed, type Row } from "../row.ts";

/** What the gateway of these rows waits for. */
export const SLOW_SETTINGS = {
  socket: { pingIntervalMs: 1000, pingTimeoutMs: 1000, connectTimeoutMs: 2000 },
} as const;

/** The HTTP parser's own clock: 12 s with the legacy binary and 32 s with the current one (seen). */
const HTTP_PATIENCE_MS = 60_000;

/** Sends one byte every `everyMs` until the other side ends; resolves with the bytes it took. */
async function drip(tcp: Tcp, bytes: string, everyMs: number): Promise<number> {
  let sent = 0;
  const timer = setInterval(() => {
    tcp.write(bytes.slice(sent, sent + 1) || "x");
    sent += 1;
  }, everyMs);
  try {
    await tcp.ended(HTTP_PATIENCE_MS);
  } finally {
    clearInterval(timer);
    tcp.close();
  }
  return sent;
}

/** Clients that are slow on purpose; each waits for a clock, so they run side by side. */
export const SLOW_ROWS: readonly Row[] = [
  {
    id: "slowloris",
    title: "a request line of a byte a second is cut",
    counted: {},
    async attack(port) {
      const tcp = await openTcp(port);
      assert.ok((await drip(tcp, `GET ${enginePath("transport=polling")}`, 1000)) < 60);
    },
  },
  {
    id: "slowloris",
    title: "headers of a byte a second are cut",
    counted: {},
    async attack(port) {
      const tcp = await openTcp(port);
      tcp.write(`GET ${enginePath("transport=polling")} HTTP/1.1\r\nHost: a\r\n`);
      assert.ok((await drip(tcp, `X-A: ${"x".repeat(100)}`, 1000)) < 60);
    },
  },
  {
    id: "slowloris",
    title: "a connection that says nothing is cut",
    counted: {},
    async attack(port) {
      const tcp = await openTcp(port);
      await tcp.ended(HTTP_PATIENCE_MS);
    },
  },
  {
    id: "half-open upgrade",
    title: "an upgrade request that never ends is cut",
    counted: {},
    async attack(port) {
      const tcp = await openTcp(port);
      tcp.write(formatUpgrade(enginePath("transport=websocket")).subarray(0, -2));
      await tcp.ended(HTTP_PATIENCE_MS);
    },
  },
  {
    id: "slow body",
    title: "a payload of a byte a second ends with its session",
    counted: closed("ping_timeout"),
    async attack(port) {
      const client = await openClient(port, "polling", "json");
      const tcp = await openTcp(port);
      tcp.write(`POST ${client.session.path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n`);
      assert.ok((await drip(tcp, "4", 1000)) < 60);
      client.close();
    },
  },
  {
    id: "frozen peer",
    title: "a WebSocket that answers no ping is closed as ping_timeout",
    counted: closed("ping_timeout"),
    async attack(port) {
      const session = await openSession(port, "websocket", { mute: true });
      await session.send("40");
      assert.notEqual((await session.ended()).code, "none");
      session.close();
    },
  },
  {
    id: "slow frame",
    title: "a WebSocket frame of a byte a second does not stand for a pong",
    counted: closed("ping_timeout"),
    async attack(port) {
      const session = await openSession(port, "websocket", { mute: true });
      await session.send("40");
      const { ws } = session;
      if (!ws) throw new Error("a WebSocket session has a WebSocket");
      const head = encodeFrame({ opcode: OP.text, declared: 1000n, width: 16 });
      ws.tcp.write(head);
      assert.ok((await drip(ws.tcp, "4", 1000)) < 60);
    },
  },
];
