import assert from "node:assert/strict";
import { CLOSES } from "../../../src/core/closes.ts";
import { answerOrEnd, formatRequest, readAnswer, request } from "../../harness/wire-http.ts";
import { enginePath, openClient, openSession, type Session } from "../../harness/wire-io.ts";
import { openTcp } from "../../harness/wire-tcp.ts";
import { OP, openWs } from "../../harness/wire-ws.ts";
import { closed, type Row } from "../row.ts";

const BYTES_MAX = 1_000_000;

/** What the gateway of these rows accepts. */
export const POLLING_SETTINGS = {
  socket: { packetBytesMax: BYTES_MAX, upgradeTimeoutMs: 300, connectTimeoutMs: 1500 },
} as const;

/** A payload request of a session, headers as given and nothing added. */
const rawPost = (session: Session, headers: string, body: string | Buffer) =>
  Buffer.concat([
    Buffer.from(`POST ${session.path} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`),
    Buffer.from(body),
  ]);

/** Sends bytes to an open session on a connection of its own; returns the answer's status. */
async function sendRaw(port: number, bytes: Buffer): Promise<number | "ended"> {
  const tcp = await openTcp(port);
  tcp.write(bytes);
  const outcome = await answerOrEnd(tcp);
  tcp.close();
  return outcome;
}

/** A payload that must be answered so and must end its session so. */
const payload = (
  id: string,
  title: string,
  status: number,
  counted: Row["counted"],
  bytes: (session: Session) => Buffer,
): Row => ({
  id,
  title: `${title} is answered ${status}`,
  counted,
  async attack(port) {
    const session = await openSession(port, "polling");
    assert.equal(await sendRaw(port, bytes(session)), status);
    assert.equal((await request(port, { path: session.path })).status, 400);
    session.close();
  },
});

/** Read packet by packet a payload of a megabyte takes up to 7 MB, as a list of packets 48 to 58. */
const PAYLOAD_GROWTH_MAX = 24 * 1024 * 1024;

const CHUNKED = "Transfer-Encoding: chunked\r\n";
const length = (body: string) => `Content-Length: ${Buffer.byteLength(body)}\r\n`;

/** Long-polling: payloads, polls and upgrades that break its rules. */
export const POLLING_ROWS: readonly Row[] = [
  payload(
    "CVE-2026-59725",
    "a binary payload of an Engine.IO 4 session",
    400,
    closed("transport_error"),
    (s) => rawPost(s, `Content-Type: application/octet-stream\r\n${length("40")}`, "40"),
  ),
  payload("lengths", "a payload without a length", 200, closed("bad_packet"), (s) =>
    rawPost(s, "", ""),
  ),
  payload("lengths", "a payload of length 0", 200, closed("bad_packet"), (s) =>
    rawPost(s, "Content-Length: 0\r\n", ""),
  ),
  payload("lengths", "an empty payload in chunks", 200, closed("bad_packet"), (s) =>
    rawPost(s, CHUNKED, "0\r\n\r\n"),
  ),
  payload(
    "lengths",
    "a payload in chunks of socket.packetBytesMax + 1 in all",
    413,
    closed("transport_error"),
    (s) => rawPost(s, CHUNKED, `f4240\r\n${"6".repeat(BYTES_MAX)}\r\n1\r\n6\r\n`),
  ),
  payload(
    "lengths",
    "a payload in a million chunks of one byte",
    413,
    closed("transport_error"),
    (s) => rawPost(s, CHUNKED, "1\r\n6\r\n".repeat(BYTES_MAX)),
  ),
  {
    id: "smuggling",
    title: "a payload with a length and in chunks gets no answer of the gateway's own",
    counted: closed("client_closed"),
    async attack(port) {
      const session = await openSession(port, "polling");
      const both = `Content-Length: 2\r\n${CHUNKED}`;
      const outcome = await sendRaw(port, rawPost(session, both, "2\r\n40\r\n0\r\n\r\n"));
      assert.ok(outcome === 400 || outcome === "ended", `answered ${outcome}`);
      await session.send("1"); // the session does not know of it
      session.close();
    },
  },
  payload(
    "lengths",
    "a payload of socket.packetBytesMax + 1",
    413,
    closed("transport_error"),
    (s) => rawPost(s, `Content-Length: ${BYTES_MAX + 1}\r\n`, "4"),
  ),
  {
    id: "lengths",
    title: "a payload that declares 10 GB is answered 413, or cut, without waiting for it",
    counted: closed("transport_error"),
    async attack(port) {
      const session = await openSession(port, "polling");
      const outcome = await sendRaw(port, rawPost(session, "Content-Length: 10000000000\r\n", "4"));
      assert.ok(outcome === 413 || outcome === "ended", `answered ${outcome}`);
      session.close();
    },
  },
  {
    id: "CVE-2020-36048",
    title: "a payload of half a million empty packets costs no more than its bytes",
    counted: closed("bad_packet"),
    growthBytesMax: PAYLOAD_GROWTH_MAX,
    async attack(port) {
      const session = await openSession(port, "polling");
      await session.send("4\x1e".repeat(BYTES_MAX / 2 - 1)).catch(() => {});
      await session.ended();
      session.close();
    },
  },
  {
    id: "CVE-2020-36048",
    title: "a payload of half a million no-ops costs no more than its bytes",
    counted: {},
    growthBytesMax: PAYLOAD_GROWTH_MAX,
    async attack(port) {
      const session = await openSession(port, "polling");
      await session.send("6\x1e".repeat(BYTES_MAX / 2 - 1)).catch(() => {});
      await session.send("1").catch(() => {});
      session.close();
    },
  },
  {
    id: "overlap",
    title: "a second poll ends the session",
    counted: closed("transport_error"),
    async attack(port) {
      const session = await openSession(port, "polling");
      const first = await openTcp(port);
      first.write(formatRequest({ path: session.path }));
      await request(port, { path: enginePath("") });
      assert.equal((await request(port, { path: session.path })).status, 400);
      assert.equal((await readAnswer(first)).status, 200);
      first.close();
      session.close();
    },
  },
  {
    id: "overlap",
    title: "a second payload ends the session, and the first request is answered or cut",
    counted: closed("transport_error"),
    async attack(port) {
      const session = await openSession(port, "polling");
      const first = await openTcp(port);
      first.write(rawPost(session, "Content-Length: 20\r\n", "40"));
      await request(port, { path: enginePath("") });
      const body = "40";
      assert.equal(await sendRaw(port, rawPost(session, length(body), body)), 400);
      first.write("x".repeat(18));
      await answerOrEnd(first);
      first.close();
      session.close();
    },
  },
  {
    id: "resets",
    title: "a payload that is reset half way ends the session",
    counted: closed("transport_error"),
    async attack(port) {
      const session = await openSession(port, "polling");
      const tcp = await openTcp(port);
      tcp.write(rawPost(session, "Content-Length: 1000\r\n", "40"));
      await request(port, { path: enginePath("") });
      tcp.close("reset");
      await session.ended();
      session.close();
    },
  },
  {
    id: "resets",
    title: "a poll that is reset ends the session",
    counted: closed("transport_error"),
    async attack(port) {
      const session = await openSession(port, "polling");
      const tcp = await openTcp(port);
      tcp.write(formatRequest({ path: session.path }));
      await request(port, { path: enginePath("") });
      tcp.close("reset");
      await session.ended();
      session.close();
    },
  },
  {
    id: "upgrades",
    title: "a second upgrade of a session that upgraded is closed, and the first goes on",
    counted: { sluice_connections_upgraded_total: 1 },
    async attack(port) {
      const client = await openClient(port, "upgraded", "json");
      const path = enginePath(`transport=websocket&sid=${client.session.sid}`);
      const second = await openWs(port, path);
      assert.equal((await second.ended()).code, 1005);
      assert.deepEqual(await client.ask("ask", 1), [1]);
      client.close();
    },
  },
  {
    id: "upgrades",
    title: "an upgrade that is never finished is closed, and the session goes on polling",
    counted: { sluice_connections_upgraded_total: 0 },
    async attack(port) {
      const client = await openClient(port, "polling", "json");
      const path = enginePath(`transport=websocket&sid=${client.session.sid}`);
      const ws = await openWs(port, path);
      ws.send("2probe");
      assert.notEqual((await ws.ended()).code, "none");
      assert.deepEqual(await client.ask("ask", 1), [1]);
      await client.session.send("1");
      client.close();
    },
  },
  {
    id: "upgrades",
    title: "an upgrade whose probe is a broken frame leaves the session to polling",
    counted: closed("client_closed"),
    async attack(port) {
      const client = await openClient(port, "polling", "json");
      const path = enginePath(`transport=websocket&sid=${client.session.sid}`);
      const ws = await openWs(port, path);
      ws.frame({ opcode: 3 });
      assert.equal((await ws.ended()).code, "none");
      assert.deepEqual(await client.ask("ask", 1), [1]);
      await client.session.send("1");
      client.close();
    },
  },
  {
    id: "upgrades",
    title: "a second probe ends the upgrade, and the session goes on polling",
    counted: { sluice_connections_upgraded_total: 0 },
    async attack(port) {
      const client = await openClient(port, "polling", "json");
      const ws = await openWs(port, enginePath(`transport=websocket&sid=${client.session.sid}`));
      ws.send("2probe");
      ws.send("2probe");
      assert.equal((await ws.next()).payload.toString(), "3probe");
      assert.equal((await ws.next()).opcode, OP.close);
      assert.deepEqual(await client.ask("ask", 1), [1]);
      await client.session.send("1");
      client.close();
    },
  },
  {
    id: "never sends CONNECT",
    title: "over WebSocket it is closed after socket.connectTimeoutMs",
    counted: closed("connect_timeout"),
    async attack(port) {
      const session = await openSession(port, "websocket");
      assert.equal((await session.ended()).code, CLOSES.connect_timeout.code);
      session.close();
    },
  },
  {
    id: "never sends CONNECT",
    title: "over long-polling it is closed after socket.connectTimeoutMs",
    counted: closed("connect_timeout"),
    async attack(port) {
      const session = await openSession(port, "polling");
      assert.equal((await session.ended()).answer?.status, 400);
      session.close();
    },
  },
];
